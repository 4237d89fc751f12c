"""Files of another server: replaced whole and only if they change, and the server told of it."""

import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from oned.running import run

_MODE = 0o644
_EARLIER = 2.0
"""Seconds by which clocks may differ: a server has begun before it writes its pid file."""
_LONGEST_RUN = 60.0


class NotDone(Exception):
    """A file that cannot be written, or a server that was not told; the text says why, for people."""


def replace(path: Path, text: str, new_mode: int = _MODE) -> bool:
    """Let the file have this text; whether it had another one. It is the old file or the new one at any moment.

    A link stays one, and a file keeps its permissions; a new one has those given, by default all may read it. Raises
    OSError.
    """
    path = path.resolve()
    if _has(path, text):
        return False
    mode = new_mode if not path.exists() else path.stat().st_mode & 0o7777
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_directory(path.parent)
    return True


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def words(text: str) -> list[str]:
    """A command as a shell would split it, for options. Raises ValueError with what is wrong."""
    try:
        found = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no command: {error}") from None
    if not found:
        raise ValueError("the command is empty")
    return found


class Server(NamedTuple):
    """How a server is told that its files have changed: SIGHUP to the process of a pid file, a command, or both."""

    pid_file: str | None = None
    command: Sequence[str] | None = None

    def tell(self) -> None:
        """Tell it. Raises NotDone with why that was not possible."""
        if self.pid_file:
            _hang_up(Path(self.pid_file))
        if self.command:
            _run(self.command)


def _hang_up(pid_file: Path) -> None:
    try:
        pid = int(pid_file.read_text())
        noted = pid_file.stat().st_mtime
    except FileNotFoundError:
        raise NotDone(f"{pid_file} is not there, so the server was not told. Does it run?") from None
    except ValueError:
        raise NotDone(f"{pid_file} has no number of a process, so the server was not told") from None
    try:
        if pid < 2 or _began(pid) > noted + _EARLIER:
            raise ProcessLookupError
        os.kill(pid, signal.SIGHUP)
    except (ProcessLookupError, FileNotFoundError):
        text = f"the server of {pid_file} has ended, so it was not told. It reads the files when it starts"
        raise NotDone(text) from None
    except PermissionError:
        raise NotDone(f"process {pid} of {pid_file} is another user's: run this as root or as that user") from None


def _began(pid: int) -> float:
    """When the process began, in seconds of the epoch: a number may be another process's by now."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    booted = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime "))
    return int(booted.split()[1]) + ticks / os.sysconf("SC_CLK_TCK")


def _run(argv: Sequence[str]) -> None:
    """Run a command without a shell. Raises NotDone with what it said when it failed."""
    try:
        done = run(argv, _LONGEST_RUN)
    except OSError as error:
        raise NotDone(f"{argv[0]} could not be run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise NotDone(f"{shlex.join(argv)} has not ended after {_LONGEST_RUN:g} s") from None
    if done.status:
        raise NotDone(f"{shlex.join(argv)} ended with status {done.status}: {done.said}".rstrip(": "))


class Files:
    """Files of a server, which is told once they have changed; if that fails it is told the next time.

    That it has still to be told stands in a file beside them, so that the next process knows it too.

    paths  by the names that their texts come with
    """

    def __init__(self, paths: Mapping[str, Path], server: Server) -> None:
        self._paths, self._server = paths, server
        first = next(iter(paths.values()))
        self._owed = first.with_name(f".{first.name}.untold")

    def update(self, texts: Mapping[str, str]) -> list[Path]:
        """The files that changed. Raises NotDone where one cannot be written, or the server not be told."""
        changed = []
        for name, text in texts.items():
            path = self._paths[name]
            try:
                if any(self._server) and not _has(path, text):
                    _make(self._owed)
                if replace(path, text):
                    changed.append(path)
            except OSError as error:
                raise NotDone(f"{path} cannot be written: {error.strerror}") from None
        if any(self._server) and self._owed.exists():
            self._server.tell()
            self._owed.unlink(missing_ok=True)
        return changed


def _has(path: Path, text: str) -> bool:
    return path.exists() and path.read_bytes() == text.encode()


def _make(path: Path) -> None:
    """The empty file is there, and on the disk."""
    path.touch(_MODE)
    _sync_directory(path.parent)
