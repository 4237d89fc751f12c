"""Commands that an action runs: argument arrays only, both outputs read at once, a deadline, a bounded memory."""

import contextlib
import math
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Self, SupportsIndex

KEPT = 1 << 20
"""Bytes kept of each output of a command; what comes after is read and dropped, so the command never blocks."""

LINGER = 5.0
"""Seconds without a byte after which a command that has ended is not held up by what it started and left behind, if
that keeps its outputs open. Bytes of the command itself are still on their way for a moment, from another machine."""


@dataclass(frozen=True)
class Finished:
    """How a command ended; `problem` is empty if it worked, else one sentence. Without a status it did not end."""

    output: str
    errors: str
    problem: str
    status: int | None = None


class Child:
    """A command with its own process group, which is killed with all that it started when the block is left.

    What goes on behind a command that has ended, as a service that it started, is left alone if it has outputs of its
    own.

    stdin  a descriptor that it reads; nothing by default
    """

    def __init__(
        self, argv: Sequence[str], environment: dict[str, str] | None = None, stdin: int = subprocess.DEVNULL
    ) -> None:
        self.argv = list(argv)
        self._missing = ""
        try:
            self._process: subprocess.Popen[bytes] | None = subprocess.Popen(
                self.argv,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                env=environment,
            )
        except OSError as error:
            self._process, self._missing = None, f"{self.argv[0]} cannot be run: {error.strerror}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if self._process is not None:
            self._process.wait()
            for stream in (self._process.stdout, self._process.stderr):
                if stream is not None:
                    stream.close()

    def kill(self) -> None:
        """End the process group. The group's number stays taken until the child is waited for, so no other is hit."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def finish(self, deadline: float, said: Callable[[str], None] = lambda line: None) -> Finished:
        """Read both outputs until they close or the command lingers; it must end within `deadline` seconds.

        said  gets each line of standard output as it comes
        """
        if self._process is None:
            return Finished("", "", self._missing)
        end = time.monotonic() + deadline
        in_time, output, errors = self._read(self._process, end, said)
        status = None
        if in_time:
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = self._process.wait(max(0.0, end - time.monotonic()))
        problem = verdict(self.argv[0], status, deadline, errors)
        return Finished(output, errors, problem, status)

    def _read(self, process: subprocess.Popen[bytes], end: float, said: Callable[[str], None]) -> tuple[bool, str, str]:
        """Whether both outputs closed in time, and what they held, as text."""
        assert process.stdout is not None
        assert process.stderr is not None
        kept: dict[IO[bytes], bytearray] = {process.stdout: _Heard(said), process.stderr: bytearray()}
        with selectors.DefaultSelector() as selector:
            for stream in kept:
                selector.register(stream, selectors.EVENT_READ)
            in_time = self._drain(selector, process.pid, kept, end)
        for text in kept.values():
            text.extend(b"")
        output, errors = (bytes(text).decode("utf-8", "replace") for text in kept.values())
        return in_time, output, errors

    def _drain(self, selector: selectors.BaseSelector, pid: int, kept: dict[IO[bytes], bytearray], end: float) -> bool:
        """Whether the outputs closed before the end, or the command ended and said nothing more."""
        ending, ended, left = os.pidfd_open(pid), False, len(kept)
        try:
            selector.register(ending, selectors.EVENT_READ)
            while left:
                ready = selector.select(max(0.0, min(end - time.monotonic(), LINGER if ended else math.inf)))
                if not ready and (ended or time.monotonic() >= end):
                    self.kill()
                    return ended
                for key, _ in ready:
                    if key.fd == ending:
                        ended = True
                    elif self._keep(key, kept):
                        continue
                    else:
                        left -= 1
                    selector.unregister(key.fileobj)
            return True
        finally:
            os.close(ending)

    @staticmethod
    def _keep(key: selectors.SelectorKey, kept: dict[IO[bytes], bytearray]) -> bool:
        """Take what there is of an output; False at its end."""
        stream: IO[bytes] = key.fileobj  # type: ignore[assignment]
        chunk = os.read(key.fd, 1 << 16)
        kept[stream].extend(chunk[: KEPT - len(kept[stream])])
        return bool(chunk)


class _Heard(bytearray):
    """Text of which each line is told once it is whole; the last one that is not is told at the end."""

    def __init__(self, said: Callable[[str], None]) -> None:
        super().__init__()
        self._said, self._told = said, 0

    def extend(self, data: Iterable[SupportsIndex]) -> None:
        """More of it; nothing is its end."""
        super().extend(more := bytes(data))
        end = self.rfind(b"\n") + 1 if more else len(self)
        if end > self._told:
            for line in self[self._told : end].decode("utf-8", "replace").splitlines():
                self._said(line)
            self._told = end


def verdict(program: str, status: int | None, deadline: float, errors: str) -> str:
    """Empty for status 0, else how the command ended and the last line of its standard error."""
    if status == 0:
        return ""
    if status is None:
        return f"{program} did not end within {deadline:g} seconds"
    said = [line.strip() for line in errors.splitlines() if line.strip()]
    how = f"ended with status {status}" if status > 0 else f"was killed by signal {-status}"
    return f"{program} {how}" + (f": {said[-1]}" if said else "")
