"""Rows to write or delete, by table and key: what a unit collects and what a batch merges."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Dialect, Table, bindparam
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.sql import Delete, Executable

Row = Mapping[str, Any]
Key = tuple[Any, ...]
Changes = dict[tuple[Table, Key], Row | None]
"""None deletes the row of that key. A later change of the same row replaces an earlier one."""

_statements: dict[tuple[str, Table, bool], Executable] = {}


def put(changes: Changes, table: Table, row: Row) -> None:
    """Insert the row, or replace the one with its key."""
    changes[table, tuple(row[column.name] for column in table.primary_key)] = row


def remove(changes: Changes, table: Table, *key: object) -> None:
    """Delete the row with the key."""
    changes[table, key] = None


def merged(batch: Iterable[Changes]) -> Changes:
    """One set of changes that has the effect of all, in their order."""
    whole: Changes = {}
    for changes in batch:
        whole.update(changes)
    return whole


def write(connection: Connection, changes: Changes) -> None:
    """Execute the changes: one statement per table and direction, many rows each."""
    puts: dict[Table, list[Row]] = {}
    removals: dict[Table, list[Row]] = {}
    for (table, key), row in changes.items():
        if row is None:
            removals.setdefault(table, []).append({f"key{place}": part for place, part in enumerate(key)})
        else:
            puts.setdefault(table, []).append(row)
    for table, rows in puts.items():
        connection.execute(_statement(connection.dialect, table, removal=False), rows)
    for table, rows in removals.items():
        connection.execute(_statement(connection.dialect, table, removal=True), rows)


def _statement(dialect: Dialect, table: Table, *, removal: bool) -> Executable:
    kept = dialect.name, table, removal
    if kept not in _statements:
        _statements[kept] = _delete(table) if removal else _upsert(dialect.name, table)
    return _statements[kept]


def _delete(table: Table) -> Delete:
    statement = table.delete()
    for place, column in enumerate(table.primary_key):
        statement = statement.where(column == bindparam(f"key{place}"))
    return statement


def _upsert(dialect: str, table: Table) -> Executable:
    keys = [column.name for column in table.primary_key]
    others = [column.name for column in table.columns if column.name not in keys]
    if dialect in ("mysql", "mariadb"):
        insert = mysql.insert(table)
        return insert.on_duplicate_key_update({name: insert.inserted[name] for name in others})
    make = postgresql.insert if dialect == "postgresql" else sqlite.insert
    upsert = make(table)
    return upsert.on_conflict_do_update(index_elements=keys, set_={name: upsert.excluded[name] for name in others})
