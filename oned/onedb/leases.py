"""What must hold of networks and leases, for `onedb check`."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from oned.ids import Kind
from oned.vm.states import DONE
from oned.vm.vm import VM
from oned.vnet.leases import HOLD, Holder, Place
from oned.vnet.network import Network
from oned.vnet.range import RangeError, check_overlaps


class LeaseRow(NamedTuple):
    """A row of the table of leases."""

    network: int
    place: Place
    holder: Holder

    @property
    def words(self) -> str:
        return f"lease of place {self.place.place} in range {self.place.ar} of network {self.network}"


def sound(networks: Mapping[int, Network], rows: Iterable[LeaseRow], vms: Mapping[int, VM]) -> Iterator[str]:
    """Each lease lies in a range, and its holder lives; NICs and reserved ranges have exactly the leases they show."""
    rows, wanted = list(rows), list(_wanted(networks, vms))
    held = {(row.network, row.place): row.holder for row in rows}
    shown = {key for key, _ in wanted}
    for network in networks.values():
        yield from _ranges(network)
    for (number, place), holder in wanted:
        if held.get((number, place)) != holder:
            yield f"{LeaseRow(number, place, holder).words}: {holder.kind} {holder.oid} shows it and does not have it"
    for row in rows:
        yield from _lease(networks, vms, row)
        if row.holder.kind != HOLD and row.network in networks and (row.network, row.place) not in shown:
            yield f"{row.words}: {row.holder.kind} {row.holder.oid} does not use it"


def _ranges(network: Network) -> Iterator[str]:
    try:
        check_overlaps(network.ranges.values())
    except RangeError as error:
        yield f"network {network.id}: {error}"
    if any(number >= network.next_range for number in network.ranges):
        yield f"network {network.id}: a number of its ranges would be given again"


def _lease(networks: Mapping[int, Network], vms: Mapping[int, VM], row: LeaseRow) -> Iterator[str]:
    network = networks.get(row.network)
    found = network.ranges.get(row.place.ar) if network is not None else None
    if found is None or not 0 <= row.place.place < found.size:
        yield f"{row.words}: there is no such place"
    kind, oid = row.holder
    lives = kind == HOLD or (kind == Kind.NET.name and oid in networks)
    if kind == Kind.VM.name:
        lives = oid in vms and vms[oid].state is not DONE
    if not lives:
        yield f"{row.words}: its holder {kind} {oid} does not live"


def _wanted(networks: Mapping[int, Network], vms: Mapping[int, VM]) -> Iterator[tuple[tuple[int, Place], Holder]]:
    """The leases that NICs of living VMs and reserved ranges show, with who should have them."""
    for vm in vms.values():
        for nic in vm.template.vectors("NIC") if vm.state is not DONE else ():
            network = networks.get(int(nic["NETWORK_ID"])) if nic.get("AR_ID") else None
            place = network.place_of(nic) if network is not None else None
            if network is not None and place is not None:
                yield (network.id, place), Holder(Kind.VM.name, vm.id)
    for child in networks.values():
        if child.parent in networks:
            yield from _reserved(networks[child.parent], child)


def _reserved(parent: Network, child: Network) -> Iterator[tuple[tuple[int, Place], Holder]]:
    for one in child.ranges.values():
        first = parent.place_of({"AR_ID": one.parent, "MAC": one.attributes["MAC"]})
        if first is not None:
            for step in range(one.size):
                yield (parent.id, Place(first.ar, first.place + step)), Holder(Kind.NET.name, child.id)
