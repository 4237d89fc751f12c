"""Bringing a data base to the schema of this release."""

from pathlib import Path

from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, insert, inspect, text

from oned.store import tables

HEAD = "0003"
"""The newest revision in migrate/versions; a test compares the two."""


class SchemaError(Exception):
    """The data base is of a newer release than this one."""


def revision(connection: Connection) -> str:
    """The revision of a data base, "" for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")


_VERSION = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


def upgrade(engine: Engine, to: str = HEAD) -> str:
    """Run the revisions that are missing, up to one. Answers where it came from. SchemaError for a newer data base."""
    with engine.begin() as connection:
        before = revision(connection)
        if before == HEAD:
            return before
        if before > HEAD:
            detail = f"The data base has schema {before}, this release knows up to {HEAD}"
            raise SchemaError(f"{detail}. Use the release that made it, or restore an older backup (onedb restore)")
        if to == HEAD and not inspect(connection).get_table_names():
            _make(connection)
        else:
            _run(connection, to)
    return before


def _make(connection: Connection) -> None:
    """The tables of this release in an empty data base: what all revisions make, without loading what runs them."""
    tables.metadata.create_all(connection)
    _VERSION.create(connection)
    connection.execute(insert(_VERSION), {"version_num": HEAD})


def _run(connection: Connection, to: str) -> None:
    from alembic import command  # half a second that a start without revisions need not pay
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrate"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
