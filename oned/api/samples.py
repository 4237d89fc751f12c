"""Stored samples of hosts and VMs, as the monitoring methods give them."""

from collections.abc import Collection

from sqlalchemy import Select, Table, func, select

from oned import clock
from oned.api.call import Call, Pieces
from oned.document.element import escape, tag, wrap
from oned.pool.turns import in_turns

ALL, LATEST = -1, 0
"""What `seconds` of the pools' methods means beside a number of seconds up to now."""
OBJECTS_AT_ONCE, ROWS_AT_ONCE = 100, 200
"""Objects asked for in one query; rows rendered without letting other calls in."""


async def samples(call: Call, table: Table, wanted: Collection[int], seconds: int = ALL) -> Pieces:
    """MONITORING_DATA of the objects with these ids, by rising id, oldest first per object.

    seconds  -1 all that are stored, 0 the last one of each object, else those not older than that
    """
    pieces, ids = [escape("<MONITORING_DATA>").encode()], sorted(wanted)
    for start in range(0, len(ids), OBJECTS_AT_ONCE):
        statement = _chosen(table, seconds).where(table.c.oid.in_(ids[start : start + OBJECTS_AT_ONCE]))
        rows = await call.services.database.read(statement)
        async for row in in_turns(rows, ROWS_AT_ONCE):
            pieces.append(escape(_monitoring(row.oid, row.at, row.body)).encode())
    return Pieces([*pieces, escape("</MONITORING_DATA>").encode()])


def _chosen(table: Table, seconds: int) -> Select[tuple[int, int, str]]:
    statement: Select[tuple[int, int, str]] = select(table).order_by(table.c.oid, table.c.at)
    if seconds < LATEST:
        return statement
    if seconds > LATEST:
        return statement.where(table.c.at >= clock.stamp() - seconds)
    others = table.alias()
    return statement.where(
        table.c.at == select(func.max(others.c.at)).where(others.c.oid == table.c.oid).scalar_subquery()
    )


def _monitoring(oid: int, at: int, body: str) -> str:
    """One sample: its body is NAME=value lines."""
    values = (line.partition("=") for line in body.splitlines())
    return wrap(
        "MONITORING", tag("TIMESTAMP", at) + tag("ID", oid) + "".join(tag(name, value) for name, _, value in values)
    )
