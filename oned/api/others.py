"""Datastores and the zone: what every engine has from the start, to be read."""

from oned.api.call import Call, Document, Pieces
from oned.api.listing import whole
from oned.api.registry import USE, method
from oned.datastore.datastore import Datastore
from oned.document.element import tag, wrap


@method("one.datastore.info", reads=True, datastore=USE)
def datastore_info(call: Call, datastore: Datastore, decrypt: bool = False) -> Pieces:
    """The document of a datastore. Errors: NO_EXISTS, AUTHORIZATION. Since: 3.4."""
    return Pieces([datastore.body(call.pools.view)])


@method("one.datastorepool.info", reads=True)
async def datastorepool_info(call: Call) -> Pieces:
    """The datastores that the caller may use. Since: 3.4."""
    return await whole(call, call.pools.datastores)


@method("one.zone.raftstatus", reads=True)
def raftstatus(call: Call) -> Document:
    """The state of replication: this engine stands alone. Since: 5.4."""
    rows = {
        "SERVER_ID": -1, "STATE": 0, "TERM": 0, "VOTEDFOR": -1, "COMMIT": 0, "LOG_INDEX": -1, "LOG_TERM": -1,
        "FEDLOG_INDEX": -1,
    }  # fmt: skip
    return Document(wrap("RAFT", "".join(tag(name, value) for name, value in rows.items())))
