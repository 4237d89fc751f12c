"""The first schema."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import LONGTEXT

revision = "0001"
down_revision = None

Body = sa.Text().with_variant(LONGTEXT(), "mysql", "mariadb")


def _pool(name: str, *columns: "sa.Column[int]") -> None:
    op.create_table(
        name,
        sa.Column("oid", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.String(128), nullable=False),
        *columns,
        sa.Column("body", Body, nullable=False),
    )


def _owner() -> "tuple[sa.Column[int], sa.Column[int]]":
    return sa.Column("uid", sa.Integer, nullable=False), sa.Column("gid", sa.Integer, nullable=False)


def _keyed(name: str, *keys: str) -> None:
    op.create_table(
        name,
        *(sa.Column(key, sa.Integer, primary_key=True, autoincrement=False) for key in keys),
        sa.Column("body", Body, nullable=False),
    )


def upgrade() -> None:
    """Make all tables."""
    states = (sa.Column("state", sa.Integer, nullable=False), sa.Column("lcm_state", sa.Integer, nullable=False))
    _pool("vm_pool", *_owner(), *states)
    op.create_index("vm_state", "vm_pool", ["state"])
    for name in ("host_pool", "user_pool", "group_pool", "cluster_pool", "acl"):
        _pool(name)
    _pool("datastore_pool", *_owner())
    _keyed("history", "vm", "seq")
    _keyed("vm_monitoring", "oid", "at")
    _keyed("host_monitoring", "oid", "at")
    op.create_table(
        "intent",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("mad", sa.String(8), nullable=False),
        sa.Column("driver", sa.String(128), nullable=False),
        sa.Column("verb", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("oid", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("opened", sa.Float, nullable=False),
        sa.Column("body", Body, nullable=False),
    )
    op.create_table(
        "reason",
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("oid", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("body", Body, nullable=False),
    )
    op.create_table(
        "meta",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.String(255), nullable=False),
    )
