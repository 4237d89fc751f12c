"""Leases for the NICs of a VM: found, and written into the NICs, before anything is changed; then taken."""

from collections.abc import Iterable, Mapping

from oned.api.call import Call
from oned.document.permissions import USE
from oned.errors import InternalError
from oned.ids import Kind
from oned.template.nic import is_chosen_for
from oned.template.template import Template
from oned.user.user import User
from oned.vm.requirements import Source
from oned.vm.vm import VM
from oned.vnet.address import read_mac, read_number
from oned.vnet.leases import Holder, Place
from oned.vnet.network import Network

MADE = ("VN_MAD", "BRIDGE", "BRIDGE_TYPE", "PHYDEV", "VLAN", "VLAN_ID", "OUTER_VLAN_ID")
"""What a NIC has from its network, and never from its user."""
OF_LEASE = ("IP", "IP6", "IP6_GLOBAL", "IP6_LINK", "IP6_ULA", "MAC", "AR_ID", "CLUSTER_ID")

Taken = set[tuple[int, Place]]


def find_leases(call: Call, template: Template, nics: Iterable[dict[str, str]], *, later: bool = False) -> list[Source]:
    """Write an address of its network into each NIC that names one, and what the network says of it.

    template  that of the VM, for NIC_DEFAULT
    later     leave NICs whose network is to be chosen when their VM is placed; else InternalError for them
    The answer is where the networks are, for AUTOMATIC_REQUIREMENTS. Nothing is changed but the NICs.
    Errors: INTERNAL (no such network, no free address, no MAC), AUTHORIZATION (no USE on the network).
    """
    default = template.vector("NIC_DEFAULT")
    wanted: list[tuple[dict[str, str], Network]] = []
    for nic in nics:
        for key, value in default.items():
            nic.setdefault(key, value)
        network = None if later and is_chosen_for(nic) else named_network(call, nic)
        if network is None:
            _check_own_mac(nic)
            nic.pop("AR_ID", None)
        else:
            call.demand(USE, network)
            wanted.append((nic, network))
    taken: Taken = set()
    wanted.sort(key=lambda pair: not _asks(pair[0]))
    for nic, network in wanted:
        place = _asked(network, nic, taken) if _asks(nic) else _next(network, taken)
        taken.add((network.id, place))
        _write(call, nic, network, place)
    return [(f"network {network.id}", network.clusters) for _, network in wanted]


def take_leases(call: Call, vm: VM, nics: Iterable[dict[str, str]]) -> None:
    """Take the addresses that `find_leases` wrote into the NICs of a VM, which has its id now."""
    for nic in nics:
        if "NETWORK_ID" not in nic or "AR_ID" not in nic:
            continue
        network = call.pools.networks.get(int(nic["NETWORK_ID"]))
        place = network.place_of(nic)
        assert place is not None, "the NIC has the address that was found for it"
        nic.setdefault("TARGET", f"one-{vm.id}-{nic['NIC_ID']}")
        call.pools.leases.take(call.unit, network, place, Holder(Kind.VM.name, vm.id))


def named_network(call: Call, nic: Mapping[str, str]) -> Network | None:
    """The network that a NIC names; None if it names none. InternalError if it wants one to be chosen for it."""
    number, name = nic.get("NETWORK_ID", "").strip(), nic.get("NETWORK", "")
    if number:
        found = call.pools.networks.peek(read_number(number))
        if found is None:
            raise InternalError(detail=f"Virtual network with ID: {number} does not exist. onevnet list shows them")
        return found
    if is_chosen_for(nic):
        hint = "Name its network: NETWORK_ID or NETWORK. onevnet list shows them"
        raise InternalError(detail=f"NETWORK_MODE = auto in a NIC: a network is chosen when a VM is deployed. {hint}")
    if not name:
        return None
    owner = _owner(call, nic)
    found = call.pools.networks.find(name, owner)
    if found is None:
        hint = "Set NETWORK_UNAME or NETWORK_UID of owner in NIC"
        raise InternalError(detail=f"User {owner} does not own a network with name: {name} . {hint}.")
    return found


def _check_own_mac(nic: Mapping[str, str]) -> None:
    """InternalError if a NIC without a network has a MAC that is none: hypervisors would refuse it later."""
    try:
        if nic.get("MAC"):
            read_mac(nic["MAC"])
    except ValueError as error:
        raise InternalError(detail=f"MAC of the NIC: {error}. It has six bytes, as 02:00:0a:00:00:01") from error


def _owner(call: Call, nic: Mapping[str, str]) -> int:
    """The user whose network a NIC names: NETWORK_UID, NETWORK_UNAME, else the caller."""
    number, name = nic.get("NETWORK_UID", "").strip(), nic.get("NETWORK_UNAME", "")
    if number:
        return read_number(number)
    user: User | None = call.pools.users.find(name) if name else call.user
    if user is None:
        raise InternalError(detail=f"NETWORK_UNAME of the NIC is no user: {name}")
    return user.id


def _asks(nic: Mapping[str, str]) -> bool:
    """Whether the NIC wants an address of its own choice."""
    return bool(nic.get("IP") or nic.get("IP6") or nic.get("MAC"))


def _asked(network: Network, nic: Mapping[str, str], taken: Taken) -> Place:
    address = nic.get("IP") or nic.get("IP6", "")
    try:
        place = network.find(address, nic.get("MAC", ""))
    except ValueError as error:
        raise _none_left(network, f"{error}") from error
    shown = " and ".join(text for text in (address, nic.get("MAC", "")) if text)
    if place is None:
        raise _none_left(network, f"{shown} is no address of it")
    if network.leases.holder(place) is not None or (network.id, place) in taken:
        raise _none_left(network, f"{shown} is in use")
    return place


def _next(network: Network, taken: Taken) -> Place:
    """The next free address of the network that no other NIC of the VM gets."""
    for place in network.leases.free():
        if (network.id, place) not in taken:
            return place
    why = f"all its {network.size} addresses are in use" if network.size else "it has no address ranges"
    raise _none_left(network, f"{why}. Add some: onevnet addar {network.id}")


def _none_left(network: Network, why: str) -> InternalError:
    return InternalError(
        detail=f"Cannot get IP/MAC lease from virtual network {network.id}. {why[:1].upper()}{why[1:]}"
    )


def _write(call: Call, nic: dict[str, str], network: Network, place: Place) -> None:
    """What the network says of the NIC, and its address."""
    for key in (*MADE, *OF_LEASE):
        nic.pop(key, None)
    said = network.attributes(place.ar)
    for key in MADE:
        if said.get(key):
            nic[key] = said[key]
    for key in call.services.setting("INHERIT_VNET_ATTR"):
        if said.get(key):
            nic.setdefault(key, said[key])
    nic["NETWORK"], nic["NETWORK_ID"] = network.name, str(network.id)
    nic["AR_ID"] = str(place.ar)
    nic["CLUSTER_ID"] = ",".join(map(str, sorted(network.clusters)))
    nic.update(network.ranges[place.ar].at(place.place).named())
