"""Looks for domains that moves may have left on another host, after each move and until both hosts are in order.

What is done about one is vm.strays.judge's to say. The VM is taken to be where it runs, a domain too many is ended by
CANCEL there, and what cannot be told is in the VM's log and looked at again. While a driver may still be at a command
that makes a domain and that it has not answered in time, nothing is concluded.
"""

import asyncio
import logging
from collections.abc import Coroutine

from oned import clock
from oned.command import Intent
from oned.errors import StoreFailed
from oned.ids import Kind
from oned.mad import vmm
from oned.mad.marks import mark
from oned.mad.operations import Operations
from oned.pool.pools import Pools
from oned.store.unit import Unit
from oned.vm.fire import Cause
from oned.vm.history import CLEAR, DOUBTFUL, LEFT, Record
from oned.vm.machine import cancel_at, poll_at
from oned.vm.row import Placement, Row
from oned.vm.states import LIVE
from oned.vm.strays import End, Verdict, end_of, is_looked_at, judge, strays
from oned.vm.vm import VM

log = logging.getLogger(__name__)


class Strays:
    """Hears of each transition; `round` is called by the timer.

    pause  seconds between two looks at one VM
    """

    def __init__(self, operations: Operations, pools: Pools, pause: float) -> None:
        self._operations, self._pools, self._pause = operations, pools, pause
        self._due: dict[int, float] = {}
        self._said: dict[int, str] = {}
        self._looking: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        operations.followers.append(self.followed)
        operations.undecided = self.decide

    def reload(self) -> None:
        """Take in which VMs are to be looked at, of all that there are."""
        self._due = {vm.id: 0.0 for vm in self._pools.vms if strays(vm)}

    def followed(self, unit: Unit, vm: VM, row: Row, _cause: Cause) -> None:
        """A VM whose move has ended is looked at as soon as that is on disk."""
        if strays(vm):
            self._due.setdefault(vm.id, 0.0)
            if row.outcome:
                unit.after(lambda: self._begin(vm.id))
            elif not row.by_user:
                self._due[vm.id] = 0.0

    def round(self) -> None:
        """Look at those that were not looked at for a while."""
        now = clock.monotonic()
        for oid in [oid for oid, last in self._due.items() if now - last >= self._pause]:
            self._begin(oid)

    def _begin(self, oid: int) -> None:
        vm = self._pools.vms.peek(oid)
        if vm is None or not strays(vm):
            self._due.pop(oid, None)
            self._said.pop(oid, None)
        elif is_looked_at(vm.state) and oid not in self._looking:
            self._due[oid] = clock.monotonic()
            self._looking.add(oid)
            self._run(oid, self._look(vm)).add_done_callback(lambda _: self._looking.discard(oid))

    def _run(self, oid: int, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(_bordered(work, oid))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # --- looking ---

    async def _look(self, vm: VM) -> None:
        """Ask both hosts, the other one first: what is gone there when it is here has not just come from there.

        While the VM is busy they are not asked at all: what they would tell may be from before the end of that.
        """
        for record in strays(vm):
            if self._is_busy(vm):
                self._due[vm.id] = 0.0
                return
            before = self._facts(vm)
            there = await self._end(vm, record)
            here = await self._end(vm, vm.record) if vm.state in LIVE else End.RESTS
            if self._facts(vm) != before or self._is_busy(vm):
                self._due[vm.id] = 0.0
                return
            self._conclude(vm, record, here, there)

    async def _end(self, vm: VM, record: Record) -> End:
        success, info = await self._operations.ask(poll_at(vm, self._operations.lifecycle.site, record))
        return end_of(vmm.poll(info).state) if success else End.UNSEEN

    def _facts(self, vm: VM) -> tuple[object, ...]:
        """What must not have changed while the hosts were asked."""
        return self._pools.vms.peek(vm.id) is vm, vm.state, vm.record.seq, [record.seq for record in strays(vm)]

    def _is_busy(self, vm: VM) -> bool:
        """Whether something is under way that could make or end a domain; be it what a driver has not answered yet."""
        if self._operations.open_for(Kind.VM, vm.id):
            return True
        return any(command.boots_on for command in self._operations.late(vm.id))

    def _conclude(self, vm: VM, record: Record, here: End, there: End) -> None:
        verdict, unit = judge(record.stray, here, there), self._operations.unit()
        self._say(vm, verdict, f"{record.hostname}: it {there.value}; {vm.record.hostname}: it {here.value}")
        if verdict is Verdict.GONE:
            mark(unit, vm, record.hid, CLEAR)
        elif verdict is Verdict.LEFT:
            mark(unit, vm, record.hid, LEFT)
        elif verdict is Verdict.END:
            unit.open(cancel_at(vm, self._operations.lifecycle.site, record))
        elif verdict is Verdict.MOVED:
            other = LEFT if record.stray == DOUBTFUL else DOUBTFUL
            self._operations.fire(unit, vm, "seen elsewhere", Cause(info="seen", placement=Placement.of(record)))
            mark(unit, vm, record.hid, CLEAR)
            mark(unit, vm, vm.previous_record.hid, other)
        if unit.dirty:
            unit.commit()

    def _say(self, vm: VM, verdict: Verdict, seen: str) -> None:
        """What was found goes to the VM's log, once for each change."""
        text = f"After its move the VM is looked for. {seen}. So {verdict.value}"
        if verdict is not Verdict.GONE and self._said.get(vm.id) != text:
            log.log(logging.INFO if verdict is Verdict.LEFT else logging.ERROR, "%s", text, extra={"vm": vm.id})
        self._said[vm.id] = text

    # --- a MIGRATE without an answer ---

    def decide(self, intent: Intent) -> None:
        """Answer a MIGRATE whose answer was lost: it has moved if it runs there and not here any more."""
        vm = self._pools.vms.peek(intent.command.oid)
        if vm is None or len(vm.history) < 2:
            self._operations.answered(intent, False, "its answer was lost")
        else:
            self._run(vm.id, self._decide(intent, vm))

    async def _decide(self, intent: Intent, vm: VM) -> None:
        there = await self._end(vm, vm.record)
        here = await self._end(vm, vm.previous_record)
        moved = there is End.RUNS and here is not End.RUNS
        why = f"its answer was lost; on the new host it {there.value}, on the old one it {here.value}"
        self._operations.answered(intent, moved, "" if moved else why)


async def _bordered(work: Coroutine[None, None, None], oid: int) -> None:
    """A border: a look that breaks off is made again."""
    try:
        await work
    except StoreFailed as error:
        log.warning("What was seen of VM %d is not kept: %s", oid, error)
    except Exception:
        log.exception("The look for VM %d broke off", oid)
