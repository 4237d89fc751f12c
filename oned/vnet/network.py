"""The virtual network."""

from collections.abc import Iterable, Mapping
from typing import Any

from oned.document.object import Owned
from oned.document.permissions import Permissions
from oned.ids import DEFAULT_CLUSTER, Kind
from oned.template.template import Template
from oned.vnet.address import read_number
from oned.vnet.document import ELEMENTS
from oned.vnet.leases import Leases, Place
from oned.vnet.range import Range, RangeError, check_overlaps


class Network(Owned):
    """A network: address ranges, and the leases in them.

    template  how it is made on hosts, and free attributes
    fixed     whether it was described as TYPE = FIXED
    clusters  where its VMs may run; none is anywhere
    parent    the network that its addresses are reserved from, -1 if it has its own
    leases    rows of their own, kept by pool.leases
    """

    kind = Kind.NET
    ROOT = "VNET"
    ELEMENTS = ELEMENTS
    STORED = ("name", "uid", "gid", "octal", "lock", "clusters", "fixed", "parent", "next_range", "rows")

    template: Template
    fixed: bool = False
    parent: int = -1
    next_range: int = 0

    def __init__(self, oid: int, name: str, owner: tuple[int, int], octal: int) -> None:
        self.id, self.name = oid, name
        self.uid, self.gid = owner
        self.permissions = Permissions(octal)
        self.clusters: list[int] = [DEFAULT_CLUSTER]
        self.template = Template()
        self.ranges: dict[int, Range] = {}
        self.settle()

    def settle(self) -> None:
        self.leases = Leases(self.ranges)

    @property
    def rows(self) -> list[list[Any]]:
        """The ranges as they are stored."""
        return [[number, dict(one.attributes)] for number, one in self.ranges.items()]

    @rows.setter
    def rows(self, rows: list[list[Any]]) -> None:
        self.ranges = {number: Range(number, attributes) for number, attributes in rows}

    @property
    def in_clusters(self) -> tuple[int, ...]:
        return tuple(self.clusters)

    # --- ranges ---

    def new_ranges(self, given: Iterable[Mapping[str, str]], mac_prefix: int, parent: str = "") -> list[Range]:
        """Ranges that may be added. RangeError for one that cannot be, or overlaps another."""
        made = [Range.made(number, one, mac_prefix, parent) for number, one in enumerate(given, self.next_range)]
        check_overlaps([*self.ranges.values(), *made])
        return made

    def add_ranges(self, made: Iterable[Range]) -> None:
        """Take in ranges from `new_ranges`."""
        for one in made:
            self.ranges[one.id] = one
            self.next_range = one.id + 1
            self.leases.open(one.id)

    def change_ranges(self, changed: Iterable[Range]) -> None:
        """Put changed ranges in their places, which `check_changes` has found good."""
        fresh = {one.id: one for one in changed}
        self.ranges |= fresh
        for number in fresh:
            self.leases.open(number)

    def check_changes(self, changed: Iterable[Range]) -> None:
        """RangeError if leases would fall out of changed ranges, or ranges would overlap."""
        fresh = {one.id: one for one in changed}
        for one in fresh.values():
            self._check_size(one)
        check_overlaps((self.ranges | fresh).values())

    def _check_size(self, changed: Range) -> None:
        outside = [place for place in self.leases.used(changed.id) if place >= changed.size]
        if outside:
            last = self.ranges[changed.id].at(max(outside)).named()
            where = last.get("IP", last["MAC"])
            raise RangeError(f"SIZE of address range {changed.id} cannot be {changed.size}: {where} is in use")

    def drop_range(self, number: int) -> None:
        """Remove a range and what memory knows of leases in it."""
        self.leases.close(number)
        del self.ranges[number]

    # --- addresses ---

    def find(self, ip: str = "", mac: str = "") -> Place | None:
        """The place that has the IP and the MAC address, as far as they are given; None if none has.

        ValueError for what is no address.
        """
        for one in self.ranges.values():
            place = one.place_of_ip(ip) if ip else one.place_of_mac(mac) if mac else None
            if place is not None and (not mac or one.place_of_mac(mac) == place):
                return Place(one.id, place)
        return None

    def place_of(self, nic: Mapping[str, str]) -> Place | None:
        """The place of a NIC's lease, by its range and its MAC; None if the range is gone."""
        one = self.ranges.get(read_number(nic.get("AR_ID", "")))
        place = one.place_of_mac(nic.get("MAC", "")) if one is not None else None
        return None if one is None or place is None else Place(one.id, place)

    @property
    def size(self) -> int:
        """The number of its addresses."""
        return sum(one.size for one in self.ranges.values())

    def attributes(self, ar: int) -> dict[str, str]:
        """The attributes as they count for a lease: those of the range, else those of the network."""
        own = {name: value for name, value in reversed(list(self.template)) if isinstance(value, str)}
        return own | {name: value for name, value in self.ranges[ar].attributes.items() if value}
