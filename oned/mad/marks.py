"""Marks of stays that may have left a domain on their host (vm.strays), written to their history records."""

from collections.abc import Iterable

from oned.command import Command, Mad
from oned.store import tables
from oned.store.unit import Unit, history_row
from oned.vm.history import Record
from oned.vm.strays import forgotten, marked, settled
from oned.vm.vm import VM


def mark(unit: Unit, vm: VM, hid: int, value: int) -> None:
    """Mark the stays of a VM on a host."""
    _keep(unit, vm, marked(vm, hid, value))


def ended(unit: Unit, vm: VM, command: Command, *, success: bool) -> None:
    """Take in the answer to a CANCEL."""
    if command.verb == "CANCEL" and command.mad is Mad.VMM:
        _keep(unit, vm, settled(vm, command.arguments.get("seq", ""), success=success))


def ask_again(unit: Unit, vm: VM) -> None:
    """Let the next removal ask where an earlier one has asked: the VM has begun anew since."""
    _keep(unit, vm, forgotten(vm))


def _keep(unit: Unit, vm: VM, records: Iterable[Record]) -> None:
    for record in records:
        unit.put(tables.history, history_row(vm.id, record))
