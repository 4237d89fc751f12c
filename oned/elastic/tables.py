"""The tables of the elastic service's own data base, on SQLite. Times are seconds since the epoch."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    DefaultClause,
    Engine,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    inspect,
    select,
)
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

VERSION = 6
"""Of the schema, kept in the file as user_version."""
MODE = 0o640
"""Of the file, as of oned's: who has the token of a node may report in its name."""
UP, DOWN = "last up", "last down"
"""The facts: when the last step in a direction was taken."""
BUSY = 10.0
"""Seconds to wait for another process that writes."""

_DAMAGE = ("malformed", "not a database", "Could not decode")
"""In what SQLite says of a file that it cannot make sense of."""

metadata = MetaData()


def _number(name: str, default: float = 0) -> "Column[float]":
    return Column(name, Float, nullable=False, server_default=str(default))


def _text(name: str) -> "Column[str]":
    return Column(name, String, nullable=False, server_default="")


node = Table(
    "node",
    metadata,
    Column("token", String, primary_key=True),
    _text("name"),
    _text("klass"),
    _text("state"),
    _number("since"),
    _number("created"),
    Column("vm", Integer, nullable=False, server_default="-1"),
    Column("network", Integer, nullable=False, server_default="-1"),
    _text("mac"),
    _text("ip"),
    _number("paid_from"),
    _number("idle_since"),
    _number("silent_since"),
    _number("apart_since"),
    _text("owner"),
    _text("drained_by"),
    _text("report"),
    _number("reported"),
    _text("rule"),
    _text("sentence"),
    # 1 while nobody else may have its name and addresses; the hold ends at `held_until` once it is gone
    Column("holds", Integer, nullable=False, server_default="1"),
    _number("held_until"),
)
for _column in (node.c.name, node.c.mac, node.c.ip):
    Index(f"node_{_column.name}", _column, unique=True, sqlite_where=node.c.holds == 1)
Index("node_created", node.c.created)

intent = Table(
    "intent",
    metadata,
    Column("token", String, primary_key=True),
    _text("event"),
    _text("goal"),
    _text("does"),
    _number("at"),
    Column("fence", Integer, nullable=False, server_default="0"),
    _text("rule"),
    _text("sentence"),
    _text("digest"),
)
audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    _number("at"),
    _text("event"),
    _text("node"),
    _text("token"),
    _text("klass"),
    _text("state"),
    _text("rule"),
    _text("sentence"),
    _text("digest"),
    _text("result"),
    Column("fence", Integer, nullable=False, server_default="0"),
)
Index("audit_node", audit.c.node, audit.c.id)
leaving = Table(
    "leaving",
    metadata,
    Column("token", String, primary_key=True),
    Column("job", String, primary_key=True),
    _text("owner"),
    _text("node"),
    Column("ended", Boolean, nullable=False),
)
spend = Table(
    "spend",
    metadata,
    Column("token", String, primary_key=True),
    Column("start", Float, primary_key=True),
    _number("until"),
    _number("amount"),
    _text("klass"),
    _text("owner"),
)
Index("spend_until", spend.c.until)
brake = Table(
    "brake",
    metadata,
    Column("klass", String, primary_key=True),
    Column("count", Integer, nullable=False),
    _number("last"),
    Column("rests", Integer, nullable=False, server_default="0"),
    _number("rested"),
)
proof = Table(
    "proof",
    metadata,
    Column("klass", String, primary_key=True),
    _text("of"),
    Column("memory", Integer, nullable=False, server_default="0"),
    _text("arch"),
    _text("offers"),
)
leader = Table(
    "leader",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    _text("holder"),
    Column("fence", Integer, nullable=False),
    _number("deadline"),
)
hint = Table(
    "hint",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    _number("at"),
    Column("vm", Integer, nullable=False),
    _text("state"),
)
order = Table(
    "orders",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    _number("at"),
    _text("verb"),
    _text("subject"),
    Column("count", Integer, nullable=False, server_default="1"),
    _text("who"),
    _number("done"),
    _text("result"),
)
fact = Table("fact", metadata, Column("name", String, primary_key=True), _number("value"))


class WrongSchema(Exception):
    """The file is of another release."""


class Damaged(SQLAlchemyError):
    """What is in the file makes no sense; the text says which it is and what to do. It is the same each time."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The records in {path} are damaged: SQLite calls the file malformed. Stop the service, move the file and "
            f"what is beside it ({path.name}-wal, {path.name}-shm) away, put a copy in its place if there is one, and "
            "start the service again: it finds its nodes by the marks of their VMs; without a copy audit and money "
            "begin anew"
        )


def engine_of(path: Path) -> Engine:
    """An engine for the file, in WAL mode; a commit that was answered survives a power loss.

    A transaction takes the right to write when it begins, so that what it has read holds when it writes; one with the
    option `reads` only sees one moment. Whatever meets damage in the file raises Damaged.
    """
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool, connect_args={"timeout": BUSY})

    @event.listens_for(engine, "connect")
    def _prepare(connection: DBAPIConnection, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reads = connection.get_execution_options().get("reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    @event.listens_for(engine, "handle_error")
    def _told(context: ExceptionContext) -> None:
        error = context.original_exception
        if isinstance(error, sqlite3.DatabaseError) and any(text in str(error) for text in _DAMAGE):
            raise Damaged(path) from error

    return engine


def guard(path: Path) -> None:
    """The file is there and not for everybody; SQLite gives what it puts beside it the same mode. Raises OSError."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, MODE))
    for one in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        with suppress(FileNotFoundError):
            if (mode := one.stat().st_mode & 0o777) & ~MODE and one.stat().st_uid == os.geteuid():
                one.chmod(mode & MODE)


def make(engine: Engine) -> None:
    """The tables; of an older file, what it lacks. Raises WrongSchema for a file of a newer release."""
    with engine.begin() as connection:
        version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if version < VERSION:
            metadata.create_all(connection)
            _add_columns(connection)
            _part_directions(connection)
            connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")
        elif version > VERSION:
            raise WrongSchema(f"its schema is {version}, this release knows {VERSION}. Use the onesge that wrote it")


def _part_directions(connection: Connection) -> None:
    """Of an older release, which had one fact for steps in both directions: it may have been either."""
    changed = connection.execute(select(fact.c.value).where(fact.c.name == "changed")).scalar_one_or_none()
    if changed is not None:
        connection.execute(fact.delete().where(fact.c.name == "changed"))
        connection.execute(fact.insert(), [{"name": name, "value": changed} for name in (UP, DOWN)])


def _add_columns(connection: Connection) -> None:
    """The columns that the tables of an older release lack, with their defaults."""
    for table in metadata.sorted_tables:
        there = {column["name"] for column in inspect(connection).get_columns(table.name)}
        for column in table.columns:
            if column.name not in there:
                kind = column.type.compile(connection.dialect)
                assert isinstance(column.server_default, DefaultClause), f"{table.name}.{column.name} has a default"
                default = f"'{column.server_default.arg}'"
                connection.exec_driver_sql(
                    f"ALTER TABLE {table.name} ADD COLUMN {column.name} {kind} NOT NULL DEFAULT {default}"
                )
