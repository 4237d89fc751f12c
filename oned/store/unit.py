"""The unit of work: objects, rows and commands that reach the disk together or not at all."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from sqlalchemy import Table

from oned.command import Command, Intent
from oned.document.object import PoolObject
from oned.errors import StoreFailed
from oned.ids import Kind
from oned.store import tables
from oned.store.body import encoded
from oned.store.changes import Changes, put, remove
from oned.store.database import Database
from oned.store.events import Change

log = logging.getLogger(__name__)

TABLES: dict[str, Table] = {
    "VM": tables.vm_pool,
    "HOST": tables.host_pool,
    "USER": tables.user_pool,
    "GROUP": tables.group_pool,
    "CLUSTER": tables.cluster_pool,
    "DATASTORE": tables.datastore_pool,
    "NET": tables.network_pool,
    "IMAGE": tables.image_pool,
    "TEMPLATE": tables.template_pool,
    "ACL": tables.acl,
}
"""The table of each kind of object, by Kind.name."""


class Desk(Protocol):
    """Who keeps the open intents in memory and sends them, and hears what changes (oned.mad.operations)."""

    def opened(self, command: Command) -> Intent: ...
    def closed(self, intent: Intent) -> None: ...
    def send(self, intent: Intent) -> None: ...
    def abandon(self, intent: Intent) -> None: ...
    def open_for(self, kind: Kind, oid: int) -> list[Intent]: ...
    def publish(self, change: Change) -> None: ...
    def touched(self, item: PoolObject) -> None: ...
    def prepare(self, unit: "Unit") -> None: ...


def _told(error: Exception) -> StoreFailed:
    """The error as a client hears it: what the data base said, without the statement."""
    return error if isinstance(error, StoreFailed) else StoreFailed(detail=str(getattr(error, "orig", None) or error))


def _follow_up(callback: Callable[[], None]) -> None:
    """A border: the change is on disk, one thing that follows it does not keep the others away."""
    try:
        callback()
    except Exception:
        log.exception("What follows a commit failed")


class Saved(Protocol):
    """A history record, as far as its row needs it."""

    seq: int

    def saved(self) -> dict[str, Any]: ...


class Unit:
    """One atomic step. Made for one call or one driver answer, committed once.

    `touch` and the others note what changes; `commit` takes the rows as they are then and hands them to the writer.
    Driver lines, events and `after` callbacks leave when the rows are on disk, in the order of the commits.

    news  what was told, made and dropped so far, in this order: hooks are matched with it at the commit
    """

    def __init__(self, database: Database, desk: Desk) -> None:
        self._database, self.desk = database, desk
        self._objects: dict[tuple[str, int], PoolObject] = {}
        self._changes: Changes = {}
        self._gone: dict[tuple[str, int], PoolObject] = {}
        self.news: list[Change] = []
        self._after: list[Callable[[], None]] = []

    @property
    def dirty(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self._objects or self._changes or self._after)

    @property
    def objects(self) -> list[PoolObject]:
        """The objects touched so far."""
        return list(self._objects.values())

    def item(self, change: Change) -> PoolObject | None:
        """The object of a change, if this unit touched or dropped it."""
        key = change.kind.name, change.oid
        return self._objects.get(key) or self._gone.get(key)

    def touch(self, item: PoolObject) -> None:
        """The object has changed: its document goes stale and its row will be written."""
        item.stale()
        self._objects[item.kind.name, item.id] = item
        self.desk.touched(item)

    def enter(self, item: PoolObject) -> None:
        """The object is new: its row will be made."""
        self.touch(item)
        self.news.append(Change(item.kind, item.id, "create", "", ""))

    def drop(self, item: PoolObject) -> None:
        """The object's row will be deleted."""
        self._objects.pop((item.kind.name, item.id), None)
        self._gone[item.kind.name, item.id] = item
        self.news.append(Change(item.kind, item.id, "remove", "", ""))
        remove(self._changes, TABLES[item.kind.name], item.id)
        self.desk.touched(item)

    def put(self, table: Table, row: Mapping[str, Any]) -> None:
        """Write a row of a table that is no pool."""
        put(self._changes, table, row)

    def remove(self, table: Table, *key: object) -> None:
        """Delete a row of a table that is no pool."""
        remove(self._changes, table, *key)

    def open(self, command: Command) -> Intent:
        """An intent: its line leaves after the commit."""
        intent = self.desk.opened(command)
        put(self._changes, tables.intent, intent_row(intent))
        self.after(lambda: self.desk.send(intent))
        return intent

    def close(self, intent: Intent) -> None:
        """The intent has its answer."""
        self.desk.closed(intent)
        remove(self._changes, tables.intent, intent.id)

    def abandon(self, intent: Intent) -> None:
        """The intent's answer no longer matters: the driver is told to give it up."""
        self.close(intent)
        self.after(lambda: self.desk.abandon(intent))

    def tell(self, change: Change) -> None:
        """An event, published once the unit is on disk."""
        self.news.append(change)
        self.after(lambda: self.desk.publish(change))

    def after(self, callback: Callable[[], None]) -> None:
        """Call back in the loop once the unit is on disk."""
        self._after.append(callback)

    def commit(self) -> "asyncio.Future[None]":
        """Hand the rows to the writer. The future ends when they are on disk, or with StoreFailed."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.news:
            self.desk.prepare(self)
        for (kind, oid), item in self._objects.items():
            self._changes[TABLES[kind], (oid,)] = object_row(item)
        callbacks = self._after

        def done(error: Exception | None) -> None:
            if error is not None:
                if not future.done():
                    future.set_exception(_told(error))
                    future.exception()
                return
            if not future.done():
                future.set_result(None)
            for callback in callbacks:
                _follow_up(callback)

        self._database.commit(self._changes, done)
        return future


def object_row(item: PoolObject) -> dict[str, Any]:
    """The row of an object as it is now."""
    return {"oid": item.id, "body": encoded(item.saved()), **item.columns()}


def history_row(vm: int, record: "Saved") -> dict[str, Any]:
    """The row of a history record."""
    return {"vm": vm, "seq": record.seq, "body": encoded(record.saved())}


def intent_row(intent: Intent) -> dict[str, Any]:
    """The row of an intent."""
    command = intent.command
    return {
        "id": intent.id,
        "mad": command.mad.name,
        "driver": command.driver,
        "verb": command.verb,
        "kind": command.kind.name,
        "oid": command.oid,
        "attempt": intent.attempt,
        "opened": intent.opened,
        "body": encoded({"host": command.host, "deadline": command.deadline, "arguments": dict(command.arguments)}),
    }
