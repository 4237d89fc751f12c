"""Files and directories brought from one host to another through this machine: whole and checked, or not at all.

They go as `tar`, so holes, links and modes stay. The sums (sha256) of what was read and of what was written are
compared; the copy is on the disk before it gets its name. Setting CHECKSUM=NO of the target's host leaves out the sums.
"""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from oned.drivers.lib.files import PROGRESS
from oned.drivers.lib.places import MISSING, SLOW, Place
from oned.drivers.lib.reach.host import STEP, Host
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Task

COPIES = 3
"""Copies at a time from or to one other host: they leave sessions of its connection for what is short."""
STALLED = 300.0
"""Seconds without a byte: tar may search a large file for its holes before the first."""
PATIENCE = 600.0
"""Seconds between two log lines of a copy that waits for its turn."""

_USED = '[ -e "$1" ] || [ -h "$1" ] || exit 44; exec du -skH -- "$1"'
_ROOM = 'd=$1; while [ ! -d "$d" ]; do d=$(dirname -- "$d"); done; df -k --output=avail -- "$d" | tail -n 1'
_FIRST = 'exec 3>&1; e=$("$@" 2>&1 >&3) || { s=$?; printf "%s\\n" "$e" | head -n 1 >&2; exit $s; }'
"""A command whose first complaint is its last: what tar says at its end is that it has said something before."""
_UNPACK = f'rm -rf -- "$1" && mkdir -p -- "$1" && set -- tar -xof - -C "$1" && {_FIRST}'
_SUMS = 'cd -- "$1" && exec find -H "./$2" -type f -exec sha256sum -- {} +'
_FINISH = (
    'find "$1" -type f -exec sync -- {} + && { [ -h "$3" ] || [ ! -d "$3" ] || rm -rf -- "$3"; } &&'
    ' mv -fT -- "$1/$2" "$3" && exec rm -rf -- "$1"'
)

_turn = threading.Condition()
_busy: Counter[str] = Counter()


def copy(source: Place, target: Place, settings: Settings, task: Task, *, follow: bool = True) -> None:
    """The target is what the source is, in place of whatever was there.

    follow   a source that is a link is what it leads to
    Errors: ActionFailed; Cancelled. Nothing is left at the target then, unless its host is not reached.
    """
    checked = settings.get("CHECKSUM", "YES", target.host.name).upper() != "NO"
    with _turns((source.host, target.host), task):
        size = used(source, task)
        check_room(target, size, task)
        wanted = sums(source.host, source.path, task) if checked else ()
        try:
            _stream(source, target, size, task, follow=follow)
            if checked and sums(target.host, target.part / source.path.name, task) != wanted:
                raise ActionFailed(
                    f"{target}: the sha256 of the copy is not that of {source}: it changed, or is damaged"
                )
            target.sh(_FINISH, task, target.part, source.path.name, target.path)
        except BaseException:
            target.clean(task)
            raise


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


def _stream(source: Place, target: Place, size: int, task: Task, *, follow: bool) -> None:
    pack = ["tar", "-cSf", "-", *(["-h"] if follow else []), "-C", str(source.path.parent), "--"]
    reader = ["sh", "-c", _FIRST, "tar", *pack, f"./{source.path.name}"]
    with source.host.stream_out(reader, task, STALLED) as pieces:
        told = _told(pieces, size, f"{source} to {target}", task)
        finished = target.host.stream_in(["sh", "-c", _UNPACK, "tar", str(target.part)], told, task, STALLED)
    if "No space left" in finished.errors or "Wrote only" in finished.errors:
        raise ActionFailed(f"{target} does not fit: no space is left in its file system")
    if finished.problem:
        raise ActionFailed(finished.problem)


def _told(pieces: Iterable[bytes], size: int, what: str, task: Task) -> Iterator[bytes]:
    """The pieces; from time to time the log tells how far they are."""
    passed, said = 0, time.monotonic()
    for piece in pieces:
        yield piece
        passed += len(piece)
        if time.monotonic() - said > PROGRESS:
            said = time.monotonic()
            task.info(f"Copying {what}: {min(100, 100 * passed // max(size, 1))} % of {size >> 20} MiB")


@contextlib.contextmanager
def _turns(hosts: Iterable[Host], task: Task) -> Iterator[None]:
    """Wait until each of the other hosts has room for one more copy."""
    names = {host.name for host in hosts if not host.local}
    said = time.monotonic()
    with _turn:
        while any(_busy[name] >= COPIES for name in names):
            _turn.wait(STEP)
            task.check()
            if time.monotonic() - said > PATIENCE:
                said = time.monotonic()
                task.info(f"Waits for other copies from and to {', '.join(sorted(names))}")
        _busy.update(names)
    try:
        yield
    finally:
        with _turn:
            _busy.subtract(names)
            _turn.notify_all()
