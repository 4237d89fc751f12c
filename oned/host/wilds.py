"""Domains of a host that are no VM of ours: wild ones, which can be imported, and zombies, which should be gone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from oned.template.template import Template

KNOWN = ("DEPLOY_ID", "VM_NAME", "IMPORT_TEMPLATE")


@dataclass(frozen=True)
class Domain:
    """A domain that the monitor found on a host.

    vm        number of the VM by the domain's name, -1 if that says none
    poll      what POLL would answer
    template  in base64, what `one.vm.allocate` takes it over with; empty for one that bears a VM's name
    """

    vm: int
    deploy_id: str
    poll: str
    name: str = ""
    template: str = ""


def domain(words: Mapping[str, str]) -> Domain:
    """The domain of a vector VM = [...] in the answer of MONITOR; without a number it is nobody's."""
    number = words.get("ID", "-1")
    return Domain(
        vm=int(number) if number.isdecimal() else -1,
        deploy_id=words.get("DEPLOY_ID", ""),
        poll=words.get("POLL", ""),
        name=words.get("VM_NAME", ""),
        template=words.get("IMPORT_TEMPLATE", ""),
    )


def describe(whole: Template, domains: Iterable[Domain]) -> None:
    """Put WILDS and ZOMBIES with their numbers into a host's template, and how each wild one is imported."""
    wilds = [found for found in domains if found.vm < 0 and found.deploy_id]
    zombies = [found.deploy_id for found in domains if found.vm >= 0]
    for name, deploy_ids in (("WILDS", [found.deploy_id for found in wilds]), ("ZOMBIES", zombies)):
        whole.set(f"TOTAL_{name}", str(len(deploy_ids)))
        whole.set(name, ", ".join(deploy_ids))
    for found in wilds:
        values = (found.deploy_id, found.name or found.deploy_id, found.template)
        whole.add("VM", dict(zip(KNOWN, values, strict=True)))
