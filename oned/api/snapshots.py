"""one.vm.snapshot*: snapshots of a running VM, memory and disks, kept by its hypervisor."""

from oned import clock
from oned.api.call import Call
from oned.api.registry import method, operation
from oned.errors import ActionError
from oned.names import check_name
from oned.vm.fire import find
from oned.vm.snapshots import system_snapshots
from oned.vm.vm import VM

RIGHT = operation("snapshot")


@method("one.vm.snapshotcreate", vm=RIGHT)
def create(call: Call, vm: VM, name: str) -> int:
    """Make a snapshot of a VM that runs; the answer is its number. It is gone when the VM leaves its host, or is off.

    name  "" is `snapshot-` and its number
    Errors: NO_EXISTS, AUTHORIZATION, ACTION (the state), INTERNAL (the name).
    Since: 4.0.
    """
    _demand(vm, "snapshot-create", f"Could not create a new snapshot for VM {vm.id}")
    number = 1 + max((int(one["SNAPSHOT_ID"]) for one in system_snapshots(vm.template)), default=-1)
    vector = {
        "ACTIVE": "YES", "HYPERVISOR_ID": "", "NAME": check_name(name) if name else f"snapshot-{number}",
        "SNAPSHOT_ID": str(number), "TIME": str(clock.stamp()),
    }  # fmt: skip
    vm.template.add("SNAPSHOT", vector)
    call.fire(vm, "snapshot-create")
    return number


@method("one.vm.snapshotrevert", vm=RIGHT)
def revert(call: Call, vm: VM, snapshot: int) -> int:
    """Put a VM that runs back to what it was when the snapshot was made; the answer is the snapshot's number.

    Errors: NO_EXISTS, AUTHORIZATION, ACTION (the state, no such snapshot).
    Since: 4.0.
    """
    return _work(call, vm, snapshot, "revert")


@method("one.vm.snapshotdelete", vm=RIGHT)
def delete(call: Call, vm: VM, snapshot: int) -> int:
    """Delete a snapshot of a VM that runs; the answer is the snapshot's number.

    Errors: NO_EXISTS, AUTHORIZATION, ACTION (the state, no such snapshot).
    Since: 4.0.
    """
    return _work(call, vm, snapshot, "delete")


def _work(call: Call, vm: VM, number: int, word: str) -> int:
    _demand(vm, f"snapshot-{word}", f"Could not {word} snapshot {number} for VM {vm.id}")
    known = system_snapshots(vm.template)
    vector = next((one for one in known if one["SNAPSHOT_ID"] == str(number)), None)
    if vector is None:
        there = ", ".join(one["SNAPSHOT_ID"] for one in known) or "none"
        detail = f"Could not {word} snapshot {number} for VM {vm.id}, it does not exist. There is: {there}"
        raise ActionError(detail=detail)
    vector["ACTIVE"] = "YES"
    call.fire(vm, f"snapshot-{word}")
    return number


def _demand(vm: VM, event: str, what: str) -> None:
    if find(vm, event) is None:
        raise ActionError(detail=f"{what}, wrong state {vm.state}. It must be RUNNING")
