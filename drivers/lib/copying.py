"""Files and directories brought from one host to another through this machine: whole and checked, or not at all.

They go as `tar`, so holes, links and modes stay. The sha256 of what went through is compared with that of what is then
read at the target in the same form, which needs no look at holes; where the two file systems cut holes differently, the
sums of the files themselves are compared. The copy is on the disk before it gets its name. CHECKSUM=NO of the target's
host compares nothing.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from oned.drivers.lib.files import PROGRESS
from oned.drivers.lib.places import MISSING, SLOW, Place
from oned.drivers.lib.reach.host import Host
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Task
from oned.drivers.lib.turns import Turns

if TYPE_CHECKING:
    import hashlib

COPIES = 3
"""Copies at a time from or to one other host: they leave sessions of its connection for what is short."""
STALLED = 300.0
"""Seconds without a byte: tar may search a large file for its holes before the first."""
PACK = ("tar", "-cSf", "-", "--format=gnu", "--sort=name", "--owner=0", "--group=0", "--numeric-owner")
"""The same bytes for the same files, wherever they are."""

_USED = '[ -e "$1" ] || [ -h "$1" ] || exit 44; exec du -skH -- "$1"'
_ROOM = 'd=$1; while [ ! -d "$d" ]; do d=$(dirname -- "$d"); done; df -k --output=avail -- "$d" | tail -n 1'
_FIRST = 'exec 3>&1; e=$("$@" 2>&1 >&3) || { s=$?; printf "%s\\n" "$e" | head -n 1 >&2; exit $s; }'
"""A command whose first complaint is its last: what tar says at its end is that it has said something before."""
_UNPACK = f'rm -rf -- "$1" && mkdir -p -- "$1" && set -- tar -xpof - -C "$1" && {_FIRST}'
_SUMS = 'cd -- "$1" && exec find -H "./$2" -type f -exec sha256sum -- {} +'
_SUM = 'cd -- "$1" && shift && "$@" | sha256sum'
_FINISH = (
    'find "$1" -type f -exec sync -- {} + && { [ -h "$3" ] || [ ! -d "$3" ] || rm -rf -- "$3"; } &&'
    ' mv -fT -- "$1/$2" "$3" && exec rm -rf -- "$1"'
)

_turns = Turns(COPIES)


def copy(
    source: Place, target: Place, settings: Settings, task: Task, *, follow: bool = True, leave_out: Sequence[str] = ()
) -> None:
    """The target is what the source is, in place of whatever was there.

    follow     a source that is a link is what it leads to
    leave_out  names in a directory that are not copied
    Errors: ActionFailed; Cancelled. Nothing is left at the target then, unless its host is not reached.
    """
    with turn(source, target, task):
        size = used(source, task)
        check_room(target, size if not leave_out else 0, task)
        try:
            left = [f"--exclude=./{source.path.name}/{name}" for name in leave_out]
            options = [*(["-h"] if follow else []), *(["--no-wildcards", "--anchored", *left] if left else [])]
            pack = [*PACK, *options, "-C", str(source.path.parent), "--", f"./{source.path.name}"]
            unpack = ["sh", "-c", _UNPACK, "tar", str(target.part)]
            sent = pour(source, ["sh", "-c", _FIRST, "tar", *pack], target, unpack, size, task)
            if is_checked(target, settings):
                _compare(sent, source, target, leave_out, task)
            target.sh(_FINISH, task, target.part, source.path.name, target.path)
        except BaseException:
            target.clean(task)
            raise


@contextlib.contextmanager
def turn(source: Place, target: Place, task: Task) -> Iterator[None]:
    """Within the block is one of the copies from and to these hosts. Errors: Cancelled, while it waits."""
    names = {host.name for host in (source.host, target.host) if not host.local}
    with _turns.taken(names, task, f"other copies from and to {', '.join(sorted(names))}"):
        yield


def is_checked(target: Place, settings: Settings) -> bool:
    """Whether sums are compared."""
    return settings.get("CHECKSUM", "YES", target.host.name).upper() != "NO"


def used(source: Place, task: Task) -> int:
    """Bytes that the source takes on its disk, holes not counted. Errors: ActionFailed, if it is not there."""
    finished = source.host.run(["sh", "-c", _USED, "sh", str(source.path)], task, SLOW)
    if finished.status == MISSING:
        raise ActionFailed(f"there is no {source}")
    if finished.problem:
        raise ActionFailed(finished.problem)
    return int(finished.output.split(None, 1)[0]) << 10


def check_room(target: Place, size: int, task: Task) -> None:
    """Errors: ActionFailed, if so many bytes do not fit there."""
    free = int(target.sh(_ROOM, task, target.path.parent)) << 10
    if free < size:
        raise ActionFailed(
            f"{target} does not fit: it needs {-(-size >> 20)} MiB, and {free >> 20} MiB are left in its file system"
        )


def sums(host: Host, path: Path, task: Task) -> tuple[str, ...]:
    """The sha256 of each file of a path with its name below the path's directory, sorted."""
    words = ["sh", "-c", _SUMS, "sh", str(path.parent), path.name]
    return tuple(sorted(host.demand(words, task, SLOW).splitlines()))


def _compare(sent: str, source: Place, target: Place, leave_out: Sequence[str], task: Task) -> None:
    """Errors: ActionFailed, if what is at the target, under its temporary name, is not what the source is."""
    name = source.path.name
    found = target.sh(_SUM, task, target.part, *PACK, "--", f"./{name}").split()[:1]
    if found == [sent]:
        return
    left = tuple(f"  ./{name}/{other}" for other in leave_out)
    wanted = tuple(line for line in sums(source.host, source.path, task) if not (left and line.endswith(left)))
    if wanted != sums(target.host, target.part / name, task):
        raise ActionFailed(f"{target}: the sha256 of the copy is not that of {source}: it changed, or is damaged")


def pour(source: Place, reader: Sequence[str], target: Place, writer: Sequence[str], size: int, task: Task) -> str:
    """The sha256 of what one command wrote and another one, of another host, has read.

    size   bytes, about, for the log, which names the places
    Errors: ActionFailed; Cancelled.
    """
    import hashlib  # and OpenSSL with it: 4 MiB, which a driver needs with its first copy only

    passed = hashlib.sha256()
    with source.host.stream_out(reader, task, STALLED) as pieces:
        told = _told(pieces, passed, size, f"{source} to {target}", task)
        finished = target.host.stream_in(writer, told, task, STALLED)
    if "No space left" in finished.errors or "Wrote only" in finished.errors:
        raise ActionFailed(f"{target} does not fit: no space is left in its file system")
    if finished.problem:
        raise ActionFailed(finished.problem)
    return passed.hexdigest()


def _told(pieces: Iterable[bytes], digest: "hashlib._Hash", size: int, what: str, task: Task) -> Iterator[bytes]:
    """The pieces, which the digest takes in; from time to time the log tells how far they are."""
    passed, said = 0, time.monotonic()
    for piece in pieces:
        yield piece
        digest.update(piece)
        passed += len(piece)
        if time.monotonic() - said > PROGRESS:
            said = time.monotonic()
            task.info(f"Copying {what}: {min(100, 100 * passed // max(size, 1))} % of {size >> 20} MiB")
