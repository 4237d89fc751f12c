"""Transfers (program one_tm). Here those in a directory that front-end and hosts share: types shared and qcow2.

A script's commands are carried out in order; the first that fails ends it. Each may be repeated: files are made under
a temporary name, a finished copy is checked and kept. The host in front of a path is not looked at: every path is in
the shared directory. Options: -t THREADS, --overlay (qcow2 images of type shared are not copied but laid over).
Lines of other types are done by the modules of those. With the name of such a type for its argument the driver serves
hosts that keep their disks so, whatever datastore an image is from. Where the site has a program for a command of a
type, var/remotes/tm/<type>/<command>, that does it, be the type one of ours or the site's own. With the name of a
tm.conf of 1.2 to 3.2 the driver runs the commands of that file instead of its own.
"""

import argparse
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from oned.drivers.lib import blank, contextdisk, files, script
from oned.drivers.lib.blank import QUICK
from oned.drivers.lib.driver import Driver
from oned.drivers.lib.places import Place
from oned.drivers.lib.probe import MIB, backing_file, growing, probe, probe_writable
from oned.drivers.lib.reach import here
from oned.drivers.lib.request import TM, TransferRequest
from oned.drivers.lib.script import Line, mebibytes, path_of, removable
from oned.drivers.lib.task import ActionFailed, Task
from oned.drivers.tm import site, snapshots, tm_lvm, tm_lvm_moves, tm_ssh
from oned.drivers.tm.tm_conf import SUFFIX, SiteCommands

driver = Driver("tm_shared", TM, threads=15)
driver.options.add_argument("--overlay", action="store_true")
driver.options.add_argument("name", nargs="?", default="")
options = argparse.Namespace(overlay=False, site=None, kept="")


@driver.prepare
def prepare(arguments: argparse.Namespace) -> None:
    """Keep the options, and read the tm.conf, if one is named."""
    options.overlay = arguments.overlay
    options.site = SiteCommands.read(arguments.name) if arguments.name.endswith(SUFFIX) else None
    options.kept = arguments.name if arguments.name in ELSEWHERE else ""


@driver.action("TRANSFER", repeatable=True)
def transfer(request: TransferRequest, task: Task) -> str:
    """Carry out the script of the VM."""
    if options.site is not None:
        options.site.carry_out(request.script, task)
        return ""
    for step in [_step(text) for text in script.words_of(request.script)]:
        task.check()
        step(request.vm, task)
    return ""


def _step(text: str) -> Callable[[int, Task], None]:
    """What is done for a line of a script. Errors: ActionFailed, for a line that is not understood."""
    if argv := site.of_type(text):
        return lambda vm, task: site.run(argv, task)
    line = script.parse(text)

    def carry_out(vm: int, task: Task) -> None:
        try:
            _command(line)(line, vm, task)
        except OSError as error:
            reason = f"{error.strerror or error}: {error.filename or line.text}"
            raise ActionFailed(f"{line.command} failed: {reason}") from error

    return carry_out


def _command(line: Line) -> "Command":
    """What is done for a line. Errors: ActionFailed, for a type that is not served."""
    commands = TYPES.get(line.type)
    if commands is None:
        raise ActionFailed(f"Transfer Driver '{line.type}' not available")
    commands = ELSEWHERE.get(options.kept, commands)
    if line.command not in commands:
        raise ActionFailed(f"{line.command} is not done by the transfer driver {options.kept or line.type}")
    return commands[line.command]


def clone(line: Line, vm: int, task: Task) -> None:
    """A copy of the image, or a qcow2 layer over it; one that is there and looks right is kept."""
    source, destination = _existing(line), path_of(line.destination)
    kind = _format(source) if source.is_file() else "raw"
    if line.type == "qcow2" or (options.overlay and kind == "qcow2"):
        _lay_over(source, destination, kind, task)
    elif destination.is_file() and not destination.is_symlink() and destination.stat().st_size == source.stat().st_size:
        task.info(f"{destination} is there already and has the size of {source}: kept")
    else:
        files.copy(source, destination, task)


def _existing(line: Line) -> Path:
    if "://" in line.source:
        raise ActionFailed(f"{line.source} cannot be fetched: put the image into the shared directory first")
    source = path_of(line.source)
    if not source.exists():
        raise ActionFailed(f"{line.command}: there is no image {source}")
    return source


def _format(path: Path) -> str:
    """raw or qcow2, by our own look at the header. ActionFailed for an image that leads to other files.

    A guest that had the image for its own may have written any header into it.
    """
    with path.open("rb") as file:
        return probe(file.fileno()).format


def _lay_over(source: Path, destination: Path, kind: str, task: Task) -> None:
    if destination.is_file() and backing_file(destination) == source:
        task.info(f"{destination} lies over {source} already: kept")
        return
    with files.made_whole(destination) as part:
        task.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", kind, "-b", str(source), str(part)], QUICK)


def ln(line: Line, vm: int, task: Task) -> None:
    """The VM works on the image itself."""
    files.link(_existing(line), path_of(line.destination))


def make_swap(line: Line, vm: int, task: Task) -> None:
    """An empty swap area of so many MB."""
    with files.made_whole(path_of(line.destination)) as part:
        blank.make(part, mebibytes(line), "raw", task)
        task.run(["mkswap", str(part)], QUICK)


def make_image(line: Line, vm: int, task: Task) -> None:
    """An empty image of so many MB: raw, qcow2, or with a file system."""
    if line.format not in blank.FORMATS:
        raise ActionFailed(f"MKIMAGE: {line.format} is none of {', '.join(blank.FORMATS)}")
    with files.made_whole(path_of(line.destination)) as part:
        blank.make(part, mebibytes(line), line.format, task)


def context(line: Line, vm: int, task: Task) -> None:
    """A CD with context.sh and the other files."""
    contextdisk.make(path_of(line.destination), path_of(line.files[0]), line.files[1:], task)


def mv(line: Line, vm: int, task: Task) -> None:
    """Another name; the classic form moves a directory into one that exists, as `mv` does."""
    source, destination = path_of(line.source), path_of(line.destination)
    if source == destination:
        return
    if not line.type and destination.is_dir() and (source.is_dir() or not source.exists()):
        destination /= source.name
    if not os.path.lexists(source) and not os.path.lexists(destination):
        raise ActionFailed(f"MV: there is no {source}")
    files.move(source, destination, task)


def mvds(line: Line, vm: int, task: Task) -> None:
    """The VM's disk becomes the image: without the layers below it, and not if it is a link to the image."""
    source, destination = path_of(line.source), path_of(line.destination)
    if source.is_symlink() and source.resolve() == destination.resolve():
        return
    if _is_layered(source, destination, line):
        snapshots.flatten(_shared(str(source)), _shared(str(destination)), task)
        files.remove(source)
        return
    mv(line, vm, task)


def cpds(line: Line, vm: int, task: Task) -> None:
    """A copy of the VM's disk becomes an image, without the layers below it."""
    source, destination = path_of(line.source), path_of(line.destination)
    if not source.exists():
        raise ActionFailed(f"CPDS: there is no {source}")
    source = source.resolve()
    if _is_layered(source, destination, line):
        snapshots.flatten(_shared(str(source)), _shared(str(destination)), task)
    else:
        files.copy(source, destination, task)


def _is_layered(source: Path, destination: Path, line: Line) -> bool:
    """Whether a disk is a layer that we laid over an image of the same datastore.

    Its guest may have written a header that names any file of this machine: such a disk is plain bytes to us.
    """
    if snapshots.names_layer(source) and source.is_file() and not source.is_symlink():
        return True
    if not (line.type == "qcow2" or options.overlay) or source.is_symlink() or not source.is_file():
        return False
    return backing_file(source).parent == destination.parent


def _shared(text: str) -> Place:
    """A path of a line, which is in the shared directory and so on this machine, whatever host is in front of it."""
    return Place(here("localhost"), path_of(text))


def resize(line: Line, vm: int, task: Task) -> None:
    """The disk is larger; one that is large enough stays as it is."""
    path, size = path_of(line.destination), mebibytes(line) * MIB
    found = probe_writable(path)
    if found.size >= size:
        task.info(f"{path} has {found.mib} MiB already: kept")
    elif found.format == "qcow2":
        task.run(growing(path, size), QUICK)
    else:
        os.truncate(path, size)


def delete(line: Line, vm: int, task: Task) -> None:
    """Remove the VM's directory, or a file in it; never anything else."""
    path = removable(line, vm)
    files.remove(path)
    if layers := snapshots.directory_of(path):
        files.remove(layers)
    if path.name == "images":  # the classic layout: what is left of the VM is the empty directory around
        with suppress(OSError):
            path.parent.rmdir()


Command = Callable[[Line, int, Task], None]
_layers = snapshots.Layers(_shared)


def stays(line: Line, vm: int, task: Task) -> None:
    """Both hosts of a live migration have the files."""


COMMANDS: dict[str, Command] = {
    "CLONE": clone,
    "LN": ln,
    "MKSWAP": make_swap,
    "MKIMAGE": make_image,
    "CONTEXT": context,
    "MV": mv,
    "MVDS": mvds,
    "CPDS": cpds,
    "RESIZE": resize,
    "DELETE": delete,
    "PREMIGRATE": stays,
    "POSTMIGRATE": stays,
    "FAILMIGRATE": stays,
    "SNAP_CREATE": _layers.create,
    "SNAP_CREATE_LIVE": _layers.create,
    "SNAP_REVERT": _layers.revert,
    "SNAP_DELETE": _layers.delete,
}

ELSEWHERE: dict[str, dict[str, Command]] = {"ssh": tm_ssh.COMMANDS, "lvm": tm_lvm.COMMANDS | tm_lvm_moves.COMMANDS}
"""Types whose disks are on the hosts alone."""
TYPES: dict[str, dict[str, Command]] = {"": COMMANDS, "shared": COMMANDS, "qcow2": COMMANDS, **ELSEWHERE}
"""Types of datastores that are served; the classic form has none."""


def main() -> None:
    """The program."""
    driver.run()


if __name__ == "__main__":
    main()
