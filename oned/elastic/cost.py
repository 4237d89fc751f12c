"""What nodes cost, what is bound already, and whether another one may be started."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from oned.elastic.node import COMING
from oned.elastic.policy import HOUR, NO_LIMIT, Billing, NodeClass, Policies
from oned.elastic.reading import Node, Reading

SHORTEST = 60.0
"""Seconds that are paid at least where seconds are paid."""
_SLACK = 1e-9
"""Sums of amounts are not exact."""


@dataclass(frozen=True)
class Spend:
    """Money: of the nodes that are there, per hour; and bound so far in this day and this month.

    bound  what counts against the cap of an hour: of this hour of the clock or the next, whichever has more
    """

    hour: float
    day: float
    month: float
    bound: float = 0.0


def paid_until(node: Node, klass: NodeClass, now: float) -> float:
    """The end of what is paid for a node already; now where nothing is."""
    if node.paid_from <= 0:
        return now
    if klass.billing is Billing.SECOND:
        return max(now, node.paid_from + SHORTEST)
    return node.paid_from + (math.floor(max(0.0, now - node.paid_from) / HOUR) + 1) * HOUR


def committed(node: Node, klass: NodeClass, now: float, begin: float) -> float:
    """Money bound by a node since `begin`, to the end of what is paid; one that is on its way counts an hour."""
    if node.paid_from <= 0:
        return klass.price if costs(node) else 0.0
    return klass.price * max(0.0, paid_until(node, klass, now) - max(node.paid_from, begin)) / HOUR


def costs(node: Node) -> bool:
    """Whether it is paid for, or will be when it comes."""
    return node.state in COMING or node.vm >= 0 or node.paid_from > 0


def begins(policies: Policies, now: float) -> tuple[float, float]:
    """When the day and the month began, in the zone of the settings."""
    when = datetime.fromtimestamp(now, policies.tz)
    day = when.replace(hour=0, minute=0, second=0, microsecond=0)
    return day.timestamp(), day.replace(day=1).timestamp()


def clock_hour(policies: Policies, now: float) -> tuple[float, float]:
    """When the hour of the clock began, in the zone of the settings, and when it ends."""
    begin = datetime.fromtimestamp(now, policies.tz).replace(minute=0, second=0, microsecond=0).timestamp()
    return begin, begin + HOUR


class Budget:
    """Money while a plan is made: each node that is planned takes from it before the next is asked for.

    The cap of an hour holds for this hour of the clock and for the next: nodes that are there are taken to run through
    both, and those that are gone count with what they have bound. So a node that was stopped makes no room for another
    one in the hour that is paid for it.
    """

    def __init__(self, policies: Policies, reading: Reading, now: float) -> None:
        self._caps, self._now = policies.caps, now
        day, month = begins(policies, now)
        self._begin, self._end = clock_hour(policies, now)
        nodes = [(node, policies.klass(node.klass)) for node in reading.nodes]
        self._hour = sum(klass.price for node, klass in nodes if costs(node))
        self._this = reading.spent_hour + sum(
            self._share(klass, node.paid_from) for node, klass in nodes if costs(node)
        )
        self._gone = reading.spent_ahead
        self._day = reading.spent_day + sum(committed(node, klass, now, day) for node, klass in nodes)
        self._month = reading.spent_month + sum(committed(node, klass, now, month) for node, klass in nodes)

    def spend(self) -> Spend:
        """What is bound now, with what was taken."""
        return Spend(self._hour, self._day, self._month, max(self._this, self._gone + self._hour))

    def refusal(self, klass: NodeClass) -> str:
        """Why no node of a class may be started for the money; "" when one may."""
        if klass.price <= 0:
            return ""
        for name, spent, more, cap in self._against_caps(klass):
            if spent + more > cap + _SLACK:
                return f"the cap of {cap:g} per {name}: {spent:.2f} is bound, a node costs {klass.price:g} an hour"
        return ""

    def take(self, klass: NodeClass, count: int = 1) -> None:
        """Plan so many nodes of a class; a negative count gives them back."""
        self._hour += klass.price * count
        self._this += self._share(klass, 0.0) * count
        self._day += klass.price * count
        self._month += klass.price * count

    def _share(self, klass: NodeClass, paid_from: float) -> float:
        """What a node binds of this hour of the clock when it runs through it; a paid hour binds all of itself."""
        if klass.billing is Billing.HOUR:
            return klass.price
        return klass.price * (self._end - max(paid_from or self._now, self._begin)) / HOUR

    def _against_caps(self, klass: NodeClass) -> Iterable[tuple[str, float, float, float]]:
        """What is bound, what a node would add, and the cap; where there is one."""
        caps, price = self._caps, klass.price
        rows = (
            ("hour", self._this, self._share(klass, 0.0), caps.hour),
            ("hour", self._gone + self._hour, price, caps.hour),
            ("day", self._day, price, caps.day),
            ("month", self._month, price, caps.month),
        )
        return (row for row in rows if row[3] < NO_LIMIT)
