"""Why things are as they are: recorded when the decision is taken, the last few of each VM."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lxml import etree
from sqlalchemy import select

from oned import clock
from oned.ids import Kind
from oned.store import tables
from oned.store.body import decoded, encoded
from oned.store.database import Database
from oned.store.expire import delete
from oned.store.unit import Unit
from oned.vm.states import DONE, HOLD, PENDING
from oned.vm.vm import VM

KEPT = 20
"""Reasons per object."""
SCHED_MESSAGE = "SCHED_MESSAGE"
"""Attribute of a VM that waits: when the scheduler last found something new, and what."""
_TIMED = " : "


@dataclass(frozen=True)
class Filter:
    """What a test of the scheduler did: how many hosts it removed, and why."""

    name: str
    removed: int
    detail: str


@dataclass(frozen=True)
class Verdict:
    """What the scheduler decided on one VM: the host, or -1 while it waits."""

    vm: int
    host: int
    summary: str
    filters: tuple[Filter, ...] = ()


@dataclass(frozen=True)
class Reason:
    """One decision: when (epoch seconds), who took it, and why."""

    at: int
    who: str
    text: str
    filters: list[dict[str, Any]] = field(default_factory=list)


class Reasons:
    """The reasons of VMs: written with the decision, read for explain."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last: dict[int, int] = {}

    def decided(self, unit: Unit, vm: VM, verdict: Verdict) -> None:
        """Record a scheduler's verdict; a VM that waits gets it as SCHED_MESSAGE too. What it says already stays."""
        waits = verdict.host < 0 and vm.state in PENDING | HOLD
        if waits and vm.user_template.get(SCHED_MESSAGE).partition(_TIMED)[2] == verdict.summary:
            return
        filters = [vars(test) for test in verdict.filters]
        self.add(unit, vm.id, Reason(clock.stamp(), "mm_sched", verdict.summary, filters))
        if waits:
            vm.user_template.set(SCHED_MESSAGE, f"{time.ctime(clock.now())}{_TIMED}{verdict.summary}")
            unit.touch(vm)

    def add(self, unit: Unit, oid: int, reason: Reason) -> None:
        """Record a reason in the place of the oldest."""
        slot = (self._last.get(oid, -1) + 1) % KEPT
        self._last[oid] = slot
        row = {"kind": Kind.VM.name, "oid": oid, "slot": slot, "at": reason.at, "body": encoded(vars(reason))}
        unit.put(tables.reason, row)

    def load(self) -> None:
        """Find where the newest reason of each VM that lives stands."""
        table, vms = tables.reason, tables.vm_pool
        statement = select(table.c.oid, table.c.slot).join(vms, vms.c.oid == table.c.oid)
        lives = table.c.kind == Kind.VM.name, vms.c.state != DONE.number
        rows = self._database.read_now(statement.where(*lives).order_by(table.c.at, table.c.slot))
        self._last = {row.oid: row.slot for row in rows}

    async def expire(self, before: int, lives: Callable[[int], bool]) -> None:
        """Delete the reasons from before a time of VMs that have ended. lives: whether the VM of an id has not."""
        self._last = {oid: slot for oid, slot in self._last.items() if lives(oid)}
        table, vms = tables.reason, tables.vm_pool
        ended = table.c.kind == Kind.VM.name, table.c.at < before, vms.c.state == DONE.number
        chosen = select(*table.primary_key).join(vms, vms.c.oid == table.c.oid).where(*ended)
        await delete(self._database, table, chosen)

    async def of(self, oid: int) -> list[Reason]:
        """The reasons of a VM, newest first."""
        table = tables.reason
        statement = select(table.c.slot, table.c.body).where(table.c.kind == Kind.VM.name, table.c.oid == oid)
        rows = await self._database.read(statement.order_by(table.c.at, table.c.slot))
        last = self._last.get(oid, rows[-1].slot if rows else 0)
        ordered = sorted(rows, key=lambda row: (last - row.slot) % KEPT)
        return [Reason(**decoded(row.body)) for row in ordered]


def read_report(text: str) -> list[Verdict]:
    """The verdicts of a <REPORT>. ValueError if it is none."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
    try:
        root = etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(str(error)) from error
    return [_verdict(element) for element in root.iterchildren("VM")]


def _verdict(element: Any) -> Verdict:
    filters = tuple(
        Filter(test.findtext("NAME", ""), int(test.findtext("REMOVED", "0")), test.findtext("DETAIL", ""))
        for test in element.iterchildren("FILTER")
    )
    return Verdict(
        vm=int(element.findtext("ID", "-1")),
        host=int(element.findtext("HOST_ID", "-1")),
        summary=element.findtext("SUMMARY", ""),
        filters=filters,
    )
