"""A driver program under test: the daemon's part played over real pipes."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from oned.drivers.lib.line import read_lines


def program(module: str, arguments: str = "") -> list[str]:
    """The command of a bundled driver; its arguments are one word, as the daemon gives them."""
    return [sys.executable, "-m", f"oned.drivers.{module}", *([arguments] if arguments else [])]


class DriverProcess:
    """A started driver. Lines are read as they come; every wait has a limit, after which AssertionError tells."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            argv, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **(environment or {})}
        )
        self.logs: list[str] = []
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(5.0)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in read_lines(self.process.stdout.fileno()):
            self._lines.put(line.decode())
        self._lines.put(None)

    def send(self, line: str | bytes) -> None:
        """Write a request line. Errors: as those of `line`, when the driver has ended."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write((line.encode() if isinstance(line, str) else line) + b"\n")
        except BrokenPipeError:
            self._check_end()
            raise

    def line(self, seconds: float = 20.0) -> str | None:
        """The next line, whatever it is; None when the driver has closed its output.

        Errors: AssertionError when there is none in time, and at once when the driver has ended with a failure.
        """
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"the driver wrote no line within {seconds:g} seconds") from None
        if line is None:
            self._lines.put(None)
            self._check_end()
        return line

    def _check_end(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            if status := self.process.wait(5.0):
                how = f"with status {status}" if status > 0 else f"by {signal.Signals(-status).name}"
                raise AssertionError(f"the driver has ended {how}")

    def answer(self, seconds: float = 20.0) -> str | None:
        """The next line that is no log line; those are kept in `logs`."""
        while (line := self.line(seconds)) is not None and line.startswith("LOG "):
            self.logs.append(line)
        return line

    def ask(self, line: str, seconds: float = 20.0) -> str | None:
        """The answer that comes next after a request."""
        self.send(line)
        return self.answer(seconds)

    def handshake(self) -> str | None:
        """The answer to INIT."""
        return self.ask("INIT")

    def finalize(self, seconds: float = 10.0) -> int:
        """The exit status after FINALIZE."""
        self.send("FINALIZE")
        return self.process.wait(seconds)

    def close(self, seconds: float = 10.0) -> int:
        """The exit status after the end of its input."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(seconds)
