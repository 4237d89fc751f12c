"""What is too old leaves the data base, all of it; and the schema is what its revisions make."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Table, func, insert, inspect, select, text

from oned.pool.reasons import Reasons
from oned.store import tables
from oned.store.database import Database, sqlite_engine
from oned.store.expire import AT_ONCE, expire
from oned.store.schema import HEAD, revision, upgrade
from oned.vm.states import DONE, RUNNING

NOW = 1_000_000
MONITORING = (tables.vm_monitoring, tables.host_monitoring)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def database(tmp_path: Path, loop: asyncio.AbstractEventLoop) -> Iterator[Database]:
    engine = sqlite_engine(tmp_path / "one.db", sync="OFF")
    upgrade(engine)
    database = Database(engine, loop)
    yield database
    database.close()


def fill(database: Database, table: Table, rows: list[dict[str, object]]) -> None:
    with database.engine.begin() as connection:
        connection.execute(insert(table), rows)


def count(database: Database, table: Table) -> int:
    [(number,)] = database.read_now(select(func.count()).select_from(table))
    return int(number)


def reason(oid: int, slot: int, at: int) -> dict[str, object]:
    body = json.dumps({"at": at, "who": "mm_sched", "text": f"reason {slot}"})
    return {"kind": "VM", "oid": oid, "slot": slot, "at": at, "body": body}


def two_vms(database: Database) -> None:
    """VM 1 runs, VM 2 has ended; each has a reason of long ago and one of now."""
    common = {"name": "a", "uid": 0, "gid": 0, "body": "{}"}
    states = {1: RUNNING, 2: DONE}
    rows = [{"oid": oid, "state": state.number, "lcm_state": state.lcm, **common} for oid, state in states.items()]
    fill(database, tables.vm_pool, rows)
    fill(database, tables.reason, [reason(oid, slot, at) for oid in states for slot, at in ((0, 5), (1, NOW))])


@pytest.mark.parametrize("table", MONITORING, ids=str)
def test_all_samples_that_are_too_old_go_at_once_however_many(
    database: Database, loop: asyncio.AbstractEventLoop, table: Table
) -> None:
    old = [{"oid": oid, "at": oid % 7, "body": ""} for oid in range(2 * AT_ONCE + 1)]
    fill(database, table, [*old, {"oid": 0, "at": NOW, "body": ""}])
    loop.run_until_complete(expire(database, table, NOW))
    assert count(database, table) == 1


@pytest.mark.parametrize("table", [*MONITORING, tables.reason], ids=str)
def test_what_is_old_is_found_by_an_index(database: Database, table: Table) -> None:
    assert [index["column_names"] for index in inspect(database.engine).get_indexes(table.name)] == [["at"]]
    [row] = database.read_now(text(f"EXPLAIN QUERY PLAN SELECT oid FROM {table.name} WHERE at < 5 LIMIT 9"))
    assert f"{table.name}_at" in row.detail


def test_old_reasons_go_with_vms_that_have_ended_only(database: Database, loop: asyncio.AbstractEventLoop) -> None:
    two_vms(database)
    loop.run_until_complete(Reasons(database).expire(NOW, lambda oid: oid == 1))
    left = database.read_now(select(tables.reason.c.oid, tables.reason.c.slot))
    assert sorted(map(tuple, left)) == [(1, 0), (1, 1), (2, 1)]


def test_the_reasons_of_an_ended_vm_are_told_newest_first_after_a_restart(
    database: Database, loop: asyncio.AbstractEventLoop
) -> None:
    two_vms(database)
    reasons = Reasons(database)
    reasons.load()
    for oid in (1, 2):
        told = loop.run_until_complete(reasons.of(oid))
        assert [said.text for said in told] == ["reason 1", "reason 0"]


def test_nothing_is_deleted_while_nothing_can_be_stored(database: Database, loop: asyncio.AbstractEventLoop) -> None:
    fill(database, tables.vm_monitoring, [{"oid": 1, "at": 1, "body": ""}])
    database.failing = "disk full"
    loop.run_until_complete(expire(database, tables.vm_monitoring, NOW))
    assert count(database, tables.vm_monitoring) == 1


# --- revisions ---


@pytest.mark.parametrize("start", ["", "0001"], ids=["nothing", "the first revision"])
def test_a_data_base_is_what_the_tables_say_wherever_it_came_from(tmp_path: Path, start: str) -> None:
    engine = sqlite_engine(tmp_path / "any.db")
    if start:
        upgrade(engine, start)
    assert upgrade(engine) == start
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
        assert revision(connection) == HEAD
    assert upgrade(engine) == HEAD


def test_reasons_of_the_first_schema_get_their_times(tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path / "old.db")
    upgrade(engine, "0001")
    with engine.begin() as connection:
        row = reason(7, 3, 4711)
        connection.execute(text("INSERT INTO reason VALUES (:kind, :oid, :slot, :body)"), row)
    assert upgrade(engine) == "0001"
    with engine.connect() as connection:
        assert connection.execute(select(tables.reason.c.at)).scalar() == 4711
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
