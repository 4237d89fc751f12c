"""A shell that is kept open on a host, for what is asked again and again: a command costs a line, no session."""

import contextlib
import re
import secrets
import threading
import time

from oned.drivers.lib.actions import Finished, verdict
from oned.drivers.lib.reach.host import STEP, Host, quoted
from oned.drivers.lib.reach.session import Session
from oned.drivers.lib.task import ActionFailed, Task

MOST = 16 << 20
"""Bytes of the outputs of one command; one that says more has failed."""


class AgentShell:
    """One `sh` of a host, opened at the first command and again after trouble; one command at a time."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.used = time.monotonic()
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._mark = f"end-{secrets.token_hex(8)}"
        marked = re.escape(self._mark.encode())
        self._ends = (re.compile(rb"\n%s (\d+)\n" % marked), re.compile(rb"\n%s\n" % marked))

    def run(self, argv: list[str], task: Task, deadline: float) -> Finished:
        """How a command ended. If it does not in time, it is killed with the shell. Errors: as of Host."""
        with self._lock:
            self.used = time.monotonic()
            session = self._opened(deadline)
            try:
                said = self._said(session, quoted(argv), task, time.monotonic() + deadline)
            except BaseException:
                self._drop()
                raise
            if said is None:
                self._drop()
                raise ActionFailed(f"{self.host.name}: no answer within {deadline:g} seconds")
            return _finished(argv[0], *said)

    def close(self) -> None:
        """End the shell."""
        with self._lock:
            self._drop()

    def _opened(self, deadline: float) -> Session:
        if self._session is not None and (self._session.ended or self._session.lost):
            self._drop()
        if self._session is None:
            self._session = self.host.begin(["sh"], deadline)
        return self._session

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(ActionFailed):
                session.kill()
            session.close()

    def _said(self, session: Session, command: str, task: Task, end: float) -> tuple[bytes, bytes, int] | None:
        """Both outputs and the status; None when the time is over."""
        line = memoryview(self._line(command))
        output, errors = bytearray(), bytearray()
        while time.monotonic() < end:
            task.check()
            if line:
                line = line[session.send(bytes(line)) :]
            session.wait(max(0.0, min(STEP, end - time.monotonic())), writing=bool(line))
            for kept, piece in zip((output, errors), session.receive(), strict=True):
                kept.extend(piece)
            ends = [
                mark.search(kept, max(0, len(kept) - 100))
                for mark, kept in zip(self._ends, (output, errors), strict=True)
            ]
            if all(ends):
                return _cut(output, errors, ends)
            if session.ended or session.lost or len(output) + len(errors) > MOST:
                raise ActionFailed(f"{self.host.name}: {session.lost or 'its shell ended, or says too much'}")
        return None

    def _line(self, command: str) -> bytes:
        mark = self._mark
        return f"{command} </dev/null; printf '\\n%s %d\\n' {mark} $?; printf '\\n%s\\n' {mark} >&2\n".encode()


def _cut(output: bytearray, errors: bytearray, ends: list[re.Match[bytes] | None]) -> tuple[bytes, bytes, int]:
    """What stands before the marks, and the status in the first of them."""
    first, second = ends
    assert first is not None
    assert second is not None
    return bytes(output[: first.start()]), bytes(errors[: second.start()]), int(first[1])


def _finished(program: str, output: bytes, errors: bytes, status: int) -> Finished:
    text = errors.decode("utf-8", "replace")
    return Finished(output.decode("utf-8", "replace"), text, verdict(program, status, 0, text), status)
