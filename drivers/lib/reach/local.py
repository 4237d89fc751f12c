"""This machine as a host: commands by pipes."""

import contextlib
import os
import select
import signal
import socket
import subprocess
from collections.abc import Sequence

from oned.drivers.lib.reach.session import PIECE
from oned.drivers.lib.task import ActionFailed


class LocalSession:
    """A command with its own process group on this machine."""

    lost = ""

    def __init__(self, argv: Sequence[str]) -> None:
        try:
            self._process = subprocess.Popen(
                list(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                start_new_session=True, bufsize=0,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ActionFailed(f"{argv[0]} cannot be run: {reason}") from None
        streams = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._input, *self._outputs = [stream.fileno() for stream in streams if stream is not None]
        self._open = set(self._outputs)
        os.set_blocking(self._input, False)

    def wait(self, seconds: float, *, writing: bool) -> None:
        poll = select.poll()
        for descriptor in self._open:
            poll.register(descriptor, select.POLLIN)
        if writing and self._writable():
            poll.register(self._input, select.POLLOUT)
        poll.poll(max(0.0, seconds) * 1000)

    def receive(self) -> tuple[bytes, bytes]:
        output, errors = (self._received(descriptor) for descriptor in self._outputs)
        return output, errors

    def _received(self, descriptor: int) -> bytes:
        if descriptor not in self._open or not select.select([descriptor], [], [], 0)[0]:
            return b""
        data = os.read(descriptor, PIECE)
        if not data:
            self._open.discard(descriptor)
        return data

    def _writable(self) -> bool:
        return self._process.stdin is not None and not self._process.stdin.closed

    def send(self, data: bytes) -> int:
        if not self._writable():
            return len(data)
        try:
            return os.write(self._input, data[:PIECE])
        except BlockingIOError:
            return 0
        except BrokenPipeError:
            self.end_input()
            return len(data)

    def end_input(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()

    @property
    def ended(self) -> bool:
        return not self._open

    @property
    def lingers(self) -> bool:
        if self._process.returncode is not None:
            return True
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def status(self, seconds: float) -> int | None:
        try:
            return self._process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """The group's number stays taken until the command is waited for, so no other is hit."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        self.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()


def is_here(host: str) -> bool:
    """Whether the name means this machine: localhost, its own name, or a name of an address of its interfaces."""
    if host in ("localhost", os.uname().nodename):
        return True
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return False
    return any(_is_own(family, address) for family, _, _, _, address in found)


def _is_own(family: int, address: tuple[object, ...]) -> bool:
    """A socket can be bound to the addresses of the machine's own interfaces only."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address[0], 0, *address[2:]))
    except OSError:
        return False
    return True
