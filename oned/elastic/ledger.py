"""Money in the records: a period is written when it begins, so that a crash errs on the dear side."""

from collections.abc import Iterable, Iterator

from oned.elastic.changes import Changes
from oned.elastic.cost import SHORTEST
from oned.elastic.policy import HOUR, Billing, NodeClass, Policies
from oned.elastic.records import Paid, Record, Records

AHEAD = 600.0
"""Seconds that are written ahead where seconds are paid; what was not used is cut at the end."""


class Ledger:
    """The periods of nodes that are paid."""

    def __init__(self, records: Records) -> None:
        self._until: dict[str, float] = {}
        for paid in records.paid():
            self._until[paid.token] = max(paid.until, self._until.get(paid.token, 0.0))

    def begin(self, changes: Changes, record: Record, klass: NodeClass) -> None:
        """Paying begins now."""
        changes.update(record.node.token, paid_from=changes.now)
        self._pay(changes, record, klass, changes.now, changes.now)

    def due(self, records: Iterable[Record], policies: Policies, now: float) -> list[Record]:
        """The nodes for which another period begins."""
        return [
            record
            for record in records
            if record.node.paid_from > 0
            and policies.klass(record.node.klass).price > 0
            and now >= self._until.get(record.node.token, record.node.paid_from)
        ]

    def go_on(self, changes: Changes, records: Iterable[Record], policies: Policies) -> None:
        """Pay what is due."""
        for record in records:
            start = self._until.get(record.node.token, record.node.paid_from)
            self._pay(changes, record, policies.klass(record.node.klass), start, changes.now)

    def end(self, changes: Changes, record: Record, klass: NodeClass) -> None:
        """The VM is gone: hours are paid in full, seconds are not."""
        if klass.billing is Billing.SECOND:
            changes.cut(record.node.token, max(changes.now, record.node.paid_from + SHORTEST))
        self._until.pop(record.node.token, None)

    def undo(self, changes: Changes, record: Record) -> None:
        """There never was a VM: nothing is paid."""
        changes.cut(record.node.token, 0.0)
        changes.update(record.node.token, paid_from=0.0)
        self._until.pop(record.node.token, None)

    def _pay(self, changes: Changes, record: Record, klass: NodeClass, start: float, now: float) -> None:
        if klass.price > 0:
            periods = list(_periods(record, klass, start, now))
            changes.pay(periods)
            self._until[record.node.token] = periods[-1].until


def _periods(record: Record, klass: NodeClass, start: float, now: float) -> Iterator[Paid]:
    """From a time on all that have begun by now."""
    length = HOUR if klass.billing is Billing.HOUR else AHEAD
    while True:
        amount = klass.price * length / HOUR
        yield Paid(record.node.token, start, start + length, amount, klass.name, record.node.owner)
        start += length
        if start > now:
            return
