"""Connections to libvirt: kept open, watched by their keep-alive, each used by one action at a time.

libvirt says that threads may share a connection, and before 10.3 that is not true (CVE-2024-4418): a thread that leaves
a call because another one has something to send, or because the connection is closed, leaves a watch behind that points
into its stack. The next thread in line jumps there, and the process is gone with all its actions. Its wake-ups get
lost too. So there are as many connections to a host as actions at work there, and none waits for another.
"""

import contextlib
import importlib
import math
import threading
import time
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from oned.drivers.lib.line import one_line
from oned.drivers.lib.task import ActionFailed

if TYPE_CHECKING:
    from oned.drivers.lib.hypervisor import Connection

OPEN_SECONDS = 20.0
BACK_OFF = 10.0
"""Seconds without another attempt after a connection to another machine has failed."""
SPARE = 2
"""Connections to one URI that stay open while no action uses them."""
KEEP_ALIVE, MISSES = 5, 5
"""Seconds between two questions whether the other side is there, and how many of them may stay without an answer."""


def library() -> ModuleType:
    """The libvirt module."""
    libvirt = importlib.import_module("libvirt")
    libvirt.registerErrorHandler(lambda context, error: None, None)
    return libvirt


class Attempt:
    """A connection that is being opened, by a thread of its own: nothing can end a call that hangs."""

    def __init__(self) -> None:
        self.ended = False
        self.failure = ""
        self.since = time.monotonic()

    @property
    def age(self) -> float:
        return time.monotonic() - self.since


class Way:
    """The way to one URI: its free connections, and at most one attempt to make another one."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._changed = threading.Condition()
        self._free: list[Connection] = []
        self._attempt: Attempt | None = None
        self._failure, self._failed = "", 0.0

    @contextlib.contextmanager
    def borrowed(self) -> Iterator["Connection"]:
        """A connection that is nobody else's within the block.

        Errors: ActionFailed, if it is not there in time; at once, as long as an attempt hangs or has just failed.
        """
        connection = self._taken()
        try:
            yield connection
        finally:
            self._give_back(connection)

    def _taken(self) -> "Connection":
        with self._changed:
            while (connection := self._living()) is None:
                attempt = self._attempt or self._begin()
                self._wait(attempt)
                if attempt.failure and not self._free:
                    raise ActionFailed(attempt.failure)
            return connection

    def _wait(self, attempt: Attempt) -> None:
        """Return when the attempt has ended, or a connection is free before. Errors: ActionFailed."""
        if not self._changed.wait_for(lambda: self._free or attempt.ended, max(0.0, OPEN_SECONDS - attempt.age)):
            raise ActionFailed(f"{self._uri} is not reached: libvirt there has not answered for {attempt.age:.0f} s")

    def _living(self) -> "Connection | None":
        """A free connection, which is not free any more; those that have died are forgotten."""
        while self._free:
            connection = self._free.pop()
            if _is_alive(connection):
                return connection
            _close(connection)
        return None

    def _give_back(self, connection: "Connection") -> None:
        with self._changed:
            stays = len(self._free) < SPARE and _is_alive(connection)
            if stays:
                self._free.append(connection)
                self._changed.notify_all()
        if not stays:
            _close(connection)

    def _begin(self) -> Attempt:
        left = self._failed + BACK_OFF - time.monotonic()
        if self._failure and left > 0 and urlsplit(self._uri).netloc:
            raise ActionFailed(f"{self._failure} (the next attempt is in {math.ceil(left)} s)")
        self._attempt = attempt = Attempt()
        threading.Thread(target=self._open, args=(attempt,), daemon=True).start()
        return attempt

    def _open(self, attempt: Attempt) -> None:
        connection: Connection | None = None
        try:
            connection = _opened(self._uri)
        except (library().libvirtError, OSError) as error:
            attempt.failure = f"{one_line(str(error))}. Does libvirtd run there? virsh -c '{self._uri}' list tells more"
        finally:
            with self._changed:
                if connection is not None:
                    self._free.append(connection)
                self._failure, self._failed = attempt.failure, time.monotonic()
                self._attempt = None
                attempt.ended = True
                self._changed.notify_all()


def _opened(uri: str) -> "Connection":
    """A new connection that notices when the other side is gone. Errors: those of libvirt."""
    _start_events()
    connection: Connection = library().open(uri)
    with contextlib.suppress(library().libvirtError):  # one without a wire has nothing to watch
        connection.setKeepAlive(KEEP_ALIVE, MISSES)
    return connection


def _is_alive(connection: "Connection") -> bool:
    """Whether the connection is open, as far as its keep-alive has found out."""
    try:
        return bool(connection.isAlive())
    except library().libvirtError:
        return False


def _close(connection: "Connection") -> None:
    """Close it, by a thread of its own: the other side is asked to, and may hang."""

    def close() -> None:
        with contextlib.suppress(library().libvirtError):
            connection.close()

    threading.Thread(target=close, daemon=True).start()


_ways: dict[str, Way] = {}
_lock = threading.Lock()
_events: threading.Thread | None = None


def connected(uri: str) -> contextlib.AbstractContextManager["Connection"]:
    """A connection to a URI within the block, as Way.borrowed says."""
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
