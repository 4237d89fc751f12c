"""onesge cost: what nodes cost now, what was spent, how much is left of the caps."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from oned import clock
from oned.cli.command import Option, Program
from oned.cli.onesge import books
from oned.cli.onesge.conf import CONFIG
from oned.cli.onesge.rows import LISTED, Facts, column, show
from oned.cli.output import FORMATS, say
from oned.cli.table import Table
from oned.client.client import Client

if TYPE_CHECKING:
    from oned.elastic.cost import Spend
    from oned.elastic.policy import Caps, Policies
    from oned.elastic.records import Records

BY_OWNER = Option("by_owner", ("--by-owner",), "by the organisation whose quota a node counts against")

COST_TABLE = Table(
    (
        column("KEY", 14, "the class, or the organisation", left=True, expand=True),
        column("NODES", 5, "nodes that cost something"),
        column("HOUR", 9, "money per hour for them"),
        column("DAY", 9, "bound in this day, to the end of what is paid"),
        column("MONTH", 9, "bound in this month"),
    ),
    default="KEY,NODES,HOUR,DAY,MONTH",
)


def add_cost(program: Program) -> None:
    """Give onesge the verb."""
    program.command("cost", "", BY_OWNER, CONFIG, *LISTED)(_cost)


def _cost(_one: Client, *, by_owner: bool, config: str | None, **options: Any) -> None:
    """Lists what nodes cost: now, in this day and in this month, with what is bound to the end of paid hours."""
    at = books.site(config)
    show(COST_TABLE, "onesge", _rows(at.records, at.policies, by_owner=by_owner), options, "COST")
    if not options["csv"] and not options["describe"] and not any(options[one.keyword] for one in FORMATS):
        say()
        for line in caps_lines(spend(at.records, at.policies), at.policies.caps):
            say(line)


def spend(records: "Records", policies: "Policies") -> "Spend":
    """What is bound now, counted as the planner counts."""
    from oned.elastic.cost import Budget, begins, clock_hour
    from oned.elastic.reading import Reading, Taken

    now = clock.now()
    (day, month), (hour, ahead) = begins(policies, now), clock_hour(policies, now)
    reading = Reading(
        jobs=Taken(now), hosts=Taken(now), vms=Taken(now), nodes=tuple(one.node for one in records.nodes()),
        spent_hour=records.spent_on_gone(hour), spent_ahead=records.spent_on_gone(ahead),
        spent_day=records.spent_on_gone(day), spent_month=records.spent_on_gone(month),
    )  # fmt: skip
    return Budget(policies, reading, now).spend()


def caps_lines(bound: "Spend", caps: "Caps") -> list[str]:
    """The sums, each with its cap and what is left of it."""
    from oned.elastic.policy import NO_LIMIT

    rows = (
        ("an hour", bound.hour, bound.bound, caps.hour),
        ("this day", bound.day, bound.day, caps.day),
        ("this month", bound.month, bound.month, caps.month),
    )
    return [
        f"{name:<10} {amount:9.2f}  "
        + ("no cap" if cap >= NO_LIMIT else f"of {cap:g}, {max(0.0, cap - against):.2f} left")
        + (f": {against:.2f} is bound with nodes that are gone" if cap < NO_LIMIT and against > amount + 0.005 else "")
        for name, amount, against, cap in rows
    ]


def _rows(records: "Records", policies: "Policies", *, by_owner: bool) -> Iterator[Facts]:
    """A row for each class or organisation: nodes that are there, and the share of those that are gone."""
    from oned.elastic.cost import begins, committed, costs

    now = clock.now()
    begun = begins(policies, now)
    sums: dict[str, list[float]] = {}
    nodes = [one.node for one in records.nodes()]
    key: Callable[[Any], str] = lambda one: (one.owner if by_owner else one.klass) or "-"  # noqa: E731
    for node in nodes:
        klass = policies.klass(node.klass)
        row = sums.setdefault(key(node), [0, 0.0, 0.0, 0.0])
        row[0] += costs(node)
        row[1] += klass.price if costs(node) else 0.0
        for place, begin in enumerate(begun, 2):
            row[place] += committed(node, klass, now, begin)
    here = {node.token for node in nodes}
    for paid in records.paid(begun[1]):
        if paid.token not in here:
            row = sums.setdefault(key(paid), [0, 0.0, 0.0, 0.0])
            for place, begin in enumerate(begun, 2):
                row[place] += paid.since(begin)
    for name, (count, *amounts) in sorted(sums.items()):
        money = {column: f"{amount:.2f}" for column, amount in zip(("HOUR", "DAY", "MONTH"), amounts, strict=True)}
        yield {"KEY": name, "NODES": int(count), **money}
