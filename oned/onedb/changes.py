"""The invariants of what is being changed of VMs: disks, NICs, snapshots, capacity."""

from collections.abc import Iterator

from oned.onedb.snapshot import Snapshot
from oned.vm.disk import is_changing, numbered
from oned.vm.nic import BEFORE
from oned.vm.snapshots import NONE, Tree, active_snapshot
from oned.vm.states import CHANGING, CLEANUP, DONE
from oned.vm.vm import RESIZED, VM

_KEPT = {RESIZED: "its capacity", BEFORE: "what a NIC was"}
"""Vectors that keep what was there before a change."""


def changes_are_under_way(snapshot: Snapshot) -> Iterator[str]:
    """What is marked as being changed belongs to a VM whose driver is at work on it."""
    for vm in snapshot.pools.vms:
        if vm.state not in CHANGING | CLEANUP | DONE:
            for what in _marks(vm):
                yield f"VM {vm.id}: {what} is marked as being changed, and the VM is {vm.state}"


def _marks(vm: VM) -> Iterator[str]:
    for name in ("DISK", "NIC"):
        for vector in vm.template.vectors(name):
            if is_changing(vector):
                yield f"{name} {vector.get(f'{name}_ID', '')}"
    if active := active_snapshot(vm.template):
        yield f"snapshot {active.get('SNAPSHOT_ID', '')}"
    yield from (what for name, what in _KEPT.items() if name in vm.template)
    for tree in vm.trees:
        if tree.pending != NONE:
            yield f"snapshot {tree.pending} of disk {tree.disk}"


def trees_are_whole(snapshot: Snapshot) -> Iterator[str]:
    """The snapshots of a disk that the VM has are numbered apart, and what one lies on is there."""
    for vm in snapshot.pools.vms:
        disks = {number for number, _ in numbered(vm.template)}
        for tree in vm.trees:
            where = f"VM {vm.id}, disk {tree.disk}"
            if tree.disk not in disks:
                yield f"{where}: it has snapshots and does not exist"
            yield from (f"{where}: {what}" for what in _broken(tree))


def _broken(tree: Tree) -> Iterator[str]:
    numbers = [one.id for one in tree.snapshots]
    if len(set(numbers)) < len(numbers):
        yield f"its snapshots are numbered {numbers}"
    for number in {tree.base, *(one.parent for one in tree.snapshots)} - {NONE} - set(numbers):
        yield f"something lies on its snapshot {number}, which does not exist"
    if any(number >= tree.next and number != tree.pending for number in numbers):
        yield f"snapshot {max(numbers)} has the number of the file that the guest works on"


def numbers_are_told_apart(snapshot: Snapshot) -> Iterator[str]:
    """No two disks of a VM have one number or one device, and the context disk has its own; nor have NICs."""
    for vm in snapshot.pools.vms:
        context = vm.template.vector("CONTEXT")
        disks = [*vm.template.vectors("DISK"), *([context] if context else [])]
        for key, vectors in (("DISK_ID", disks), ("TARGET", disks), ("NIC_ID", vm.template.vectors("NIC"))):
            values = [vector[key] for vector in vectors if vector.get(key)]
            for value in sorted({value for value in values if values.count(value) > 1}):
                yield f"VM {vm.id}: {key} {value} is given twice"
