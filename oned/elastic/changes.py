"""What the active loop writes: nodes and their intents, money, failures, audit; all of it in one transaction.

Made by `oned.elastic.leader.Lead.writing`, which has checked that this loop is the active one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orjson import dumps
from sqlalchemy import ColumnElement, Connection, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import IntegrityError

from oned import clock
from oned.elastic import clocks
from oned.elastic.batch import Departed
from oned.elastic.node import GONE, HOLD, PLANNED, READY, UNREGISTERED, NodeState, row
from oned.elastic.policy import Brake
from oned.elastic.reading import Failures, Proof
from oned.elastic.records import JOB_ENDED, JOB_RESTARTED, LEFT, WAITS, Intent, Lease, Paid, Record, job_words
from oned.elastic.tables import audit, brake, fact, hint, intent, leaving, node, order, proof, spend

DONE, BEGUN = "done", "begun"
"""Results of lines of the audit; what begins or waits, for a reason that is told, is followed by another line."""
KEPT_FOR = 90 * 86400.0
"""Seconds that nodes which are GONE, their money and the audit are kept."""


class Held(Exception):
    """A name or an address that another node has, or had less than a minute ago."""


@dataclass(frozen=True)
class Why:
    """What wanted a change: the rule with its sentence, and the digest of the plan."""

    rule: str
    sentence: str = ""
    digest: str = ""


class Changes:
    """One transaction. Nothing of it is there if it is left by an exception."""

    def __init__(self, connection: Connection, fence: int) -> None:
        self._connection, self._fence = connection, fence
        self.now = clock.now()

    # --- the life of a node ---

    def plan(self, token: str, klass: str, lease: Lease, owner: str, why: Why) -> Intent:
        """A new node, PLANNED, with the intent to register it. Raises Held."""
        self._insert(
            lease, token=token, klass=klass, state=PLANNED.name, since=self.now, created=self.now, owner=owner,
            rule=why.rule, sentence=why.sentence,
        )  # fmt: skip
        self.audit("plan", token, why)
        return self.intend(token, "register", why)

    def adopt(self, record: Record) -> None:
        """A node whose row was lost, from what its VM tells. Raises Held."""
        this, lease = record.node, record.lease
        self._insert(
            lease, token=this.token, klass=this.klass, state=this.state.name, since=self.now, created=this.created,
            owner=this.owner, vm=this.vm, paid_from=this.paid_from, rule=record.rule, sentence=record.sentence,
        )  # fmt: skip
        self.audit("adopt", this.token, Why(record.rule, record.sentence))

    def _insert(self, lease: Lease, **facts: object) -> None:
        fresh = node.insert().values(name=lease.name, network=lease.network, mac=lease.mac, ip=lease.ip, **facts)
        try:
            with self._connection.begin_nested():
                self._connection.execute(fresh)
        except IntegrityError as error:
            raise Held(f"{lease.name} ({lease.ip}, {lease.mac}) is another node's: {error.orig}") from error

    def intend(self, token: str, event: str, why: Why) -> Intent:
        """Write down what is about to be done for a node. Raises WrongTransition; KeyError for an unknown token."""
        change = row(self._state(token), event)
        wanted = {
            "token": token, "event": event, "goal": change.to.name, "does": change.does, "at": self.now,
            "fence": self._fence, "rule": why.rule, "sentence": why.sentence, "digest": why.digest,
        }  # fmt: skip
        self._connection.execute(insert(intent).values(wanted).on_conflict_do_update(["token"], set_=wanted))
        return Intent(token, event, change.to, change.does, self.now, why.rule, why.sentence, why.digest)

    def confirm(self, done: Intent, **facts: object) -> None:
        """What was intended is done, and was seen to be so: the node is in its new state, with new facts of its row."""
        facts |= {"state": done.goal.name, "since": self.now}
        if done.goal is GONE:
            facts = {"held_until": self.now + HOLD, **facts}
        self._connection.execute(intent.delete().where(intent.c.token == done.token))
        self._update(done.token, facts)
        self.audit(done.event, done.token, Why(done.rule, done.sentence, done.digest))

    def refuse(self, refused: Intent, reason: str) -> None:
        """What was intended cannot be done now: the node stays as it is."""
        self._connection.execute(intent.delete().where(intent.c.token == refused.token))
        self.audit(refused.event, refused.token, Why(refused.rule, refused.sentence, refused.digest), reason)

    def waits(self, open: Intent, reason: str) -> None:
        """What was intended cannot be done yet; it stays open."""
        self.audit(open.event, open.token, Why(open.rule, open.sentence, open.digest), f"{WAITS}{reason}")

    def fire(self, token: str, event: str, why: Why, **facts: object) -> NodeState:
        """A change with nothing to do outside; the new state. Raises WrongTransition."""
        done = self.intend(token, event, why)
        self.confirm(done, **facts)
        return done.goal

    def update(self, token: str, **facts: object) -> None:
        """Other columns of a node's row."""
        self._update(token, facts)

    def free(self, token: str) -> None:
        """Let others have the name and the address of a node that is GONE."""
        self._update(token, {"holds": 0})

    def departed(self, intent: Intent, jobs: Iterable[Departed]) -> None:
        """Jobs that were taken away from the node of an intent, a line of the audit for each."""
        for job in jobs:
            event, became = (JOB_ENDED, "is ended for good") if job.ended else (JOB_RESTARTED, "starts again elsewhere")
            sentence = f"{job_words(job.job)}{job.owner} {became}: {intent.sentence}"
            self.audit(event, intent.token, Why(intent.rule, sentence, intent.digest))

            self._connection.execute(leaving.delete().where(_leaves(intent.token) & (leaving.c.job == job.job)))

    def about(self, jobs: Iterable[Departed]) -> None:
        """Jobs that are about to be taken away from nodes: told of when the node is unregistered, if not before."""
        for job in jobs:
            token = (
                select(node.c.token).where((node.c.name == job.node) & (node.c.state != GONE.name)).scalar_subquery()
            )
            written = insert(leaving).values(token=token, **vars(job))
            self._connection.execute(written.on_conflict_do_update(["token", "job"], set_={"ended": job.ended}))

    def untold(self, done: Intent) -> list[Departed]:
        """The jobs of a node that is unregistered which have left it, and whom nobody was told of.

        The service has died meanwhile. Those that are on a node which serves again have not left.
        """
        if done.goal not in (UNREGISTERED, READY):
            return []
        rows = self._connection.execute(select(leaving).where(_leaves(done.token)).order_by(leaving.c.job)).all()
        self._connection.execute(leaving.delete().where(_leaves(done.token)))
        return [Departed(row.job, row.owner, row.node, row.ended) for row in rows if done.goal is UNREGISTERED]

    # --- money and failures ---

    def pay(self, periods: Iterable[Paid]) -> None:
        """Periods that begin. One that is written already is left as it is."""
        for one in periods:
            self._connection.execute(insert(spend).values(vars(one)).on_conflict_do_nothing())

    def cut(self, token: str, end: float) -> None:
        """A node is not paid for after a time: its periods end there, at the same price for a second."""
        after = (spend.c.token == token) & (spend.c.until > end)
        self._connection.execute(spend.delete().where(after & (spend.c.start >= end)))
        rest = (end - spend.c.start) / (spend.c.until - spend.c.start)
        self._connection.execute(spend.update().where(after).values(until=end, amount=spend.c.amount * rest))

    def failed(self, klass: str, created: float, rule: Brake) -> None:
        """One more failed start of a class in a row, of a node that was planned then."""
        row = self._connection.execute(select(brake).where(brake.c.klass == klass)).mappings().one_or_none()
        before = Failures(row["count"], row["last"], row["rests"], row["rested"]) if row else None
        facts = {"klass": klass, **vars(rule.after(before, created, self.now))}
        self._connection.execute(insert(brake).values(facts).on_conflict_do_update(["klass"], set_=facts))

    def joined(self, klass: str) -> None:
        """A node of the class has joined, or a person ends its rest: its failures are forgotten."""
        self._connection.execute(brake.delete().where(brake.c.klass == klass))

    def moved(self, direction: str) -> None:
        """A step in a direction (tables.UP, tables.DOWN) was taken now."""
        moved = insert(fact).values(name=direction, value=self.now)
        self._connection.execute(moved.on_conflict_do_update(["name"], set_={"value": self.now}))

    def left(self, names: Iterable[str]) -> None:
        """Hosts that were nodes, and VMs, are seen without one, from now on if they were not before; and no others."""
        known = [f"{LEFT}{name}" for name in names]
        mine = fact.c.name.startswith(LEFT, autoescape=True)
        self._connection.execute(fact.delete().where(mine & fact.c.name.not_in(known)))
        for name in known:
            self._connection.execute(insert(fact).values(name=name, value=self.now).on_conflict_do_nothing())

    def follow(self, jump: float) -> None:
        """The clock was set by so many seconds, or is before what has been written: the times go with it."""
        if jump:
            clocks.shift(self._connection, jump)
        clocks.clamp(self._connection, self.now)

    # --- others' wishes, and the books ---

    def ordered(self, number: int, result: str) -> None:
        """What became of an order."""
        self._connection.execute(order.update().where(order.c.id == number).values(done=self.now, result=result))

    def forget_hints(self, upto: int) -> None:
        """Hints that were seen."""
        self._connection.execute(hint.delete().where(hint.c.id <= upto))

    def audit(self, event: str, token: str, why: Why, result: str = DONE) -> None:
        """A line of the audit, with the node as it is now; a token that no node has is kept as it is."""
        found = self._connection.execute(_FACTS.where(node.c.token == token)).one_or_none()
        self._connection.execute(
            audit.insert().values(
                at=self.now, event=event, token=token, fence=self._fence, rule=why.rule, sentence=why.sentence,
                digest=why.digest, result=result, **(found._asdict() if found else {}),
            )
        )  # fmt: skip

    def prove(self, klass: str, of: str, shown: Proof) -> None:
        """What nodes of a class have shown to have, for when none is there."""
        facts = {"klass": klass, "of": of, "memory": shown.memory, "arch": shown.arch,
                 "offers": dumps(shown.offers).decode()}  # fmt: skip
        self._connection.execute(insert(proof).values(facts).on_conflict_do_update(["klass"], set_=facts))

    def prune(self) -> int:
        """Forget what is older than is kept; how many nodes."""
        old = self.now - KEPT_FOR
        gone = (node.c.state == GONE.name) & (node.c.since < old) & (node.c.holds == 0)
        self._connection.execute(audit.delete().where(audit.c.at < old))
        self._connection.execute(order.delete().where((order.c.done > 0) & (order.c.done < old)))
        self._connection.execute(spend.delete().where(spend.c.token.in_(select(node.c.token).where(gone))))
        return int(self._connection.execute(node.delete().where(gone)).rowcount)

    # ---

    def _state(self, token: str) -> NodeState:
        found = self._connection.execute(select(node.c.state).where(node.c.token == token)).scalar_one_or_none()
        if found is None:
            raise KeyError(f"no node has the token {token}")
        return NodeState[found]

    def _update(self, token: str, facts: Mapping[str, Any]) -> None:
        self._connection.execute(node.update().where(node.c.token == token).values(facts))


def _leaves(token: str) -> ColumnElement[bool]:
    return leaving.c.token == token


_FACTS = select(node.c.name.label("node"), node.c.klass, node.c.state)
