"""Transfers of type ssh: images are on the front-end, disks on the host, and what moves goes through this machine.

Settings (environment, etc/tm_ssh/tm_sshrc, or etc/tm_ssh/hosts/<host>): those of reaching hosts, CHECKSUM (YES), CACHE
and CACHE_MB.
"""

import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from oned.drivers.lib import blank, contextdisk, copying
from oned.drivers.lib.cache import cache_of
from oned.drivers.lib.places import Place, place
from oned.drivers.lib.probe import HEADER, MIB, Probe, check_writable, growing, of_any, of_head
from oned.drivers.lib.script import Line, mebibytes, path_of, removable
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Task
from oned.drivers.tm import snapshots

settings = Settings("tm_ssh")

GIVEN = ': >"$1" && exec rm -f -- "$2"'


def clone(line: Line, vm: int, task: Task) -> None:
    """A copy of the image on the host; one that is there and has its size is kept."""
    source, target = place(line.source, settings), place(line.destination, settings)
    size = _checked(line, source, task).size
    if source.size(task) == target.size(task):
        task.info(f"{target} is there already and has the {size} bytes of {source}: kept")
        return
    if line.command == "CLONE" and source.host.local and (cache := cache_of(target.host, settings)):
        cache.bring(source, target, settings, task)
    else:
        copying.copy(source, target, settings, task)
    target.demand(["rm", "-f", "--", str(given(target))], task)


def _checked(line: Line, source: Place, task: Task) -> Probe:
    """What the image is. Errors: ActionFailed, if there is none, or if it leads to files that do not come with it."""
    if "://" in line.source:
        raise ActionFailed(f"{line.source} cannot be fetched: put the image into its datastore first")
    size = source.size(task)
    if size is None:
        raise ActionFailed(f"{line.command}: there is no image {source}")
    try:
        found = of_head(source.head(HEADER, task), size)
    except ActionFailed as error:
        raise ActionFailed(f"{line.command}: {source}: {error}") from None
    if line.type == "qcow2" and found.format != "qcow2":
        raise ActionFailed(
            f"{line.command}: {source} is no qcow2 image, which disks of its datastore are on other hosts"
        )
    return found


def make_swap(line: Line, vm: int, task: Task) -> None:
    """An empty swap area of so many MB."""
    _make(line, "raw", ["mkswap"], task)


def make_image(line: Line, vm: int, task: Task) -> None:
    """An empty image of so many MB: raw, qcow2, or with a file system."""
    _make(line, line.format, [], task)


def _make(line: Line, form: str, last: list[str], task: Task) -> None:
    target, size = place(line.destination, settings), mebibytes(line)
    with target.made_whole(task) as part:
        for argv in blank.commands(part, size, form):
            target.demand(argv, task)
        if last:
            target.demand([*last, str(part)], task)


def context(line: Line, vm: int, task: Task) -> None:
    """A CD with context.sh and the other files, made here and brought to the host."""
    target, context_sh = place(line.destination, settings), path_of(line.files[0])
    with tempfile.TemporaryDirectory(dir=context_sh.parent, prefix=".context.") as here:
        made = Path(here) / target.path.name
        contextdisk.make(made, context_sh, line.files[1:], task)
        copying.copy(place(str(made), settings), target, settings, task)


def mv(line: Line, vm: int, task: Task) -> None:
    """Another place, on the same host or on another one; what has it already has moved."""
    source, target = place(line.source, settings), place(line.destination, settings)
    is_one = source.host.name == target.host.name or (source.host.local and target.host.local)
    if is_one and source.path == target.path:
        return
    if source.size(task) is None:
        if target.size(task) is None:
            raise ActionFailed(f"MV: there is no {source}")
        task.info(f"{target} is there and {source} is not: it has moved already")
        source.remove(task)
    elif is_one:
        source.move(target.path, task)
    elif is_one_directory(source, target, task):
        task.info(f"{target} is the directory that {source} is: nothing is moved. TM_MAD = shared suits its datastore")
    else:
        copying.copy(source, target, settings, task, follow=False)
        source.remove(task)


def is_one_directory(source: Place, target: Place, task: Task) -> bool:
    """Whether two hosts share a directory, so that a file which is made beside it at one is seen at the other."""
    if source.path != target.path:
        return False
    mark = Place(source.host, source.path.with_name(f".{source.path.name}.{os.urandom(8).hex()}"))
    mark.sh(': >"$1"', task, mark.path)
    try:
        return Place(target.host, mark.path).size(task) is not None
    finally:
        mark.discard(task)


def mvds(line: Line, vm: int, task: Task) -> None:
    """The VM's disk becomes the image; the host keeps a note of it, so that a repeated command knows."""
    source, target = place(line.source, settings), place(line.destination, settings)
    if source.size(task) is None:
        if Place(source.host, given(source)).size(task) is None:
            raise ActionFailed(f"MVDS: there is no {source}; {target} is as it was")
        task.info(f"{source} was brought to {target} already")
        return
    _whole(source, target, task)
    source.sh(GIVEN, task, given(source), source.path)


def given(disk: Place) -> Path:
    """The file that tells that a disk was brought back."""
    return disk.path.with_name(f".{disk.path.name}.given")


def cpds(line: Line, vm: int, task: Task) -> None:
    """A copy of the VM's disk, or of one of its snapshots, becomes an image."""
    _whole(place(line.source, settings), place(line.destination, settings), task)


def _whole(source: Place, target: Place, task: Task) -> None:
    """A copy of a disk; one that lies over snapshots is made one file first, beside it on its host."""
    if not snapshots.names_layer(source.path):
        copying.copy(source, target, settings, task)
        return
    flat = Place(source.host, source.path.with_name(f".{source.path.name}.flat"))
    try:
        snapshots.flatten(source, flat, task)
        copying.copy(flat, target, settings, task)
    finally:
        flat.discard(task)


def resize(line: Line, vm: int, task: Task) -> None:
    """The disk is larger; one that is large enough stays as it is."""
    target, wanted = place(line.destination, settings), mebibytes(line) * MIB
    size = target.size(task)
    if size is None:
        raise ActionFailed(f"RESIZE: there is no {target}")
    head = target.head(HEADER, task)
    check_writable(head)
    found = of_any(head, size)
    if found.size >= wanted:
        task.info(f"{target} has {found.mib} MiB already: kept")
    elif found.format == "qcow2":
        target.demand(growing(target.path, wanted), task)
    else:
        target.demand(["truncate", "-s", str(wanted), "--", str(target.path)], task)


def delete(line: Line, vm: int, task: Task) -> None:
    """Remove the VM's directory, or a file in it; never anything else."""
    target = Place(place(line.destination, settings).host, removable(line, vm))
    layers = snapshots.directory_of(target.path)
    target.remove(task, given(target), *([layers] if layers else []))
    if target.path.name == "images":  # the classic layout: what is left of the VM is the empty directory around
        target.leave(target.path.parent, task)


def premigrate(line: Line, vm: int, task: Task) -> None:
    """What a live migration needs on the destination: an empty disk for each qcow2 one, which the hypervisor fills
    while its guest writes to it, and copies of all else. Of a disk with snapshots that is the last layer only.
    """
    source, target = ends(line, vm)
    if is_one_directory(source, target, task):
        raise ActionFailed(f"{source} and {target} are one directory. TM_MAD = shared suits its datastore")
    names = source.demand(["ls", "-A", "--", str(source.path)], task).splitlines()
    for name in sorted(names):  # a disk before the layers over it
        one, other = source.below(name), target.below(name)
        if snapshots.directory_of(one.path.with_suffix("")) == one.path:
            snapshots.prepare_move(one, other, settings, task)
            continue
        found = None if f"{name}.snap" in names else _disk(one, task)
        if found is None or found.format != "qcow2":
            copying.copy(one, other, settings, task)
            continue
        with other.made_whole(task) as part:
            target.demand(["qemu-img", "create", "-q", "-f", "qcow2", str(part), str(found.size)], task)


def _disk(file: Place, task: Task) -> Probe | None:
    """What a disk of a VM is; None for other files."""
    size = file.size(task) if file.path.name.startswith("disk.") else None
    return None if not size else of_any(file.head(HEADER, task), size)


def ends(line: Line, vm: int) -> tuple[Place, Place]:
    """The VM's directory on both hosts of a live migration. Errors: ActionFailed, if it is none of a VM."""
    both = (f"{host}:{line.directory}" for host in (line.source, line.destination))
    source, target = (place(there, settings) for there in both)
    removable(replace(line, destination=line.directory), vm)
    if source.host.name == target.host.name:
        raise ActionFailed(f"{line.command}: {line.source} and {line.destination} are one host")
    return source, target


def postmigrate(line: Line, vm: int, task: Task) -> None:
    """The source has nothing of the VM any more."""
    source, target = ends(line, vm)
    if not is_one_directory(source, target, task):
        source.remove(task)


def failmigrate(line: Line, vm: int, task: Task) -> None:
    """The destination has nothing of the VM."""
    source, target = ends(line, vm)
    if not is_one_directory(source, target, task):
        target.remove(task)


_layers = snapshots.Layers(lambda text: place(text, settings))

COMMANDS: dict[str, Callable[[Line, int, Task], None]] = {
    "CLONE": clone,
    "LN": clone,
    "MKSWAP": make_swap,
    "MKIMAGE": make_image,
    "CONTEXT": context,
    "MV": mv,
    "MVDS": mvds,
    "CPDS": cpds,
    "RESIZE": resize,
    "DELETE": delete,
    "SNAP_CREATE": _layers.create,
    "SNAP_CREATE_LIVE": _layers.create,
    "SNAP_REVERT": _layers.revert,
    "SNAP_DELETE": _layers.delete,
    "PREMIGRATE": premigrate,
    "POSTMIGRATE": postmigrate,
    "FAILMIGRATE": failmigrate,
}
