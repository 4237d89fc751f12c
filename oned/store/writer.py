"""The one thread that writes: it commits all units that wait in one transaction, with one fsync.

If a batch fails it is tried again unit by unit. The units behind the first that fails are not written: they were made
from a memory that never reached the disk. Nothing is written after that until a probe works. What the loop is told
comes in one call per batch, in the order of the commits.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine

from oned.store.changes import Changes, merged, write
from oned.tally import Commits

log = logging.getLogger(__name__)
LARGEST_BATCH = 256


@dataclass(eq=False)
class Batch:
    """One unit's changes on their way to the disk. `done` is called in the loop, with None or the error."""

    changes: Changes
    probe: bool = False
    done: Callable[[Exception | None], None] = field(repr=False, kw_only=True)


class Writer:
    """Commits batches in order. `submit` may be called from the loop only.

    Made in the caller's thread is the connection, so that whoever cannot have one hears it; the thread then keeps it.
    `commits` tells what it has done so far.
    """

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._broken: Exception | None = None
        self.commits = Commits()
        self._waiting: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._connection = engine.connect()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def submit(self, batch: Batch) -> None:
        self._waiting.put(batch)

    def close(self) -> None:
        """Commit what waits, then end the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        with self._connection as connection:
            while (first := self._waiting.get()) is not None:
                batches, last = self._drain(first)
                self._commit(connection, batches)
                if last:
                    return

    def _drain(self, first: Batch) -> tuple[list[Batch], bool]:
        batches = [first]
        while len(batches) < LARGEST_BATCH:
            try:
                batch = self._waiting.get_nowait()
            except queue.Empty:
                return batches, False
            if batch is None:
                return batches, True
            batches.append(batch)
        return batches, False

    def _commit(self, connection: Connection, batches: Sequence[Batch]) -> None:
        if self._broken is None and self._transaction(connection, merged(batch.changes for batch in batches)) is None:
            outcomes: list[tuple[Batch, Exception | None]] = [(batch, None) for batch in batches]
        else:
            outcomes = [(batch, self._commit_alone(connection, batch)) for batch in batches]
        self.commits.units += sum(error is None for _, error in outcomes)
        self._loop.call_soon_threadsafe(_settle, outcomes)

    def _commit_alone(self, connection: Connection, batch: Batch) -> Exception | None:
        if self._broken is None or batch.probe:
            self._broken = self._transaction(connection, batch.changes)
        return self._broken

    def _transaction(self, connection: Connection, changes: Changes) -> Exception | None:
        began = time.perf_counter()
        try:
            with connection.begin():
                write(connection, changes)
        except Exception as error:  # a border: the thread outlives whatever a row holds
            log.error("A commit failed: %s", getattr(error, "orig", None) or error)
            self.commits.failed += 1
            return error
        self.commits.times.add(time.perf_counter() - began)
        return None


def _settle(outcomes: Sequence[tuple[Batch, Exception | None]]) -> None:
    for batch, error in outcomes:
        try:
            batch.done(error)
        except Exception:  # a border: the units behind this one hear of their commits all the same
            log.exception("What follows a commit failed")
