"""Recovering by hand: raising the event that a driver owes, or sending its command again (4.2 and later)."""

from dataclasses import replace

from oned.errors import ActionError
from oned.ids import Kind
from oned.mad.operations import Operations
from oned.store.unit import Unit
from oned.vm.fire import ROWS, Cause, find
from oned.vm.states import WAITS_FOR_DRIVER
from oned.vm.vm import VM

OUTCOMES = {"success": "done", "failure": "failed"}
BY_EVENT = ("delete", "recreate", "delete-db")


def recover(operations: Operations, unit: Unit, vm: VM, how: str, cause: Cause) -> None:
    """Recover a VM: success, failure, retry, delete, recreate or delete-db. ActionError where there is nothing to."""
    if how in BY_EVENT:
        operations.fire(unit, vm, how, cause)
    elif vm.state not in WAITS_FOR_DRIVER or find(vm, f"recover {how}"):
        _recover_resting(operations, unit, vm, how, cause)
    elif how == "retry":
        _send_again(unit, vm)
    else:
        told = replace(cause, info="recovered by hand") if how == "failure" else cause
        operations.fire(unit, vm, owed(operations, vm, OUTCOMES[how]), told)


def owed(operations: Operations, vm: VM, outcome: str) -> str:
    """The event that the driver owes: of the open command, else of any row of the state."""
    for intent in operations.open_for(Kind.VM, vm.id):
        event = f"{intent.command.verb.lower()} {outcome}"
        if find(vm, event) is not None:
            return event
    return next(event for state, event in ROWS if state is vm.state and event.endswith(outcome))


def _recover_resting(operations: Operations, unit: Unit, vm: VM, how: str, cause: Cause) -> None:
    if find(vm, f"recover {how}") is None:
        word = "a retry" if how == "retry" else "a recover operation"
        detail = f"Could not perform {word} on VM {vm.id}, wrong state {vm.state}. Only a VM that waits for a driver"
        raise ActionError(detail=f"{detail}, or whose step has failed, can be recovered")
    operations.fire(unit, vm, f"recover {how}", cause)


def _send_again(unit: Unit, vm: VM) -> None:
    """Give up the open commands and send them as new ones."""
    intents = unit.desk.open_for(Kind.VM, vm.id)
    if not intents:
        detail = f"Could not perform a retry on VM {vm.id}: no command is open. Use recover success or failure"
        raise ActionError(detail=detail)
    for intent in intents:
        unit.abandon(intent)
        unit.open(intent.command)
