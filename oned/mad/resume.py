"""After a restart of oned: what becomes of the operations that were open.

Verbs that the driver can repeat are sent again, and so are transfer scripts. A boot of which the deploy id is known
is asked about. Anything else takes its failure row, and the user recovers.
"""

import json
import logging
from typing import Any

from sqlalchemy import select

from oned.command import Command, Intent, Mad
from oned.ids import Kind
from oned.mad.operations import Operations, may_repeat
from oned.pool.pools import Pools
from oned.store import tables
from oned.store.database import Database
from oned.vm.machine import poll

log = logging.getLogger(__name__)
LOST = "oned was restarted before the driver answered, and the driver cannot repeat it"


def stored_intents(database: Database) -> list[Intent]:
    """The intents on disk, oldest first."""
    return [stored_intent(row) for row in database.read_now(select(tables.intent).order_by(tables.intent.c.id))]


def resume(operations: Operations, pools: Pools, left_open: list[Intent]) -> None:
    """Send again, ask about, or fail every operation that was left open. The drivers must have been started."""
    for intent in left_open:
        if not operations.is_open(intent):
            continue
        vm = pools.vms.peek(intent.command.oid)
        driver = operations.drivers.find(intent.command.mad, intent.command.driver)
        if vm is None:
            unit = operations.unit()
            unit.close(intent)
            unit.commit()
        elif driver is not None and may_repeat(driver, intent):
            log.info("%s of VM %d is sent again after the restart", intent.command.verb, vm.id)
            operations.send(intent)
        elif intent.command.verb == "DEPLOY" and vm.deploy_id:
            log.info("VM %d is asked about after the restart: it may have booted", vm.id)
            operations.ask_about(intent, poll(vm, operations.lifecycle.site))
        else:
            operations.answered(intent, False, LOST)


def stored_intent(row: Any) -> Intent:
    """The intent of a row."""
    body = json.loads(row.body)
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
