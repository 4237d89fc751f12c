"""Networks with their leases, images, templates, limits of quotas, the history of hooks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import LONGTEXT

revision = "0003"
down_revision = "0002"
BODY = sa.Text().with_variant(LONGTEXT(), "mysql", "mariadb")


def upgrade() -> None:
    """Make the tables."""
    for name in ("network_pool", "image_pool", "template_pool"):
        op.create_table(
            name,
            _number("oid", primary_key=True),
            sa.Column("name", sa.String(128), nullable=False),
            _number("uid"),
            _number("gid"),
            _body(),
        )
    keys = (_number(name, primary_key=True) for name in ("network", "ar", "place"))
    op.create_table("lease", *keys, sa.Column("holder", sa.String(8), nullable=False), _number("oid"))
    holder = sa.Column("holder", sa.String(8), primary_key=True)
    op.create_table("quota_limit", holder, _number("oid", primary_key=True), _body())
    hook = sa.Column("hook", sa.String(128), nullable=False)
    op.create_table("hook_log", _number("id", primary_key=True), hook, _number("at"), _body())
    op.create_index("hook_log_at", "hook_log", ["at"])


def _number(name: str, *, primary_key: bool = False) -> "sa.Column[int]":
    if primary_key:
        return sa.Column(name, sa.Integer, primary_key=True, autoincrement=False)
    return sa.Column(name, sa.Integer, nullable=False)


def _body() -> "sa.Column[str]":
    return sa.Column("body", BODY, nullable=False)
