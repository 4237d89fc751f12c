"""Networks as releases up to 4.6 describe them, RANGED or FIXED, turned into address ranges."""

import ipaddress
from collections.abc import Iterable, Mapping

from oned.template.template import Template
from oned.vnet import address
from oned.vnet.range import RangeError

RANGED, FIXED = "RANGED", "FIXED"
CLASSIC_ONLY = ("TYPE", "NETWORK_SIZE", "IP_START", "IP_END", "LEASES", "PUBLIC")
"""Attributes that describe a classic network and are no attributes of the network that it becomes."""
CLASS_BITS = {"A": 24, "B": 16, "C": 8}
BITS = 32


def ranges(given: Template, default_size: str) -> list[dict[str, str]]:
    """The address ranges of a template, as attributes: those of its AR, or what its classic TYPE describes.

    default_size  NETWORK_SIZE of oned.conf
    RangeError says what is wrong.
    """
    kind = given.get("TYPE").strip().upper()
    if not kind:
        return [dict(vector) for vector in given.vectors("AR")]
    if kind == RANGED:
        return [_ranged(given, default_size)]
    if kind == FIXED:
        return fixed(given.vectors("LEASES"))
    raise RangeError(f"TYPE of a network is RANGED or FIXED, not {given.get('TYPE')}. Leave it out to give AR vectors")


def fixed(leases: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """A range of one address for each lease, in the order of the addresses."""
    made = []
    for lease in leases:
        _read("IP", lease.get("IP", ""))
        made.append({"TYPE": "IP4", "SIZE": "1", "IP": lease["IP"].strip()})
        if lease.get("MAC"):
            made[-1]["MAC"] = lease["MAC"]
    return sorted(made, key=lambda one: address.read_ip4(one["IP"]))


def network_mask(given: Template, default_size: str) -> str:
    """The mask of a network with a NETWORK_ADDRESS, which its template shows since 3.0."""
    return address.ip4((1 << BITS) - (1 << _block(given, default_size)[1]))


def _ranged(given: Template, default_size: str) -> dict[str, str]:
    if given.get("NETWORK_ADDRESS"):
        base, bits, size = _block(given, default_size)
        first, last = base + 1, base + size
        lowest, highest = base, base + (1 << bits) - 1
    elif given.get("IP_START") and given.get("IP_END"):
        first = last = lowest = 0
        highest = (1 << BITS) - 1
    else:
        raise RangeError("A RANGED network needs NETWORK_ADDRESS, or IP_START and IP_END")
    if given.get("IP_START"):
        first = _read("IP_START", given.get("IP_START"))
    if given.get("IP_END"):
        last = _read("IP_END", given.get("IP_END"))
    if not lowest <= first <= last <= highest:
        raise RangeError("IP_START and IP_END must lie in the network, the start before the end")
    return {"TYPE": "IP4", "SIZE": str(last - first + 1), "IP": address.ip4(first)}


def _block(given: Template, default_size: str) -> tuple[int, int, int]:
    """The network's base address, its host bits, and how many addresses it gives away."""
    text, _, prefix = given.get("NETWORK_ADDRESS").partition("/")
    mask = f"/{prefix}" if prefix else f"/{given.get('NETWORK_MASK')}" if given.get("NETWORK_MASK") else ""
    bits, size = _mask_bits(mask) if mask else _size_bits(given.get("NETWORK_SIZE").strip(), default_size)
    base = _read("NETWORK_ADDRESS", text) >> bits << bits
    return base, bits, size


def _mask_bits(mask: str) -> tuple[int, int]:
    """Host bits and usable addresses of a mask. A range has 2 to the 24 addresses at most."""
    try:
        bits = BITS - ipaddress.IPv4Network(f"0.0.0.0{mask}", strict=False).prefixlen
    except ValueError as error:
        raise RangeError(f"The mask of the network is none: {mask[1:]}") from error
    if not 2 <= bits <= CLASS_BITS["A"]:
        raise RangeError(f"The mask {mask[1:]} leaves no usable range. It has 8 to 30 bits")
    return bits, (1 << bits) - 2


def _size_bits(text: str, default_size: str) -> tuple[int, int]:
    """The same of NETWORK_SIZE: A, B, C or a number of addresses. What is none of them is the default (1.2)."""
    if text.upper() in CLASS_BITS:
        bits = CLASS_BITS[text.upper()]
        return bits, (1 << bits) - 2
    readable = text.isascii() and text.isdigit() and text.strip("0")
    size, most = int(text if readable else default_size), (1 << CLASS_BITS["A"]) - 2
    if size > most:
        raise RangeError(f"NETWORK_SIZE is A, B, C or a number of addresses, at most {most}, not {text}")
    return (size + 1).bit_length(), size


def _read(name: str, text: str) -> int:
    try:
        return address.read_ip4(text)
    except ValueError as error:
        raise RangeError(f"{name} is not an IPv4 address: {text or 'it is missing'}") from error
