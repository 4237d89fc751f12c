"""What grows old is found by its time: indexes of the samples, and the time of a reason as a column."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column, fill it from the bodies, make the indexes."""
    op.add_column("reason", sa.Column("at", sa.Integer, nullable=False, server_default="0"))
    _fill(op.get_bind())
    for name in ("vm_monitoring", "host_monitoring", "reason"):
        op.create_index(f"{name}_at", name, ["at"])


def _fill(connection: sa.Connection) -> None:
    keys = ("kind", "oid", "slot")
    reason = sa.table("reason", *(sa.column(name) for name in (*keys, "at", "body")))
    rows = connection.execute(sa.select(reason)).fetchall()
    times = [{"a": json.loads(row.body)["at"], "k": row.kind, "o": row.oid, "s": row.slot} for row in rows]
    chosen = (reason.c[name] == sa.bindparam(name[0]) for name in keys)
    if times:
        connection.execute(sa.update(reason).where(*chosen).values(at=sa.bindparam("a")), times)
