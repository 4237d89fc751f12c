"""Classes that the settings have no more, while nodes of them are there: what such a node costs, as last paid."""

from collections.abc import Iterator
from dataclasses import replace

from sqlalchemy import Connection, select

from oned.elastic.node import GONE
from oned.elastic.policy import HOUR, Billing, NodeClass, Policies
from oned.elastic.records import Records
from oned.elastic.tables import node, spend

_CLASSES = select(node.c.klass).where(node.c.state != GONE.name).distinct()


def with_retired(policies: Policies, records: Records) -> Policies:
    """The policies, which also know what nodes of classes cost that they do not have any more: caps count it."""
    with records.moment() as connection:
        names = [name for name in connection.scalars(_CLASSES) if not policies.has(name)]
        return replace(policies, retired=tuple(_terms(connection, names))) if names else policies


def _terms(connection: Connection, names: list[str]) -> Iterator[NodeClass]:
    """Classes in which there is no place for any node, with their last price; without any period they cost nothing."""
    for name in names:
        last = select(spend).where(spend.c.klass == name).order_by(spend.c.start.desc()).limit(1)
        paid = connection.execute(last).one_or_none()
        if paid is not None:
            length = paid.until - paid.start
            billing = Billing.HOUR if length > HOUR - 1 else Billing.SECOND
            yield NodeClass(name, most=0, idle=0.0, price=paid.amount * HOUR / length, billing=billing)
