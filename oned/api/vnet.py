"""one.vn.* and one.vnpool.*: virtual networks. Their ranges are in vnet_ranges, their leases in vnet_holds."""

from oned.api.call import Call, Document, Pieces
from oned.api.owned import REPLACE, Space, add_locks, add_owners, add_pool, add_publish, add_rename
from oned.api.registry import MANAGE, USE, method
from oned.document.element import escape
from oned.errors import ActionError
from oned.ids import Kind
from oned.names import check_name
from oned.pool.turns import in_turns
from oned.template.template import Template
from oned.vm.allocate import NOTHING, check_restricted
from oned.vnet import create
from oned.vnet.document import whole
from oned.vnet.leases import Holder
from oned.vnet.network import Network

SPACE = Space("one.vn", Network)
RECOVERIES = range(4)


def mac_prefix(call: Call) -> int:
    """The first two bytes of MACs."""
    return int(call.services.setting("MAC_PREFIX"))


@method("one.vn.allocate")
def allocate(call: Call, template: str, cluster: int = -1) -> Network:
    """Make a network of a template (text or XML): AR vectors, or TYPE = RANGED or FIXED with what belongs to it.

    cluster  where its VMs may run; needs ADMIN on it. -1 is the default one
    Attributes of VNET_RESTRICTED_ATTR are for oneadmin's group, but those that no network can be made without.
    Errors: AUTHORIZATION, NO_EXISTS (cluster), INTERNAL (the template; name taken).
    Since: 1.4; cluster 3.4; AR 4.8.
    """
    given = call.template(template)
    network = found_network(call, given, cluster)
    admit(call, network)
    if given.get("PUBLIC").upper() in ("YES", "1"):
        call.publish(network, public=True)
    return network


@method("oned.vn.preview_allocate", reads=True)
def preview_allocate(call: Call, template: str, cluster: int = -1) -> Document:
    """The network that one.vn.allocate would make, as the document that it would have; nothing is changed.

    template, cluster  as there
    Errors: those of one.vn.allocate.
    """
    network = found_network(call, call.template(template), cluster)
    network.id = call.pools.networks.last_id + 1
    create.name_by_id(network)
    return Document(network.document(call.pools.view))


def found_network(call: Call, given: Template, cluster: int) -> Network:
    """The network that would be made of a template, without an id. Raises what refuses it; changes nothing.

    Who may make networks says how they are made on the hosts; what else is restricted he may not set.
    """
    home = call.demand_create(Kind.NET, cluster)
    refuse_restricted(call, Template((name, value) for name, value in given if name not in create.BELONGS))
    name = check_name(given.get("NAME"))
    call.pools.networks.claim(name, call.user.id)
    network = new_network(call, name)
    network.clusters = [home.id]
    create.fill(network, given, mac_prefix(call), str(call.services.setting("NETWORK_SIZE")))
    return network


def new_network(call: Call, name: str) -> Network:
    """A network of the caller, without an id yet."""
    return Network(-1, name, (call.user.id, call.user.gid), call.octal)


def admit(call: Call, network: Network) -> None:
    """Take a new network in; its name must be claimed."""
    network.id = call.pools.networks.next_id(call.unit)
    create.name_by_id(network)
    call.pools.networks.add(call.unit, network)
    call.pools.members_changed()
    call.created(network, "READY")


@method("one.vn.info", reads=True, network=USE)
async def info(call: Call, network: Network, decrypt: bool = False) -> Pieces:
    """The document of a network with its leases.

    decrypt  accepted; nothing is encrypted here
    Errors: NO_EXISTS, AUTHORIZATION.
    Since: 1.4.
    """
    pieces = whole(network, call.pools.view)
    return Pieces([escape(piece).encode() async for piece in in_turns(pieces)])


@method("one.vn.delete", network=MANAGE)
def delete(call: Call, network: Network) -> int:
    """Remove a network. What it reserved from another goes back there.

    Errors: NO_EXISTS, AUTHORIZATION, ACTION (leases in use).
    Since: 1.4.
    """
    if network.leases.count:
        detail = f"{network.leases.count} of its leases are in use: onevnet show {network.id}"
        reason = "Cannot delete virtual network. Can not remove a virtual network with leases in use"
        raise ActionError(detail=f"{reason}: {detail}")
    call.pools.leases.give_back_all(call.unit, Holder(Kind.NET.name, network.id))
    call.pools.networks.drop(call.unit, network)
    call.pools.members_changed()
    call.changed(network, "READY", "DONE")
    return network.id


@method("one.vn.update", network=MANAGE)
def update(call: Call, network: Network, template: str, append: int = REPLACE) -> Network:
    """Change the attributes of a network. Ranges stay, and what says how it is made stays where it is not named.

    append  0 replaces them, 1 merges the given ones
    Attributes of VNET_RESTRICTED_ATTR stay as they are, unless the caller is of oneadmin's group.
    Errors: NO_EXISTS, AUTHORIZATION, ACTION (the template does not parse), XML_RPC_API (append).
    Since: 3.2; append 4.2.
    """
    network.template = found_update(call, network, template, append)
    call.unit.touch(network)
    return network


def found_update(call: Call, network: Network, template: str, append: int) -> Template:
    """The attributes that the network would have; raises what refuses them."""
    wanted = create.updated(network, call.updated(network.template, template, append))
    refuse_restricted(call, wanted, network.template)
    return wanted


def refuse_restricted(call: Call, given: Template, before: Template = NOTHING) -> None:
    """NotAuthorized if a user sets, changes or drops what only oneadmin's group may (VNET_RESTRICTED_ATTR)."""
    if not call.user.is_admin:
        restricted = call.services.setting("VNET_RESTRICTED_ATTR")
        check_restricted(given, restricted, call.user.id, before, what="Virtual Network Template")


@method("one.vn.recover", network=MANAGE)
def recover(call: Call, network: Network, operation: int) -> Network:
    """Help a network that waits for its driver: 0 failure, 1 success, 2 retry, 3 delete. Here none ever waits.

    Errors: NO_EXISTS, AUTHORIZATION, ACTION (wrong code; the network is ready).
    Since: 6.4.
    """
    if operation not in RECOVERIES:
        raise ActionError(detail="Wrong recovery operation code. It is 0 (failure), 1 (success), 2 (retry), 3 (delete)")
    detail = f"Could not perform a recover operation on virtual network {network.id}, wrong state READY"
    raise ActionError(detail=f"{detail}. It needs no recovery")


add_owners(SPACE)
add_rename(SPACE)
add_locks(SPACE)
add_publish(SPACE)
add_pool(SPACE, classic=True)
