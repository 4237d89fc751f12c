"""one.vn.*: the address ranges of a network."""

from oned.api.call import Call
from oned.api.registry import ADMIN, MANAGE, method
from oned.api.vnet import mac_prefix, refuse_restricted
from oned.errors import InternalError
from oned.ids import Kind
from oned.template.template import Template
from oned.vnet.address import read_number
from oned.vnet.leases import Holder, Place
from oned.vnet.network import Network
from oned.vnet.range import Range


def vectors(call: Call, text: str, *names: str) -> list[dict[str, str]]:
    """The vectors of a template, by the first of the names that it has. InternalError if there are none."""
    given = call.template(text)
    found = next((given.vectors(name) for name in names if given.vectors(name)), [])
    if not found:
        raise InternalError(detail=f"Wrong template: it has no {' and no '.join(names)}. Give {names[0]} = [ … ]")
    return found


def range_of(network: Network, number: int) -> Range:
    """A range of a network by its number; InternalError if there is none."""
    found = network.ranges.get(number)
    if found is None:
        numbers = ", ".join(map(str, network.ranges)) or "none"
        raise InternalError(detail=f"Virtual network {network.id} has no address range {number}. There is: {numbers}")
    return found


def _refuse_reservation(network: Network) -> None:
    if network.parent >= 0:
        detail = f"Virtual network {network.id} is a reservation: reserve more of network {network.parent} for it"
        raise InternalError(detail=detail)


@method("one.vn.add_ar", network=ADMIN)
def add_range(call: Call, network: Network, template: str) -> Network:
    """Add address ranges: AR = [ TYPE, SIZE, IP … ].

    Errors: NO_EXISTS, AUTHORIZATION, INTERNAL (a range that cannot be, or overlaps another).
    Since: 4.8.
    """
    network.add_ranges(found_ranges(call, network, template))
    call.unit.touch(network)
    return network


def found_ranges(call: Call, network: Network, template: str) -> list[Range]:
    """The ranges that would be added; raises what refuses them."""
    _refuse_reservation(network)
    given = vectors(call, template, "AR")
    refuse_restricted(call, _restrictable(given))
    return network.new_ranges(given, mac_prefix(call))


@method("one.vn.update_ar", network=MANAGE)
def update_range(call: Call, network: Network, template: str) -> Network:
    """Change size and attributes of address ranges: AR = [ AR_ID, … ]. First addresses and TYPE stay.

    Errors: NO_EXISTS, AUTHORIZATION, INTERNAL (no such range; leases would fall out of it).
    Since: 4.8.
    """
    network.change_ranges(found_changes(call, network, template))
    call.unit.touch(network)
    return network


def found_changes(call: Call, network: Network, template: str) -> list[Range]:
    """The ranges as they would be after the change; raises what refuses it."""
    wanted = []
    for given in vectors(call, template, "AR"):
        before = range_of(network, read_number(given.get("AR_ID", "")))
        changed = before.changed(given)
        refuse_restricted(call, _restrictable([changed.attributes]), _restrictable([before.attributes]))
        if before.parent and changed.size != before.size:
            raise InternalError(detail=f"SIZE of range {before.id} is reserved from network {network.parent} and stays")
        wanted.append(changed)
    network.check_changes(wanted)
    return wanted


def _restrictable(vectors: list[dict[str, str]]) -> Template:
    return Template(("AR", vector) for vector in vectors)


@method("one.vn.rm_ar", network=ADMIN)
def remove_range(call: Call, network: Network, ar: int, force: bool = False) -> Network:
    """Remove an address range.

    force  even if leases of it are in use: their VMs keep addresses that nobody gives them any more
    Errors: NO_EXISTS, AUTHORIZATION, INTERNAL (no such range; leases in use).
    Since: 4.8; force 6.0.
    """
    drop_range(call, network, range_of(network, ar), force=force)
    return network


@method("one.vn.free_ar", network=MANAGE)
def free_range(call: Call, network: Network, ar: int) -> Network:
    """Give a reserved address range back to the network it is from.

    Errors: NO_EXISTS, AUTHORIZATION, INTERNAL (no such range, not reserved, leases in use).
    Since: 4.8.
    """
    found = range_of(network, ar)
    if not found.parent:
        raise InternalError(detail=f"Address range {ar} is not reserved from another network. Use rm_ar")
    drop_range(call, network, found)
    return network


def drop_range(call: Call, network: Network, found: Range, *, force: bool = False) -> None:
    """Remove a range, and give back what it reserved. InternalError if leases are in use, unless forced."""
    used = len(network.leases.used(found.id))
    if used and not force:
        detail = f"{used} leases of address range {found.id} are in use. Free them: onevnet show {network.id}"
        raise InternalError(detail=detail)
    for place in list(network.leases.used(found.id)):
        call.pools.leases.give_back(call.unit, network, Place(found.id, place))
    _give_back(call, network, found)
    network.drop_range(found.id)
    call.unit.touch(network)


def _give_back(call: Call, network: Network, found: Range) -> None:
    """The places of a reserved range go back to the parent."""
    parent = call.pools.networks.peek(network.parent)
    if parent is None or not found.parent:
        return
    holder = Holder(Kind.NET.name, network.id)
    first = parent.place_of({"AR_ID": found.parent, "MAC": found.attributes["MAC"]})
    if first is None:
        return
    for step in range(found.size):
        place = Place(first.ar, first.place + step)
        if parent.leases.holder(place) == holder:
            call.pools.leases.give_back(call.unit, parent, place)
