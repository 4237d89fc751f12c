"""Connections to libvirt: one per URI and process, kept open, watched by its keep-alive, shared by all actions."""

import contextlib
import importlib
import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from oned.drivers.lib.line import one_line
from oned.drivers.lib.task import ActionFailed
from oned.drivers.lib.uri import helper_of

if TYPE_CHECKING:
    from oned.drivers.lib.hypervisor import Connection

OPEN_SECONDS = 20.0
BACK_OFF = 10.0
"""Seconds without another attempt after a connection to another machine has failed."""
KEEP_ALIVE, MISSES = 5, 5
"""Seconds between two questions whether the other side is there, and how many of them may stay without an answer."""


def library() -> ModuleType:
    """The libvirt module."""
    libvirt = importlib.import_module("libvirt")
    libvirt.registerErrorHandler(lambda context, error: None, None)
    return libvirt


class Kept:
    """An open connection and the number of actions that use it.

    helper  descriptor of the ssh process that it goes through
    """

    def __init__(self, connection: "Connection", helper: int | None) -> None:
        self.connection = connection
        self.users = 0
        self._helper = helper

    def is_alive(self) -> bool:
        try:
            return bool(self.connection.isAlive())
        except library().libvirtError:
            return False

    def give_up(self) -> None:
        """Close it when the last action that is still in a call of it has left that.

        When a connection dies, libvirt (9.0) wakes only one of those that wait for an answer: the end of its ssh wakes
        the others.
        """
        if self._helper is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._helper, signal.SIGKILL)
        if not self.users:
            self._close()

    def _close(self) -> None:
        if self._helper is not None:
            os.close(self._helper)
            self._helper = None
        with contextlib.suppress(library().libvirtError):
            self.connection.close()


class Attempt:
    """A connection that is being opened, by a thread of its own: nothing can end a call that hangs."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.since = time.monotonic()

    @property
    def age(self) -> float:
        return time.monotonic() - self.since


class Way:
    """The way to one URI: at most one connection, and at most one attempt to make one."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._lock = threading.Lock()
        self._kept: Kept | None = None
        self._attempt: Attempt | None = None
        self._failure, self._failed = "", 0.0

    @contextlib.contextmanager
    def borrowed(self) -> Iterator["Connection"]:
        """The connection within the block; it is closed afterwards only if it turned out dead.

        Errors: ActionFailed, if it is not there in time; at once, as long as an attempt hangs or has just failed.
        """
        kept = self._taken()
        try:
            yield kept.connection
        finally:
            self._give_back(kept)

    def _taken(self) -> Kept:
        for _ in range(2):
            with self._lock:
                if kept := self._living():
                    kept.users += 1
                    return kept
                attempt = self._attempt or self._begin()
            if not attempt.ended.wait(max(0.0, OPEN_SECONDS - attempt.age)):
                raise ActionFailed(
                    f"{self._uri} is not reached: libvirt there has not answered for {attempt.age:.0f} s"
                )
            if self._failure:
                raise ActionFailed(self._failure)
        raise ActionFailed(f"{self._uri} is not reached: the connection breaks at once")

    def _living(self) -> Kept | None:
        """The kept connection; one that has died is closed and forgotten."""
        if self._kept is not None and not self._kept.is_alive():
            dead, self._kept = self._kept, None
            dead.give_up()
        return self._kept

    def _give_back(self, kept: Kept) -> None:
        with self._lock:
            kept.users -= 1
            if kept is not self._kept:
                kept.give_up()
            else:
                self._living()

    def _begin(self) -> Attempt:
        left = self._failed + BACK_OFF - time.monotonic()
        if self._failure and left > 0 and urlsplit(self._uri).netloc:
            raise ActionFailed(f"{self._failure} (the next attempt is in {math.ceil(left)} s)")
        self._attempt = attempt = Attempt()
        threading.Thread(target=self._open, args=(attempt,), daemon=True).start()
        return attempt

    def _open(self, attempt: Attempt) -> None:
        failure = ""
        kept: Kept | None = None
        try:
            kept = Kept(_opened(self._uri), helper_of(self._uri))
        except (library().libvirtError, OSError) as error:
            failure = one_line(str(error))
        finally:
            with self._lock:
                self._kept, self._failure, self._failed = kept, failure, time.monotonic()
                self._attempt = None
            attempt.ended.set()


def _opened(uri: str) -> "Connection":
    """A new connection that notices when the other side is gone. Errors: those of libvirt."""
    _start_events()
    connection: Connection = library().open(uri)
    with contextlib.suppress(library().libvirtError):  # one without a wire has nothing to watch
        connection.setKeepAlive(KEEP_ALIVE, MISSES)
    return connection


_ways: dict[str, Way] = {}
_lock = threading.Lock()
_events: threading.Thread | None = None


def connected(uri: str) -> contextlib.AbstractContextManager["Connection"]:
    """The connection to a URI within the block, as Way.borrowed says."""
    with _lock:
        way = _ways.setdefault(uri, Way(uri))
    return way.borrowed()


def _start_events() -> None:
    """libvirt's event loop, which asks and answers the keep-alive; it must be there before a connection is opened."""
    global _events
    with _lock:
        if _events is None:
            library().virEventRegisterDefaultImpl()
            _events = threading.Thread(target=_run_events, daemon=True)
            _events.start()


def _run_events() -> None:
    while True:
        with contextlib.suppress(library().libvirtError):
            library().virEventRunDefaultImpl()
