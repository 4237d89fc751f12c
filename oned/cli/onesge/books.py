"""The service's records for the commands, which only read them or leave an order: nodes, money, who runs the loop."""

import getpass
import time
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from oned import clock
from oned.cli.command import CommandError, Option
from oned.cli.names import expand
from oned.cli.onesge import conf
from oned.cli.output import complain, say

if TYPE_CHECKING:
    from oned.elastic.policy import Policies
    from oned.elastic.records import Order, Record, Records
    from oned.elastic.service import Service
    from oned.elastic.settings import ElasticConfig

WAIT = Option("wait", ("--wait",), "wait until the service has looked at it, and say what became of it")

_POLL = 0.1
_PATIENCE = 120.0
"""Seconds that --wait lasts."""


class Site(NamedTuple):
    """What the settings say, and the records that go with them."""

    policies: "Policies"
    service: "Service"
    records: "Records"


def site(config: str | None) -> Site:
    """The settings and records in force. Raises CommandError; only the service itself makes records."""
    from oned.elastic.retired import with_retired
    from oned.elastic.service import read_service

    given = conf.load(config)
    path = conf.database(given)
    if not path.is_file():
        raise CommandError(f"There are no records yet: no {path}. They are made by: onesge run")
    records = opened(given)
    return Site(with_retired(conf.read(given), records), read_service(given), records)


def opened(given: "ElasticConfig") -> "Records":
    """The records of settings, which are there. Raises CommandError."""
    from oned.elastic.records import Records, RecordsUnusable

    try:
        return Records(conf.database(given))
    except RecordsUnusable as error:
        raise CommandError(f"{error}. DATABASE in onesge.conf says which file it is") from None


def active(records: "Records") -> str:
    """Which onesge runs the loop, "" for none."""
    holder = records.leader()
    return holder.holder.split(" ")[0] if holder and holder.deadline > clock.now() else ""


def short(name: str, known: Collection[str]) -> str:
    """A node's name, for one with a domain behind it, as qstat prints it; the same where that is not sure."""
    head, dot, _ = name.partition(".")
    if not dot or name in known:
        return name
    return head if [one for one in known if one.partition(".")[0] == head] == [head] else name


def chosen(records: "Records", words: str) -> list["Record"]:
    """The nodes of a list such as wn001,wn[05-08]. Raises CommandError for one that is not there."""
    known = {record.node.name: record for record in records.nodes()}
    names = list(dict.fromkeys(short(name, known) for name in expand(words)))
    missing = [name for name in names if name not in known]
    if missing or not names:
        there = ", ".join(sorted(known)[:10]) or "none"
        raise CommandError(f"There is no node {', '.join(missing) or repr(words)}. Nodes: {there}")
    return [known[name] for name in names]


def leave(records: "Records", orders: Sequence[tuple[str, str, int]], *, wait: bool, program: str = "onesge") -> int:
    """Leave orders (verb, subject, count) for the service, which is a program's; the exit code."""
    numbers = [records.order(verb, subject, count, getpass.getuser()) for verb, subject, count in orders]
    if not wait:
        for number, (verb, subject, _) in zip(numbers, orders, strict=True):
            say(f"Order {number}: {verb} {subject}, in the next cycle")
    if not active(records):
        complain(f"No {program} runs now: orders wait for one. Start it with: {program} run")
    return _result(records, numbers) if wait else 0


def _result(records: "Records", numbers: Sequence[int]) -> int:
    """Wait for what becomes of orders, and tell it; 255 when one was refused or nobody looked at it."""
    deadline = time.monotonic() + _PATIENCE
    open_ones = set(numbers)
    code = 0
    while open_ones:
        for order in records.orders(waiting=False):
            if order.id in open_ones and order.done:
                open_ones.discard(order.id)
                code = max(code, _tell(order))
        if open_ones and time.monotonic() > deadline:
            raise CommandError(f"Nobody looked at order {min(open_ones)} for {_PATIENCE:.0f} s; it still waits")
        if open_ones:
            time.sleep(_POLL)
    return code


def _tell(order: "Order") -> int:
    from oned.cli.command import FAILURE

    text = f"Order {order.id}: {order.verb} {order.subject}: {order.result or 'done'}"
    if order.result in ("", "done"):
        say(text)
        return 0
    complain(text)
    return FAILURE
