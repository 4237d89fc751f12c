"""Deleting what is too old, a part at a time."""

import asyncio
from typing import Any

from sqlalchemy import Select, Table, select

from oned.store.changes import Changes, remove
from oned.store.database import Database

AT_ONCE = 2_000
"""Rows per commit: other commits have their turn between."""


async def expire(database: Database, table: Table, before: int) -> None:
    """Delete all rows of a monitoring table from before a time. Called by a timer."""
    await delete(database, table, select(*table.primary_key).where(table.c.at < before))


async def delete(database: Database, table: Table, chosen: Select[Any]) -> None:
    """Delete the rows whose keys the statement answers, until it answers none or nothing can be stored."""
    while not database.failing and (rows := await database.read(chosen.limit(AT_ONCE))):
        changes: Changes = {}
        for row in rows:
            remove(changes, table, *row)
        if database.failing or await _failed(database, changes):
            return


async def _failed(database: Database, changes: Changes) -> bool:
    told: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    database.commit(changes, told.set_result)
    return await told is not None
