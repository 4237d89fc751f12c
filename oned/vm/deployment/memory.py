"""The memory of a libvirt domain, and how it may grow while the guest runs.

With MEMORY_MAX it grows by the guest's balloon: the guest is built with all of it. With MEMORY_RESIZE_MODE = HOTPLUG
it is built with MEMORY, and more is plugged in as modules, of which MEMORY_SLOTS says the number.
"""

from xml.etree.ElementTree import Element

from oned.template.template import Template
from oned.vm.deployment.element import element

HOTPLUG = "HOTPLUG"
SLOTS = "8"
"""Modules that may be plugged in if MEMORY_SLOTS says nothing."""


def sizes(template: Template) -> list[Element]:
    """How much the guest begins with, and how much it may be given; KiB."""
    now, most = _kibibytes(template.get("MEMORY")), _kibibytes(template.get("MEMORY_MAX"))
    if most <= now:
        return [element("memory", text=now, unit="KiB")]
    if is_plugged(template):
        slots = template.get("MEMORY_SLOTS") or SLOTS
        return [element("maxMemory", text=most, slots=slots, unit="KiB"), element("memory", text=now, unit="KiB")]
    return [element("memory", text=most, unit="KiB"), element("currentMemory", text=now, unit="KiB")]


def node(template: Template, cpus: int) -> Element | None:
    """The NUMA node that modules are plugged into, with all CPUs and the memory of the boot."""
    if not is_plugged(template):
        return None
    now = _kibibytes(template.get("MEMORY"))
    return element("numa", element("cell", id="0", cpus=f"0-{cpus - 1}" if cpus > 1 else "0", memory=now, unit="KiB"))


def is_plugged(template: Template) -> bool:
    """Whether memory comes as modules."""
    more = _kibibytes(template.get("MEMORY_MAX")) > _kibibytes(template.get("MEMORY"))
    return more and template.get("MEMORY_RESIZE_MODE").upper() == HOTPLUG


def _kibibytes(mebibytes: str) -> int:
    return int(float(mebibytes or 0) * 1024)
