"""Other machines as hosts: commands by ssh, over one connection per account that all actions share.

Only this module and connection.py import paramiko. What is done here around it: its calls that wait without a limit are
never made, or under a guard that closes the connection; sessions are opened one after the other, for it keeps one error
for all who wait on a connection; both outputs of a command are read at once; host keys are checked against the file by
ourselves, so that an error can name the line.
"""

import contextlib
import logging
import math
import os
import pwd
import re
import secrets
import select
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import paramiko

from oned.drivers.lib.reach.connection import KEEP_ALIVE, TROUBLE, Connection, Target, connect, log_in, negotiate
from oned.drivers.lib.reach.known import SSH_PORT, Untrusted
from oned.drivers.lib.reach.lines import kill_line, wrapped
from oned.drivers.lib.reach.session import PIECE, Session
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed

SESSIONS = 8
"""Commands at a time on one connection: sshd takes 10 (MaxSessions), and one ends those whose time is over."""
CONNECT_SECONDS = 10.0
"""For the connection, and again for its keys, and again for the login; for all of it, where less time is left."""
OPEN_SECONDS = 10.0
"""For a session, and again for sshd to begin its command."""
REFUSALS = 20
"""Times that a host is asked for a session, a tenth of a second apart."""
KILL_SECONDS = 5.0
BACK_OFF = 10.0
"""Seconds without another attempt after a connection has failed."""
KEY_FILES = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")


class Unreachable(ActionFailed):
    """The host is not reached, or not any more; the text says why."""


class Route:
    """The way to one account: at most one connection, and at most one attempt to make one."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._sessions = threading.BoundedSemaphore(SESSIONS)
        self._connecting = threading.Lock()
        self._opening = threading.Lock()
        self._ending = threading.Lock()
        self._transport: Connection | None = None
        self._gone: tuple[Connection | None, str] = (None, "")
        self._failure = ""
        self._failed = 0.0

    def open_session(self, argv: Sequence[str], deadline: float) -> Session:
        """Begin a command. Errors: Unreachable; ActionFailed, if all sessions are taken for so long."""
        token = secrets.token_hex(8)
        command = wrapped(argv, token)
        end = time.monotonic() + deadline
        if not self._sessions.acquire(timeout=deadline):
            raise ActionFailed(f"{self.target.host}: {SESSIONS} commands run there, and none ended in {deadline:g} s")
        try:
            with self._turn(end):
                transport, channel = self._channel(end)
                self._begin(transport, channel, command, end)
        except BaseException:
            self._sessions.release()
            raise
        return SSHSession(self, transport, channel, token)

    @contextlib.contextmanager
    def _turn(self, end: float) -> Iterator[None]:
        """The right to open a session. Errors: Unreachable, if those before us wait for the host for so long."""
        if not self._opening.acquire(timeout=max(0.1, end - time.monotonic())):
            raise Unreachable(f"{self.target.host} is not reached: it does not answer yet")
        try:
            yield
        finally:
            self._opening.release()

    def _channel(self, end: float) -> tuple[Connection, paramiko.Channel]:
        """A channel on a living connection. One that turns out dead here is replaced once: nothing has run on it."""
        for last in (False, True):
            transport = self._connected(end)
            try:
                seconds = min(OPEN_SECONDS, max(0.1, end - time.monotonic()))
                return transport, self._free(transport, seconds)
            except TROUBLE as error:
                if transport.is_active():
                    raise self.given_up(transport, f"it does not answer within {seconds:g} seconds") from None
                if last:
                    raise self.given_up(transport, f"the connection breaks at once: {said(error)}") from None
        raise AssertionError

    def _free(self, transport: Connection, seconds: float) -> paramiko.Channel:
        """A channel. The host may count one that has just ended for a moment: one refusal says nothing."""
        for left in reversed(range(REFUSALS)):
            began = time.monotonic()
            try:
                return transport.open_session(timeout=seconds)
            except TROUBLE as error:
                if not transport.is_active() or time.monotonic() - began >= seconds:
                    raise
                if not left:
                    reason = f"takes no further session ({error}): MaxSessions of its sshd_config"
                    raise ActionFailed(f"{self.target.host} {reason}") from None
            time.sleep(0.1)
        raise AssertionError

    def _begin(self, transport: Connection, channel: paramiko.Channel, command: str, end: float) -> None:
        """Send the command. What fails from here on may have run, and is not begun again."""
        with self._guard(transport, min(OPEN_SECONDS, max(1.0, end - time.monotonic()))):
            try:
                channel.exec_command(command)
            except TROUBLE as error:
                reason = said(error)
                if not transport.is_active():
                    raise self.given_up(transport, f"the connection broke when a command began: {reason}") from None
                channel.close()
                raise ActionFailed(f"{self.target.host}: sshd does not run the command: {reason}") from None

    @contextlib.contextmanager
    def _guard(self, transport: Connection, seconds: float) -> Iterator[None]:
        """Give the connection up if the block takes longer, which wakes whoever waits in it."""
        timer = threading.Timer(seconds, self.given_up, (transport, f"it does not answer within {seconds:g} seconds"))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def end_group(self, transport: Connection, leader: int) -> None:
        """Kill a process group there, by a session of its own; a connection that cannot do that is given up."""
        with self._ending:
            try:
                with self._turn(time.monotonic() + OPEN_SECONDS), self._guard(transport, KILL_SECONDS):
                    channel = self._free(transport, KILL_SECONDS)
                    channel.exec_command(kill_line(leader))
                channel.status_event.wait(KILL_SECONDS)
                channel.close()
            except ActionFailed as refused:
                logging.getLogger(__name__).warning("%s; the process group %d there may go on", refused, leader)
            except TROUBLE as error:
                if not transport.is_active():
                    self.given_up(transport, f"a command there could not be ended: {said(error)}")

    def release(self) -> None:
        """A session is free again."""
        self._sessions.release()

    # -- the connection -------------------------------------------------------------------------------------------
    def _connected(self, end: float) -> Connection:
        """The living connection, or a new one. All wait for the one attempt, and for none after it has failed."""
        if not self._connecting.acquire(timeout=max(0.1, end - time.monotonic())):
            raise Unreachable(f"{self.target.host} is not reached: it does not answer yet")
        try:
            if self._transport is not None and self._transport.is_active():
                return self._transport
            left = self._failed + BACK_OFF - time.monotonic()
            if self._failure and left > 0:
                raise Unreachable(f"{self._failure} (the next attempt is in {math.ceil(left)} s)")
            self._transport = self._connect(max(end, time.monotonic() + CONNECT_SECONDS))
            self._failure = ""
            return self._transport
        finally:
            self._connecting.release()

    def given_up(self, transport: Connection | None, reason: str) -> Unreachable:
        """Close the connection, let the next attempt wait, and give the error to raise: the first one that it had."""
        if transport is not None and transport is self._gone[0]:
            return Unreachable(self._gone[1])
        self._failure = f"{self.target.host} is not reached: {reason}"
        self._failed = time.monotonic()
        self._gone = (transport, self._failure)
        if transport is not None:
            transport.close()
        return Unreachable(self._failure)

    def _connect(self, end: float) -> Connection:
        target, transport = self.target, None

        def left() -> float:
            return max(0.1, min(CONNECT_SECONDS, end - time.monotonic()))

        try:
            transport = Connection(connect(target, left()))
            negotiate(transport, target, left())
            log_in(transport, target, left())
        except Untrusted as error:
            raise self.given_up(transport, str(error)) from None
        except TROUBLE as error:
            place = f"{target.user}@{target.address} port {target.port}"
            raise self.given_up(transport, f"{place}: {said(error)}") from None
        except BaseException:
            if transport is not None:
                transport.close()
            raise
        transport.set_keepalive(KEEP_ALIVE)
        return transport


class SSHSession:
    """A command on a channel. The first line of its errors is ours: a token and the number of its process group."""

    def __init__(self, route: Route, transport: Connection, channel: paramiko.Channel, token: str) -> None:
        self._route, self._transport, self._channel = route, transport, channel
        self._marker = re.compile(rb"%s (\d+)\n" % token.encode())
        self._head: bytes | None = b""
        """Errors in which the marker may still come; None once it has been found, or cannot come any more."""
        self._leader = 0
        self._ended = self._closed = False

    def wait(self, seconds: float, *, writing: bool) -> None:
        if self._ended:
            return
        poll = select.poll()
        poll.register(self._channel.fileno(), select.POLLIN)
        poll.poll(1000 * max(0.0, min(0.005, seconds) if writing else seconds))  # below 0 is for ever

    def receive(self) -> tuple[bytes, bytes]:
        channel = self._channel
        closed = channel.eof_received or channel.closed
        try:  # what has come is acknowledged, and that is sent
            output = channel.recv(PIECE) if channel.recv_ready() else b""
            errors = channel.recv_stderr(PIECE) if channel.recv_stderr_ready() else b""
        except TROUBLE as error:
            reason = f"{self._route.target.host}: the connection broke while a command ran: {said(error)}"
            raise ActionFailed(reason) from None
        self._ended = closed and not (output or errors)
        return output, self._without_marker(errors)

    def _without_marker(self, errors: bytes) -> bytes:
        if self._head is None:
            return errors
        self._head += errors
        found = self._marker.search(self._head)
        if not found and not self._ended and len(self._head) < PIECE:
            return b""
        head, self._head = self._head, None
        if not found:
            return head
        self._leader = int(found[1])
        return head[: found.start()] + head[found.end() :]

    def send(self, data: bytes) -> int:
        self._channel.settimeout(0.05)
        try:
            with self._transport.sending(self._channel):
                return int(self._channel.send(data))
        except TimeoutError:
            return 0
        except TROUBLE:
            return len(data)

    def end_input(self) -> None:
        with contextlib.suppress(*TROUBLE), self._transport.sending(self._channel):
            self._channel.shutdown_write()

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def lingers(self) -> bool:
        return self._channel.status_event.is_set() and not self.lost

    @property
    def lost(self) -> str:
        if self._transport.is_active() or self._channel.exit_status != -1:
            return ""
        return f"the connection to {self._route.target.host} broke: whether the command ended there is not known"

    def status(self, seconds: float) -> int | None:
        if not self._channel.status_event.wait(max(0.0, seconds)) or self.lost:
            return None
        return self._channel.exit_status if self._channel.exit_status >= 0 else 255

    def kill(self) -> None:
        if not self._leader and not self._closed:
            self.wait(0.0, writing=False)
            self.receive()
        if self._leader and self._transport.is_active():
            self._route.end_group(self._transport, self._leader)
            self._leader = 0

    def close(self) -> None:
        if self._closed:
            return
        if not self._channel.status_event.is_set():
            self.kill()
        self._closed = self._ended = True
        with contextlib.suppress(*TROUBLE):
            self._channel.close()
        self._route.release()


def said(error: BaseException) -> str:
    """The error as a part of a sentence."""
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).strip().rstrip(".") or "the connection was closed"


_routes: dict[Target, Route] = {}
_lock = threading.Lock()


def route_to(host: str, settings: Settings) -> Route:
    """The way to the host by its settings, the same for all that ask. Errors: ActionFailed."""
    target = target_of(host, settings)
    with _lock:
        return _routes.setdefault(target, Route(target))


def target_of(host: str, settings: Settings) -> Target:
    """The account of the host by its settings. Errors: ActionFailed."""
    port = settings.get("SSH_PORT", str(SSH_PORT), host)
    if not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise ActionFailed(f"SSH_PORT={port} of host {host} is no port")
    key = settings.get("SSH_KEY", "", host)
    return Target(
        host=host,
        address=settings.get("SSH_ADDRESS", host, host),
        port=int(port),
        user=settings.get("SSH_USER", _own_name(), host),
        keys=(key,) if key else KEY_FILES,
        known_hosts=Path(settings.get("SSH_KNOWN_HOSTS", "~/.ssh/known_hosts", host)).expanduser(),
    )


def _own_name() -> str:
    """The account that the driver runs as."""
    return pwd.getpwuid(os.getuid()).pw_name
