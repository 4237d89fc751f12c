"""The life cycle as a table: it is whole, every way in has its ways out, and firing follows the rows, nothing else."""

import asyncio
import copy
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.api.vm import ACTIONS as API_ACTIONS
from oned.command import Command, Mad
from oned.errors import ActionError
from oned.host.host import Host
from oned.mad import vmm
from oned.mad.operations import Operations
from oned.mad.recovery import OUTCOMES, owed, recover
from oned.pool.pools import Pools
from oned.store.database import Database, sqlite_engine
from oned.store.events import Events
from oned.store.schema import upgrade
from oned.store.unit import Unit
from oned.vm import transfer
from oned.vm.fire import ROWS, Cause, Lifecycle, find
from oned.vm.history import ACTIONS, Record
from oned.vm.lifecycle import AWAY, BOOTING, LIFECYCLE, UNPLACED
from oned.vm.machine import Site
from oned.vm.row import NEW, Placement, Row
from oned.vm.states import (
    BY_NUMBERS,
    CARRIED,
    DONE,
    FAILED,
    MIGRATE,
    MOVING_FILES,
    PENDING,
    POWEROFF,
    RESIDENT,
    RUNNING,
    SAVE_MIGRATE,
    STATES,
    STOPPED,
    SUSPENDED,
    UNDEPLOYED,
    WAITS_FOR_DRIVER,
    State,
)
from oned.vm.vm import VM

SITE = Site("/var/vms", "front", lambda mad, driver, verb: 60.0)
HOSTS = (0, 1, 2)
USER_EVENTS = sorted({event for _, event in ROWS if not event.endswith((" done", " failed")) and "seen " not in event})
WITHOUT_DRIVERS_YET = {
    "attachdisk", "detachdisk", "attachnic", "detachnic", "resize", "resizedisk", "disksnapshotcreate",
    "snapshotcreate", "snapshotrevert", "snapshotdelete",
}  # fmt: skip
"""Commands of rows that no method of the API reaches."""


def placement(hid: int) -> Placement:
    return Placement(hid, f"h{hid}", 0, "dummy", "dummy", 0, "/ds/0")


def stay(seq: int, hid: int, action: str = "none", etime: int = 0) -> Record:
    return Record(
        seq=seq, hid=hid, hostname=f"h{hid}", vm_mad="dummy", tm_mad="dummy", sysds_path="/ds/0",
        stime=1, action=ACTIONS[action], etime=etime,
    )  # fmt: skip


def stays(state: State) -> list[Record]:
    """A history with which a VM may be in the state."""
    if state in UNPLACED:
        return []
    if state in AWAY:
        return [stay(0, 0, "stop" if state is STOPPED else "undeploy", etime=5)]
    if "MIGRATE" in state.name:
        return [stay(0, 0, "migrate", etime=0 if state in MIGRATE | SAVE_MIGRATE else 5), stay(1, 1)]
    return [stay(0, 0, etime=5 if state is DONE else 0)]


def a_vm(state: State, oid: int = 7) -> VM:
    vm = VM(oid, f"one-{oid}", (0, 0), 0o600)
    vm.template.set("CPU", "1")
    vm.template.set("MEMORY", "64")
    vm.settle_capacity()
    vm.state, vm.history = state, stays(state)
    vm.deploy_id = "" if state in UNPLACED else f"one-{oid}"
    return vm


class Engine:
    """The pools, the ledger and the life cycle, without drivers and without a commit."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        engine = sqlite_engine(path)
        upgrade(engine)
        self.database = Database(engine, loop)
        self.pools = Pools()
        self.operations = Operations(self.database, self.pools, Events(0))
        self.operations.lifecycle = Lifecycle(SITE, self.pools.ledger.refresh)
        for hid in HOSTS:
            self.pools.hosts.admit(Host(hid, f"h{hid}", "dummy", "dummy"))

    def put(self, vm: VM) -> VM:
        """The VM lives now, with its command on its way if it waits for one."""
        self.pools.vms.clear()
        self.operations.restore([])
        self.pools.vms.admit(vm)
        self.pools.ledger.rebuild(self.pools.vms)
        if vm.state in WAITS_FOR_DRIVER:
            self.operations.opened(command_into(vm))
        return vm

    def unit(self) -> Unit:
        return self.operations.unit()

    def fire(self, vm: VM, event: str, hid: int = 2) -> Row:
        return self.operations.lifecycle.fire(self.unit(), vm, event, Cause(placement=placement(hid)))

    def recover(self, vm: VM, how: str) -> None:
        recover(self.operations, self.unit(), vm, how, Cause(info="by hand"))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    loop = asyncio.new_event_loop()
    made = Engine(tmp_path_factory.mktemp("table") / "one.db", loop)
    yield made
    made.database.close()
    loop.close()


def entries() -> list[tuple[Row, State]]:
    """Each row with a command, with each state that it ends in."""
    return [(row, to) for row in LIFECYCLE if row.then for to in ({row.to} if row.to else row.start)]


def command_of(row: Row, state: State) -> Command:
    """What the row sends, from a VM that is in its new state."""
    assert row.then
    vm = a_vm(state)
    vm.history = vm.history or [stay(0, 0)]
    return row.then(vm, SITE)


def command_into(vm: VM) -> Command:
    """A command that a VM in the state waits for."""
    row = next(row for row, to in entries() if to is vm.state)
    return command_of(row, vm.state)


def everything(vm: VM) -> object:
    return copy.deepcopy((vm.saved(), [record.saved() for record in vm.history], vm.state, vm.previous, vm.counted))


# --- the table is whole ---


def test_no_two_rows_are_for_the_same_state_event_and_guard() -> None:
    keys = Counter((state.name, row.event, row.when) for row in LIFECYCLE for state in row.start)
    assert [key for key, count in keys.items() if count > 1] == []


def test_a_guarded_row_has_an_unguarded_one_behind_it_so_no_answer_of_a_driver_is_lost() -> None:
    without = [key for key, rows in ROWS.items() if rows[-1].when is not None]
    assert without == []


def test_states_have_their_own_numbers_and_all_states_of_the_table_are_known() -> None:
    assert len(BY_NUMBERS) == len(STATES)
    used = {state for row in LIFECYCLE for state in row.start} | {row.to for row in LIFECYCLE if row.to}
    assert used <= set(STATES)


def test_every_state_but_done_has_a_way_out() -> None:
    leaving = {state for row in LIFECYCLE for state in row.start if row.to not in (None, state)}
    assert set(STATES) - leaving == {DONE}


def test_every_state_can_be_reached_but_those_of_images() -> None:
    reached = {row.to for row in LIFECYCLE}
    assert {state.name for state in STATES if state not in reached} == {"INIT"}


def test_whoever_enters_a_state_that_waits_for_a_driver_sends_a_command() -> None:
    silent = [(row.event, str(row.to)) for row in LIFECYCLE if row.to in WAITS_FOR_DRIVER and not row.then]
    assert silent == []


@pytest.mark.parametrize(("row", "to"), entries(), ids=lambda value: getattr(value, "event", str(value)))
def test_a_state_that_waits_takes_both_outcomes_of_the_command_that_leads_into_it(row: Row, to: State) -> None:
    verb = command_of(row, to).verb.lower()
    if to in WAITS_FOR_DRIVER:
        assert {(to, f"{verb} done"), (to, f"{verb} failed")} <= ROWS.keys()
    else:
        assert verb in ("reboot", "reset"), "only these leave the VM as it is"


@pytest.mark.parametrize("verb", sorted({command_of(row, to).verb for row, to in entries()}))
def test_every_verb_that_the_api_can_cause_has_a_line_in_both_dialects(verb: str) -> None:
    if verb == "TRANSFER":
        return
    if verb.lower() not in WITHOUT_DRIVERS_YET:
        assert verb in vmm.PLAIN
        assert verb in vmm.XML_VERBS


def test_every_transfer_that_the_api_can_cause_has_a_script() -> None:
    rows = [(row, to) for row, to in entries() if not row.event.startswith(("disk-", "nic-", "snapshot-"))]
    phases = {command_of(row, to).arguments["phase"] for row, to in rows if command_of(row, to).mad is Mad.TM}
    assert phases == set(transfer.PHASES)


def test_commands_to_a_moving_vm_go_to_the_host_where_its_domain_is() -> None:
    for state in MIGRATE | SAVE_MIGRATE:
        assert command_into(a_vm(state)).host == "h0"


def test_every_action_of_the_api_is_an_event_of_the_table() -> None:
    events = {event for _, event in ROWS}
    assert set(API_ACTIONS.values()) <= events


# --- recover ---


@pytest.mark.parametrize("how", OUTCOMES)
@pytest.mark.parametrize("state", sorted(WAITS_FOR_DRIVER, key=str), ids=str)
def test_recover_moves_a_waiting_vm_on_as_the_answer_would(engine: Engine, state: State, how: str) -> None:
    vm = engine.put(a_vm(state))
    row = find(vm, f"recover {how}") or find(vm, owed(engine.operations, vm, OUTCOMES[how]))
    assert row
    engine.recover(vm, how)
    assert vm.state is (row.to or state)


@pytest.mark.parametrize("how", ["success", "failure", "retry"])
@pytest.mark.parametrize("state", sorted(FAILED, key=str), ids=str)
def test_recover_follows_a_row_of_each_failed_state(engine: Engine, state: State, how: str) -> None:
    vm = engine.put(a_vm(state))
    row = find(vm, f"recover {how}")
    assert row
    engine.recover(vm, how)
    assert vm.state is (row.to or state)
    assert how == "failure" or vm.state is not state


@pytest.mark.parametrize(("how", "ends"), [("delete", {"CLEANUP_DELETE", "DONE"}),
                                           ("recreate", {"CLEANUP_RESUBMIT", "PENDING"})])  # fmt: skip
@pytest.mark.parametrize("state", sorted(RESIDENT, key=str), ids=str)
def test_every_live_vm_can_be_deleted_and_made_anew(engine: Engine, state: State, how: str, ends: set[str]) -> None:
    vm = engine.put(a_vm(state))
    engine.recover(vm, how)
    assert str(vm.state) in ends


@pytest.mark.parametrize("state", sorted(WAITS_FOR_DRIVER, key=str), ids=str)
def test_recover_raises_the_event_of_the_open_command(engine: Engine, state: State) -> None:
    vm = engine.put(a_vm(state))
    verb = command_into(vm).verb.lower()
    assert (owed(engine.operations, vm, "done"), owed(engine.operations, vm, "failed")) == (
        f"{verb} done",
        f"{verb} failed",
    )


@pytest.mark.parametrize("state", sorted(WAITS_FOR_DRIVER, key=str), ids=str)
def test_a_retry_closes_the_old_command_and_opens_it_anew(engine: Engine, state: State) -> None:
    vm = engine.put(a_vm(state))
    [before] = engine.operations.open_for(vm.kind, vm.id)
    engine.recover(vm, "retry")
    [after] = engine.operations.open_for(vm.kind, vm.id)
    assert after.id > before.id
    assert after.command == before.command


@pytest.mark.parametrize("state", sorted(RESIDENT, key=str), ids=str)
def test_every_live_vm_can_be_deleted_with_no_driver_at_all(engine: Engine, state: State) -> None:
    vm = engine.put(a_vm(state))
    engine.recover(vm, "delete-db")
    assert vm.state is DONE
    assert engine.operations.open_for(vm.kind, vm.id) == []
    assert not any(host.vms for host in engine.pools.hosts)


# --- firing ---


@pytest.mark.parametrize("event", USER_EVENTS)
def test_an_event_follows_its_row_or_is_refused_with_nothing_changed(engine: Engine, event: str) -> None:
    taken = 0
    for state in STATES:
        vm = engine.put(a_vm(state))
        row, before = find(vm, event), everything(vm)
        if row is None:
            with pytest.raises(ActionError) as refusal:
                engine.fire(vm, event)
            assert str(state) in str(refusal.value)
            assert everything(vm) == before
        else:
            taken += 1
            assert engine.fire(vm, event) is row
            assert vm.state is (row.to or state)
    assert taken, "an event of the table is legal somewhere"


@pytest.mark.parametrize("state", STATES, ids=str)
def test_a_command_is_open_after_a_row_exactly_when_the_vm_waits_for_it(engine: Engine, state: State) -> None:
    for row in (row for row in LIFECYCLE if state in row.start and row.when is None):
        vm = engine.put(a_vm(state))
        if find(vm, row.event) is not row:
            continue
        answered = [intent for intent in engine.operations.open_for(vm.kind, vm.id) if row.outcome]
        for intent in answered:
            engine.operations.closed(intent)
        engine.fire(vm, row.event)
        commands = engine.operations.open_for(vm.kind, vm.id)
        if vm.state in WAITS_FOR_DRIVER:
            assert len(commands) == 1, row.event
        elif vm.state is not RUNNING:
            assert commands == [], row.event


def test_a_row_that_needs_a_chosen_host_opens_the_next_record_there(engine: Engine) -> None:
    for row in (row for row in LIFECYCLE if row.opens is NEW and row.when is None):
        for state in row.start:
            vm = engine.put(a_vm(state))
            seen = len(vm.history)
            engine.fire(vm, row.event)
            assert (len(vm.history), vm.record.seq, vm.record.hid) == (seen + 1, seen, 2)


def test_a_booting_vm_may_be_booted_again_by_hand_with_one_command_open(engine: Engine) -> None:
    for state in BOOTING:
        vm = engine.put(a_vm(state))
        engine.fire(vm, "boot")
        assert len(engine.operations.open_for(vm.kind, vm.id)) == 1
        assert vm.state is state


def test_a_vm_that_ends_leaves_no_command_open_not_even_a_reboot(engine: Engine) -> None:
    vm = engine.put(a_vm(RUNNING))
    engine.fire(vm, "reboot")
    assert [intent.command.verb for intent in engine.operations.open_for(vm.kind, vm.id)] == ["REBOOT"]
    engine.recover(vm, "delete-db")
    assert engine.operations.open_for(vm.kind, vm.id) == []


def test_undeployed_and_stopped_vms_come_back_by_their_own_ways(engine: Engine) -> None:
    ways = {}
    for state in (STOPPED, UNDEPLOYED):
        vm = engine.put(a_vm(state))
        engine.fire(vm, "resume")
        engine.fire(vm, "deploy")
        ways[str(state)] = str(vm.state)
    assert ways == {"STOPPED": "PROLOG_RESUME", "UNDEPLOYED": "PROLOG_UNDEPLOY"}


# --- where a domain and files may be, and where room is taken ---


def sent(engine: Engine, vm: VM) -> str:
    """The open command: verb and phase, or verb and host."""
    [intent] = engine.operations.open_for(vm.kind, vm.id)
    return f"{intent.command.verb} {intent.command.arguments.get('phase', intent.command.host)}"


def answered(engine: Engine, vm: VM, event: str) -> Row:
    """The answer to the open command: it is closed, and fires the event."""
    for intent in engine.operations.open_for(vm.kind, vm.id):
        engine.operations.closed(intent)
    return engine.fire(vm, event)


@pytest.mark.parametrize("outcome", ["done", "failed"])
@pytest.mark.parametrize("event", ["terminate", "terminate-hard", "delete", "recreate"])
@pytest.mark.parametrize("state", [SUSPENDED, POWEROFF], ids=str)
def test_a_resting_vm_is_cancelled_before_its_files_go_whatever_comes_of_it(
    engine: Engine, state: State, event: str, outcome: str
) -> None:
    vm = engine.put(a_vm(state))
    engine.fire(vm, event)
    entered = vm.state
    assert sent(engine, vm) == "CANCEL h0"
    answered(engine, vm, f"cancel {outcome}")
    assert vm.state is entered
    assert sent(engine, vm) in ("TRANSFER epilog", "TRANSFER delete")
    assert "ERROR" not in vm.user_template, "that there was nothing to cancel is no error"


def test_a_vm_that_ends_while_its_rest_is_cancelled_is_cancelled_again(engine: Engine) -> None:
    vm = engine.put(a_vm(POWEROFF))
    engine.fire(vm, "terminate")
    engine.fire(vm, "delete")
    assert sent(engine, vm) == "CANCEL h0"


@pytest.mark.parametrize("event", ["terminate", "terminate-hard", "delete", "recreate"])
@pytest.mark.parametrize("state", [STOPPED, UNDEPLOYED], ids=str)
def test_a_vm_called_back_from_the_front_end_leaves_nothing_there(engine: Engine, state: State, event: str) -> None:
    vm = engine.put(carried_away(state))
    engine.fire(vm, "resume")
    assert vm.state is PENDING
    engine.fire(vm, event)
    assert sent(engine, vm) in ("TRANSFER epilog_local", "TRANSFER delete_stop")
    answered(engine, vm, "transfer done")
    assert vm.state is (PENDING if event == "recreate" else DONE)
    if event == "recreate":
        engine.fire(vm, "deploy")
        assert str(vm.state) == "PROLOG", "it begins anew"


def carried_away(state: State) -> VM:
    """A VM whose files have been carried from h0 to the front-end."""
    vm = a_vm(state)
    vm.record.eetime = vm.record.etime
    return vm


@pytest.mark.parametrize("event", ["terminate", "delete", "recreate", "disk-saveas"])
def test_a_vm_on_the_front_end_only_takes_no_room_whatever_is_done_to_it(engine: Engine, event: str) -> None:
    vm = engine.put(carried_away(STOPPED))
    engine.fire(vm, event)
    assert vm.state not in (STOPPED, DONE)
    assert (vm.holds(), [host.vms for host in engine.pools.hosts]) == ((), [set(), set(), set()])


def test_a_failed_end_on_the_front_end_stays_there(engine: Engine) -> None:
    for event in ("recover retry", "terminate", "delete"):
        vm = engine.put(carried_away(UNDEPLOYED))
        engine.fire(vm, "terminate")
        answered(engine, vm, "transfer failed")
        engine.fire(vm, event)
        assert sent(engine, vm) in ("TRANSFER epilog_local", "TRANSFER delete_stop")
        assert vm.holds() == ()


def script(vm: VM) -> list[str]:
    return transfer.Script(vm, SITE, classic=True).text("delete").splitlines()


def test_whoever_is_deleted_during_a_move_loses_its_files_on_both_hosts(engine: Engine) -> None:
    for state in MOVING_FILES:
        vm = engine.put(a_vm(state))
        vm.previous_record.action = ACTIONS["poweroff"]
        engine.fire(vm, "delete")
        assert script(vm) == ["DELETE h1:/ds/0/7", "DELETE h0:/ds/0/7"], state


def test_a_recreation_that_becomes_a_deletion_still_knows_of_the_move(engine: Engine) -> None:
    vm = engine.put(a_vm(MIGRATE))
    engine.fire(vm, "recreate")
    engine.fire(vm, "delete")
    assert script(vm) == ["DELETE h1:/ds/0/7", "DELETE h0:/ds/0/7"]


def test_the_host_before_a_recreation_is_left_alone(engine: Engine) -> None:
    vm = engine.put(a_vm(PENDING))
    vm.history = [stay(0, 0, "recreate", etime=5)]
    engine.fire(vm, "deploy", 1)
    engine.fire(vm, "delete")
    assert script(vm) == ["DELETE h1:/ds/0/7"]


def test_whoever_is_deleted_on_the_way_from_or_to_the_front_end_leaves_nothing_at_either_end(engine: Engine) -> None:
    for state in CARRIED:
        vm = engine.put(a_vm(state))
        engine.fire(vm, "delete")
        assert script(vm) == ["DELETE h0:/ds/0/7", "DELETE front:/var/vms/7/7"], state


def test_the_stay_that_a_move_would_have_left_has_its_run_ended_at_a_deletion(engine: Engine) -> None:
    vm = engine.put(a_vm(MIGRATE))
    engine.fire(vm, "delete")
    hosts = [sent(engine, vm)]
    answered(engine, vm, "cancel done")
    hosts.append(sent(engine, vm))
    assert not vm.previous_record.retime
    answered(engine, vm, "cancel done")
    assert hosts == ["CANCEL h1", "CANCEL h0"]
    assert vm.previous_record.retime
    assert vm.previous_record.etime


@pytest.mark.parametrize(("event", "end"), [("delete", DONE), ("recreate", PENDING)])
def test_recover_success_ends_a_removal_at_once(engine: Engine, event: str, end: State) -> None:
    vm = engine.put(a_vm(RUNNING))
    engine.fire(vm, event)
    engine.recover(vm, "success")
    assert vm.state is end
    assert engine.operations.open_for(vm.kind, vm.id) == []
    assert vm.record.etime
