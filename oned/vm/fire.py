"""The only writer of a VM's state: finds the row of the life cycle and carries it out."""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from oned import clock
from oned.errors import ActionError, CouldNotTerminate, WrongState
from oned.ids import Kind
from oned.store import tables
from oned.store.events import Change
from oned.store.unit import Unit, history_row
from oned.vm.history import ACTIONS, Record
from oned.vm.lifecycle import LIFECYCLE
from oned.vm.machine import Site
from oned.vm.row import IMPORTED, Opens, Placement, Row, is_wild, makes_context
from oned.vm.states import CLEANUP, DONE, MOVING, RUNNING, WAITS_FOR_DRIVER, State
from oned.vm.vm import VM

log = logging.getLogger(__name__)
SET_ONCE = ("etime", "retime")
NO_ACTIONS = ("recover ", "delete-db", "disk-", "nic-", "snapshot-")
"""Beginnings of events that are no action of their own, or that change what the VM has and not what it does."""
RESCHEDULES = ("resched", "unresched")
_ENDS_ANYWAY = ("delete", "recreate")
_DEPLOY_WORDS = {"deploy": "Deploy", "migrate": "Migrate"}


def _index(rows: Iterable[Row]) -> dict[tuple[State, str], list[Row]]:
    table: dict[tuple[State, str], list[Row]] = {}
    for row in rows:
        for state in row.start:
            table.setdefault((state, row.event), []).append(row)
    for found in table.values():
        found.sort(key=lambda row: row.when is None)
    return table


ROWS = _index(LIFECYCLE)
"""The rows of each (state, event): those with a guard first."""


@dataclass(frozen=True)
class Cause:
    """Who and what made a transition: kept in the history record and shown by explain.

    info   what the driver answered (a deploy id, an error)
    """

    uid: int = -1
    gid: int = -1
    request: int = -1
    info: str = ""
    placement: Placement | None = None


NOBODY = Cause()


def find(vm: VM, event: str) -> Row | None:
    """The row that applies, if the event is legal now."""
    return next((row for row in ROWS.get((vm.state, event), ()) if row.applies(vm)), None)


def possible(state: State) -> list[str]:
    """The user events that this release serves in a state, without recoveries, in alphabetic order."""
    names = {event for (start, event), rows in ROWS.items() if start is state and rows[0].by_user}
    return sorted(name for name in names if not name.startswith(NO_ACTIONS))


def wrong_state(vm: VM, event: str) -> ActionError:
    """The refusal of an event: what, why, and what is possible."""
    ways = possible(vm.state)
    hint = f". Possible now: {', '.join(ways)}" if ways else ". It waits for a driver; see onevm recover"
    word = event.split(maxsplit=1)[0]
    if word.startswith("terminate"):
        return CouldNotTerminate(action=event, id=vm.id, state=vm.state, hint=hint)
    if word in _DEPLOY_WORDS:
        return ActionError(detail=f"{_DEPLOY_WORDS[word]} action is not available for state {vm.state}{hint}")
    return WrongState(action=event, state=vm.state, hint=hint)


class Lifecycle:
    """Fires events. `on_room` hears of each VM whose room on hosts may have changed."""

    def __init__(self, site: Site, on_room: Callable[[VM], None]) -> None:
        self.site, self._on_room = site, on_room

    def fire(self, unit: Unit, vm: VM, event: str, cause: Cause = NOBODY) -> Row:
        """Carry out the row of (state, event); WrongState with nothing changed if there is none."""
        row = find(vm, event)
        if row is None:
            raise wrong_state(vm, event)
        if row.then or row.to is DONE or (row.to and vm.state in WAITS_FOR_DRIVER):
            for intent in unit.desk.open_for(Kind.VM, vm.id):
                unit.abandon(intent)
        before, vm.seen_off, vm.missed, vm.acted = vm.state, False, False, clock.now()
        self._record(unit, vm, row, cause)
        self._note(vm, row, cause)
        if row.to is not None:
            _move(vm, row.to)
        _show_port(vm)
        if row.then:
            unit.open(row.then(vm, self.site))
        unit.touch(vm)
        self._on_room(vm)
        if vm.state is not before:
            unit.tell(Change(Kind.VM, vm.id, "state", str(before), str(vm.state)))
            word = "LCM state" if vm.state.lcm else "state"
            log.info("New %s is %s", word, vm.state, extra={"vm": vm.id})
        elif row.event in RESCHEDULES:
            unit.tell(Change(Kind.VM, vm.id, "resched", "", str(vm.resched)))
        return row

    def _record(self, unit: Unit, vm: VM, row: Row, cause: Cause) -> None:
        now = clock.stamp()
        before = {record.seq: dict(vars(record)) for record in vm.history[-2:]}
        if vm.history and row.by_user and row.to is not None:
            _blame(vm.record, row.event, cause)
        if row.opens:
            _open(vm, row.opens, cause, now)
            vm.record.cpu, vm.record.memory = vm.capacity
        if vm.history:
            _stamp(vm.record, row.stamps, now)
            if row.outcome == "failed" and row.to is RUNNING:
                vm.record.action = 0
        if len(vm.history) > 1:
            _stamp(vm.previous_record, row.previous, now)
            vm.previous_record.stray = row.leaves or vm.previous_record.stray
        for record in vm.history[-3:]:
            if vars(record) != before.get(record.seq):
                unit.put(tables.history, history_row(vm.id, record))

    def _note(self, vm: VM, row: Row, cause: Cause) -> None:
        if row.event == "transfer done" and makes_context(vm):
            vm.new_context = False
        _name_domain(vm, row, cause)
        if row.outcome == "failed" and row.to is not None:
            verb = row.event.split()[0].upper()
            vm.user_template.set("ERROR", f"{time.ctime(clock.now())}: {verb}: {cause.info or 'no reason given'}")
        elif row.by_user:
            vm.user_template.remove("ERROR")
        if row.by_user or row.then:
            vm.resched = int(row.event == "resched")
        elif row.event == "seen gone":
            vm.resched = 0
        if row.to is DONE:
            vm.etime = clock.stamp()


def _move(vm: VM, to: State) -> None:
    """A removal that becomes another one keeps the state that it began in: that says where files are."""
    if not {vm.state, to} <= CLEANUP:
        vm.previous = vm.state
    vm.state = to


def _show_port(vm: VM) -> None:
    """The template tells the port of the console where the VM is now."""
    if vm.history and vm.record.port and vm.state not in MOVING and "GRAPHICS" in vm.template:
        vm.template.vector("GRAPHICS")["PORT"] = str(vm.record.port)


def _blame(record: Record, event: str, cause: Cause) -> None:
    if (not record.etime or event in _ENDS_ANYWAY) and event in ACTIONS:
        record.action = ACTIONS[event]
        record.uid, record.gid, record.request = cause.uid, cause.gid, cause.request


def _name_domain(vm: VM, row: Row, cause: Cause) -> None:
    """Note what the hypervisor calls it, once that is known."""
    if row.event == "deploy" and is_wild(vm):
        vm.deploy_id = vm.user_template.get(IMPORTED)
    if row.event == "deploy done":
        vm.deploy_id = cause.info.split()[0] if cause.info.split() else vm.deploy_id


def _open(vm: VM, opens: Opens, cause: Cause, now: int) -> None:
    seq = len(vm.history)
    if opens is Opens.NEW:
        assert cause.placement is not None, "a row that opens a record on a chosen host needs the host"
        place = cause.placement
        vm.history.append(
            Record(
                seq=seq,
                hid=place.hid,
                hostname=place.hostname,
                cid=place.cid,
                vm_mad=place.vm_mad,
                tm_mad=place.tm_mad,
                vn_mad=place.vn_mad,
                port=place.port,
                ds_id=place.ds_id,
                sysds_path=place.sysds_path,
                images=place.images,
                stime=now,
            )
        )
    elif opens is Opens.COPY:
        vm.history.append(vm.record.copy(seq, now))
    else:
        failed, origin = vm.record, vm.previous_record
        failed.failed, failed.action = True, origin.action
        _stamp(failed, ("etime",), now)
        _stamp(origin, ("retime", "etime"), now)
        vm.history.append(origin.copy(seq, now))


def _stamp(record: Record, names: Iterable[str], now: int) -> None:
    for name in names:
        if name not in SET_ONCE or not getattr(record, name):
            setattr(record, name, now)
