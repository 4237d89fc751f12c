"""one.vm.disksnapshot*: snapshots of single disks, kept as files beside them as long as the VM lives."""

from oned import clock
from oned.api.call import Call
from oned.api.registry import method, operation
from oned.errors import ActionError
from oned.mad.snaps import count
from oned.names import check_name
from oned.pool.charges import holders
from oned.quota.usage import of_disk_snapshot
from oned.vm.disk import made_as, size
from oned.vm.fire import find
from oned.vm.snapshots import Snapshot, Tree
from oned.vm.vm import VM

RIGHT = operation("disk-snapshot")
LVM = "lvm"
"""The type of datastores whose disks are logical volumes, whatever is said of their images."""


@method("one.vm.disksnapshotcreate", vm=RIGHT)
def create(call: Call, vm: VM, disk: int, name: str) -> int:
    """Make a snapshot of a disk of a VM that runs, is powered off or suspended; the answer is its number.

    Only a disk that is a qcow2 file has any. The snapshot counts as much as the disk against SYSTEM_DISK_SIZE.
    name  "" leaves it without one
    Errors: NO_EXISTS, AUTHORIZATION (also: quota), ACTION (state, disk), INTERNAL (the name).
    Since: 4.14.
    """
    _demand(vm, "disk-snapshot-create", f"Could not create a new snapshot of disk {disk} of VM {vm.id}")
    vector, label = _disk(vm, disk), check_name(name) if name else ""
    _check_kind(vm, vector)
    call.charge(holders(vm.uid, vm.gid), of_disk_snapshot(size(vector)))
    tree = vm.tree(disk)
    if tree is None:
        tree = Tree(disk)
        vm.trees = [*vm.trees, tree]
    taken = tree.begin(label, clock.stamp(), size(vector))
    count(vm, tree)
    vector["DISK_SNAPSHOT_ACTIVE"] = "YES"
    call.fire(vm, "disk-snapshot-create")
    return taken.id


@method("one.vm.disksnapshotrevert", vm=RIGHT)
def revert(call: Call, vm: VM, disk: int, snapshot: int) -> int:
    """Put a disk of a VM that is powered off back to what it was; what was written since is gone.

    The answer is the snapshot's number.
    Errors: NO_EXISTS, AUTHORIZATION, ACTION (state, disk, snapshot).
    Since: 4.14.
    """
    event, what = "disk-snapshot-revert", f"Could not revert disk {disk} of VM {vm.id} to snapshot {snapshot}"
    return _work(call, vm, _for(vm, event, what, disk, snapshot), snapshot, event)


@method("one.vm.disksnapshotdelete", vm=RIGHT)
def delete(call: Call, vm: VM, disk: int, snapshot: int) -> int:
    """Delete a snapshot of a disk, unless the disk, or another snapshot, was made from it.

    The answer is the snapshot's number.
    Errors: NO_EXISTS, AUTHORIZATION, ACTION (state, disk, snapshot).
    Since: 4.14.
    """
    event, what = "disk-snapshot-delete", f"Could not delete snapshot {snapshot} of disk {disk}"
    tree = _for(vm, event, f"{what} of VM {vm.id}", disk, snapshot)
    if children := tree.children(snapshot):
        named = ", ".join(map(str, children))
        raise ActionError(detail=f"{what}: others lie on it. Delete those first: {named}")
    if tree.base == snapshot:
        reason = "it is active, the disk lies on it. Revert to another first, with the VM powered off"
        raise ActionError(detail=f"{what}: {reason}")
    return _work(call, vm, tree, snapshot, event)


@method("one.vm.disksnapshotrename", vm=RIGHT)
def rename(call: Call, vm: VM, disk: int, snapshot: int, name: str) -> VM:
    """Give a snapshot of a disk another name.

    Errors: NO_EXISTS, AUTHORIZATION, ACTION (disk, snapshot), INTERNAL (the name).
    Since: 5.8.
    """
    _, found = _found(vm, disk, snapshot)
    found.name = check_name(name)
    call.unit.touch(vm)
    return vm


def _for(vm: VM, event: str, what: str, disk: int, snapshot: int) -> Tree:
    """The snapshots of a disk, if the VM's state allows the event. Raises ActionError."""
    _demand(vm, event, what)
    tree, _ = _found(vm, disk, snapshot)
    return tree


def _work(call: Call, vm: VM, tree: Tree, snapshot: int, event: str) -> int:
    tree.pending = snapshot
    _disk(vm, tree.disk)["DISK_SNAPSHOT_ACTIVE"] = "YES"
    call.fire(vm, event)
    return snapshot


def _demand(vm: VM, event: str, what: str) -> None:
    if find(vm, event) is None:
        states = "POWEROFF" if event.endswith("revert") else "RUNNING, POWEROFF or SUSPENDED"
        raise ActionError(detail=f"{what}, wrong state {vm.state}. It must be {states}")


def _disk(vm: VM, number: int) -> dict[str, str]:
    for vector in vm.template.vectors("DISK"):
        if vector.get("DISK_ID") == str(number):
            return vector
    raise ActionError(detail=f"VM {vm.id} has no disk with DISK_ID {number}. onevm show {vm.id} lists them")


def _check_kind(vm: VM, disk: dict[str, str]) -> None:
    """ActionError for a disk that is no qcow2 file which the guest writes to: layers lie only on those."""
    if LVM in (vm.record.tm_mad, disk.get("TM_MAD", "")):
        detail = f"Disk {disk['DISK_ID']} of VM {vm.id} is a logical volume: it has no snapshots"
        raise ActionError(detail=f"{detail}. onevm disk-saveas copies it to an image")
    read_only = disk.get("READONLY", "").upper() == "YES" or disk.get("TYPE", "").upper() == "CDROM"
    form = made_as(disk, vm.record.tm_mad) or disk.get("DRIVER") or disk.get("FORMAT") or "raw"
    if read_only or form.lower() != "qcow2":
        what = "is only read" if read_only else f"is {form.lower()}"
        detail = f"Disk {disk['DISK_ID']} of VM {vm.id} {what}: it has no snapshots"
        raise ActionError(detail=f"{detail}. Use an image of FORMAT qcow2, or a datastore with TM_MAD qcow2")


def _found(vm: VM, disk: int, number: int) -> tuple[Tree, Snapshot]:
    _disk(vm, disk)
    tree = vm.tree(disk)
    found = tree.find(number) if tree else None
    if tree is None or found is None:
        there = ", ".join(str(one.id) for one in tree.snapshots) if tree else ""
        detail = f"Snapshot {number} of disk {disk} of VM {vm.id} does not exist. There is: {there or 'none'}"
        raise ActionError(detail=detail)
    return tree, found
