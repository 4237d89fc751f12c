"""What the elastic service knows over restarts: nodes, open intents, money, failures, and what was done and why.

Anybody may read, and may leave a hint, a health report or an order; the rest is written by the one active loop only
(`oned.elastic.changes`). Each read is of one moment.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orjson import loads
from sqlalchemy import Connection, Executable, Row, bindparam, func, or_, select
from sqlalchemy.exc import DatabaseError

from oned import clock
from oned.elastic import tables
from oned.elastic.node import GONE, NodeState
from oned.elastic.reading import Failures, Node, Proof
from oned.elastic.tables import audit, brake, fact, hint, intent, leader, node, order, proof, spend

JOB_ENDED, JOB_RESTARTED = "job ended", "job restarted"
"""Events of the audit that are no change of a node: what became of a job that was taken away from one."""
WAITS = "waits: "
"""How the result of a line of the audit begins that says why something which has begun is not done yet."""
LEFT = "left "
"""The facts, each with the name of a host that was a node, or of a VM: since when no node has it."""


class RecordsUnusable(Exception):
    """The file cannot be opened; the text says why and what to do."""


@dataclass(frozen=True)
class Lease:
    """One address of a network, and the name that goes with it. Everything else follows from it.

    network  id of the network in oned
    """

    network: int
    name: str
    mac: str
    ip: str


@dataclass(frozen=True)
class Record:
    """A node with all that only the records know.

    lease         its address and name
    silent_since  since when the batch system does not hear of it, 0 while it does
    apart_since   since when oned's list lacks its VM, which it does not call DONE; 0 while it has it
    rule          that wanted it, with the sentence
    held_until    of one that is GONE: until when its address stays taken
    reported      when it said what is in `node.report`, 0 when it said nothing
    """

    node: Node
    lease: Lease
    silent_since: float = 0.0
    rule: str = ""
    sentence: str = ""
    held_until: float = 0.0
    reported: float = 0.0
    apart_since: float = 0.0


@dataclass(frozen=True)
class Intent:
    """A change of a node that has begun: it is done again until it is confirmed or refused."""

    token: str
    event: str
    goal: NodeState
    does: str
    at: float
    rule: str
    sentence: str
    digest: str


@dataclass(frozen=True)
class Entry:
    """A line of the audit.

    event   of the node's life, or what was done without one: reap, order, failed …
    state   in which the node was afterwards
    digest  of the plan that wanted it, "" without one
    result  "done", or why not
    """

    id: int
    at: float
    event: str
    node: str
    token: str
    klass: str
    state: str
    rule: str
    sentence: str
    digest: str
    result: str


@dataclass(frozen=True)
class Paid:
    """A period that is paid for a node: written when it begins; the last one of a node is cut where that saves."""

    token: str
    start: float
    until: float
    amount: float
    klass: str
    owner: str

    def since(self, begin: float) -> float:
        """The money for the part of it that lies after a time."""
        return self.amount * _share(self.start, self.until, begin)


@dataclass(frozen=True)
class Holder:
    """Who runs the loop. `fence` grows with each change of hands."""

    holder: str
    fence: int
    deadline: float


@dataclass(frozen=True)
class Hint:
    """Somebody saw a VM in a state: it only wakes the loop, which reads for itself."""

    id: int
    at: float
    vm: int
    state: str


@dataclass(frozen=True)
class Order:
    """What a person wants of a node or a class: one of ORDERS. done: 0 while nobody has looked at it."""

    id: int
    at: float
    verb: str
    subject: str
    count: int
    who: str
    done: float = 0.0
    result: str = ""


ADD, RESUME = "add", "resume"
ORDERS = (ADD, "drain", "undrain", "remove", RESUME)
"""Verbs of orders. The subject of `add` and `resume` is a class, of the others the name of a node."""


class Records:
    """The file of one cluster's service. Raises RecordsUnusable when it cannot be opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            tables.guard(path)
            self.engine = tables.engine_of(path)
            tables.make(self.engine)
        except tables.Damaged as damaged:
            raise RecordsUnusable(str(damaged)) from damaged
        except (OSError, tables.WrongSchema, DatabaseError) as error:
            raise RecordsUnusable(f"{path} cannot be used: {getattr(error, 'orig', None) or error}") from error

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def moment(self) -> Iterator[Connection]:
        """A connection that sees one moment."""
        with self.engine.connect().execution_options(reads=True) as connection:
            yield connection

    # --- nodes ---

    def nodes(self) -> list[Record]:
        """All that are not GONE, in the order in which they were planned."""
        return [_record(row) for row in self._rows(_NODES)]

    def held(self) -> list[Record]:
        """All that have a name and an address which nobody else may have: those, and those that are GONE not long."""
        return [_record(row) for row in self._rows(_HELD)]

    def past(self, name: str = "", limit: int = 100) -> list[Record]:
        """The latest that are GONE, of all names or of one; the newest first."""
        statement = select(node).where(node.c.state == GONE.name).order_by(node.c.since.desc()).limit(limit)
        return [_record(row) for row in self._rows(statement.where(node.c.name == name) if name else statement)]

    def once(self, names: Collection[str]) -> dict[str, Record]:
        """By name, the last node that is GONE, of those names."""
        gone = select(node).where((node.c.state == GONE.name) & node.c.name.in_(names)).order_by(node.c.since)
        return {row.name: _record(row) for row in self._rows(gone)} if names else {}

    def left(self) -> dict[str, float]:
        """By name ("VM 7" for a VM), since when hosts that were nodes, and VMs, are seen without a node."""
        rows = self._rows(select(fact).where(fact.c.name.startswith(LEFT, autoescape=True)))
        return {row.name.removeprefix(LEFT): float(row.value) for row in rows}

    def node(self, name: str) -> Record | None:
        """The node of that name that is not GONE."""
        return next((record for record in self.nodes() if record.node.name == name), None)

    def by_token(self, token: str) -> Record | None:
        """The node with the token, whatever became of it."""
        return next((_record(row) for row in self._rows(select(node).where(node.c.token == token))), None)

    def intents(self) -> list[Intent]:
        """What has begun and is not confirmed, the oldest first."""
        return [_intent(row) for row in self._rows(_INTENTS)]

    def waits(self) -> dict[str, str]:
        """By token, why what has begun for a node is not done yet; those where nothing was said are not in it."""
        return {row.token: row.result.removeprefix(WAITS) for row in self._rows(_WAITS)}

    # --- what happened, and what it cost ---

    def events(self, name: str = "", limit: int = 100) -> list[Entry]:
        """The latest lines of the audit, of all nodes or of one; the oldest of them first."""
        statement = select(audit).order_by(audit.c.id.desc()).limit(limit)
        rows = self._rows(statement.where(audit.c.node == name) if name else statement)
        return [Entry(*_values(row, Entry)) for row in reversed(rows)]

    def departures(self, job: str, limit: int = 100) -> list[Entry]:
        """The latest lines of the audit about a job, or its tasks, that was taken away from a node; in their order."""
        about = [audit.c.sentence.startswith(text, autoescape=True) for text in (job_words(job), f"job {job}.")]
        ours = audit.c.event.in_((JOB_ENDED, JOB_RESTARTED)) & or_(*about)
        rows = self._rows(select(audit).where(ours).order_by(audit.c.id.desc()).limit(limit))
        return [Entry(*_values(row, Entry)) for row in reversed(rows)]

    def entries(self, after: int) -> list[Entry]:
        """The lines of the audit that are newer than a number."""
        rows = self._rows(select(audit).where(audit.c.id > after).order_by(audit.c.id))
        return [Entry(*_values(row, Entry)) for row in rows]

    def last_entry(self) -> int:
        """The number of the newest line of the audit, 0 while there is none."""
        return int(self._rows(select(func.max(audit.c.id)))[0][0] or 0)

    def failures(self) -> Mapping[str, Failures]:
        """Failed starts in a row, by class."""
        return {row.klass: Failures(*_values(row, Failures)) for row in self._rows(select(brake))}

    def proofs(self) -> dict[str, tuple[str, Proof]]:
        """By class, what its nodes have shown to have, with the settings of the class that they were made by."""
        return {
            row.klass: (row.of, Proof(row.memory, row.arch, tuple((name, value) for name, value in loads(row.offers))))
            for row in self._rows(select(proof))
        }

    def moved(self, direction: str) -> float:
        """When the last step in a direction (tables.UP, tables.DOWN) was taken, 0 for never."""
        rows = self._rows(select(fact.c.value).where(fact.c.name == direction))
        return float(rows[0].value) if rows else 0.0

    def paid(self, since: float = 0.0) -> list[Paid]:
        """The paid periods that reach beyond a time, of all nodes, in their order."""
        statement = select(spend).where(spend.c.until > since).order_by(spend.c.start, spend.c.token)
        return [Paid(*_values(row, Paid)) for row in self._rows(statement)]

    def spent_on_gone(self, since: float) -> float:
        """Money for nodes that are GONE, of the time since then; of a period that began before, its share."""
        rows = self._rows(_OF_GONE, {"since": since})
        return float(sum(row.amount * _share(row.start, row.until, since) for row in rows))

    def leader(self) -> Holder | None:
        """Who runs the loop, or ran it last."""
        with self.moment() as connection:
            return leading(connection)

    # --- what others leave for the loop ---

    def hint(self, vm: int, state: str) -> None:
        """Leave word that a VM was seen in a state."""
        self._write(hint.insert().values(at=clock.now(), vm=vm, state=state))

    def hints(self, after: int = 0) -> list[Hint]:
        """Hints that are newer than a number."""
        rows = self._rows(select(hint).where(hint.c.id > after).order_by(hint.c.id))
        return [Hint(*_values(row, Hint)) for row in rows]

    def report(self, token: str, health: str) -> bool:
        """What a node says of its health: "ok", or what is wrong. False when no node has the token, or it is GONE."""
        known = (node.c.token == token) & (node.c.state != GONE.name)
        return self._write(node.update().where(known).values(report=health, reported=clock.now())) > 0

    def order(self, verb: str, subject: str, count: int = 1, who: str = "") -> int:
        """Leave an order of a person for the next cycle; its number. ValueError for a verb that is none."""
        if verb not in ORDERS:
            raise ValueError(f"{verb!r} is no order. There are {', '.join(ORDERS)}")
        with self.engine.begin() as connection:
            made = connection.execute(
                order.insert().values(at=clock.now(), verb=verb, subject=subject, count=count, who=who)
            )
            return int(made.lastrowid)

    def orders(self, *, waiting: bool = True) -> list[Order]:
        """Orders that wait, the oldest first; or all."""
        statement = select(order).order_by(order.c.id)
        rows = self._rows(statement.where(order.c.done == 0) if waiting else statement)
        return [Order(*_values(row, Order)) for row in rows]

    def version(self) -> tuple[int, float, int]:
        """A value that is another one once somebody has left a hint, a report or an order."""
        with self.moment() as connection:
            row = connection.execute(_LEFT).one()
        return row[0] or 0, row[1] or 0.0, row[2] or 0

    # ---

    def _rows(self, statement: Executable, values: Mapping[str, object] | None = None) -> list[Row[Any]]:
        with self.moment() as connection:
            return list(connection.execute(statement, values or {}))

    def _write(self, statement: Executable) -> int:
        with self.engine.begin() as connection:
            return int(connection.execute(statement).rowcount)


def job_words(job: str) -> str:
    """How a line about a job begins; its owner follows."""
    return f"job {job} of "


def leading(connection: Connection) -> Holder | None:
    """Who runs the loop, or ran it last; None when nobody ever did."""
    row = connection.execute(select(leader)).one_or_none()
    return Holder(*_values(row, Holder)) if row else None


_NODES = select(node).where(node.c.state != GONE.name).order_by(node.c.created, node.c.name)
_HELD = select(node).where(node.c.holds == 1).order_by(node.c.created, node.c.name)
_INTENTS = select(intent).order_by(intent.c.at, intent.c.token)
_WAITS = (
    select(intent.c.token, audit.c.result)
    .join(node, node.c.token == intent.c.token)
    .join(audit, (audit.c.node == node.c.name) & (audit.c.token == intent.c.token))
    .where((audit.c.at >= intent.c.at) & audit.c.result.startswith(WAITS))
    .order_by(audit.c.id)
)
_LEFT = select(
    select(func.max(hint.c.id)).scalar_subquery(),
    select(func.max(node.c.reported)).scalar_subquery(),
    select(func.max(order.c.id)).scalar_subquery(),
)


_OF_GONE = (
    select(spend.c.start, spend.c.until, spend.c.amount)
    .join(node, (node.c.token == spend.c.token) & (node.c.state == GONE.name))
    .where(spend.c.until > bindparam("since"))
)


def _share(start: float, until: float, since: float) -> float:
    """The part of a period that lies after a time."""
    return 1.0 if since <= start or until <= start else max(0.0, until - since) / (until - start)


def _record(row: Row[Any]) -> Record:
    made = Node(
        name=row.name,
        klass=row.klass,
        state=NodeState[row.state],
        since=row.since,
        token=row.token,
        created=row.created,
        vm=row.vm,
        paid_from=row.paid_from,
        idle_since=row.idle_since,
        owner=row.owner,
        drained_by=row.drained_by,
        report=row.report,
    )
    lease = Lease(row.network, row.name, row.mac, row.ip)
    return Record(made, lease, row.silent_since, row.rule, row.sentence, row.held_until, row.reported,
                  row.apart_since)  # fmt: skip


def _intent(row: Row[Any]) -> Intent:
    goal = NodeState[row.goal]
    return Intent(row.token, row.event, goal, row.does, row.at, row.rule, row.sentence, row.digest)


def _values(row: Row[Any], kind: Any) -> Iterator[Any]:
    """The columns that a dataclass has, in its order."""
    return (row._mapping[name] for name in kind.__dataclass_fields__)
