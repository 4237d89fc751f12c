"""Backups of the data base, and putting them back."""

from pathlib import Path

import pytest

from oned.onedb.copies import CopyFailed, backup, check_file, restore
from oned.store.database import sqlite_engine
from oned.store.schema import upgrade


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A new data base, closed."""
    path = tmp_path / "one.db"
    engine = sqlite_engine(path)
    upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture
def copy(database: Path) -> Path:
    """A backup of it."""
    path = database.with_name("backup")
    backup(database, path, force=False)
    return path


def test_a_backup_is_put_in_the_place_of_a_whole_data_base_which_is_kept(database: Path, copy: Path) -> None:
    kept = restore(copy, database)
    assert kept
    for path in (database, kept):
        check_file(path)


def test_a_damaged_data_base_is_put_aside_as_it_is(database: Path, copy: Path) -> None:
    damaged = b"garbage" * 1000
    database.write_bytes(damaged)
    for ending in ("-wal", "-shm"):
        database.with_name(f"one.db{ending}").write_bytes(ending.encode())
    kept = restore(copy, database)
    assert kept
    assert kept.read_bytes() == damaged
    assert kept.with_name(f"{kept.name}-wal").read_bytes() == b"-wal"
    assert sorted(path.name for path in database.parent.glob("*.part")) == []
    assert not database.with_name("one.db-wal").exists()
    check_file(database)


def test_a_damaged_backup_is_refused_and_the_data_base_stays(database: Path, copy: Path) -> None:
    copy.write_bytes(b"garbage" * 1000)
    before = database.read_bytes()
    with pytest.raises(CopyFailed, match="is no data base"):
        restore(copy, database)
    assert database.read_bytes() == before
