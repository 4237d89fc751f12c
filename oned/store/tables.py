"""The tables of the data base. Pools keep an object's own state as JSON in `body`; the other columns are for queries.

A change here needs an alembic revision in `migrate/versions`; a test compares the two.
"""

from sqlalchemy import Column, Float, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.dialects.mysql import LONGTEXT

metadata = MetaData()
Body = Text().with_variant(LONGTEXT(), "mysql", "mariadb")


def _pool(name: str, *columns: "Column[int]") -> Table:
    return Table(
        name,
        metadata,
        Column("oid", Integer, primary_key=True, autoincrement=False),
        Column("name", String(128), nullable=False),
        *columns,
        Column("body", Body, nullable=False),
    )


def _owner() -> tuple["Column[int]", "Column[int]"]:
    return Column("uid", Integer, nullable=False), Column("gid", Integer, nullable=False)


vm_pool = _pool(
    "vm_pool", *_owner(), Column("state", Integer, nullable=False), Column("lcm_state", Integer, nullable=False)
)
Index("vm_state", vm_pool.c.state)
host_pool = _pool("host_pool")
user_pool = _pool("user_pool")
group_pool = _pool("group_pool")
cluster_pool = _pool("cluster_pool")
datastore_pool = _pool("datastore_pool", *_owner())
network_pool = _pool("network_pool", *_owner())
image_pool = _pool("image_pool", *_owner())
template_pool = _pool("template_pool", *_owner())
acl = _pool("acl")

history = Table(
    "history",
    metadata,
    Column("vm", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("body", Body, nullable=False),
)
vm_monitoring = Table(
    "vm_monitoring",
    metadata,
    Column("oid", Integer, primary_key=True, autoincrement=False),
    Column("at", Integer, primary_key=True, autoincrement=False),
    Column("body", Body, nullable=False),
)
host_monitoring = Table(
    "host_monitoring",
    metadata,
    Column("oid", Integer, primary_key=True, autoincrement=False),
    Column("at", Integer, primary_key=True, autoincrement=False),
    Column("body", Body, nullable=False),
)
lease = Table(
    "lease",
    metadata,
    Column("network", Integer, primary_key=True, autoincrement=False),
    Column("ar", Integer, primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("holder", String(8), nullable=False),
    Column("oid", Integer, nullable=False),
)
"""Addresses in use, by the number of their range and their place in it. Holder: a Kind.name, or HOLD with oid -1."""
quota_limit = Table(
    "quota_limit",
    metadata,
    Column("holder", String(8), primary_key=True),
    Column("oid", Integer, primary_key=True, autoincrement=False),
    Column("body", Body, nullable=False),
)
"""Limits only, usage is derived. Holder: USER or GROUP; oid -1 has the defaults of that kind."""
hook_log = Table(
    "hook_log",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("hook", String(128), nullable=False),
    Column("at", Integer, nullable=False),
    Column("body", Body, nullable=False),
)
intent = Table(
    "intent",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("mad", String(8), nullable=False),
    Column("driver", String(128), nullable=False),
    Column("verb", String(32), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("oid", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("opened", Float, nullable=False),
    Column("body", Body, nullable=False),
)
reason = Table(
    "reason",
    metadata,
    Column("kind", String(32), primary_key=True),
    Column("oid", Integer, primary_key=True, autoincrement=False),
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("at", Integer, nullable=False, server_default="0"),
    Column("body", Body, nullable=False),
)
for _table in (vm_monitoring, host_monitoring, reason, hook_log):
    Index(f"{_table.name}_at", _table.c.at)
meta = Table(
    "meta",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", String(255), nullable=False),
)
"""Names: last_<kind> (the last id given: none is used twice), events (no event number below it was used), probe."""

POOLS: tuple[Table, ...] = (
    vm_pool, host_pool, user_pool, group_pool, cluster_pool, datastore_pool, network_pool, image_pool, template_pool,
    acl,
)  # fmt: skip
