"""The data base: opening it, reading it, and the loop's side of the writer."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Executable, create_engine, event
from sqlalchemy.engine import Row as ResultRow
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import NullPool

from oned.errors import StoreFailed
from oned.store.changes import Changes
from oned.store.writer import Batch, Writer
from oned.tally import Commits

log = logging.getLogger(__name__)
BUSY_SECONDS = 30.0


def sqlite_engine(path: Path, sync: str = "FULL") -> Engine:
    """An engine for a SQLite file in WAL mode. sync FULL: an answered commit survives a power loss; NORMAL may not."""
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=NullPool,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: DBAPIConnection, _record: object) -> None:
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", f"synchronous={sync}", "foreign_keys=ON", "wal_autocheckpoint=4000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine


def reading_engine(path: Path) -> Engine:
    """An engine that only reads a SQLite file, beside whoever writes it; a transaction sees one moment."""
    engine = create_engine(
        f"sqlite:///file:{path}?mode=ro&uri=true",
        poolclass=NullPool,
        connect_args={"timeout": BUSY_SECONDS},
    )

    @event.listens_for(engine, "connect")
    def _leave_transactions(connection: DBAPIConnection, _record: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


class Database:
    """Reads by its own connections, writes by the writer thread.

    failing    why the last commit failed; while set, changes are refused and reads go on
    on_failed  called in the loop when a commit fails, before the failed unit hears of it
    """

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        self.engine = engine
        self.failing: str = ""
        self.on_failed: Callable[[], None] = lambda: None
        self._loop = loop
        self._writer = Writer(engine, loop)
        self._readers = ThreadPoolExecutor(4, thread_name_prefix="reader")

    @property
    def commits(self) -> Commits:
        """What the writer has done so far."""
        return self._writer.commits

    def read_now(self, statement: Executable) -> Sequence[ResultRow[Any]]:
        """Rows, read in the caller's thread: for the start and for tools."""
        with self.engine.connect() as connection:
            return connection.execute(statement).fetchall()

    async def read(self, statement: Executable) -> Sequence[ResultRow[Any]]:
        """Rows, read in a thread."""
        return await self._loop.run_in_executor(self._readers, self.read_now, statement)

    def commit(self, changes: Changes, done: Callable[[Exception | None], None]) -> None:
        """Write the changes; `done` hears in the loop how it went, in the order of the commits."""
        if self.failing:
            raise StoreFailed(detail=self.failing)
        self._writer.submit(Batch(changes, done=lambda error: self._settled(error, done)))

    def probe(self, changes: Changes, done: Callable[[Exception | None], None]) -> None:
        """Try whether commits work again; if so, changes are taken again."""
        self._writer.submit(Batch(changes, probe=True, done=lambda error: self._probed(error, done)))

    def _settled(self, error: Exception | None, done: Callable[[Exception | None], None]) -> None:
        if error is not None and not self.failing:
            self.failing = str(getattr(error, "orig", None) or error)
            log.error("The data base takes no changes: %s. They are refused until a commit works.", self.failing)
            self.on_failed()
        done(error)

    def _probed(self, error: Exception | None, done: Callable[[Exception | None], None]) -> None:
        if error is None:
            self.failing = ""
        done(error)

    def close(self) -> None:
        self._writer.close()
        self._readers.shutdown()
        self.engine.dispose()
