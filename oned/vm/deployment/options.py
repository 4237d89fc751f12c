"""What is said of a libvirt domain in libvirt's own words, and the devices of the host that it gets.

SPICE_OPTIONS and HYPERV_OPTIONS are XML. Those of the DEFAULT file are taken as they are; of a template only elements
that lead to nothing outside the guest, since users may write them.
"""

import re
from collections.abc import Iterable, Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from oned.vm.deployment.element import element

HYPERV = '<relaxed state="on"/><vapic state="on"/><spinlocks state="on" retries="4096"/>'
"""What a guest with FEATURES/HYPERV gets if nothing else is said."""
ENLIGHTENMENTS = frozenset((
    "relaxed", "vapic", "spinlocks", "vpindex", "runtime", "synic", "stimer", "reset", "vendor_id", "frequencies",
    "reenlightenment", "tlbflush", "ipi", "evmcs", "avic",
))  # fmt: skip
SPICE: Mapping[str, Mapping[str, str]] = {
    "video": {}, "sound": {}, "controller": {"type": "usb"},
    "channel": {"type": "spicevmc"}, "redirdev": {"type": "spicevmc"},
}  # fmt: skip
"""Devices of a spice guest, with what they must be so that they lead nowhere else."""
SOURCE = "source"
_ADDRESS = re.compile(
    r"((?P<domain>[0-9a-fA-F]{4}):)?(?P<bus>[0-9a-fA-F]{2}):(?P<slot>[0-9a-fA-F]{2})[.:](?P<function>[0-7])"
)
_PARTS = ("domain", "bus", "slot", "function")


def hyperv(template: str, default: str) -> Element:
    """`<hyperv>` with the enlightenments of the template, else those of the DEFAULT file, else the usual ones."""
    given = [one for one in fragment(template) if one.tag in ENLIGHTENMENTS]
    return element("hyperv", *(given or fragment(default) or fragment(HYPERV)))


def spice(template: str, default: str) -> list[Element]:
    """The devices of a guest that is shown by spice, beside the screen itself."""
    return [one for one in fragment(template) if _leads_nowhere(one)] if template else fragment(default)


def _leads_nowhere(device: Element) -> bool:
    wanted = SPICE.get(device.tag)
    inner = device.find(f".//{SOURCE}")
    return wanted is not None and inner is None and all(device.get(name) == value for name, value in wanted.items())


def fragment(text: str) -> list[Element]:
    """The elements of some XML text; none of what is no XML."""
    if "<!" in text:  # no declarations of entities
        return []
    try:
        return list(ElementTree.fromstring(f"<all>{text}</all>"))
    except ElementTree.ParseError:
        return []


def host_devices(vectors: Iterable[Mapping[str, str]]) -> list[Element]:
    """`<hostdev>` of each PCI with the address of a device of the host."""
    return [_host_device(vector) for vector in vectors if address_of(vector)]


def address_of(pci: Mapping[str, str]) -> dict[str, str]:
    """Where a device of the host is: DOMAIN, BUS, SLOT and FUNCTION, or ADDRESS or SHORT_ADDRESS; nothing if unsaid."""
    text = pci.get("ADDRESS") or pci.get("SHORT_ADDRESS", "")
    if not text and pci.get("BUS") and pci.get("SLOT"):
        text = f"{pci.get('DOMAIN') or '0000'}:{pci['BUS']}:{pci['SLOT']}.{pci.get('FUNCTION') or '0'}"
    match = _ADDRESS.fullmatch(text.strip())
    return {name: f"0x{match[name] or '0000'}" for name in _PARTS} if match else {}


def _host_device(pci: Mapping[str, str]) -> Element:
    there = {name: pci.get(f"VM_{name.upper()}", "") for name in _PARTS}
    inside = element("address", type="pci", **{name: _hex(value) for name, value in there.items() if value})
    return element(
        "hostdev",
        element(SOURCE, element("address", **address_of(pci))),
        inside if there["bus"] and there["slot"] else None,
        mode="subsystem",
        type="pci",
        managed="yes",
    )


def _hex(value: str) -> str:
    return value if value.startswith("0x") else f"0x{value}"
