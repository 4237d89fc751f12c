"""At most one active loop: a row with a deadline and a fencing number, checked in each transaction that changes nodes.

Who leads writes the deadline anew before it passes. Another one takes over after it, with the next number, and what the
former still wants to write is refused. On the same machine nobody waits for the deadline of a process that has died:
the kernel has let go of its lock.
"""

import fcntl
import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from sqlalchemy import Connection

from oned import clock
from oned.elastic.changes import Changes
from oned.elastic.records import Holder, Records, leading
from oned.elastic.tables import leader

DEADLINE = 30.0
"""Seconds after which a leader that has not been heard of is replaced."""


class Deposed(Exception):
    """Another loop is the active one; nothing was written."""


class Lead:
    """This process's claim to be the active loop."""

    def __init__(self, records: Records, seconds: float = DEADLINE) -> None:
        self._records, self._seconds = records, seconds
        self._machine = _machine()
        self._name = f"{socket.gethostname()}:{os.getpid()} {uuid.uuid4()}"
        self.fence = 0
        self._lock: IO[str] | None = None
        self._taking = threading.Lock()

    def take(self) -> bool:
        """Become the leader or stay it, with a new deadline; False while another one is. For any thread."""
        with self._taking:
            return self._take()

    def renew(self) -> bool:
        """A new deadline, if this one leads; whether it does. For any thread."""
        with self._taking, self._records.engine.begin() as connection:
            row = leading(connection)
            if row is None or not self._is_ours(row):
                return False
            self._renew(connection)
        return True

    def _take(self) -> bool:
        alone = self._locked()
        with self._records.engine.begin() as connection:
            row = leading(connection)
            if row is None:
                connection.execute(leader.insert().values(id=1, holder="", fence=0, deadline=0.0))
            if row is None or not self._is_ours(row):
                if row is not None and not self._is_free(row, alone):
                    self._unlock()
                    return False
                self.fence = 1 if row is None else row.fence + 1
            self._renew(connection)
        return True

    @property
    def holder(self) -> str:
        """What the row says of us; the machine only while we have its lock, which tells others there that we live."""
        return f"{self._name} {self._machine if self._lock else '-'}"

    @contextmanager
    def writing(self) -> Iterator[Changes]:
        """One transaction of changes. Raises Deposed when another loop has taken over."""
        with self._records.engine.begin() as connection:
            row = leading(connection)
            if row is None or not self._is_ours(row):
                raise Deposed(f"another service is active: {row.holder.split(' ')[0] if row else 'unknown'}")
            self._renew(connection)
            yield Changes(connection, self.fence)

    def resign(self) -> None:
        """Let another one take over at once."""
        ours = (leader.c.fence == self.fence) & leader.c.holder.startswith(self._name)
        try:
            with self._records.engine.begin() as connection:
                connection.execute(leader.update().where(ours).values(holder="", deadline=0.0))
        finally:
            self._unlock()

    def _is_ours(self, row: Holder) -> bool:
        return bool(row.fence == self.fence and row.holder.startswith(self._name))

    def _is_free(self, row: Holder, alone: bool) -> bool:
        """Nobody has it, or whoever had it is late, or was a process of this machine that has died."""
        died = alone and row.holder.endswith(f" {self._machine}")
        return bool(row.holder == "" or row.deadline <= clock.now() or died)

    def _renew(self, connection: Connection) -> None:
        connection.execute(leader.update().values(holder=self.holder, fence=self.fence, deadline=self._until()))

    def _until(self) -> float:
        return clock.now() + self._seconds

    def _locked(self) -> bool:
        """Whether no other process of this machine leads."""
        if self._lock is not None:
            return True
        file = self._records.path.with_suffix(".lock").open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._lock = file
        return True

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _machine() -> str:
    """What tells this machine, since its boot, from all others; containers have the same."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return str(uuid.uuid4())
