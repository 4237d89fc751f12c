"""When a plan could be another one though nothing has happened: the times that rules wait for."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from oned.elastic.cost import paid_until
from oned.elastic.node import DRAINING, READY
from oned.elastic.policy import HOUR, Billing, Policies
from oned.elastic.reading import Failures, Job, Node

PAST = 1.0
"""Seconds after a time at which it has certainly passed: some rules want more than so long, some as long."""


def timers(
    policies: Policies,
    nodes: Iterable[Node],
    running: Iterable[Job],
    failures: Mapping[str, Failures],
    moved: tuple[float, float],
    now: float,
) -> Iterator[float]:  # fmt: skip
    """The times, in no order; some may be over. Jobs that wait are not counted: their ages are the caller's.

    moved  when the last step up and the last step down was taken
    """
    for node in nodes:
        for time in _of_node(node, policies, now):
            yield time + PAST
    for job in running:
        yield job.ends + PAST
    for failed in failures.values():
        yield policies.brake.until(failed) + PAST
    yield moved[0] + policies.pace.cool_up + PAST
    yield moved[1] + policies.pace.cool_down + PAST
    yield from _of_the_clock(policies, now)


def _of_node(node: Node, policies: Policies, now: float) -> Iterator[float]:
    klass = policies.klass(node.klass)
    if klass.life:
        yield (node.paid_from or node.created) + klass.life
    if node.state is DRAINING:
        yield node.since + policies.patience.drain
    elif node.state is not READY:
        yield node.since + policies.patience.start
        yield node.since + policies.patience.join
    elif node.idle_since:
        idle = max(node.idle_since, node.since) + klass.idle
        yield idle
        if klass.billing is Billing.HOUR and klass.price > 0:
            end = paid_until(node, klass, max(now, idle)) - policies.pace.hour_end
            yield end if end > now else end + HOUR


def _of_the_clock(policies: Policies, now: float) -> Iterator[float]:
    """Ends and begins of time tables, and of the days that caps are for."""
    midnight = datetime.fromtimestamp(now, policies.tz).replace(hour=0, minute=0, second=0, microsecond=0)
    minutes = {minute for window in policies.windows for minute in (window.start, window.end)}
    for days in (0, 1):
        day = midnight + timedelta(days=days)
        if policies.capped:
            yield day.timestamp() + PAST
        for minute in minutes:
            yield (day + timedelta(minutes=minute)).timestamp() + PAST
