"""Which deployment file a hypervisor driver gets, by the TYPE of its section."""

from collections.abc import Callable, Mapping

from oned.template.template import Template
from oned.vm.deployment import kvm, xen
from oned.vm.deployment.facts import Facts

WRITERS: Mapping[str, Callable[[Template, Facts], str]] = {"kvm": kvm.domain, "xen": xen.domain}
"""TYPE → what writes a libvirt domain. Any other gets the template as XML (deployment.xml)."""


def hypervisor_of(arguments: str) -> str:
    """`qemu` for emulation, by the last word of a section's arguments; else kvm."""
    return "qemu" if arguments.split()[-1:] == ["qemu"] else "kvm"
