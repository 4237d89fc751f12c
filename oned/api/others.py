"""What every engine has from the start and what this one has none of, to be read: the zone, groups of VMs."""

from oned.api.call import Call, Document
from oned.api.registry import method
from oned.document.element import tag, wrap
from oned.errors import NoExists
from oned.ids import Kind

ZONE = 0
"""The zone that this engine is; there is no other."""


def _zone(call: Call) -> str:
    endpoint = f"http://localhost:{call.services.setting('PORT')}/RPC2"
    head = tag("ID", ZONE) + tag("NAME", "OpenNebula") + tag("STATE", 0)
    return wrap("ZONE", f"{head}{wrap('TEMPLATE', tag('ENDPOINT', endpoint))}<SERVER_POOL/>")


@method("one.zone.info", reads=True)
def zone_info(call: Call, zone: int, decrypt: bool = False) -> Document:
    """The document of the zone, which is 0. decrypt is accepted. Errors: NO_EXISTS. Since: 4.4; decrypt 5.12."""
    if zone != ZONE:
        raise NoExists(kind=Kind.ZONE.value, id=zone)
    return Document(_zone(call))


@method("one.zonepool.info", reads=True)
def zonepool_info(call: Call) -> Document:
    """The one zone. Since: 4.4."""
    return Document(wrap("ZONE_POOL", _zone(call)))


@method("one.zone.raftstatus", reads=True)
def raftstatus(call: Call) -> Document:
    """The state of replication: this engine stands alone. Since: 5.4."""
    rows = {
        "SERVER_ID": -1, "STATE": 0, "TERM": 0, "VOTEDFOR": -1, "COMMIT": 0, "LOG_INDEX": -1, "LOG_TERM": -1,
        "FEDLOG_INDEX": -1,
    }  # fmt: skip
    return Document(wrap("RAFT", "".join(tag(name, value) for name, value in rows.items())))


@method("one.vmgrouppool.info", reads=True)
def vmgrouppool_info(call: Call, pool_filter: int = -2, start: int = -1, end: int = -1) -> Document:
    """An empty list: there are no groups of VMs here. Schedulers of 5.4 and later ask for it in each cycle.

    pool_filter, start, end  accepted
    Since: 5.4.
    """
    return Document(wrap("VM_GROUP_POOL", ""))
