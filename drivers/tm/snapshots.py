"""Snapshots of disks that are qcow2 files, as layers: snapshot `s` of disk `n` is the file `disk.<n>.snap/<s>`.

Snapshot 0 is `disk.<n>` itself. What the guest works on is the layer with the number of the next snapshot. Each layer
names the one below it relative to itself, so that the VM's directory may be moved.
"""

import os
import re
from pathlib import Path

from oned.drivers.lib import files
from oned.drivers.lib.blank import QUICK
from oned.drivers.lib.probe import probe_any
from oned.drivers.lib.script import Line, path_of
from oned.drivers.lib.task import ActionFailed, Task

_DISK = re.compile(r"(?P<disk>/.+/(?P<vm>\d+)(/images)?/disk\.\d+)(\.snap/(?P<number>\d+))?")


def create(line: Line, vm: int, task: Task) -> None:
    """A new layer over what the guest has worked on, which is the snapshot now."""
    disk, number = _parts(line, vm)
    if int(line.snapshot) != number:
        raise ActionFailed(
            f"{line.command}: snapshot {line.snapshot} is not the next one of {path_of(line.destination)}"
        )
    _lay(_file(disk, number), _file(disk, number + 1), task)


def revert(line: Line, vm: int, task: Task) -> None:
    """What the guest works on is a new layer over the snapshot."""
    disk, number = _parts(line, vm)
    if int(line.snapshot) >= number:
        raise ActionFailed(f"SNAP_REVERT: {path_of(line.destination)} is not later than snapshot {line.snapshot}")
    _lay(_file(disk, int(line.snapshot)), _file(disk, number), task)


def delete(line: Line, vm: int, task: Task) -> None:
    """Remove a snapshot, on which nothing lies; one that is not there is removed."""
    disk, number = _parts(line, vm)
    if int(line.snapshot) >= number:
        raise ActionFailed(f"SNAP_DELETE: the guest works on {path_of(line.destination)}: it is not removed")
    files.remove(_file(disk, int(line.snapshot)))


def is_layer(path: Path) -> bool:
    """Whether the file is a layer over a snapshot: we made its header, and no guest can change that."""
    return bool((match := _DISK.fullmatch(str(path))) and match["number"]) and path.is_file() and not path.is_symlink()


def remove_all(disk: Path) -> None:
    """Remove the snapshots of a disk that is being removed."""
    if _DISK.fullmatch(str(disk)):
        files.remove(disk.with_name(f"{disk.name}.snap"))


def _parts(line: Line, vm: int) -> tuple[str, int]:
    """The disk, and the number of the file that the guest works on. ActionFailed for what is no disk of the VM."""
    path = os.path.normpath(path_of(line.destination))
    match = _DISK.fullmatch(path)
    if match is None or match["vm"] != str(vm) or not line.snapshot.isdecimal():
        raise ActionFailed(
            f"{line.command}: {path} is no disk of VM {vm}, or {line.snapshot!r} no number of a snapshot"
        )
    return match["disk"], int(match["number"] or 0)


def _file(disk: str, number: int) -> Path:
    return Path(f"{disk}.snap/{number}") if number else Path(disk)


def _lay(below: Path, layer: Path, task: Task) -> None:
    if not below.exists():
        raise ActionFailed(f"there is no {below}")
    if (form := probe_any(below).format) != "qcow2":
        raise ActionFailed(f"{below} is {form}: only disks that are qcow2 files have snapshots")
    with files.made_whole(layer) as part:
        name = os.path.relpath(below, layer.parent)
        task.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", name, str(part)], QUICK)
