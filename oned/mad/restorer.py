"""Bringing the memory back to what is on disk, after a commit that failed or a step that broke off half-way.

Until that is done changes are refused, reads go on, and the answers of drivers wait.
"""

import asyncio
import logging
from collections.abc import Callable

from oned import clock
from oned.mad.operations import Operations
from oned.mad.resume import stored_intents
from oned.pool.pools import Pools
from oned.store import tables
from oned.store.changes import Changes, put
from oned.store.database import Database

log = logging.getLogger(__name__)
PAUSE = 1.0
"""Seconds between two attempts to write."""


class Restorer:
    """Reads all objects and open intents again. `reloaded` is called after each time."""

    def __init__(self, database: Database, pools: Pools, operations: Operations) -> None:
        self._database, self._pools, self._operations = database, pools, operations
        self.reloaded: Callable[[], None] = lambda: None
        database.on_failed = self._failed

    def undo(self) -> None:
        """A step broke off with objects changed: nothing of it may be seen."""
        if not self._database.failing:
            self._database.failing = "a step broke off and is being undone"
            self._probe()

    def _failed(self) -> None:
        asyncio.get_running_loop().call_later(PAUSE, self._probe)
        self._load()

    def _probe(self) -> None:
        changes: Changes = {}
        put(changes, tables.meta, {"name": "probe", "value": str(clock.stamp())})
        self._database.probe(changes, self._probed)

    def _probed(self, error: Exception | None) -> None:
        if error is None and not self._load():
            self._database.failing = "the objects cannot be read"
        if self._database.failing:
            asyncio.get_running_loop().call_later(PAUSE, self._probe)
            return
        log.warning("The data base takes changes again")
        self._operations.hear()

    def _load(self) -> bool:
        """Read everything; False if that failed too, with the memory as it was."""
        try:
            self._pools.load(self._database)
            self._operations.restore(stored_intents(self._database))
            self.reloaded()
        except Exception:  # a border: whatever the disk does, the next attempt comes
            log.exception("The objects could not be read again")
            return False
        return True
