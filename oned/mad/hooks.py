"""The desk of the hooks: which runs there are, whose turn it is, and what became of each.

A run is a row that is written with the change that it is for, so none is made up and none is forgotten. When its turn
comes the row says so before the line leaves; the answer completes it. After a crash a run that waited is done; of one
that was told to the driver nobody knows whether it was done: it is repeated if its hook says so, else it is lost.
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import select

from oned import clock
from oned.command import Command, Intent, Mad
from oned.document.object import PoolObject, View
from oned.hook.arguments import fitting
from oned.hook.event import Event
from oned.hook.execution import DONE, FAILED, LOST, WAITING, Execution, kind_of
from oned.hook.hook import Hook
from oned.host.host import Host
from oned.ids import Kind
from oned.mad import hm
from oned.mad.driver import Driver
from oned.mad.hm import Result
from oned.mad.set import DriverSet
from oned.store import tables
from oned.store.database import Database
from oned.store.events import Change
from oned.store.reading import reading
from oned.store.unit import Unit
from oned.vm.vm import VM

log = logging.getLogger(__name__)
GRACE = 5.0
"""Seconds that the driver has to answer beyond the time of the hook itself: it kills and tells what was written."""
PAUSE = 1.0
"""Seconds before an attempt is repeated, and between two looks at a driver or a data base that is not ready."""
HERE = "front-end"


def place_of(item: PoolObject) -> str:
    """The host that an object is on, or that it is; empty for a VM that has not been on one."""
    if isinstance(item, VM):
        return item.record.hostname if item.history else ""
    return item.name if isinstance(item, Host) else ""


class HookDesk:
    """Hooks, and their runs: kept in memory as they are on disk.

    unit     makes a unit of work
    context  (VM, name) → a value of that VM's CONTEXT
    kept     ended runs kept of each hook

    environment  what a hook finds in its environment beside what oned has itself
    """

    def __init__(
        self, hooks: Sequence[Hook], database: Database, unit: Callable[[], Unit], context: Callable[[int, str], str],
        view: View, kept: int,
    ) -> None:  # fmt: skip
        self.hooks = {hook.id: hook for hook in hooks}
        self._database, self._unit, self._context, self._view, self._most = database, unit, context, view, max(1, kept)
        self._by_kind: dict[Kind, list[Hook]] = {}
        for hook in hooks:
            self._by_kind.setdefault(hook.kind, []).append(hook)
        self.executions: dict[int, Execution] = {}
        self._ended: dict[str, deque[int]] = {}
        self._last = -1
        self._waiting: dict[tuple[str, int], deque[Execution]] = {}
        self._open: dict[int, Execution] = {}
        self._look: asyncio.TimerHandle | None = None
        self._stopped = False
        self.environment: dict[str, str] = {}
        self.drivers: DriverSet

    # --- what happens ---

    def prepare(self, unit: Unit) -> None:
        """Put the runs for a unit's news into the unit. A border: whatever a hook holds, the change is stored."""
        for change in unit.news:
            for hook in self._by_kind.get(change.kind, ()):
                if hook.fires(change.what, change.old, change.new):
                    try:
                        self._prepare(unit, hook, change)
                    except Exception:
                        log.exception("Hook %s could not be prepared for %s %d", hook.name, change.kind, change.oid)

    def _prepare(self, unit: Unit, hook: Hook, change: Change) -> None:
        item = unit.item(change)
        assert item is not None, "who tells of an object has touched it"
        if hook.remote and not place_of(item):
            return
        event = Event(item, change.old, self._view, self._context)
        arguments, long = fitting(hook.arguments.filled(event.value))
        self.open(unit, Execution(
            id=self.next_id(), hook=hook.name, at=clock.stamp(), kind=change.kind.name, oid=change.oid, event=hook.on,
            command=list(hook.command), arguments=arguments,
            stdin=event.document if hook.stdin else "\n".join(long), host=place_of(item) if hook.remote else "",
            timeout=hook.timeout, retries=hook.retries, repeats=hook.repeats,
        ))  # fmt: skip

    def next_id(self) -> int:
        """A new id of a run; none is used twice while the newest run of all is kept."""
        self._last += 1
        return self._last

    def open(self, unit: Unit, execution: Execution) -> None:
        """Let the unit bring a run: it waits for its turn once that is on disk."""
        unit.put(tables.hook_log, execution.row())
        unit.after(lambda: self._queue(execution))

    def of(self, hook: Hook) -> list[Execution]:
        """The runs of a hook, oldest first."""
        return [execution for execution in self.executions.values() if execution.hook == hook.name]

    # --- turns ---

    def _queue(self, execution: Execution) -> None:
        self.executions[execution.id] = execution
        self._waiting.setdefault(execution.object, deque()).append(execution)
        self._go_on()

    def _go_on(self) -> None:
        """Start what has its turn. While the driver or the data base is not ready, look again."""
        driver = self.drivers.find(Mad.HM, "")
        if self._stopped or driver is None or not self._waiting:
            return
        if not driver.is_up or self._database.failing:
            self._look_again()
            return
        limit = driver.section.threads
        for key in list(self._waiting):
            if limit and len(self._open) >= limit:
                return
            if self._is_free(driver, self._waiting[key][0]):
                self._start(driver, self._taken(key))

    def _is_free(self, driver: Driver, execution: Execution) -> bool:
        """Whether nothing is open for the object; or, where a line has only its number, for any of that number."""
        by_number = driver.dialect != hm.ARGV
        return not any(
            other.object == execution.object or (by_number and other.oid == execution.oid)
            for other in self._open.values()
        )

    def _taken(self, key: tuple[str, int]) -> Execution:
        execution = self._waiting[key].popleft()
        if not self._waiting[key]:
            del self._waiting[key]
        return execution

    def _look_again(self) -> None:
        if self._look is None:
            self._look = asyncio.get_running_loop().call_later(PAUSE, self._looked)

    def _looked(self) -> None:
        self._look = None
        self._go_on()

    def _start(self, driver: Driver, execution: Execution) -> None:
        execution.begin()
        self._open[execution.id] = execution
        self._store(
            execution, lambda: driver.send(self._intent(driver, execution)), lambda: self._wait_again(execution)
        )

    def _intent(self, driver: Driver, execution: Execution) -> Intent:
        """The command as the driver is to hear it. In our own form it has the run's number."""
        command = Command(
            mad=Mad.HM,
            driver="",
            verb="EXECUTE",
            kind=kind_of(execution),
            oid=execution.id if driver.dialect == hm.ARGV else execution.oid,
            host=execution.host or HERE,
            arguments={
                "hook": execution.hook,
                "where": execution.host,
                "argv": json.dumps(execution.argv),
                "stdin": execution.stdin,
                "timeout": f"{execution.timeout:g}",
                "environment": json.dumps(self.environment),
            },
            deadline=execution.timeout + GRACE,
        )
        return Intent(execution.id, command, execution.attempt, clock.now())

    def _wait_again(self, execution: Execution) -> None:
        """It is the object's next run once more."""
        execution.state = WAITING
        self._open.pop(execution.id, None)
        self._waiting.setdefault(execution.object, deque()).appendleft(execution)
        self._look_again()

    def stop(self) -> None:
        """Start nothing more: the daemon ends."""
        self._stopped = True
        if self._look is not None:
            self._look.cancel()

    # --- rows ---

    def _store(self, execution: Execution, then: Callable[[], None], failed: Callable[[], None]) -> None:
        """Write the run's row; one of the two follows."""
        if self._database.failing:
            failed()
            return
        unit = self._unit()
        unit.put(tables.hook_log, execution.row())
        unit.after(then)

        def committed(done: "asyncio.Future[None]") -> None:
            if done.exception() is not None:
                failed()

        unit.commit().add_done_callback(committed)

    def _complete(self, execution: Execution) -> None:
        """Write how it ended, as soon as that can be written; then the oldest runs of its hook are forgotten."""

        def later() -> None:
            asyncio.get_running_loop().call_later(PAUSE, self._complete, execution)

        self._store(execution, lambda: self._forget(execution.hook, execution.id), later)

    def _forget(self, hook: str, newest: int) -> None:
        """Delete the oldest ended runs beyond those that are kept."""
        ended = self._ended.setdefault(hook, deque())
        ended.append(newest)
        if len(ended) <= self._most or self._database.failing:
            return
        unit = self._unit()
        while len(ended) > self._most:
            old = ended.popleft()
            self.executions.pop(old, None)
            unit.remove(tables.hook_log, old)
        unit.commit()

    def restore(self) -> None:
        """Take over the runs on disk: what waited waits again, what was open is repeated or lost."""
        rows = self._database.read_now(select(tables.hook_log).order_by(tables.hook_log.c.id))
        known = {hook.name for hook in self.hooks.values()}
        for row in rows:
            with reading(f"row {row.id} of hook_log"):
                execution = Execution.restored(row)
            self.executions[execution.id] = execution
            self._last = execution.id
            if execution.has_ended:
                self._ended.setdefault(execution.hook, deque()).append(execution.id)
            elif execution.hook not in known:
                self._end(execution, LOST, Result(-1, "", "", "its hook is no longer in oned.conf"))
            elif execution.state == WAITING:
                self._waiting.setdefault(execution.object, deque()).append(execution)
            else:
                self._interrupted(execution, "oned was restarted before it ended", last=True)

    def resume(self) -> None:
        """Go on with what was restored; called when the drivers have been started."""
        self._go_on()

    # --- the listener of the driver ---

    def answered(self, intent: Intent, success: bool, info: str) -> None:
        """A run has ended, or its time is over."""
        execution = self._open.get(intent.id)
        driver = self.drivers.find(Mad.HM, "")
        if execution is None or driver is None:
            return
        result = hm.result(driver.dialect, execution.hook, success, info)
        well = result.rc == 0 and not result.problem
        if not well and execution.attempt <= execution.retries:
            self._attempt_again(execution, result)
        else:
            self._end(execution, DONE if well else FAILED, result)

    def _attempt_again(self, execution: Execution, result: Result) -> None:
        execution.end(WAITING, result.rc, result.output, result.errors or result.problem)
        execution.attempt += 1
        _tell(execution, logging.WARNING, "Hook %s failed, attempt %d of %d follows: %s", execution.hook,
              execution.attempt, execution.retries + 1, _reason(result))  # fmt: skip
        self._store(execution, lambda: self._wait_again(execution), lambda: self._wait_again(execution))

    def _end(self, execution: Execution, state: str, result: Result) -> None:
        execution.end(state, result.rc, result.output, result.errors or result.problem)
        if state == DONE:
            _tell(execution, logging.INFO, "Success executing Hook: %s: %s", execution.hook, _one_line(result.output))
        else:
            _tell(execution, logging.ERROR, "Error executing Hook: %s. %s", execution.hook, _reason(result))
        self._open.pop(execution.id, None)
        self._complete(execution)
        self._go_on()

    def _interrupted(self, execution: Execution, why: str, *, last: bool = False) -> None:
        """Nobody knows whether it was done. `last`: it is the newest of its object so far, so it goes behind them."""
        if not execution.repeats:
            self._end(execution, LOST, Result(-1, "", "", f"{why}, and the hook does not say REPEAT = YES"))
            return
        execution.attempt += 1
        _tell(execution, logging.WARNING, "Hook %s is executed again: %s", execution.hook, why)
        if last:
            execution.state = WAITING
            self._waiting.setdefault(execution.object, deque()).append(execution)
        else:
            self._wait_again(execution)

    def lost(self, driver: Driver, intents: Iterable[Intent]) -> None:
        """The driver died, and its commands with it."""
        for intent in intents:
            execution = self._open.get(intent.id)
            if execution is not None:
                self._interrupted(execution, f"driver {driver.section.label} died before it ended")

    def logged(self, mad: Mad, oid: int, severity: str, text: str) -> None:
        """A driver's LOG line: its number is the object's, or the run's; it goes where the object's kind says."""
        level = {"E": logging.ERROR, "D": logging.DEBUG}.get(severity, logging.INFO)
        driver = self.drivers.find(mad, "")
        by_run = driver is not None and driver.dialect == hm.ARGV
        for execution in self._open.values():
            if oid == (execution.id if by_run else execution.oid):
                _tell(execution, level, "Hook %s: %s", execution.hook, text)
                return
        log.log(level, "%s", text)


class NoFiles:
    """What a hook driver is handed beside its lines: nothing (oned.mad.contract.Source)."""

    def document(self, kind: Kind, oid: int) -> str:
        raise AssertionError("a hook's document is taken when its event happens")

    def files(self, command: Command) -> dict[str, str]:
        return {}


def _tell(execution: Execution, level: int, text: str, *facts: object) -> None:
    """A line in the VM's log; for other objects in the daemon's, with the object."""
    if kind_of(execution) is Kind.VM:
        log.log(level, text, *facts, extra={"vm": execution.oid})
    else:
        log.log(level, f"%s %d: {text}", execution.kind, execution.oid, *facts)


def _reason(result: Result) -> str:
    """What went wrong, in one line: the last line of its errors, and how it ended."""
    said = [line for line in result.errors.splitlines() if line.strip()]
    told = result.problem or f"It ended with status {result.rc}"
    return _one_line(f"{told}: {said[-1]}" if said and said[-1] not in told else told)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:500]
