"""What a driver may ask of a host, be it this machine or another one."""

import contextlib
import io
import shlex
import tarfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path

from oned.drivers.lib import actions
from oned.drivers.lib.actions import Finished, verdict
from oned.drivers.lib.reach.session import PIECE, Session
from oned.drivers.lib.task import ActionFailed, Task

KEPT = 1 << 20
"""Bytes kept of each output of a command; what comes after is read and dropped, so the command never blocks."""
STEP = 0.2
"""Seconds after which a waiting action looks whether it has been cancelled."""
DEADLINE = 60.0
STALLED = 60.0
"""Seconds without a byte after which a stream has failed."""

_WRITE = (
    'd=$(dirname -- "$1") && mkdir -p -- "$d" && umask 077 && cat >"$1.part$$" && chmod "$2" "$1.part$$" &&'
    ' mv -f -- "$1.part$$" "$1" || { s=$?; rm -f -- "$1.part$$"; exit $s; }'
)
_UNPACK = 'mkdir -p -- "$1" && exec tar -xof - -C "$1"'


class Host:
    """A machine whose commands are begun by `begin`.

    Words of a command are arguments, whatever is in them: no shell reads them. Errors of all: ActionFailed (for a host
    that is not reached its kind Unreachable); Cancelled, after which nothing of the command runs any more.
    """

    def __init__(self, name: str, local: bool, open_session: Callable[[Sequence[str], float], Session]) -> None:
        self.name = name
        self.local = local
        self.begin = open_session
        """(argv, deadline) → the running command, which the caller closes; `session` does that by itself."""

    def run(self, argv: Sequence[str], task: Task, deadline: float = DEADLINE, stdin: bytes = b"") -> Finished:
        """How a command ended; one that did not within `deadline` seconds has been killed, and has no status."""
        end = time.monotonic() + deadline
        kept = _Kept()
        with self.session(argv, task, deadline) as session:
            in_time = self._feed(session, [stdin], task, kept, lambda: end)
            status = self._status(session, task, end) if in_time else None
            if status is None:
                session.kill()
        problem = self._named(verdict(argv[0], status, deadline, kept.text(1)))
        return Finished(kept.text(0), kept.text(1), problem, status)

    def demand(self, argv: Sequence[str], task: Task, deadline: float = DEADLINE, stdin: bytes = b"") -> str:
        """The output of a command that must end with status 0. Errors: ActionFailed with its last error line."""
        finished = self.run(argv, task, deadline, stdin)
        if finished.problem:
            raise ActionFailed(finished.problem)
        return finished.output

    def write(self, path: str, data: bytes, task: Task, mode: int = 0o644, deadline: float = DEADLINE) -> None:
        """Put a file there, whole or not at all; its directory is made if it is missing."""
        self.demand(["sh", "-c", _WRITE, "sh", path, f"{mode:o}"], task, deadline, data)

    def read(self, path: str, task: Task, limit: int = KEPT, deadline: float = DEADLINE) -> bytes:
        """The bytes of a file of at most `limit` bytes."""
        with self.stream_out(["head", "-c", str(limit + 1), "--", path], task, deadline) as pieces:
            data = b"".join(pieces)
        if len(data) > limit:
            raise ActionFailed(self._named(f"{path} is larger than {limit} bytes"))
        return data

    def put_tree(self, directory: Path, to: str, task: Task, deadline: float = DEADLINE) -> None:
        """Copy all that is in a directory of this machine into one of the host, with modes and links, as its user's."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
            archive.add(directory, arcname=".")
        self.demand(["sh", "-c", _UNPACK, "sh", to], task, deadline, packed.getvalue())

    def stream_in(self, argv: Sequence[str], source: Iterable[bytes], task: Task, stalled: float = STALLED) -> Finished:
        """How a command ended that was fed the pieces; one that takes nothing for so many seconds has been killed."""
        kept = _Kept()
        with self.session(argv, task, stalled) as session:
            in_time = self._feed(session, source, task, kept, lambda: kept.moved + stalled)
            status = self._status(session, task, time.monotonic() + stalled) if in_time else None
            if status is None:
                session.kill()
        return Finished(
            kept.text(0), kept.text(1), self._named(verdict(argv[0], status, stalled, kept.text(1))), status
        )

    @contextlib.contextmanager
    def stream_out(self, argv: Sequence[str], task: Task, stalled: float = STALLED) -> Iterator[Iterator[bytes]]:
        """The output of a command in pieces, as it comes.

        Behind the last piece comes ActionFailed if the command did not end with status 0, or if it said nothing for
        `stalled` seconds. One that is left early is killed.
        """
        with self.session(argv, task, stalled) as session:
            session.end_input()
            yield self._pieces(session, argv[0], task, stalled)

    @contextlib.contextmanager
    def session(self, argv: Sequence[str], task: Task, deadline: float) -> Iterator[Session]:
        """A command within the block; if that is left by an exception, the command is killed."""
        task.check()
        session = self.begin(argv, deadline)
        try:
            yield session
        except BaseException:
            session.kill()
            raise
        finally:
            session.close()

    def _feed(
        self, session: Session, source: Iterable[bytes], task: Task, kept: "_Kept", end: Callable[[], float]
    ) -> bool:
        """Send the pieces and keep the outputs; whether the command has ended before `end`.

        It has when its outputs close, or when nothing has come since it ended, though what it started holds them open.
        """
        pieces, silent = iter(source), 0.0
        data: bytes | memoryview | None = memoryview(next(pieces, b""))
        while not session.ended:
            self._check(session, task)
            if data is not None and not data:
                data = memoryview(piece) if (piece := next(pieces, None)) is not None else None
                if data is None:
                    session.end_input()
                continue
            if data and (sent := session.send(bytes(data[:PIECE]))):
                data, kept.moved = data[sent:], time.monotonic()
            else:
                session.wait(max(0.0, min(STEP, end() - time.monotonic())), writing=data is not None)
            kept.take(*session.receive())
            now, lingers = time.monotonic(), session.lingers
            silent = max(kept.moved, silent or now) if lingers else 0.0
            if now >= end() or (lingers and now >= silent + actions.LINGER):
                session.kill()
                return lingers
        return True

    def _pieces(self, session: Session, name: str, task: Task, stalled: float) -> Generator[bytes, None, None]:
        kept, moved = _Kept(), time.monotonic()
        while not session.ended:
            self._check(session, task)
            session.wait(STEP, writing=False)
            output, errors = session.receive()
            kept.take(b"", errors)
            if output:
                yield output
            if output or errors:
                moved = time.monotonic()
            if time.monotonic() - moved >= stalled:
                session.kill()
                raise ActionFailed(self._named(verdict(name, None, stalled, kept.text(1))))
        if problem := verdict(name, self._status(session, task, time.monotonic() + stalled), stalled, kept.text(1)):
            raise ActionFailed(self._named(problem))

    def _status(self, session: Session, task: Task, end: float) -> int | None:
        while True:
            self._check(session, task)
            left = end - time.monotonic()
            status = session.status(min(STEP, max(0.0, left)))
            if status is not None or left <= 0:
                return status

    def _check(self, session: Session, task: Task) -> None:
        task.check()
        if session.lost:
            raise ActionFailed(session.lost)

    def _named(self, problem: str) -> str:
        """The sentence with the host's name in front, where it is another machine."""
        return problem if self.local or not problem else f"{self.name}: {problem}"


class _Kept:
    """The beginnings of the two outputs, and when a byte has moved last."""

    def __init__(self) -> None:
        self._kept = (bytearray(), bytearray())
        self.moved = time.monotonic()

    def take(self, *pieces: bytes) -> None:
        for kept, piece in zip(self._kept, pieces, strict=True):
            kept.extend(piece[: KEPT - len(kept)])
            if piece:
                self.moved = time.monotonic()

    def text(self, which: int) -> str:
        return bytes(self._kept[which]).decode("utf-8", "replace")


def quoted(argv: Sequence[str]) -> str:
    """The words as one text for a shell, which reads them as they are."""
    return shlex.join(argv)
