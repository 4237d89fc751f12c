"""one.vn.*: single addresses, held so that nobody gets them, or added to and removed from a FIXED network."""

from oned.api.call import Call
from oned.api.registry import MANAGE, method
from oned.api.vnet import mac_prefix
from oned.api.vnet_ranges import drop_range, vectors
from oned.errors import InternalError
from oned.vnet import classic
from oned.vnet.leases import ON_HOLD, Place
from oned.vnet.network import Network
from oned.vnet.range import Range


@method("one.vn.hold", network=MANAGE)
def hold(call: Call, network: Network, template: str) -> Network:
    """Keep free addresses from being used: LEASES = [ IP or MAC ], with AR_ID in one range only.

    Errors: NO_EXISTS, AUTHORIZATION, INTERNAL (in use, or no address of the network).
    Since: 3.6; MAC 4.8.
    """
    for place in found_free(call, network, template):
        call.pools.leases.take(call.unit, network, place, ON_HOLD)
    return network


def found_free(call: Call, network: Network, template: str) -> list[Place]:
    """The free addresses that would be held. InternalError if one is in use, or no address of the network."""
    places = [place for place in _places(call, network, template) if place and network.leases.holder(place) is None]
    if len(places) < len(vectors(call, template, "LEASES")):
        raise InternalError(detail="Address is not part of the address range or in use.")
    return list(dict.fromkeys(places))


@method("one.vn.release", network=MANAGE)
def release(call: Call, network: Network, template: str) -> Network:
    """Let addresses be used again that are on hold: LEASES = [ IP or MAC ].

    Errors: NO_EXISTS, AUTHORIZATION, INTERNAL (not on hold).
    Since: 3.6; MAC 4.8.
    """
    for place in found_held(call, network, template):
        call.pools.leases.give_back(call.unit, network, place)
    return network


def found_held(call: Call, network: Network, template: str) -> list[Place]:
    """The addresses on hold that would be let go. InternalError if one is not on hold."""
    places = [place for place in _places(call, network, template) if place and network.leases.holder(place) == ON_HOLD]
    if len(places) < len(vectors(call, template, "LEASES")):
        raise InternalError(detail=f"Address is not on hold. See what is: onevnet show {network.id}")
    return list(dict.fromkeys(places))


@method("one.vn.addleases", network=MANAGE)
def add_leases(call: Call, network: Network, template: str) -> Network:
    """Add addresses to a FIXED network: LEASES = [ IP, MAC ].

    Errors: NO_EXISTS, AUTHORIZATION, INTERNAL (not FIXED; no address, or it is there already).
    Since: 2.2 to 4.6.
    """
    network.add_ranges(found_leases(call, network, template))
    call.unit.touch(network)
    return network


def found_leases(call: Call, network: Network, template: str) -> list[Range]:
    """The ranges of one address that would be added. InternalError if the network is not FIXED, or has one already."""
    if not network.fixed:
        raise InternalError(detail="Leases can be added to FIXED networks only. Add an address range: onevnet addar")
    return network.new_ranges(classic.fixed(vectors(call, template, "LEASES")), mac_prefix(call))


@method("one.vn.rmleases", network=MANAGE)
def remove_leases(call: Call, network: Network, template: str) -> Network:
    """Remove free addresses from a FIXED network: LEASES = [ IP ].

    Errors: NO_EXISTS, AUTHORIZATION, INTERNAL (not FIXED; in use, or no address of the network).
    Since: 2.2 to 4.6.
    """
    for place in found_removable(call, network, template):
        drop_range(call, network, network.ranges[place.ar])
    return network


def found_removable(call: Call, network: Network, template: str) -> list[Place]:
    """The addresses that would be removed. InternalError if the network is not FIXED, or if one is in use, or none."""
    if not network.fixed:
        raise InternalError(detail="Leases can be removed from FIXED networks only. Remove a range: onevnet rmar")
    found = _places(call, network, template)
    places = [place for place in found if place and not network.leases.holder(place)]
    if len(places) < len(found) or any(network.ranges[place.ar].size > 1 for place in places):
        raise InternalError(detail="Address is not part of the address range or in use.")
    return list(dict.fromkeys(places))


def _places(call: Call, network: Network, template: str) -> list[Place | None]:
    """The place of each address; None for what is none of the network. InternalError for what is no address."""
    found = []
    for lease in vectors(call, template, "LEASES"):
        try:
            place = network.find(lease.get("IP") or lease.get("IP6", ""), lease.get("MAC", ""))
        except ValueError as error:
            raise InternalError(detail=f"Wrong address: {error}") from error
        found.append(None if place is not None and lease.get("AR_ID", str(place.ar)) != str(place.ar) else place)
    return found
