"""The life cycle as a table: it is whole, every way in has its ways out, and firing follows the rows, nothing else."""

import copy
from collections import Counter

import pytest

from oned.api.vm import ACTIONS as API_ACTIONS
from oned.command import Mad
from oned.errors import ActionError
from oned.mad import vmm
from oned.mad.recovery import OUTCOMES, owed
from oned.vm import transfer
from oned.vm.fire import ROWS, find
from oned.vm.lifecycle import LIFECYCLE
from oned.vm.row import NEW, Row
from oned.vm.states import (
    BOOTING,
    BY_NUMBERS,
    DONE,
    FAILED,
    MIGRATE,
    RESIDENT,
    RUNNING,
    SAVE_MIGRATE,
    STATES,
    STOPPED,
    UNDEPLOYED,
    WAITS_FOR_DRIVER,
    State,
)
from oned.vm.vm import VM
from tests.lifecycle_engine import Engine, a_vm, command_into, command_of, entries

USER_EVENTS = sorted({event for _, event in ROWS if not event.endswith((" done", " failed")) and "seen " not in event})
CHANGES = {
    "attachdisk", "detachdisk", "attachnic", "detachnic", "updatenic", "resize", "resizedisk", "disksnapshotcreate",
    "snapshotcreate", "snapshotrevert", "snapshotdelete",
}  # fmt: skip
"""Commands that came after the plain dialect."""


def everything(vm: VM) -> object:
    return copy.deepcopy((vm.saved(), [record.saved() for record in vm.history], vm.state, vm.previous, vm.counted))


# --- the table is whole ---


def test_no_two_rows_are_for_the_same_state_event_and_guard() -> None:
    keys = Counter((state.name, row.event, row.when) for row in LIFECYCLE for state in row.start)
    assert [key for key, count in keys.items() if count > 1] == []


def test_a_guarded_row_has_an_unguarded_one_behind_it_so_no_answer_of_a_driver_is_lost() -> None:
    without = [key for key, rows in ROWS.items() if rows[-1].when is not None]
    assert {event for _, event in without} == {"seen elsewhere"}, "which the monitor raises, no driver"


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
def test_every_verb_that_the_api_can_cause_has_a_line_in_the_dialects_of_its_era(verb: str) -> None:
    if verb == "TRANSFER":
        return
    assert verb in vmm.XML_VERBS
    assert (verb in vmm.PLAIN) is (verb.lower() not in CHANGES)


def test_every_transfer_that_the_api_can_cause_has_a_script() -> None:
    commands = [command_of(row, to) for row, to in entries()]
    phases = {command.arguments["phase"] for command in commands if command.mad is Mad.TM}
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
