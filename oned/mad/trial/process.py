"""A driver on trial: a process whose every byte is looked at, also those that the daemon forgives."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from oned.mad import line
from oned.mad.line import Answer, Lines
from oned.mad.process import Launch

HALF = 0.025
"""Seconds that the original waits for the rest of a line before it takes the driver for dead."""
_CHUNK = 65536


class Trial:
    """A started driver. Its lines are kept in `heard` as they come; nothing here raises but OSError at the start."""

    def __init__(self, launch: Launch) -> None:
        self.heard: list[str] = []
        self.torn = 0
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._to_write: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        argv = [str(launch.executable)] + ([] if launch.arguments is None else [launch.arguments])
        launch.log.parent.mkdir(parents=True, exist_ok=True)
        with launch.log.open("ab") as errors:
            self._child = subprocess.Popen(
                argv,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=launch.directory,
                env=dict(launch.environment),
                start_new_session=True,
            )
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._read, self._write)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        self.close_input()
        for thread in self._threads:
            thread.join(1.0)

    def _read(self) -> None:
        """The thread that cuts the output into lines; a line that came in two pieces, with a pause, is counted."""
        assert self._child.stdout
        cut, half_since = Lines(), 0.0
        with self._child.stdout as output:
            while data := os.read(output.fileno(), _CHUNK):
                now = time.monotonic()
                self.torn += bool(half_since and now - half_since > HALF)
                half_since = 0.0 if data.endswith(b"\n") else now
                for whole in cut.feed(data):
                    self._lines.put(line.text(whole))
        self._lines.put(None)

    def write(self, data: str | bytes) -> None:
        """Write lines; a driver that is gone or reads no more is found out by its silence."""
        raw = data.encode() if isinstance(data, str) else data
        self._to_write.put(raw)

    def close_input(self) -> None:
        """The end of its input, behind all that is written."""
        self._to_write.put(None)

    def _write(self) -> None:
        """The thread that writes: a driver that does not read holds up nobody else."""
        assert self._child.stdin
        with self._child.stdin as pipe, suppress(OSError):
            while (raw := self._to_write.get()) is not None:
                while raw:
                    raw = raw[os.write(pipe.fileno(), raw) :]

    def hear(self, seconds: float, enough: Callable[[str], bool] = lambda _: False) -> str | None:
        """The first line that is enough; None when none has come in the time, or the output has ended."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                text = self._lines.get(timeout=left)
            except queue.Empty:
                return None
            if text is None:
                self._lines.put(None)
                return None
            self.heard.append(text)
            if enough(text):
                return text
        return None

    def answer(self, verb: str, oid: int, seconds: float) -> Answer | None:
        """The answer to a request; one that has been heard already counts."""
        if (found := self.answers(verb, oid)) or self.hear(seconds, lambda text: _is_answer(text, verb, oid)) is None:
            return found[0] if found else None
        return self.answers(verb, oid)[0]

    def answers(self, verb: str = "", oid: int = -1) -> list[Answer]:
        """What has been heard of answers: all, or those to one request."""
        found = [message for text in self.heard if isinstance(message := line.read(text), Answer)]
        return [answer for answer in found if not verb or (answer.action, answer.oid) == (verb, oid)]

    def ends(self, seconds: float) -> int | None:
        """Its exit status, minus the signal if one killed it; None if it does not end in the time."""
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    @property
    def leftover(self) -> bool:
        """Whether a process of its group outlives it."""
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            try:
                os.killpg(self._child.pid, 0)
            except ProcessLookupError:
                return False
            time.sleep(0.02)
        return True


def _is_answer(text: str, verb: str, oid: int) -> bool:
    message = line.read(text)
    return isinstance(message, Answer) and (message.action, message.oid) == (verb, oid)
