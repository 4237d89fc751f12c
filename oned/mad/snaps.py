"""What becomes of snapshots once a driver has answered, and when the domain that has them goes."""

from oned.mad.operations import Operations
from oned.store.unit import Unit
from oned.template.template import Template
from oned.vm.fire import Cause
from oned.vm.row import Row
from oned.vm.snapshots import NONE, Tree, active_snapshot
from oned.vm.states import CHANGING, CLEANUP, HAS_DOMAIN, PENDING
from oned.vm.vm import VM

MOVED = "migrate done"
"""The event after which the domain is another one, on another host."""


class Snaps:
    """Hears of each transition."""

    def __init__(self, operations: Operations) -> None:
        operations.followers.append(self.followed)

    def followed(self, unit: Unit, vm: VM, row: Row, cause: Cause) -> None:
        """Settle what was being done to a snapshot, and forget those that are gone."""
        if vm.state not in CHANGING | CLEANUP:
            if active := active_snapshot(vm.template):
                self._system(unit, vm, active, row.event, cause.info)
            for tree in vm.trees:
                if tree.pending != NONE:
                    self._disk(unit, vm, tree, row)
        if "SNAPSHOT" in vm.template and (vm.state not in HAS_DOMAIN | CLEANUP or row.event == MOVED):
            vm.template.remove("SNAPSHOT")
            unit.touch(vm)
        if vm.trees and vm.state is PENDING and vm.previous in CLEANUP:
            forget(vm, [tree.disk for tree in vm.trees])
            unit.touch(vm)

    def _system(self, unit: Unit, vm: VM, active: dict[str, str], event: str, info: str) -> None:
        del active["ACTIVE"]
        if event == "snapshotcreate done":
            active["HYPERVISOR_ID"] = info.split(maxsplit=1)[0] if info.split() else active["SNAPSHOT_ID"]
        elif event == "snapshotdelete done" or not active["HYPERVISOR_ID"]:
            vm.template = Template(item for item in vm.template if item[1] is not active)
        unit.touch(vm)

    def _disk(self, unit: Unit, vm: VM, tree: Tree, row: Row) -> None:
        """A snapshot with the number of the next one was being made; another was being gone back to, or deleted."""
        creates, deletes = tree.pending == tree.next, "DELETE" in vm.previous.name
        well = row.outcome == "done" and vm.previous not in CLEANUP
        if creates and well:
            tree.made()
        elif creates or (deletes and well):
            tree.drop(tree.pending)
        elif well:
            tree.base = tree.pending
        tree.pending = NONE
        count(vm, tree)
        if not tree.next and not tree.snapshots:
            forget(vm, [tree.disk])
        unit.touch(vm)


def count(vm: VM, tree: Tree) -> None:
    """Say in the disk what its snapshots may take: it counts as so much more."""
    for disk in vm.template.vectors("DISK"):
        if disk.get("DISK_ID") == str(tree.disk):
            disk["DISK_SNAPSHOT_TOTAL_SIZE"] = str(tree.total)
            disk.pop("DISK_SNAPSHOT_ACTIVE", None)


def forget(vm: VM, numbers: list[int]) -> None:
    """The snapshots of these disks are no more."""
    vm.trees = [tree for tree in vm.trees if tree.disk not in numbers]
    for disk in vm.template.vectors("DISK"):
        if disk.get("DISK_ID", "").isdecimal() and int(disk["DISK_ID"]) in numbers:
            disk.pop("DISK_SNAPSHOT_TOTAL_SIZE", None)
