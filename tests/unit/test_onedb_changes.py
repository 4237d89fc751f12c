"""What `onedb check` says of changes of VMs that were left half done."""

from collections.abc import Callable

import pytest

from oned.ids import Kind
from oned.onedb.changes import changes_are_under_way, numbers_are_told_apart, trees_are_whole
from oned.onedb.snapshot import Snapshot
from oned.vm.snapshots import Tree
from oned.vm.states import HOTPLUG, RUNNING, State
from oned.vm.vm import VM


def a_vm(state: State = RUNNING) -> VM:
    vm = VM(7, "vm 7", (0, 0), 0o600)
    vm.state = state
    vm.template.add("DISK", {"DISK_ID": "0", "TARGET": "vda"})
    return vm


def found(vm: VM, check: Callable[[Snapshot], object]) -> list[str]:
    snapshot = Snapshot()
    snapshot.pools.of(Kind.VM).admit(vm)
    return list(check(snapshot))  # type: ignore[call-overload,no-any-return]


def a_tree(*names: str) -> Tree:
    tree = Tree(0)
    for name in names:
        tree.begin(name, 1, 10)
        tree.made()
        tree.pending = -1
    return tree


def mark_disk(vm: VM) -> None:
    vm.template.vector("DISK")["ATTACH"] = "YES"


def mark_nic(vm: VM) -> None:
    vm.template.add("NIC", {"NIC_ID": "2", "ATTACH": "YES"})


def mark_snapshot(vm: VM) -> None:
    vm.template.add("SNAPSHOT", {"SNAPSHOT_ID": "1", "ACTIVE": "YES"})


def mark_capacity(vm: VM) -> None:
    vm.template.add("HOTPLUG_RESIZE", {"CPU": "1"})


def mark_tree(vm: VM) -> None:
    vm.trees = [a_tree("a")]
    vm.trees[0].pending = 0


@pytest.mark.parametrize(("mark", "what"), [
    (mark_disk, "DISK 0"), (mark_nic, "NIC 2"), (mark_snapshot, "snapshot 1"), (mark_capacity, "its capacity"),
    (mark_tree, "snapshot 0 of disk 0"),
])  # fmt: skip
def test_a_mark_without_a_driver_at_work_is_found(mark: Callable[[VM], None], what: str) -> None:
    resting, changing = a_vm(), a_vm(HOTPLUG)
    mark(resting)
    mark(changing)
    assert found(resting, changes_are_under_way) == [
        f"VM 7: {what} is marked as being changed, and the VM is RUNNING",
    ]
    assert found(changing, changes_are_under_way) == []
    assert found(a_vm(), changes_are_under_way) == []


def test_a_tree_of_snapshots_with_a_hole_is_found() -> None:
    vm = a_vm()
    vm.trees = [a_tree("a", "b", "c")]
    assert found(vm, trees_are_whole) == []
    vm.trees[0].drop(1)
    assert found(vm, trees_are_whole) == ["VM 7, disk 0: something lies on its snapshot 1, which does not exist"]
    vm.trees[0].next = 2
    assert "VM 7, disk 0: snapshot 2 has the number of the file that the guest works on" in found(vm, trees_are_whole)
    vm.template.remove("DISK")
    assert "VM 7, disk 0: it has snapshots and does not exist" in found(vm, trees_are_whole)


def test_numbers_that_are_given_twice_are_found() -> None:
    vm = a_vm()
    vm.template.add("CONTEXT", {"DISK_ID": "0", "TARGET": "vda"})
    assert found(vm, numbers_are_told_apart) == ["VM 7: DISK_ID 0 is given twice", "VM 7: TARGET vda is given twice"]
