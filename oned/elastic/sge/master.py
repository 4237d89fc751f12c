"""Grid Engine as the elastic service's batch system."""

import contextlib
import fcntl
import threading
from collections.abc import Collection, Iterator
from pathlib import Path

from oned import clock
from oned.elastic.batch import About, BatchDown, Member, Observed, Refused, Told, nobody
from oned.elastic.sge import hosts, jobs
from oned.elastic.sge.answer import Unreadable
from oned.elastic.sge.commands import Commands
from oned.elastic.sge.observe import Observer
from oned.elastic.sge.place import Place

LOCK_TIME = 60.0
"""Seconds for which a writer waits for another one."""


class GridEngine:
    """A `Batch`: the qmaster of one cell, by its own commands.

    lock  a file; of all processes that have the same one, only one changes Grid Engine at a time

    Nodes are registered with their queue instances disabled and `initial_state disabled`, so that no job starts on one
    that boots before it is enabled; enabling sets that back to `default`. All calls take lists and need the same
    few commands for any number of nodes, but for one `qconf -purge` for each node that is removed.
    """

    def __init__(self, place: Place, lock: Path | None = None) -> None:
        self.place = place
        self.commands = Commands(place)
        self._observer = Observer(self.commands)
        self._lock_file = lock
        self._lock = threading.Lock()

    def observe(self) -> Observed:
        """All jobs, hosts and quotas."""
        return self._observer.observe()

    def register(self, members: Collection[Member]) -> Refused:
        """Make the nodes known before they boot, disabled; known ones are left as they are."""
        if not members:
            return {}
        with self._writing():
            return hosts.register(self.commands, members)

    def enable(self, names: Collection[str]) -> Refused:
        """Let jobs start on the nodes."""
        if not names:
            return {}
        with self._writing():
            return hosts.enable(self.commands, names)

    def drain(self, names: Collection[str]) -> Refused:
        """Let no further job start there; those that run go on."""
        if not names:
            return {}
        with self._writing():
            return hosts.drain(self.commands, names)

    def release(self, names: Collection[str], *, kill: bool, about: About = nobody, told: Told = nobody) -> Refused:
        """Take the jobs away from nodes; those that cannot start again are deleted with `kill`, and refused without."""
        if not names:
            return {}
        with self._writing():
            return jobs.release(self._observer, names, kill=kill, about=about, told=told)

    def remove(self, names: Collection[str]) -> Refused:
        """Forget the nodes. One with a job is refused, and stays disabled."""
        if not names:
            return {}
        with self._writing():
            return hosts.remove(self.commands, names)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Be the only writer; then host groups are read again. Answers that cannot be read are BatchDown."""
        with self._lock, _locked(self._lock_file):
            try:
                yield
            except Unreadable as error:
                raise BatchDown(f"{error}. Is this Grid Engine 8.1? Look at what qhost -q -xml prints") from error
            finally:
                self._observer.forget()


@contextlib.contextmanager
def _locked(path: Path | None) -> Iterator[None]:
    if path is None:
        yield
        return
    try:
        file = open(path, "a")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise BatchDown(
            f"{path}, the lock of those who change Grid Engine: {error.strerror}. Run this as oned's user"
        ) from error
    with file:
        end = clock.monotonic() + LOCK_TIME
        while not _take(file.fileno()):
            if clock.monotonic() > end:
                raise BatchDown(f"another process has held {path} for {LOCK_TIME:.0f} s: fuser {path} tells which")
            threading.Event().wait(0.05)
        yield


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
