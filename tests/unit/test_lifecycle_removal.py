"""Where a domain and files may be, where room is taken, and that nothing is left when a VM ends."""

import pytest

from oned.vm import transfer
from oned.vm.history import ACTIONS
from oned.vm.row import Row
from oned.vm.states import (
    CARRIED,
    DONE,
    MIGRATE,
    MOVING_FILES,
    PENDING,
    POWEROFF,
    RUNNING,
    STOPPED,
    SUSPENDED,
    UNDEPLOYED,
    State,
)
from oned.vm.vm import VM
from tests.lifecycle_engine import SITE, Engine, a_vm, stay


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
