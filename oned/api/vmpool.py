"""one.vmpool.*: lists of virtual machines."""

from collections.abc import Iterable, Mapping

from oned.api.call import Call, Pieces
from oned.api.listing import ALL, MINE, in_words_of_2x, ordered, ranged, visible
from oned.api.registry import method
from oned.api.samples import samples
from oned.errors import BadArgument, InternalError
from oned.store import tables
from oned.vm.states import BY_NUMBERS, DONE
from oned.vm.vm import VM

ANY, NOT_DONE = -2, -1
FORMS = ("pool_filter", "pool_filter extended", "pool_filter extended state",
         "pool_filter start end state", "pool_filter start end state search")  # fmt: skip
NUMBERS = {number for number, _ in BY_NUMBERS} | {7}


@method("one.vmpool.info", forms=FORMS, reads=True)
async def info(
    call: Call, pool_filter: int, start: int = -1, end: int = -1, state: int = NOT_DONE, search: str = "",
    extended: bool = True,
) -> Pieces:  # fmt: skip
    """The VMs that the caller may use, with their last history record.

    pool_filter  -4 of my primary group, -3 mine, -2 all, -1 mine and my groups', or an owner's id
    start, end   ids, or with end < -1 a page of -end rows from offset start; -1 is open
    state        -2 any, -1 any but DONE, or a number of STATE
    search       not served: it is refused unless empty
    extended     false leaves USERNAME out; bodies are always full
    In the forms of 1.4 to 2.2 (one to three arguments, the second a boolean) -1 is mine, -2 or less is all, and UNAME
    is there as USERNAME too.
    Errors: XML_RPC_API (filter, state).
    Since: 1.4; range and state 3.0; search 5.8.
    """
    if search:
        raise InternalError(detail="JSON query search is not supported by the SQL backend. Filter what you get")
    if state not in NUMBERS | {ANY, NOT_DONE}:
        raise BadArgument(detail="Incorrect filter_flag, state. It is -2, -1 or the number of a STATE")
    if "start" not in call.form:
        pool_filter = MINE if pool_filter == -1 else max(pool_filter, ALL)
        state = NOT_DONE if state == ANY else state
    items = await _in_state(call, state)
    pool = call.pools.vms
    pieces = pool.page(await pool.rendered(ranged(visible(call, items, pool_filter), start, end)))
    return Pieces(pieces if "start" in call.form or not extended else in_words_of_2x(call, pieces))


@method("one.vmpool.infoextended", forms=FORMS, reads=True)
async def infoextended(
    call: Call, pool_filter: int, start: int = -1, end: int = -1, state: int = NOT_DONE, search: str = "",
    extended: bool = True,
) -> Pieces:  # fmt: skip
    """The same as one.vmpool.info: bodies are always full. Since: 5.10."""
    return await info(call, pool_filter, start, end, state, search, extended)


@method("one.vmpool.infoset", reads=True)
async def infoset(call: Call, ids: str, extended: bool = True) -> Pieces:
    """The VMs with the given ids ("3,5,8"), as far as the caller may use them. Since: 6.0."""
    try:
        wanted = {int(word) for word in ids.split(",") if word.strip()}
    except ValueError as error:
        raise BadArgument(detail="Incorrect list of ids. It is numbers with commas between them") from error
    pool = call.pools.vms
    wanted = {oid for oid in wanted if 0 <= oid <= pool.last_id}
    live = {oid: vm for oid in wanted if (vm := pool.peek(oid)) is not None}
    ended = await call.pools.cold_vms(call.services.database, wanted - live.keys())
    items = _sorted(call, live | {vm.id: vm for vm in ended})
    return Pieces(pool.page(await pool.rendered(visible(call, items, ALL))))


@method("one.vmpool.monitoring", reads=True)
async def monitoring(call: Call, pool_filter: int, seconds: int = -1) -> Pieces:
    """The stored samples of all VMs, oldest first per VM: MONITORING_DATA.

    seconds  -1 all that are kept, 0 the last one of each, else those not older than that
    Since: 3.6; seconds 6.0.
    """
    wanted = {vm.id for vm in visible(call, call.pools.vms, pool_filter)}
    return await samples(call, tables.vm_monitoring, wanted, seconds)


async def _in_state(call: Call, state: int) -> Iterable[VM]:
    live = ordered(call, call.pools.vms)
    if state == NOT_DONE:
        return (vm for vm in live if vm.state is not DONE)  # one that is may still wait for its commit
    if state not in (ANY, DONE.number):
        return (vm for vm in live if vm.state.number == state)
    in_memory = {vm.id: vm for vm in live if state == ANY or vm.state is DONE}
    ended = await call.pools.cold_vms(call.services.database)
    return _sorted(call, {vm.id: vm for vm in ended} | in_memory)


def _sorted(call: Call, vms: Mapping[int, VM]) -> list[VM]:
    return [vms[oid] for oid in sorted(vms, reverse=not _ascending(call))]


def _ascending(call: Call) -> bool:
    return str(call.services.setting("API_LIST_ORDER")).upper() == "ASC"
