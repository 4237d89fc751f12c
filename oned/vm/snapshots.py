"""Snapshots of a VM: of the whole system, kept by its hypervisor, and of single disks, kept as files.

A system snapshot is a SNAPSHOT vector of the VM's template: SNAPSHOT_ID, NAME, TIME, HYPERVISOR_ID (what the driver
calls it) and ACTIVE=YES while the driver is at work on it.

The snapshots of a disk are a tree. Snapshot `s` of disk `n` is the file `disk.<n>.snap/<s>`, to which nothing is
written any more (snapshot 0 is the disk itself, `disk.<n>`), and what the guest works on is a layer over it, with the
number of the next snapshot. So each file keeps its name as long as it lives, and whoever has it open finds it again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from oned.document.element import tag, wrap
from oned.template.template import Template

NONE = -1


def system_snapshots(template: Template) -> list[dict[str, str]]:
    """The system snapshots, oldest first."""
    return template.vectors("SNAPSHOT")


def active_snapshot(template: Template) -> dict[str, str] | None:
    """The system snapshot that the driver is at work on."""
    return next((one for one in system_snapshots(template) if one.get("ACTIVE") == "YES"), None)


@dataclass
class Snapshot:
    """One snapshot of a disk. `size` is MiB, `parent` the snapshot that it was made after, NONE for none."""

    id: int
    name: str
    parent: int
    date: int
    size: int


@dataclass
class Tree:
    """The snapshots of a disk.

    base     the snapshot that the guest's layer lies on
    next     the number of the next snapshot, and of the file that the guest works on
    pending  the snapshot that a driver is at work on
    """

    disk: int
    base: int = NONE
    next: int = 0
    pending: int = NONE
    snapshots: list[Snapshot] = field(default_factory=list)

    @classmethod
    def restored(cls, plain: Mapping[str, Any]) -> Self:
        """The tree of its stored form."""
        return cls(**{**plain, "snapshots": [Snapshot(**one) for one in plain["snapshots"]]})

    def plain(self) -> dict[str, Any]:
        """The stored form."""
        return asdict(self)

    def find(self, number: int) -> Snapshot | None:
        return next((one for one in self.snapshots if one.id == number), None)

    def children(self, number: int) -> list[int]:
        """The snapshots that were made right after this one."""
        return [one.id for one in self.snapshots if one.parent == number]

    def begin(self, name: str, date: int, size: int) -> Snapshot:
        """A new snapshot of what the guest has now; it is one when `made` says so."""
        taken = Snapshot(self.next, name, self.base, date, size)
        self.snapshots.append(taken)
        self.pending = taken.id
        return taken

    def made(self) -> None:
        """What was begun is a snapshot."""
        self.base, self.next = self.pending, self.pending + 1

    def drop(self, number: int) -> None:
        """The snapshot is no more."""
        self.snapshots = [one for one in self.snapshots if one.id != number]

    @property
    def total(self) -> int:
        """MiB that the snapshots may take."""
        return sum(one.size for one in self.snapshots)

    def xml(self) -> str:
        """The SNAPSHOTS element of a VM's document."""
        head = {"ALLOW_ORPHANS": "NO", "CURRENT_BASE": self.base, "DISK_ID": self.disk, "NEXT_SNAPSHOT": self.next}
        return wrap(
            "SNAPSHOTS", "".join(tag(*item) for item in head.items()) + "".join(map(self._snapshot, self.snapshots))
        )

    def _snapshot(self, one: Snapshot) -> str:
        values = {"ACTIVE": "YES" if one.id == self.base else "", "CHILDREN": ",".join(map(str, self.children(one.id)))}
        shown = {**values, "DATE": one.date, "ID": one.id, "NAME": one.name, "PARENT": one.parent, "SIZE": one.size}
        return wrap("SNAPSHOT", "".join(tag(name, value) for name, value in shown.items() if value != ""))


def file_of(disk: int, number: int) -> str:
    """The file of a snapshot of a disk, or of the guest's layer, in the VM's directory."""
    return f"disk.{disk}.snap/{number}" if number else f"disk.{disk}"


def content(trees: Iterable[Tree], disk: int) -> str:
    """The file that the guest works on, in the VM's directory."""
    return file_of(disk, next((tree.next for tree in trees if tree.disk == disk), 0))
