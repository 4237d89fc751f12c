"""Transfers of type lvm: images are files on the front-end, disks are logical volumes of the host.

Disk N of VM V is the volume lv-one-V-N of the group vg-one-D, D being the system datastore, and `disk.N` in the VM's
directory there is a link to it, made before the volume and removed after it: the links tell which volumes there are. A
volume is filled under another name. What moves goes through this machine. On the front-end, where a VM that was stopped
is, disks are files, and `.volumes` names those that are volumes on a host. Settings (environment, etc/tm_lvm/tm_lvmrc,
or etc/tm_lvm/hosts/<host>): those of reaching hosts, VG_NAME (another group), SHARED_VG (NO; YES: one group of all
hosts), SUDO (NO), CHECKSUM (YES).
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from oned.drivers.lib import blank, copying
from oned.drivers.lib.places import SLOW, Place, admin, place
from oned.drivers.lib.probe import HEADER, MIB, of_head
from oned.drivers.lib.reach.host import Host
from oned.drivers.lib.script import Line, mebibytes, removable
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Task
from oned.drivers.tm import tm_ssh

settings = Settings("tm_lvm")

NOTE = ".volumes"
PART = ".part"
_DISK = re.compile(r"/(?P<store>\d+)/(?P<vm>\d+)(/images)?/disk\.(?P<disk>\d+)$")
_VOLUME = re.compile(r"/dev/(?P<group>[\w.+-]+)/(?P<name>lv-one-\d+-\d+)")
_LINKS = '[ ! -d "$1" ] || exec find "$1" -maxdepth 1 -type l -name "disk.*" -printf "%f %l\\n"'
LINK = 'mkdir -p -- "$(dirname -- "$2")" && exec ln -sfnT -- "$1" "$2"'
_TARGET = '[ ! -h "$1" ] || exec readlink -- "$1"'


@dataclass(frozen=True)
class Volume:
    """A logical volume of a host."""

    at: Place
    """The link to it."""
    group: str
    name: str

    @property
    def device(self) -> Path:
        return Path("/dev") / self.group / self.name

    @property
    def there(self) -> Place:
        return Place(self.at.host, self.device)

    def run(self, task: Task, *argv: str) -> str:
        """The output of a command of LVM, or on the device."""
        return self.at.host.demand(_rooted(argv, self.at.host), task, SLOW)

    def size(self, task: Task) -> int | None:
        """Its bytes; None if there is no such volume."""
        argv = ("lvs", "--noheadings", "--nosuffix", "--units", "b", "-o", "lv_size", f"{self.group}/{self.name}")
        finished = self.at.host.run(_rooted(argv, self.at.host), task)
        if finished.problem and "ailed to find" not in finished.errors and "not found" not in finished.errors:
            raise ActionFailed(finished.problem)
        return None if finished.problem else int(finished.output)

    def make(self, size: int, task: Task, fill: Callable[["Volume"], None]) -> None:
        """A volume of so many bytes at least, filled under another name, and its link. One that is there is kept."""
        if self.size(task) is not None:
            task.info(f"{self.there} is there already: kept")
            return
        self.at.sh(LINK, task, self.device, self.at.path)
        part = Volume(self.at, self.group, self.name + PART)
        part.drop(task)
        try:
            self.run(task, *_CREATE, "-L", f"{size}b", "-n", part.name, part.group)
            fill(part)
            self.run(task, "lvrename", self.group, part.name, self.name)
        except BaseException:
            with contextlib.suppress(ActionFailed):
                part.drop(task.after_cancel())
            raise

    def activate(self, task: Task) -> None:
        """Its host can use it; in a group of all hosts, others do so too in the middle of a live move only."""
        self.run(task, "lvchange", "-ay", f"{self.group}/{self.name}")

    def deactivate(self, task: Task) -> None:
        """Its host does not use it; where it is not there, nothing is to be done."""
        if self.size(task) is not None:
            self.run(task, "lvchange", "-an", f"{self.group}/{self.name}")

    def remove(self, task: Task) -> None:
        """Neither it nor what is left of an attempt to make it is there."""
        for volume in (Volume(self.at, self.group, self.name + PART), self):
            volume.drop(task)

    def drop(self, task: Task) -> None:
        """It is not there."""
        if self.size(task) is not None:
            self.run(task, "lvremove", "-f", f"{self.group}/{self.name}")


_CREATE = ("lvcreate", "--yes", "--wipesignatures", "n")


def _rooted(argv: Sequence[str], host: Host) -> list[str]:
    """A command that needs root's rights on the host."""
    sudo = settings.get("SUDO", "NO", host.name).upper() == "YES"
    return admin(["sudo", "-n", *argv] if sudo else argv)


def is_one_group(host: Host) -> bool:
    """Whether the group is one of all hosts."""
    return settings.get("SHARED_VG", "NO", host.name).upper() == "YES"


def volume_of(at: Place) -> Volume:
    """The volume of a disk. Errors: ActionFailed, if the path is that of no disk."""
    found = _DISK.search(str(at.path))
    if found is None:
        raise ActionFailed(f"{at} is not the path of a disk, <datastore>/<VM>/disk.<number>")
    group = settings.get("VG_NAME", f"vg-one-{found['store']}", at.host.name)
    return Volume(at, group, f"lv-one-{found['vm']}-{found['disk']}")


def _linked(at: Place, target: str) -> Volume | None:
    found = _VOLUME.fullmatch(target)
    return Volume(at, found["group"], found["name"]) if found else None


def _volume_at(at: Place, task: Task) -> Volume | None:
    """The volume that a link leads to; None for anything else."""
    return _linked(at, at.sh(_TARGET, task, at.path).strip())


def volumes_in(directory: Place, task: Task) -> list[Volume]:
    """Those that the links of a VM's directory lead to."""
    lines = [line.partition(" ") for line in directory.sh(_LINKS, task, directory.path).splitlines()]
    found = [_linked(directory.below(name), target) for name, _, target in sorted(lines)]
    return [volume for volume in found if volume]


# -- commands ----------------------------------------------------------------------------------------------------------
def clone(line: Line, vm: int, task: Task) -> None:
    """The image in a volume of the host; an image that is a volume there gets a snapshot."""
    source, target = place(line.source, settings), place(line.destination, settings)
    volume = volume_of(target)
    if str(source.path).startswith("/dev/"):
        _snapshot(source, volume, task)
        return
    if (size := source.size(task)) is None:
        raise ActionFailed(f"{line.command}: there is no image {source}")
    if of_head(source.head(HEADER, task), size).format != "raw":
        raise ActionFailed(f"{line.command}: {source} is a qcow2 image, and volumes are raw: qemu-img convert -O raw")
    _bring(source, size, volume, task)
    target.demand(["rm", "-f", "--", str(tm_ssh.given(target))], task)


def _snapshot(source: Place, volume: Volume, task: Task) -> None:
    if source.host.name != volume.at.host.name:
        raise ActionFailed(f"{source} is a volume of another host than {volume.at.host.name}")
    if volume.size(task) is None:
        size = volume.run(task, "blockdev", "--getsize64", str(source.path)).strip()
        volume.at.sh(LINK, task, volume.device, volume.at.path)
        volume.run(task, *_CREATE, "-s", "-L", f"{size}b", "-n", volume.name, str(source.path))


def _fill(source: Place, target: Place, size: int, task: Task, *, sparse: bool = False) -> None:
    """Copy so many bytes of a file or device into another that is there."""
    read = ["head", "-c", str(size), "--", str(source.path)]
    conv = "conv=sparse,fsync" if sparse else "conv=fsync"
    write = ["dd", f"of={target.path}", "bs=1M", "iflag=fullblock", conv, "status=none"]
    with copying.turn(source, target, task):
        sent = copying.pour(source, _opened(read, source), target, _opened(write, target), size, task)
        if not copying.is_checked(target, settings):
            return
        again = ["sh", "-c", 'head -c "$2" -- "$1" | sha256sum', "sh", str(target.path), str(size)]
        if target.host.demand(_opened(again, target), task, SLOW).split()[:1] != [sent]:
            raise ActionFailed(f"{target}: the sha256 of the copy is not that of {source}")


def _opened(argv: Sequence[str], file: Place) -> list[str]:
    """A command that opens a file, or a device, which only root may."""
    return _rooted(argv, file.host) if str(file.path).startswith("/dev/") else list(argv)


def make_swap(line: Line, vm: int, task: Task) -> None:
    """An empty swap area of so many MB."""
    _make(line, ["mkswap"], task)


def make_image(line: Line, vm: int, task: Task) -> None:
    """An empty volume of so many MB, or one with a file system."""
    if line.format == "qcow2":
        raise ActionFailed("MKIMAGE: volumes are raw, not qcow2")
    commands = blank.commands(Path("."), mebibytes(line), line.format)
    _make(line, commands[1][:-1] if len(commands) > 1 else [], task)


def _make(line: Line, last: list[str], task: Task) -> None:
    def fill(part: Volume) -> None:
        if last:
            part.run(task, *last, str(part.device))

    volume_of(place(line.destination, settings)).make(mebibytes(line) * MIB, task, fill)


def mv(line: Line, vm: int, task: Task) -> None:
    """The VM's directory with its volumes to another host, or to the front-end and back."""
    source, target = place(line.source, settings), place(line.destination, settings)
    if source.size(task) is None or (source.host.name, source.path) == (target.host.name, target.path):
        tm_ssh.mv(line, vm, task)
        return
    volumes, is_shared = volumes_in(source, task), tm_ssh.is_one_directory(source, target, task)
    names = sorted(set(_noted(source, task)))
    if not volumes:
        _enter(names, source, target, task)
    elif target.host.local and f"/vms/{vm}/" in str(target.path):
        _leave(volumes, source, target, task)
    elif is_one_group(source.host):
        _hand_over(volumes, source, target, task)
        volumes = []
    else:
        _cross(volumes, source, target, task)
    for volume in volumes:
        volume.remove(task)
    if not is_shared:
        source.remove(task)


def _hand_over(volumes: Sequence[Volume], source: Place, target: Place, task: Task) -> None:
    """From host to host, in a group of both: only the directory is copied."""
    for volume in volumes:
        volume.deactivate(task)
    copying.copy(source, target, settings, task, follow=False)
    for volume in volumes:
        volume_of(target.below(volume.at.path.name)).activate(task)


def _cross(volumes: Sequence[Volume], source: Place, target: Place, task: Task) -> None:
    """From host to host: the volumes, then the directory, whose links lead to them then."""
    made = [volume_of(target.below(volume.at.path.name)) for volume in volumes]
    for volume, new in zip(volumes, made, strict=True):
        _bring(volume.there, volume.size(task), new, task)
    copying.copy(source, target, settings, task, follow=False)
    for new in made:
        target.sh(LINK, task, new.device, new.at.path)


def _leave(volumes: Sequence[Volume], source: Place, target: Place, task: Task) -> None:
    """To the front-end: the directory, then files in the place of its links, then the note which those are."""
    copying.copy(source, target, settings, task, follow=False)
    for volume in volumes:
        _save(volume, target.below(volume.at.path.name), task)
    names = "".join(f"{volume.at.path.name}\n" for volume in volumes)
    target.host.write(str(target.path / NOTE), names.encode(), task)


def _enter(names: Sequence[str], source: Place, target: Place, task: Task) -> None:
    """From the front-end: volumes of the files that are named, then what else is in the directory."""
    made = [volume_of(target.below(name)) for name in names]
    for new in made:
        disk = source.below(new.at.path.name)
        _bring(disk, disk.size(task), new, task)
    copying.copy(source, target, settings, task, follow=False, leave_out=[*names, NOTE])
    for new in made:
        target.sh(LINK, task, new.device, new.at.path)


def _bring(source: Place, size: int | None, volume: Volume, task: Task) -> None:
    """A file or device, of so many bytes, in a volume."""
    if size is None:
        raise ActionFailed(f"there is no {source}")
    volume.make(size, task, lambda part: _fill(source, part.there, size, task))


def _noted(directory: Place, task: Task) -> Iterator[str]:
    note = directory.below(NOTE)
    if note.size(task) is not None:
        yield from note.host.read(str(note.path), task).decode().splitlines()


def mvds(line: Line, vm: int, task: Task) -> None:
    """The VM's disk becomes the image, and a note of it stays, as in type ssh."""
    source = place(line.source, settings)
    volume, note = _volume_at(source, task), Place(source.host, tm_ssh.given(source))
    if volume is None:
        tm_ssh.mvds(line, vm, task)
        return
    if note.size(task) is None:
        _save(volume, place(line.destination, settings), task)
        note.sh(': >"$1"', task, note.path)
    volume.remove(task)
    source.remove(task)


def cpds(line: Line, vm: int, task: Task) -> None:
    """A copy of the VM's disk becomes an image."""
    volume = _volume_at(place(line.source, settings), task)
    if volume is None:
        tm_ssh.cpds(line, vm, task)
    else:
        _save(volume, place(line.destination, settings), task)


def _save(volume: Volume, target: Place, task: Task) -> None:
    size = volume.size(task)
    if size is None:
        raise ActionFailed(f"there is no {volume.there}; {target} is as it was")
    with target.made_whole(task) as part:
        _fill(volume.there, Place(target.host, part), size, task, sparse=True)


def resize(line: Line, vm: int, task: Task) -> None:
    """The disk is larger; one that is large enough stays as it is."""
    target, wanted = place(line.destination, settings), mebibytes(line) * MIB
    volume = _volume_at(target, task)
    if volume is None:
        tm_ssh.resize(line, vm, task)
        return
    size = volume.size(task)
    if size is None:
        raise ActionFailed(f"RESIZE: there is no {volume.there}")
    if size < wanted:
        volume.run(task, "lvextend", "-L", f"{wanted}b", f"{volume.group}/{volume.name}")


def delete(line: Line, vm: int, task: Task) -> None:
    """Remove the VM's directory with its volumes, or one disk; never anything else."""
    target = Place(place(line.destination, settings).host, removable(line, vm))
    one = _volume_at(target, task)
    for volume in [one] if one else volumes_in(target, task):
        volume.remove(task)
    tm_ssh.delete(line, vm, task)


COMMANDS: dict[str, Callable[[Line, int, Task], None]] = {
    "CLONE": clone,
    "LN": clone,
    "MKSWAP": make_swap,
    "MKIMAGE": make_image,
    "CONTEXT": tm_ssh.context,
    "MV": mv,
    "MVDS": mvds,
    "CPDS": cpds,
    "RESIZE": resize,
    "DELETE": delete,
}
