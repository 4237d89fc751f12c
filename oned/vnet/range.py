"""An address range of a network (OpenNebula 4.8 and later): so many addresses from a first one on."""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple, Self

from oned.document.element import tag
from oned.errors import InternalError
from oned.template.render import escape
from oned.vnet import address
from oned.vnet.address import LOW_MASK

IP4_TYPES = frozenset(["IP4", "IP4_6", "IP4_6_STATIC"])
SLAAC_TYPES = frozenset(["IP6", "IP4_6"])
STATIC_TYPES = frozenset(["IP6_STATIC", "IP4_6_STATIC"])
TYPES = IP4_TYPES | SLAAC_TYPES | STATIC_TYPES | {"ETHER"}
PREFIXES = ("GLOBAL_PREFIX", "ULA_PREFIX")
READERS = {"IP": address.read_ip4, "IP6": address.read_ip6, "MAC": address.read_mac,
           **dict.fromkeys(PREFIXES, address.read_ip6)}  # fmt: skip
"""How the text of each kind of address becomes a number."""
MOST = 1 << 24
"""Addresses of a range: as many as the largest classic network has (NETWORK_SIZE = A)."""
LONGEST_PREFIX = 128
SHOWN_ONLY = frozenset(["MAC_END", "IP_END", "IP6_END", "IP6_GLOBAL", "IP6_GLOBAL_END", "IP6_ULA", "IP6_ULA_END",
                        "IP6_LINK", "USED_LEASES", "LEASES", "ALLOCATED", "AR_ID", "PARENT_NETWORK_AR_ID"])  # fmt: skip
"""What the engine adds to a range: it is dropped where a shown range is given back."""
FIXED_KEYS = ("TYPE", "IP", "MAC", "IP6")
"""What cannot be changed while the range lives: leases are places counted from it."""


class RangeError(InternalError):
    """A range that cannot be; the text says what is wrong with it."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail=detail)


class Address(NamedTuple):
    """What a lease is: its MAC and the IP addresses that go with it, by their names in NICs and documents."""

    mac: int
    ips: Mapping[str, str]

    def named(self) -> dict[str, str]:
        """All of it as text."""
        return {**self.ips, "MAC": address.mac(self.mac)}


class Range:
    """Addresses in a row. Place i of it is its first MAC and IP plus i.

    attributes  as given, and what stands in the document: TYPE, SIZE, MAC, IP …, free ones too
    """

    __slots__ = ("_global", "_ip", "_ip6", "_mac", "_ula", "attributes", "id", "size", "type")

    def __init__(self, number: int, attributes: Mapping[str, str]) -> None:
        self.id, self.attributes = number, dict(attributes)
        self._settle()

    def _settle(self) -> None:
        given = self.attributes
        self.type, self.size, self._mac = given["TYPE"], int(given["SIZE"]), address.read_mac(given["MAC"])
        self._ip = address.read_ip4(given["IP"]) if self.type in IP4_TYPES else -1
        self._ip6 = address.read_ip6(given["IP6"]) if self.type in STATIC_TYPES else -1
        self._global, self._ula = (
            address.read_ip6(given[name]) if given.get(name) and self.type in SLAAC_TYPES else -1 for name in PREFIXES
        )

    @classmethod
    def made(cls, number: int, given: Mapping[str, str], mac_prefix: int, parent: str = "") -> Self:
        """A range as a template gives it, checked, its first MAC filled in. RangeError says what is wrong.

        parent  the number of the range that this one is reserved from
        """
        kept = {key: value for key, value in given.items() if key not in SHOWN_ONLY}
        kept["TYPE"] = _type(kept)
        kept["SIZE"] = str(_size(kept))
        _check_addresses(kept)
        size = int(kept["SIZE"])
        if not kept.get("MAC"):
            kept["MAC"] = address.mac(_first_mac(kept, size, mac_prefix))
        _check_ends(kept, size)
        return cls(number, kept | ({"PARENT_NETWORK_AR_ID": parent} if parent else {}))

    def changed(self, given: Mapping[str, str]) -> Self:
        """The range with other attributes and size; RangeError if its first addresses would change."""
        kept = {key: value for key, value in given.items() if key not in SHOWN_ONLY}
        own = {key: self.attributes[key] for key in FIXED_KEYS if key in self.attributes}
        for key, value in own.items():
            if key in kept and not _same(key, kept[key], value):
                raise RangeError(f"{key} of an address range cannot be changed: add another range, and remove this one")
        kept.setdefault("SIZE", str(self.size))
        return type(self).made(self.id, kept | own, 0, self.parent)

    @property
    def parent(self) -> str:
        """The number of the parent network's range that this one is reserved from, "" if it is not."""
        return self.attributes.get("PARENT_NETWORK_AR_ID", "")

    # --- addresses ---

    def at(self, place: int) -> Address:
        """The address at a place."""
        number = address.shifted(self._mac, place)
        ips: dict[str, str] = {}
        if self._ip >= 0:
            ips["IP"] = address.ip4(self._ip + place)
        if self._ip6 >= 0:
            ips["IP6"] = address.ip6(self._ip6 + place)
        if self.type in SLAAC_TYPES | STATIC_TYPES:
            ips |= {name: address.ip6(prefix | address.eui64(number)) for name, prefix in self._prefixes()}
        return Address(number, ips)

    def _prefixes(self) -> Iterator[tuple[str, int]]:
        for name, prefix in (("IP6_GLOBAL", self._global), ("IP6_LINK", address.LINK_LOCAL), ("IP6_ULA", self._ula)):
            if prefix >= 0:
                yield name, prefix

    def place_of_ip(self, text: str) -> int | None:
        """The place of an IPv4 or a static IPv6 address; None if it is not in here. ValueError if it is none."""
        first, number = (self._ip6, address.read_ip6(text)) if ":" in text else (self._ip, address.read_ip4(text))
        return self._inside(number - first) if first >= 0 else None

    def place_of_mac(self, text: str) -> int | None:
        """The place of a MAC; None if it is not in here. ValueError if it is none."""
        number = address.read_mac(text)
        same_prefix = number & ~LOW_MASK == self._mac & ~LOW_MASK
        return self._inside(number - self._mac) if same_prefix else None

    def _inside(self, place: int) -> int | None:
        return place if 0 <= place < self.size else None

    def spans(self) -> tuple[tuple[str, int], ...]:
        """Its first addresses as numbers, by kind."""
        kinds = (("MAC", self._mac), ("IP", self._ip), ("IP6", self._ip6))
        return tuple((kind, first) for kind, first in kinds if first >= 0)

    # --- the document ---

    def xml(self, shown: int | None = None) -> str:
        """Its attributes, sorted by name. shown: leases in use, with the ends of the range as info shows them."""
        rows = {"AR_ID": str(self.id), **self.attributes}
        text = "".join(f"<{name}>{escape(rows[name])}</{name}>" for name in sorted(rows))
        if shown is None:
            return text
        return text + "".join(tag(name, value) for name, value in self.ends().items()) + tag("USED_LEASES", shown)

    def ends(self) -> dict[str, str]:
        """The last addresses, and the first ones that prefixes make."""
        first, last = self.at(0), self.at(self.size - 1)
        found = {"MAC_END": address.mac(last.mac)}
        for name in ("IP", "IP6", "IP6_GLOBAL", "IP6_ULA"):
            if name in last.ips:
                found |= {name: first.ips[name]} if name in ("IP6_GLOBAL", "IP6_ULA") else {}
                found[f"{name}_END"] = last.ips[name]
        return found


def check_overlaps(ranges: Iterable[Range]) -> None:
    """RangeError if a MAC or an IP address would be in two of them."""
    spans = sorted((kind, first, one.size, one.id) for one in ranges for kind, first in one.spans())
    for (kind, first, size, one), (other_kind, other_first, _, other) in pairwise(spans):
        if kind == other_kind and other_first < first + size:
            raise RangeError(f"Address range {max(one, other)} overlaps range {min(one, other)}: "
                             f"both would have one {kind}. Choose other addresses")  # fmt: skip


def _type(given: Mapping[str, str]) -> str:
    kind = given.get("TYPE", "").strip().upper()
    if not kind:
        raise RangeError(f"TYPE of an address range is missing. It is one of {', '.join(sorted(TYPES))}")
    if kind not in TYPES:
        raise RangeError(f"TYPE of an address range is {given['TYPE']}; it is one of {', '.join(sorted(TYPES))}")
    return kind


def _size(given: Mapping[str, str]) -> int:
    text = given.get("SIZE", "").strip()
    size = address.read_number(text)
    if not 0 < size <= MOST:
        raise RangeError(f"SIZE of an address range is a whole number from 1 to {MOST}, not {text or 'nothing'}")
    return size


def _check_addresses(given: dict[str, str]) -> None:
    """Every address that the type needs is there and is one."""
    for name, types in (("IP", IP4_TYPES), ("IP6", STATIC_TYPES)):
        if given["TYPE"] not in types:
            given.pop(name, None)
        elif not given.get(name):
            raise RangeError(f"An address range of type {given['TYPE']} needs {name}, its first address")
    for name in [name for name in READERS if given.get(name)]:
        _check_address(name, given[name])
    if given.get("PREFIX_LENGTH") and not 0 < address.read_number(given["PREFIX_LENGTH"]) <= LONGEST_PREFIX:
        length = given["PREFIX_LENGTH"]
        raise RangeError(
            f"PREFIX_LENGTH of an address range is a whole number from 1 to {LONGEST_PREFIX}, not {length}"
        )
    if given.get("MAC"):
        given["MAC"] = address.mac(address.read_mac(given["MAC"]))


def _check_address(name: str, text: str) -> None:
    try:
        number = READERS[name](text)
    except ValueError as error:
        raise RangeError(f"{name} of the address range is not an address: {text}") from error
    if name in PREFIXES and number & (1 << 64) - 1:
        raise RangeError(f"{name} of the address range is more than a prefix of 64 bits: {text}")


def _first_mac(given: Mapping[str, str], size: int, prefix: int) -> int:
    if given.get("IP"):
        return address.mac_of_ip(prefix, address.read_ip4(given["IP"]))
    return address.mac_of_ip(prefix, secrets.randbelow(LOW_MASK + 2 - size))


def _check_ends(given: Mapping[str, str], size: int) -> None:
    ends = [("MAC", address.read_mac(given["MAC"]) & LOW_MASK, LOW_MASK)]
    if given.get("IP"):
        ends.append(("IP", address.read_ip4(given["IP"]), LOW_MASK))
    if given.get("IP6"):
        ends.append(("IP6", address.read_ip6(given["IP6"]), (1 << 128) - 1))
    for name, first, highest in ends:
        if first + size - 1 > highest:
            raise RangeError(f"{size} addresses from {name} {given[name]} on go beyond the last one there is")


def _same(key: str, one: str, other: str) -> bool:
    if key not in READERS:
        return one.strip().upper() == other
    try:
        return READERS[key](one) == READERS[key](other)
    except ValueError:
        return False
