"""onesge audit: what was done, by which rule, from which plan, and what came of it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from oned.cli.command import Option, Program
from oned.cli.onesge import books
from oned.cli.onesge.conf import CONFIG
from oned.cli.onesge.rows import LISTED, Facts, column, show
from oned.cli.table import Table
from oned.cli.units import moment
from oned.client.client import Client

if TYPE_CHECKING:
    from oned.elastic.records import Records


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise ValueError(f"{text!r} is not a number above 0")
    return int(text)


LAST = Option("last", ("--last",), "so many lines, the newest (default 100)", "N", _count)
NODE = Option("node", ("--node",), "lines of the nodes that had this name", "NAME")

TABLE = Table(
    (
        column("AT", 14, "when"),
        column("EVENT", 10, "event of a node's life, or what was done without one", left=True),
        column("NODE", 16, "the node; for what has none its VM, instance or class", left=True, expand=True),
        column("CLASS", 8, "class of the node", left=True),
        column("STATE", 12, "state of the node afterwards", left=True),
        column("RULE", 12, "the rule that wanted it", left=True),
        column("RESULT", 10, "what came of it: done, or why not", left=True, expand=True),
        column("WHY", 40, "why it was wanted", left=True, expand=True),
        column("PLAN", 12, "digest of the plan, which is of all that the plan was made from", left=True),
        column("TOKEN", 36, "token of the node", left=True),
    ),
    default="AT,EVENT,NODE,STATE,RULE,PLAN,RESULT,WHY",
)


def add_audit(program: Program) -> None:
    """Give onesge the verb."""
    program.command("audit", "", NODE, LAST, CONFIG, *LISTED)(_audit)


def _audit(_one: Client, *, node: str | None, last: int | None, config: str | None, **options: Any) -> None:
    """Lists what was done and by whom it was wanted, the newest last: each action with its rule, plan and result."""
    records = books.site(config).records
    show(TABLE, "onesge", entries(records, node, last), options, "ENTRY")


def entries(records: "Records", node: str | None, last: int | None) -> Iterator[Facts]:
    """The newest lines of the audit, of all nodes or of one; 100 without a number."""
    for entry in records.events(node or "", last or 100):
        yield {
            "AT": moment(int(entry.at)),
            "EVENT": entry.event,
            "NODE": entry.node or entry.klass or entry.token,
            "CLASS": entry.klass or None,
            "STATE": entry.state or None,
            "RULE": entry.rule or None,
            "RESULT": entry.result,
            "WHY": entry.sentence or None,
            "PLAN": entry.digest[:12] or None,
            "TOKEN": entry.token or None,
        }
