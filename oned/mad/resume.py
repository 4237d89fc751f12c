"""After a restart of oned: what becomes of the operations that were open.

The rule is that of Operations.take_up, as for a driver that died.
"""

import asyncio
import logging
from typing import Any

from sqlalchemy import select

from oned import clock
from oned.command import Command, Intent, Mad
from oned.ids import Kind
from oned.mad.operations import Operations
from oned.store import tables
from oned.store.body import decoded
from oned.store.database import Database
from oned.store.reading import reading

log = logging.getLogger(__name__)
PAUSE = 0.5
"""Seconds between two looks whether a driver has come up."""
LOST = "oned was restarted before the driver answered, and the driver cannot repeat it"


def stored_intents(database: Database) -> list[Intent]:
    """The intents on disk, oldest first."""
    return [stored_intent(row) for row in database.read_now(select(tables.intent).order_by(tables.intent.c.id))]


async def resume(operations: Operations, left_open: list[Intent]) -> None:
    """Take up every operation that was left open. Those of a driver that has not come up yet wait for it, in the time
    that they have.
    """
    began = clock.monotonic()
    while left_open:
        waited = clock.monotonic() - began
        left_open = [intent for intent in left_open if not _taken_up(operations, intent, waited)]
        if left_open:
            await asyncio.sleep(PAUSE)


def _taken_up(operations: Operations, intent: Intent, waited: float) -> bool:
    """Whether there is nothing more to wait for. A border: one that cannot be taken up does not hold up the others."""
    driver = operations.drivers.find(intent.command.mad, intent.command.driver)
    if not operations.is_open(intent):
        return True
    if driver is not None and not driver.is_up and waited < intent.command.deadline:
        return False
    try:
        operations.take_up(intent, LOST)
    except Exception:
        log.exception(
            "%s of %s %d could not be taken up", intent.command.verb, intent.command.kind.name, intent.command.oid
        )
    return True


def stored_intent(row: Any) -> Intent:
    """The intent of a row. Unreadable says which it is."""
    with reading(f"intent {row.id} ({row.verb} of {row.kind} {row.oid})"):
        body = decoded(row.body)
        command = Command(
            mad=Mad[row.mad],
            driver=row.driver,
            verb=row.verb,
            kind=Kind[row.kind],
            oid=row.oid,
            host=body["host"],
            arguments=body["arguments"],
            deadline=body["deadline"],
        )
        return Intent(row.id, command, row.attempt, row.opened)
