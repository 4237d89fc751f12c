"""Accounting: the stays of VMs on hosts, over all VMs that ever were."""

from collections.abc import Iterator

from oned.api.call import Call, Pieces
from oned.api.listing import owned_by, visible
from oned.api.registry import method
from oned.document.element import escape
from oned.document.object import View
from oned.pool.turns import AT_ONCE
from oned.vm.document import accounted_xml
from oned.vm.vm import VM

OPEN = -1


@method("one.vmpool.accounting", reads=True)
async def accounting(call: Call, pool_filter: int, start_time: int = OPEN, end_time: int = OPEN) -> Pieces:
    """The history records of all VMs that the caller may use, ended ones too: HISTORY_RECORDS, oldest VM first.

    pool_filter  -4 of my primary group, -3 mine, -2 all, -1 mine and my groups', or an owner's id
    start_time   only records that had not ended then; epoch seconds, -1 is open
    end_time     only records that had begun then; -1 is open
    Each HISTORY has its VM, with the CPU and MEMORY that it had at that stay.
    Errors: XML_RPC_API (filter).
    Since: 3.6.
    """
    owned_by(call, pool_filter)
    database, view = call.services.database, call.pools.view
    pieces = [escape("<HISTORY_RECORDS>").encode()]
    ids = await call.pools.vm_ids(database)
    for start in range(0, len(ids), AT_ONCE):
        some = await call.pools.vms_of(database, ids[start : start + AT_ONCE])
        for vm in visible(call, some, pool_filter):
            pieces += _records(vm, view, start_time, end_time)
    pieces.append(escape("</HISTORY_RECORDS>").encode())
    return Pieces(pieces)


def _records(vm: VM, view: View, start: int, end: int) -> Iterator[bytes]:
    for record in vm.history:
        ended_before = start >= 0 and record.etime and record.etime <= start
        if not ended_before and (end < 0 or record.stime <= end):
            yield escape(accounted_xml(vm, record, view)).encode()
