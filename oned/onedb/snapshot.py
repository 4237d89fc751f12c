"""What the data base holds at one moment: read as oned reads it at its start, with what cannot be read noted down."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, select

from oned.command import Intent
from oned.document.object import PoolObject
from oned.hook.execution import Execution
from oned.ids import Kind
from oned.mad.resume import stored_intent
from oned.onedb.leases import LeaseRow
from oned.pool.pools import Pools, restored
from oned.store import tables
from oned.store.body import decoded
from oned.store.reading import Unreadable, reading
from oned.vm.history import Record
from oned.vnet.leases import Holder, Place

NUMBERED = "last_"
"""The rows of meta that hold the last id given begin so; the name of the kind follows."""

_MEASURE = re.compile(r"[^\W\d][\w.-]*=")


class NoEngine(Exception):
    """The data base is one of oned, and oned never ran with it."""


class Snapshot:
    """Every pool of the engine, VMs that are DONE too, and what stands beside the pools.

    columns     the columns of each row beside oid and body, as they are stored
    last_ids    the last id given, by the kind's name in lower case
    unreadable  what could not be understood, a sentence each
    """

    def __init__(self) -> None:
        self.pools = Pools()
        self.intents: list[Intent] = []
        self.executions: list[Execution] = []
        self.leases: list[LeaseRow] = []
        self.last_ids: dict[str, int] = {}
        self.unreadable: list[str] = []
        self.columns: dict[tuple[Kind, int], dict[str, object]] = {}

    @property
    def objects(self) -> Iterator[PoolObject]:
        """The objects of all kinds."""
        for pool, _, _ in self.pools.classes:
            yield from pool

    @property
    def holds_an_engine(self) -> bool:
        """Whether oned ever ran with it. One that has lost its users, or cannot be read, is damaged, not empty."""
        return bool(self.unreadable) or any(len(pool) for pool, _, _ in self.pools.classes)

    def has_row(self, kind: Kind, oid: int) -> bool:
        """Whether the object has a row, readable or not."""
        return (kind, oid) in self.columns

    @contextmanager
    def noting(self, what: str) -> Iterator[None]:
        """Read `what`; note it down if it cannot be read, and go on."""
        try:
            with reading(what):
                yield
        except Unreadable as error:
            self.unreadable.append(str(error))


def take(connection: Connection) -> Snapshot:
    """Read everything in one transaction."""
    snapshot = Snapshot()
    for _, table, kind in snapshot.pools.classes:
        for row in connection.execute(select(table).order_by(table.c.oid)):
            _admit(snapshot, table.name, kind, row)
    _read_history(snapshot, connection)
    for row in connection.execute(select(tables.intent).order_by(tables.intent.c.id)):
        with snapshot.noting(f"row {row.id} of intent"):
            snapshot.intents.append(stored_intent(row))
    for row in connection.execute(select(tables.hook_log).order_by(tables.hook_log.c.id)):
        with snapshot.noting(f"row {row.id} of hook_log"):
            snapshot.executions.append(Execution.restored(row))
    snapshot.leases = [
        LeaseRow(row.network, Place(row.ar, row.place), Holder(row.holder, row.oid))
        for row in connection.execute(select(tables.lease))
    ]
    _read_meta(snapshot, connection)
    _read_other_bodies(snapshot, connection)
    if not snapshot.unreadable:
        _derive(snapshot)
    return snapshot


def _admit(snapshot: Snapshot, table: str, kind: type[PoolObject], row: Any) -> None:
    stored = row._asdict()
    del stored["oid"], stored["body"]
    snapshot.columns[kind.kind, row.oid] = stored
    with snapshot.noting(f"row {row.oid} of {table}"):
        snapshot.pools.of(kind.kind).admit(restored(kind, row))


def _read_history(snapshot: Snapshot, connection: Connection) -> None:
    table = tables.history
    for row in connection.execute(select(table).order_by(table.c.vm, table.c.seq)):
        vm = snapshot.pools.vms.peek(row.vm)
        if vm is None:
            snapshot.unreadable.append(f"history record {row.seq} belongs to VM {row.vm}, which does not exist")
            continue
        with snapshot.noting(f"history record {row.seq} of VM {row.vm}"):
            vm.history.append(Record.restored(decoded(row.body)))


def _read_meta(snapshot: Snapshot, connection: Connection) -> None:
    """All values of meta are numbers: ids, the events' number, the time of the last probe."""
    for row in connection.execute(select(tables.meta)):
        with snapshot.noting(f"row {row.name} of meta"):
            number = int(row.value)
            if row.name.startswith(NUMBERED):
                snapshot.last_ids[row.name.removeprefix(NUMBERED)] = number


def _read_other_bodies(snapshot: Snapshot, connection: Connection) -> None:
    """The tables that are no pools: samples, which are lines, and reasons, limits and the rest, which are JSON."""
    read = {*tables.POOLS, tables.history, tables.intent, tables.hook_log}
    for table in tables.metadata.sorted_tables:
        if table in read or "body" not in table.c:
            continue
        parse = _parse_sample if table in (tables.vm_monitoring, tables.host_monitoring) else decoded
        for *key, body in connection.execute(select(*table.primary_key, table.c.body)):
            with snapshot.noting(f"row {tuple(key)} of {table.name}"):
                parse(body)


def _parse_sample(body: str) -> None:
    """ValueError if a line is not NAME=value, with a name that an element can have."""
    for line in body.splitlines():
        if not _MEASURE.match(line):
            raise ValueError(f"{line[:40]!r} is no measure")


def _derive(snapshot: Snapshot) -> None:
    """Compute what follows from other objects and show each document, as oned will have to. What cannot be shown is
    evicted: nothing more can be said about it.
    """
    with snapshot.noting("what follows from the objects together"):
        snapshot.pools.derive()
    for pool, _, _ in snapshot.pools.classes:
        for item in list(pool):
            before = len(snapshot.unreadable)
            with snapshot.noting(f"{item.kind.value} {item.id}"):
                item.document(snapshot.pools.view)
            if len(snapshot.unreadable) > before:
                pool.evict(item)
