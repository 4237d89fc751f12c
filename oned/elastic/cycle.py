"""Observe, plan, act: one cycle of the loop, or a look without doing anything."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from oned import clock
from oned.elastic.act import Actor, Missed
from oned.elastic.batch import Batch, Departed
from oned.elastic.changes import DONE, Why
from oned.elastic.clocks import Clocks, ahead
from oned.elastic.cost import Budget
from oned.elastic.deeds import Deeds
from oned.elastic.farewell import Farewell
from oned.elastic.growth import Growth
from oned.elastic.known import made_by
from oned.elastic.leader import Lead
from oned.elastic.ledger import Ledger
from oned.elastic.node import GONE, WrongTransition
from oned.elastic.observe import Observer, noted
from oned.elastic.plan import Plan, Step, Verb
from oned.elastic.planner import plan
from oned.elastic.policy import Policies
from oned.elastic.provider import Provider, ProviderDown
from oned.elastic.reading import Reading
from oned.elastic.records import ADD, RESUME, Order, Record, Records
from oned.elastic.site import Site
from oned.elastic.steps import BY_HAND, ordered
from oned.elastic.words import untimed

log = logging.getLogger(__name__)
DAY = 86400.0
TRIED_AGAIN = "it is tried again: see the log"
"""The result of an order that has begun; what holds it up has its own lines in the log and the audit."""


@dataclass(frozen=True)
class World:
    """What a loop is made of."""

    records: Records
    batch: Batch
    provider: Provider
    site: Site
    policies: Callable[[], Policies]
    farewell: Farewell = field(default_factory=Farewell)


class Cycle:
    """The loop's body. Raises Deposed when another loop has taken over.

    reading  what the last plan was made from
    """

    def __init__(self, world: World, lead: Lead) -> None:
        self._world, self._lead, self._records = world, lead, world.records
        self._observer = Observer(world.records, world.batch, world.provider, reports=world.site.reports)
        deeds = Deeds(
            world.batch,
            world.provider,
            world.site,
            live=world.records.nodes,
            kill=lambda: world.policies().patience.kill,
            consoles=world.records.path.parent / "consoles",
            about=self._about,
        )
        self._actor = Actor(world.records, lead, deeds, world.policies, world.farewell)
        self._notes: tuple[str, ...] = ()
        self._pruned = 0.0
        self._clocks = Clocks()
        self.reading: Reading | None = None

    def look(self) -> Plan:
        """The plan of now. Nothing is changed, in the records neither."""
        policies = self._world.policies()
        self._observer.look(policies.classes)
        records, now = [*self._records.nodes(), *self._observer.lost(policies)], clock.now()
        self.reading = self._observer.reading(noted(records, self._observer.notes(records)), policies, now)
        return plan(self.reading, policies, now)

    def run(self) -> tuple[Plan, int]:
        """One cycle: the plan, and how much has changed. With a change the next cycle may have more to do at once."""
        self._follow()
        changed = self._actor.resume()
        self._observer.look(self._world.policies().classes)
        changed += self._adopt() + self._note()
        changed += self._orders()
        now, policies, records = clock.now(), self._world.policies(), self._records.nodes()
        self.reading = self._observer.reading(records, policies, now)
        made = plan(self.reading, policies, now)
        self._tell(made)
        changed += self._actor.act(made, self._observer.gone(records))
        self._free()
        return made, changed

    def carry_out(self, wanted: str) -> Plan:
        """Plan again, and act if the digest is the one that is wanted; StalePlan if it is another."""
        self._follow()
        self._actor.resume()
        made = self.look()
        if made.digest != wanted:
            raise StalePlan("things have changed since the plan was made. Look at `onesge plan` again")
        self._adopt()
        self._note()
        self._actor.act(made, self._observer.gone(self._records.nodes()))
        return made

    @property
    def missed(self) -> dict[str, Missed]:
        """By class, how many of its nodes did not come that the last plan wanted, and why."""
        return self._actor.missed

    # ---

    def _follow(self) -> None:
        """Where the clock was set, let all times go with it: no age is another one by that."""
        jump = self._clocks.jump(self._lead.fence)
        with self._records.moment() as connection:
            late = ahead(connection, clock.now())
        if not jump and not late:
            return
        how = f"was set by {jump:.0f} s" if jump else "is before times in the records"
        log.warning("The clock %s: the times of nodes, pauses and rests go with it", how)
        with self._lead.writing() as changes:
            changes.follow(jump)
        self._observer.follow(jump)
        self._actor.ledger = Ledger(self._records)

    def _adopt(self) -> int:
        """Make nodes of VMs that were some, and that the records know nothing of; how many."""
        lost = self._observer.lost(self._world.policies())
        if lost:
            with self._lead.writing() as changes:
                for record in lost:
                    changes.adopt(record)
            for record in lost:
                log.warning("%s is a node of class %s again: %s", record.node.name, record.node.klass, record.sentence)
        return len(lost)

    def _note(self) -> int:
        """Write what is new of nodes, and the periods that begin; how many have changed their state."""
        records, policies = self._records.nodes(), self._world.policies()
        notes, due = self._observer.notes(records), self._actor.ledger.due(records, policies, clock.now())
        hints, proven = self._records.hints(), self._observer.proven(records, policies)
        left = self._observer.unowned(records)
        news = left is not None and left != self._records.left().keys()
        if notes or due or hints or proven or news:
            with self._lead.writing() as changes:
                self._observer.write(changes, notes)
                self._actor.ledger.go_on(changes, due, policies)
                for name, proof in proven.items():
                    changes.prove(name, made_by(policies.klass(name)), proof)
                if left is not None and news:
                    changes.left(left)
                if hints:
                    changes.forget_hints(hints[-1].id)
        return sum(note.runs for note in notes)

    def _tell(self, made: Plan) -> None:
        """What holds everything up, once."""
        shapes = tuple(untimed(note).split(" is ")[0] for note in made.notes)
        if shapes != self._notes:
            for note in made.notes:
                log.info("%s", note)
        self._notes = shapes

    def _about(self, jobs: Iterable[Departed]) -> None:
        """Write which jobs are about to be taken away. Raises Deposed: then nothing is done to them."""
        with self._lead.writing() as changes:
            changes.about(jobs)

    # --- orders ---

    def _orders(self) -> int:
        """Do what people want; how much has changed."""
        waiting = self._records.orders()
        results = [(order, self._ordered(order)) for order in waiting]
        tokens = {record.node.name: record.node.token for record in self._records.nodes()}
        if results:
            with self._lead.writing() as changes:
                for order, result in results:
                    changes.ordered(order.id, result)
                    if result not in (DONE, TRIED_AGAIN):
                        log.warning("Order %d, %s %s, is not done: %s", order.id, order.verb, order.subject, result)
                        changes.audit(order.verb, _subject(order, tokens), _wanted(order), result)
        return len(results)

    def _ordered(self, order: Order) -> str:
        """What became of an order."""
        if order.verb == ADD:
            return self._add(order)
        if order.verb == RESUME:
            return self._resume(order)
        record = self._records.node(order.subject)
        if record is None:
            return f"there is no node {order.subject}"
        try:
            changed = self._actor.order(record, ordered(order.verb, record.node), _wanted(order))
        except (ValueError, WrongTransition) as wrong:
            return str(wrong)
        return DONE if changed else TRIED_AGAIN

    def _add(self, order: Order) -> str:
        """New nodes of a class by hand, within all caps."""
        policies, now = self._world.policies().at(clock.now()), clock.now()
        if order.subject not in {klass.name for klass in policies.classes}:
            return f"there is no class {order.subject}"
        klass = policies.klass(order.subject)
        reading = self._observer.reading(self._records.nodes(), policies, now)
        growth = Growth(policies, reading, Budget(policies, reading, now), now)
        sentence = f"{order.who or 'somebody'} wants {order.count} more"
        while len(growth.new) < order.count and growth.add(klass, BY_HAND, sentence):
            pass
        steps = [Step(Verb.UP, klass.name, "", BY_HAND, sentence, klass.price) for _ in growth.new]
        came = self._actor.start(steps, "")
        missed = self._actor.missed.get(klass.name)
        why = missed.why if missed else growth.refusal(klass)
        return DONE if came == order.count else f"{came} of {order.count}: class {klass.name}: {why}"

    def _resume(self, order: Order) -> str:
        """No rest for a class any more: its failed starts are forgotten."""
        if order.subject not in self._records.failures():
            return f"class {order.subject} does not rest, no start of it has failed lately"
        with self._lead.writing() as changes:
            changes.joined(order.subject)
            why = Why(BY_HAND, f"{order.who or 'somebody'} ends the rest of class {order.subject}")
            changes.audit(RESUME, f"class {order.subject}", why)
        return DONE

    # --- the end of holds ---

    def _free(self) -> None:
        """Let others have the addresses of nodes that are gone for long enough; forget what is old."""
        now = clock.now()
        over = [one for one in self._records.held() if one.node.state is GONE and one.held_until <= now]
        freed = [record for record in over if self._let_go(record)]
        if freed or now - self._pruned > DAY:
            self._pruned = now
            with self._lead.writing() as changes:
                for record in freed:
                    changes.free(record.node.token)
                changes.prune()

    def _let_go(self, record: Record) -> bool:
        try:
            self._world.provider.release(record.lease)
        except ProviderDown:
            return False
        return True


class StalePlan(Exception):
    """A plan that was made from what is not so any more."""


def _wanted(order: Order) -> Why:
    """Who wants a node to be otherwise."""
    return Why(BY_HAND, f"{order.who or 'somebody'} wants it ({order.verb})")


def _subject(order: Order, tokens: Mapping[str, str]) -> str:
    """What a line of the audit about an order is about: the token of the node, or what was named."""
    if order.verb in (ADD, RESUME):
        return f"class {order.subject}"
    return tokens.get(order.subject, f"node {order.subject}")
