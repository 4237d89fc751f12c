"""Files on hosts, this machine or another: looked at, made under another name and renamed, moved, removed.

Every command may be repeated. Paths are words of commands, whatever is in them.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from oned.drivers.lib.reach import host_at
from oned.drivers.lib.reach.host import Host
from oned.drivers.lib.script import host_of, path_of
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Task

SLOW = 3600.0
"""Seconds for what may read or write whole disks."""

_ADMIN = 'PATH=$PATH:/usr/sbin:/sbin; exec "$@"'
_STAT = '[ -e "$1" ] || exit 44; exec stat -L -c %s -- "$1"'
_TAKE = 'mkdir -p -- "$(dirname -- "$1")" && exec rm -rf -- "$1"'
_PUT = '{ [ -h "$2" ] || [ ! -d "$2" ] || rm -rf -- "$2"; } && exec mv -fT -- "$1" "$2"'
_MOVE = f'if [ -e "$1" ] || [ -h "$1" ]; then rm -rf -- "$3" && mv -T -- "$1" "$3"; fi && set -- "$3" "$2" && {_PUT}'
_REMOVE = 'if [ -e "$1" ] || [ -h "$1" ]; then rm -rf -- "$2" && mv -T -- "$1" "$2"; fi && shift && exec rm -rf -- "$@"'
_LEAVE = 'rmdir -- "$1" 2>/dev/null || :'
MISSING = 44


@dataclass(frozen=True)
class Place:
    """A path on a host."""

    host: Host
    path: Path

    def __str__(self) -> str:
        return str(self.path) if self.host.local else f"{self.host.name}:{self.path}"

    @property
    def part(self) -> Path:
        """The name under which it is made, beside it."""
        return self.path.with_name(f".{self.path.name}.part")

    def below(self, name: str) -> "Place":
        return Place(self.host, self.path / name)

    # -- commands -------------------------------------------------------------------------------------------------
    def demand(self, argv: Sequence[str], task: Task, deadline: float = SLOW) -> str:
        """The output of a command on the host, which is looked for where administrators' programs are too."""
        return self.host.demand(admin(argv), task, deadline)

    def sh(self, script: str, task: Task, *words: object) -> str:
        """The output of a script of ours, with what is foreign as its arguments."""
        return self.host.demand(["sh", "-c", script, "sh", *map(str, words)], task, SLOW)

    def size(self, task: Task) -> int | None:
        """Bytes of what is there, a link followed; None if nothing is."""
        finished = self.host.run(["sh", "-c", _STAT, "sh", str(self.path)], task)
        if finished.status == MISSING:
            return None
        if finished.problem:
            raise ActionFailed(finished.problem)
        return int(finished.output)

    def head(self, count: int, task: Task) -> bytes:
        """Its first bytes."""
        with self.host.stream_out(["head", "-c", str(count), "--", str(self.path)], task) as pieces:
            return b"".join(pieces)

    def remove(self, task: Task, *more: Path) -> None:
        """It is gone, with all in it, and what is left of an attempt to make it.

        Its name goes first: what stops the removal half-way leaves no directory that looks whole.
        """
        self.sh(_REMOVE, task, self.path, self.path.with_name(f".{self.path.name}.gone"), self.part, *more)

    def leave(self, directory: Path, task: Task) -> None:
        """A directory is gone if it is empty."""
        self.sh(_LEAVE, task, directory)

    def move(self, target: Path, task: Task) -> None:
        """It has another name on its host; so it is, if it has that already."""
        self.sh(_TAKE, task, Place(self.host, target).part)
        self.sh(_MOVE, task, self.path, target, Place(self.host, target).part)

    @contextlib.contextmanager
    def made_whole(self, task: Task) -> Iterator[Path]:
        """The name under which to make it: it gets its own when the block ends well, else what was made goes."""
        self.sh(_TAKE, task, self.part)
        try:
            yield self.part
            self.sh(_PUT, task, self.part, self.path)
        except BaseException:
            self.clean(task)
            raise

    def clean(self, task: Task) -> None:
        """Remove what was made so far, also for a task that is cancelled; a host that is not reached keeps it."""
        Place(self.host, self.part).discard(task)

    def discard(self, task: Task) -> None:
        """Remove what is not needed any more, in the same way."""
        ending = Task(task.verb, task.oid, task.voice)
        with contextlib.suppress(ActionFailed):
            self.host.run(["rm", "-rf", "--", str(self.path)], ending)


def admin(argv: Sequence[str]) -> list[str]:
    """The command, looked for where administrators' programs are too: a login by ssh may not have those in its PATH."""
    return ["sh", "-c", _ADMIN, "sh", *argv]


def place(text: str, settings: Settings) -> Place:
    """`h1:/path`; a path alone is on this machine. Errors: ActionFailed."""
    return Place(host_at(host_of(text) or "localhost", settings), path_of(text))
