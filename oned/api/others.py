"""Groups, datastores, ACL rules and the zone: what every engine has from the start, to be read."""

from oned.api.call import Call, Document, Pieces
from oned.api.listing import ALL, ordered, ranged, visible, whole
from oned.api.registry import USE, method
from oned.datastore.datastore import Datastore
from oned.document.element import tag, wrap
from oned.errors import NotAuthorized
from oned.user.group import Group


@method("one.group.info", reads=True, group=USE)
def group_info(call: Call, group: Group, decrypt: bool = False) -> Pieces:
    """The document of a group; -1 is the caller's primary one. Errors: NO_EXISTS, AUTHORIZATION. Since: 3.0."""
    return Pieces([group.body(call.pools.view)])


@method("one.grouppool.info", reads=True)
def grouppool_info(call: Call) -> Pieces:
    """The groups that the caller may use, and his own. Since: 3.0."""
    pool, own = call.pools.groups, call.user.groups
    return Pieces(pool.page(group for group in ordered(call, pool) if group.id in own or call.may(USE, group)))


@method("one.datastore.info", reads=True, datastore=USE)
def datastore_info(call: Call, datastore: Datastore, decrypt: bool = False) -> Pieces:
    """The document of a datastore. Errors: NO_EXISTS, AUTHORIZATION. Since: 3.4."""
    return Pieces([datastore.body(call.pools.view)])


@method("one.datastorepool.info", reads=True)
async def datastorepool_info(call: Call) -> Pieces:
    """The datastores that the caller may use. Since: 3.4."""
    return await whole(call, call.pools.datastores)


@method("one.acl.info", reads=True)
def acl_info(call: Call) -> Pieces:
    """All rules. Needs MANAGE on ACL. Errors: AUTHORIZATION. Since: 3.0."""
    if not call.services.rights.may_manage_rules(call.user):
        raise NotAuthorized(uid=call.user.id, reason="Not authorized to perform MANAGE ACL")
    return Pieces(call.pools.rules.page(ranged(visible(call, call.pools.rules, ALL), -1, -1)))


@method("one.zone.raftstatus", reads=True)
def raftstatus(call: Call) -> Document:
    """The state of replication: this engine stands alone. Since: 5.4."""
    rows = {
        "SERVER_ID": -1, "STATE": 0, "TERM": 0, "VOTEDFOR": -1, "COMMIT": 0, "LOG_INDEX": -1, "LOG_TERM": -1,
        "FEDLOG_INDEX": -1,
    }  # fmt: skip
    return Document(wrap("RAFT", "".join(tag(name, value) for name, value in rows.items())))
