"""one.vn.reserve: addresses of a network become a network of somebody's own, or more of one."""

from oned.api.call import Call
from oned.api.registry import MANAGE, USE, method
from oned.api.vnet import admit, mac_prefix, new_network, refuse_restricted
from oned.api.vnet_ranges import range_of
from oned.errors import ActionError, InternalError
from oned.ids import Kind
from oned.names import check_name
from oned.pool.charges import holders
from oned.quota.usage import reserved
from oned.template.template import Template
from oned.vnet.address import read_number
from oned.vnet.leases import Holder, Place
from oned.vnet.network import Network
from oned.vnet.range import Range

MOST_AT_ONCE = 1 << 14
"""Addresses of one reservation: each is a lease of the parent, and nobody waits long while they are taken."""
OF_REQUEST = ("NAME", "SIZE", "NETWORK_ID", "AR_ID", "IP", "MAC", "IP6")
"""What a request says; other attributes of it are those of the new network."""


@method("one.vn.reserve", network=USE)
def reserve(call: Call, network: Network, template: str) -> Network:
    """Reserve addresses in a row for a network of the caller's own, which is answered.

    SIZE of the template says how many, NAME the new network or NETWORK_ID one reserved before, which gets them as
    another range. AR_ID says from which range, IP or MAC from which address on; else the first free ones are taken.
    Errors: NO_EXISTS, AUTHORIZATION (also quotas), ACTION (not possible), INTERNAL (the template; too few are free).
    Since: 4.8.
    """
    extends, first, made = found_reservation(call, network, template)
    if extends.id < 0:
        admit(call, extends)
    holder = Holder(Kind.NET.name, extends.id)
    for step in range(made.size):
        call.pools.leases.take(call.unit, network, Place(first.ar, first.place + step), holder)
    extends.add_ranges([made])
    call.unit.touch(extends)
    return extends


def found_reservation(call: Call, network: Network, template: str) -> tuple[Network, Place, Range]:
    """The network that would get the addresses (-1 for a new one), the first of them, the range they would be there.

    Raises what refuses it, and changes nothing.
    """
    given = call.template(template)
    if network.parent >= 0:
        detail = f"Cannot reserve addresses from a reserved network. Reserve from network {network.parent}"
        raise ActionError(detail=detail)
    extends = _extended(call, network, given)
    first = _first(network, given)
    size = _size(given)
    owner = call.user if extends is None else extends
    call.charge(holders(owner.uid, owner.gid), reserved(network.id, size))
    if extends is None:
        extends = _new(call, network, given)
    parts = dict(network.ranges[first.ar].attributes) | network.ranges[first.ar].at(first.place).named()
    parts["SIZE"] = str(size)
    (made,) = extends.new_ranges([parts], mac_prefix(call), str(first.ar))
    return extends, first, made


def _extended(call: Call, network: Network, given: Template) -> Network | None:
    """The network that is to get more addresses; None for a new one."""
    text = given.get("NETWORK_ID").strip()
    if not text:
        return None
    found = call.pools.networks.get(read_number(text))
    call.demand(MANAGE, found)
    if found.parent != network.id:
        raise ActionError(detail=f"Virtual network {found.id} is no reservation from network {network.id}")
    return found


def _new(call: Call, network: Network, given: Template) -> Network:
    """A network that is made like the parent, with what the request adds."""
    own = Template((name, value) for name, value in given.copy() if name not in OF_REQUEST)
    refuse_restricted(call, own)
    name = check_name(given.get("NAME"))
    call.pools.networks.claim(name, call.user.id)
    made = new_network(call, name)
    made.template = network.template.copy()
    made.template.merge(own)
    made.clusters, made.parent = list(network.clusters), network.id
    return made


def _size(given: Template) -> int:
    size = read_number(given.get("SIZE"))
    if not 0 < size <= MOST_AT_ONCE:
        detail = f"Reservation SIZE must be greater than 0, and at most {MOST_AT_ONCE}. It is the number of addresses"
        raise InternalError(detail=detail)
    return size


def _first(network: Network, given: Template) -> Place:
    """The first of the free addresses that fit the request. InternalError if there are none."""
    size, ip, mac = _size(given), given.get("IP") or given.get("IP6"), given.get("MAC")
    only = range_of(network, read_number(given.get("AR_ID"))) if given.get("AR_ID") else None
    if ip or mac:
        wanted = _asked(network, ip, mac)
        start = None if wanted is None or (only and wanted.ar != only.id) else wanted
        if start is not None and network.leases.block(start.ar, size, start.place) == start.place:
            return start
        raise InternalError(detail=f"{size} addresses from {ip or mac} on are not part of one address range, or in use")
    for one in [only] if only else network.ranges.values():
        place = network.leases.block(one.id, size)
        if place is not None:
            return Place(one.id, place)
    raise InternalError(
        detail=f"Not enough free addresses in an address range: {size} in a row are wanted. Ask for less"
    )


def _asked(network: Network, ip: str, mac: str) -> Place | None:
    try:
        return network.find(ip, mac)
    except ValueError as error:
        raise InternalError(detail=f"Wrong address: {error}") from error
