"""Units of work and the writer: rows that belong together reach the disk together, in order, or not at all."""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, select
from sqlalchemy.exc import OperationalError

from oned.command import Command, Intent, Mad
from oned.document.object import PoolObject
from oned.errors import StoreFailed
from oned.ids import Kind
from oned.store import tables
from oned.store.changes import Changes, merged, put, remove
from oned.store.database import Database, sqlite_engine
from oned.store.events import Change, Events
from oned.store.schema import upgrade
from oned.store.unit import Unit
from oned.user.group import Group

COMMAND = Command(Mad.VMM, "dummy", "DEPLOY", Kind.VM, 7, "alpha", {"deploy_id": "one-7"}, 60.0)


class Desk:
    """Writes down what it is told, in order."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def opened(self, command: Command) -> Intent:
        return Intent(1, command, 1, 0.0)

    def closed(self, intent: Intent) -> None:
        self.said.append(f"closed {intent.id}")

    def send(self, intent: Intent) -> None:
        self.said.append(f"send {intent.command.verb}")

    def abandon(self, intent: Intent) -> None:
        self.said.append(f"abandon {intent.command.verb}")

    def touched(self, _item: PoolObject) -> None:
        """What changes is not of interest here."""

    def open_for(self, _kind: Kind, _oid: int) -> list[Intent]:
        return []

    def publish(self, change: Change) -> None:
        self.said.append(f"{change.what} {change.old}>{change.new}")

    def prepare(self, _unit: Unit) -> None: ...


class Store:
    """A data base in a file, a desk, and a loop to run in."""

    def __init__(self, path: Path) -> None:
        self.path, self.desk = path, Desk()
        engine = sqlite_engine(path)
        upgrade(engine)
        self.loop = asyncio.new_event_loop()
        self.database = Database(engine, self.loop)

    def run(self, step: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(step(), 20))

    def unit(self) -> Unit:
        return Unit(self.database, self.desk)

    def rows(self, table: Table) -> list[Any]:
        return list(self.database.read_now(select(table)))

    def execute(self, statement: str) -> None:
        """Execute a statement beside the daemon."""
        connection = sqlite3.connect(self.path, timeout=20)
        with connection:
            connection.execute(statement)
        connection.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "one.db")
    yield made
    made.database.close()
    made.loop.close()


def test_a_unit_writes_objects_rows_and_commands_and_then_tells_in_order(store: Store) -> None:
    async def step() -> None:
        unit = store.unit()
        unit.touch(Group(5, "five"))
        unit.open(COMMAND)
        unit.tell(Change(Kind.VM, 7, "state", "PENDING", "PROLOG"))
        unit.after(lambda: store.desk.said.append(f"rows {len(store.rows(tables.group_pool))}"))
        assert store.desk.said == []
        await unit.commit()

    store.run(step)
    assert store.desk.said == ["send DEPLOY", "state PENDING>PROLOG", "rows 1"]
    [group], [intent] = store.rows(tables.group_pool), store.rows(tables.intent)
    assert (group.oid, group.name) == (5, "five")
    assert (intent.verb, intent.oid, intent.driver) == ("DEPLOY", 7, "dummy")


def test_an_object_is_written_as_it_is_at_the_commit(store: Store) -> None:
    async def step() -> None:
        unit, group = store.unit(), Group(5, "early")
        unit.touch(group)
        group.name = "late"
        await unit.commit()

    store.run(step)
    assert [row.name for row in store.rows(tables.group_pool)] == ["late"]


def test_a_dropped_object_and_a_closed_command_are_gone(store: Store) -> None:
    async def step() -> None:
        group = Group(5, "five")
        first, second = store.unit(), store.unit()
        first.touch(group)
        intent = first.open(COMMAND)
        await first.commit()
        second.touch(group)
        second.drop(group)
        second.close(intent)
        await second.commit()

    store.run(step)
    assert (store.rows(tables.group_pool), store.rows(tables.intent)) == ([], [])


def test_an_abandoned_command_is_told_to_the_driver_after_the_commit_only(store: Store) -> None:
    async def step() -> None:
        unit = store.unit()
        intent = unit.open(COMMAND)
        unit.abandon(intent)
        assert store.desk.said == ["closed 1"]
        await unit.commit()

    store.run(step)
    assert store.desk.said == ["closed 1", "send DEPLOY", "abandon DEPLOY"]


def test_units_that_wait_are_written_in_their_order(store: Store) -> None:
    async def step() -> None:
        futures = []
        for number in range(300):
            unit = store.unit()
            unit.touch(Group(5, f"name{number}"))
            unit.after(lambda number=number: store.desk.said.append(str(number)))  # type: ignore[misc]
            futures.append(unit.commit())
        await asyncio.gather(*futures)

    store.run(step)
    assert store.desk.said == [str(number) for number in range(300)]
    assert [row.name for row in store.rows(tables.group_pool)] == ["name299"]


def test_a_command_opened_and_closed_between_two_commits_never_reaches_the_disk() -> None:
    opened: Changes = {}
    closed: Changes = {}
    put(opened, tables.intent, {"id": 3, "verb": "DEPLOY"})
    remove(closed, tables.intent, 3)
    assert merged([opened, closed]) == {(tables.intent, (3,)): None}
    assert merged([closed, opened]) == opened


def test_the_unit_that_fails_and_those_behind_it_are_not_written_and_hear_why(store: Store) -> None:
    store.execute(
        "CREATE TRIGGER no BEFORE INSERT ON group_pool WHEN NEW.oid = 6 BEGIN SELECT RAISE(ABORT, 'six'); END"
    )

    async def step() -> list[Any]:
        futures = []
        for oid in (5, 6, 7):
            unit = store.unit()
            unit.touch(Group(oid, f"g{oid}"))
            unit.after(lambda oid=oid: store.desk.said.append(f"{oid}"))  # type: ignore[misc]
            futures.append(unit.commit())
        return await asyncio.gather(*futures, return_exceptions=True)

    good, *failed = store.run(step)
    assert good is None
    assert all(isinstance(error, StoreFailed) and "six" in str(error) for error in failed)
    assert store.desk.said == ["5"]
    assert [row.oid for row in store.rows(tables.group_pool)] == [5]
    assert "six" in store.database.failing


def test_nothing_is_taken_after_a_failure_until_a_probe_has_worked(store: Store) -> None:
    store.execute("CREATE TRIGGER no BEFORE INSERT ON group_pool BEGIN SELECT RAISE(ABORT, 'full'); END")
    probed = asyncio.Event()

    async def fail() -> None:
        unit = store.unit()
        unit.touch(Group(5, "five"))
        with pytest.raises(StoreFailed):
            await unit.commit()
        other = store.unit()
        other.touch(Group(6, "six"))
        with pytest.raises(StoreFailed):
            other.commit()

    async def heal() -> None:
        changes: Changes = {}
        put(changes, tables.meta, {"name": "probe", "value": "1"})
        store.database.probe(changes, lambda error: probed.set())
        await probed.wait()
        unit = store.unit()
        unit.touch(Group(7, "seven"))
        await unit.commit()

    store.run(fail)
    store.execute("DROP TRIGGER no")
    store.run(heal)
    assert [row.oid for row in store.rows(tables.group_pool)] == [7]


def test_an_empty_unit_is_not_dirty_and_any_change_makes_it_so(store: Store) -> None:
    for change in (
        lambda unit: unit.touch(Group(1, "a")),
        lambda unit: unit.drop(Group(1, "a")),
        lambda unit: unit.put(tables.meta, {"name": "x", "value": "1"}),
        lambda unit: unit.remove(tables.meta, "x"),
        lambda unit: unit.after(lambda: None),
    ):
        unit = store.unit()
        assert not unit.dirty
        change(unit)
        assert unit.dirty


# --- events ---


def test_events_after_a_number_are_told_and_older_ones_from_the_oldest_kept() -> None:
    async def step() -> None:
        events = Events(10)
        for number in range(3):
            events.publish(Change(Kind.VM, number, "state", "", "PENDING"))
        assert [event.number for event in events.after(11)] == [12, 13]
        assert [event.number for event in events.after(0)] == [11, 12, 13]
        assert events.after(13) == events.after(99) == []

    asyncio.run(step())


def test_who_waits_is_woken_by_the_next_event_and_by_the_end_of_the_time() -> None:
    async def step() -> None:
        events = Events(0)
        waiting = [asyncio.create_task(events.wait(0, 60)) for _ in range(3)]
        await asyncio.sleep(0)
        events.publish(Change(Kind.VM, 7, "state", "", "PENDING"))
        assert [[event.change.oid for event in heard] for heard in await asyncio.gather(*waiting)] == [[7]] * 3
        assert await events.wait(1, 0.01) == []

    asyncio.run(step())


def test_an_event_that_comes_with_the_end_of_the_time_is_told() -> None:
    async def step() -> None:
        for turn in range(50):
            events, change = Events(0), Change(Kind.VM, turn, "state", "", "PENDING")
            asyncio.get_running_loop().call_later(0.002, asyncio.get_running_loop().call_soon, events.publish, change)
            heard = await events.wait(0, 0.002)
            assert [event.number for event in heard] == [1] * events.last

    asyncio.run(step())


def test_a_number_that_no_event_has_had_yet_is_answered_at_once() -> None:
    async def step() -> None:
        assert await asyncio.wait_for(Events(5).wait(6, 3600), 30) == []

    asyncio.run(step())


def test_no_number_is_used_twice_however_many_events_a_run_had() -> None:
    async def step() -> None:
        reserved = [0]
        events = Events(reserved[-1], reserved.append)
        for number in range(250_000):
            assert events.publish(Change(Kind.VM, number, "state", "", "")).number < reserved[-1]
        again = Events(reserved[-1], reserved.append)
        assert again.publish(Change(Kind.VM, 1, "state", "", "")).number > events.last

    asyncio.run(step())


def test_a_data_base_that_cannot_be_opened_is_refused_where_it_is_opened(tmp_path: Path) -> None:
    loop = asyncio.new_event_loop()
    with pytest.raises(OperationalError, match="unable to open"):
        Database(sqlite_engine(tmp_path / "missing/one.db"), loop)
    loop.close()
