"""Deleting samples that are too old."""

from sqlalchemy import Table, select

from oned.store.changes import Changes, remove
from oned.store.database import Database

AT_ONCE = 20_000


async def expire(database: Database, table: Table, before: int) -> None:
    """Delete the rows of a monitoring table from before a time. Called by a timer; what is left comes next time."""
    if database.failing:
        return
    statement = select(table.c.oid, table.c.at).where(table.c.at < before).limit(AT_ONCE)
    changes: Changes = {}
    for row in await database.read(statement):
        remove(changes, table, row.oid, row.at)
    if changes:
        database.commit(changes, lambda _error: None)
