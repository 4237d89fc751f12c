"""Backups: whole, checked copies of a SQLite data base, taken while oned runs."""

import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

BESIDE = ("-wal", "-shm")
"""Endings of the files that SQLite keeps beside a data base."""


class CopyFailed(Exception):
    """Nothing was changed; the text says why."""


def backup(source: Path, target: Path, *, force: bool) -> int:
    """Copy the data base to a file; answers its bytes. The file appears only when it is whole."""
    if target.exists() and not force:
        raise CopyFailed(f"{target} exists. Choose another file, or overwrite it with -f")
    if not source.exists():
        raise CopyFailed(f"There is no data base {source}. Is ONE_LOCATION set?")
    part = target.with_name(target.name + ".part")
    with closing(_open(source)) as original, closing(sqlite3.connect(part)) as copy:
        original.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
    part.chmod(0o600)
    _sync(part)
    part.replace(target)
    return target.stat().st_size


def restore(source: Path, target: Path) -> Path | None:
    """Put a backup in the place of the data base; answers where the old one was kept. oned must not run."""
    if not source.exists():
        raise CopyFailed(f"There is no backup {source}")
    check_file(source)
    kept = _put_aside(target) if target.exists() else None
    part = target.with_name(target.name + ".part")
    part.write_bytes(source.read_bytes())
    part.chmod(0o600)
    _sync(part)
    for ending in BESIDE:
        _beside(target, ending).unlink(missing_ok=True)
    part.replace(target)
    return kept


def _put_aside(target: Path) -> Path:
    """Keep what the data base holds now: a copy of it, or the files as they are when they are damaged."""
    kept = target.with_name(f"{target.name}.before-{time.strftime('%Y%m%d-%H%M%S')}")
    try:
        backup(target, kept, force=False)
    except sqlite3.DatabaseError:
        _beside(kept, ".part").unlink(missing_ok=True)
        for ending in ("", *BESIDE):
            with suppress(FileNotFoundError):
                _beside(target, ending).rename(_beside(kept, ending))
    return kept


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def check_file(path: Path) -> None:
    """CopyFailed unless the file is a whole data base of oned."""
    try:
        with closing(_open(path)) as connection:
            result = connection.execute("PRAGMA integrity_check").fetchone()[0]
            names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.DatabaseError as error:
        raise CopyFailed(f"{path} is no data base: {error}") from error
    if result != "ok":
        raise CopyFailed(f"{path} is damaged: {result}")
    if "vm_pool" not in names:
        raise CopyFailed(f"{path} is a data base, but not one of oned: it has no table vm_pool")


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
