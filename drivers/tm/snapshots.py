"""Snapshots of disks that are qcow2 files, as layers: snapshot `s` of disk `n` is the file `disk.<n>.snap/<s>`.

Snapshot 0 is `disk.<n>` itself. What the guest works on is the layer with the number of the next snapshot. Each layer
names the one below it relative to itself, so that the VM's directory may be moved. It is the same wherever the files
are: in a shared directory, or on the host alone.
"""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

from oned.drivers.lib import copying
from oned.drivers.lib.places import Place
from oned.drivers.lib.probe import HEADER, check_writable, of_any
from oned.drivers.lib.script import Line
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Task

_DISK = re.compile(r"(?P<disk>/.+/(?P<vm>\d+)(/images)?/disk\.\d+)(\.snap/(?P<number>\d+))?")


class Layers:
    """The commands, for a type of datastores, which finds the files of a line: `h1:/path` → where that is."""

    def __init__(self, find: Callable[[str], Place]) -> None:
        self._find = find

    def create(self, line: Line, vm: int, task: Task) -> None:
        """A new layer over what the guest has worked on, which is the snapshot now."""
        disk, number = self._parts(line, vm)
        if int(line.snapshot) != number:
            raise ActionFailed(f"{line.command}: snapshot {line.snapshot} is not the next one of {_file(disk, number)}")
        lay(_file(disk, number), _file(disk, number + 1), task)

    def revert(self, line: Line, vm: int, task: Task) -> None:
        """What the guest works on is a new layer over the snapshot."""
        disk, number = self._parts(line, vm)
        if int(line.snapshot) >= number:
            raise ActionFailed(f"SNAP_REVERT: {_file(disk, number)} is not later than snapshot {line.snapshot}")
        lay(_file(disk, int(line.snapshot)), _file(disk, number), task)

    def delete(self, line: Line, vm: int, task: Task) -> None:
        """Remove a snapshot, on which nothing lies; one that is not there is removed."""
        disk, number = self._parts(line, vm)
        if int(line.snapshot) >= number:
            raise ActionFailed(f"SNAP_DELETE: the guest works on {_file(disk, number)}: it is not removed")
        _file(disk, int(line.snapshot)).remove(task)

    def _parts(self, line: Line, vm: int) -> tuple[Place, int]:
        """The disk, and the number of the file that the guest works on. ActionFailed for what is no disk of the VM."""
        place = self._find(line.destination)
        path = os.path.normpath(place.path)
        match = _DISK.fullmatch(path)
        if match is None or match["vm"] != str(vm) or not line.snapshot.isdecimal():
            raise ActionFailed(
                f"{line.command}: {path} is no disk of VM {vm}, or {line.snapshot!r} no number of a snapshot"
            )
        return Place(place.host, Path(match["disk"])), int(match["number"] or 0)


def names_layer(path: Path) -> bool:
    """Whether a file of this name is a layer over a snapshot: we made its header, and no guest can change that."""
    return bool((match := _DISK.fullmatch(str(path))) and match["number"])


def directory_of(disk: Path) -> Path | None:
    """Where the snapshots of a disk are; None for the path of anything else."""
    match = _DISK.fullmatch(str(disk))
    return disk.with_name(f"{disk.name}.snap") if match and not match["number"] else None


def lay(below: Place, layer: Place, task: Task) -> None:
    """A new layer over a file. Errors: ActionFailed, if that is not there or no qcow2 file; Cancelled."""
    size = below.size(task)
    if size is None:
        raise ActionFailed(f"there is no {below}")
    head = below.head(HEADER, task)
    check_writable(head)
    if (form := of_any(head, size).format) != "qcow2":
        raise ActionFailed(f"{below} is {form}: only disks that are qcow2 files have snapshots")
    with layer.made_whole(task) as part:
        name = os.path.relpath(below.path, layer.path.parent)
        layer.demand(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", name, str(part)], task)


def flatten(source: Place, target: Place, task: Task) -> None:
    """One file of the same host, of a layer and what is below it. Errors: ActionFailed; Cancelled."""
    with target.made_whole(task) as part:
        words = ["qemu-img", "convert", "-q", "-U", "-f", "qcow2", "-O", "qcow2", str(source.path), str(part)]
        target.demand(words, task)


def prepare_move(source: Place, target: Place, settings: Settings, task: Task) -> None:
    """What a live move needs of a disk's layers on another host: those below the guest's, and an empty one for that.

    source, target  the directories of the layers; the disk itself is at the target already
    """
    names = source.demand(["ls", "--", str(source.path)], task).split()
    *below, top = sorted((name for name in names if name.isdecimal()), key=int)
    for name in below:
        copying.copy(source.below(name), target.below(name), settings, task)
    words = ["qemu-img", "info", "-U", "-f", "qcow2", "--output=json", str(source.path / top)]
    told = json.loads(source.demand(words, task))
    base, size = os.path.basename(told["backing-filename"]), str(told["virtual-size"])
    name = base if base.isdecimal() else f"../{base}"
    with target.below(top).made_whole(task) as part:
        target.demand(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", name, str(part), size], task)


def _file(disk: Place, number: int) -> Place:
    return Place(disk.host, Path(f"{disk.path}.snap/{number}")) if number else disk
