"""Steps become transitions: the intent is written, it is done outside and read back, then the row is written.

An intent that is open, after a crash or because somebody did not answer, is done again before anything new is.
"""

import logging
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from oned import clock
from oned.elastic import tables
from oned.elastic.batch import BatchDown
from oned.elastic.care import MASTER_AWAY
from oned.elastic.changes import DONE, Changes, Held, Why
from oned.elastic.deeds import ORDER, Deeds, Errand, Outcome, Outcomes
from oned.elastic.farewell import Farewell
from oned.elastic.leader import Lead
from oned.elastic.ledger import Ledger
from oned.elastic.leftover import DRAINED, EMPTY
from oned.elastic.node import COMING, DRAINING, FAILED, GONE, REGISTERED, UNREGISTERED, NodeState, WrongTransition
from oned.elastic.plan import Plan, Step, Verb
from oned.elastic.policy import Policies
from oned.elastic.provider import ProviderDown, Refusal
from oned.elastic.records import Intent, Record, Records
from oned.elastic.said import Said
from oned.elastic.site import SiteDown
from oned.elastic.steps import STOP, event_of

log = logging.getLogger(__name__)
DOWN = (BatchDown, ProviderDown, SiteDown)
SOFT = 30.0
"""Seconds that a guest which has done its work has to shut down by itself."""
_MOVES = {"drain": tables.DOWN, "undrain": tables.UP, "register": tables.UP}
"""Events after which for a while nothing else goes in the same direction (COOL_DOWN)."""


@dataclass(frozen=True)
class Missed:
    """Nodes of a class that did not come though they were wanted, and why."""

    count: int
    why: str


class Actor:
    """Carries out what is planned, as long as this loop is the active one (else Deposed).

    missed  by class, how many of its nodes did not come that were to come last, and why
    """

    def __init__(
        self, records: Records, lead: Lead, deeds: Deeds, policies: Callable[[], Policies], farewell: Farewell
    ) -> None:
        self._records, self._lead, self._deeds, self._policies = records, lead, deeds, policies
        self._farewell = farewell
        self._said = Said(log)
        self._stopping: set[str] = set()
        self.ledger = Ledger(records)
        self.missed: dict[str, Missed] = {}

    # --- intents ---

    def resume(self) -> int:
        """Do again what has begun and was not confirmed; how many nodes changed."""
        return self.carry_out(self._records.intents())

    def carry_out(self, intents: Iterable[Intent]) -> int:
        """Do what is intended, and write what became of it; how many nodes changed."""
        changed, waiting = 0, sorted(intents, key=_place)
        while waiting:
            does, group = waiting[0].does, [intent for intent in waiting if intent.does == waiting[0].does]
            waiting = [intent for intent in waiting if intent.does != does]
            errands = self._errands(group)
            outcomes = self._done(does, errands)
            changed += sum(bool(not outcome.why or outcome.then) for outcome in outcomes.values())
            waiting = sorted([*waiting, *self._settle(errands, outcomes)], key=_place)
        return changed

    def _errands(self, intents: Sequence[Intent]) -> list[Errand]:
        records, policies = {record.node.token: record for record in self._records.nodes()}, self._policies()
        found = [(records.get(intent.token), intent) for intent in intents]
        return [Errand(record, policies.klass(record.node.klass), intent) for record, intent in found if record]

    def _done(self, does: str, errands: Sequence[Errand]) -> Outcomes:
        """What became of them. Nothing for those of which it is not known: they stay open."""
        if not errands:
            return {}
        with self._lead.writing():
            pass  # still ours: what is done now has been written by nobody else
        try:
            outcomes = self._deeds.do(does, errands)
        except DOWN as down:
            self._said.once(does, "%s waits: %s", does or "a change", down)
            if isinstance(down, SiteDown):
                self._waits(errands, str(down))
            return {}
        self._said.well(does)
        return outcomes

    def _waits(self, errands: Sequence[Errand], why: str) -> None:
        """Write down, once for each, that errands cannot be done yet."""
        fresh = [errand for errand in errands if self._said.once(errand.token, "%s waits: %s", errand.name, why)]
        if fresh:
            with self._lead.writing() as changes:
                for errand in fresh:
                    changes.waits(errand.intent, why)

    def _settle(self, errands: Sequence[Errand], outcomes: Outcomes) -> list[Intent]:
        """Write what became of errands; the intents that follow."""
        following: list[Intent] = []
        with self._lead.writing() as changes:
            for errand in errands:
                if (outcome := outcomes.get(errand.token)) is None:
                    continue
                self._departed(changes, errand, outcome)
                if outcome.why:
                    self._refused(changes, errand, outcome)
                else:
                    following += self._confirmed(changes, errand, outcome)
        return following

    def _departed(self, changes: Changes, errand: Errand, outcome: Outcome) -> None:
        """Have it told of jobs that were taken away, those of before the service died among them."""
        changes.departed(errand.intent, outcome.jobs)
        before = [] if outcome.why else changes.untold(errand.intent)
        changes.departed(errand.intent, before)
        self._farewell.tell((*outcome.jobs, *before), errand.intent.sentence)

    def _confirmed(self, changes: Changes, errand: Errand, outcome: Outcome) -> list[Intent]:
        intent, token = errand.intent, errand.token
        facts = dict(outcome.facts)
        if intent.goal is DRAINING:
            facts["drained_by"] = intent.rule
        if intent.goal is GONE:
            facts["held_until"] = changes.now + self._policies().patience.hold
        changes.confirm(intent, **facts)
        _tell(errand, intent.goal)
        self._said.well(token)
        if direction := _MOVES.get(intent.event):
            changes.moved(direction)
        if intent.goal is FAILED and intent.event != "cancel" and intent.rule != MASTER_AWAY:
            self._failed(changes, errand)
        if intent.event == "joined":
            changes.joined(errand.klass.name)
        if intent.goal is GONE:
            self.ledger.end(changes, errand.record, errand.klass)
            self._stopping.discard(token)
        return [self._start(changes, errand)] if intent.goal is REGISTERED else []

    def _failed(self, changes: Changes, errand: Errand) -> None:
        """One more failed start of its class."""
        changes.failed(errand.klass.name, errand.record.node.created, self._policies().brake)

    def _start(self, changes: Changes, errand: Errand) -> Intent:
        """The intent to start a node that is registered: it is paid for from now on, whatever happens."""
        intent = errand.intent
        self.ledger.begin(changes, errand.record, errand.klass)
        return changes.intend(errand.token, "start", Why(intent.rule, intent.sentence, intent.digest))

    def _refused(self, changes: Changes, errand: Errand, outcome: Outcome) -> None:
        """It stays open, or the node stays as it is, or it has failed."""
        intent = errand.intent
        if outcome.again:
            if self._said.once(errand.token, "%s: %s waits: %s", errand.name, intent.event, outcome.why):
                changes.waits(intent, outcome.why)
            return
        changes.refuse(intent, outcome.why)
        self._said.once(errand.token, "%s: %s refused: %s", errand.name, intent.event, outcome.why)
        if not outcome.then:
            return
        changes.fire(errand.token, outcome.then, Why(intent.event, outcome.why, intent.digest))
        if outcome.then == "failed":
            self._failed(changes, errand)
        self.ledger.undo(changes, errand.record)

    # --- steps ---

    def act(self, plan: Plan, gone: frozenset[str]) -> int:
        """Carry out a plan; how much has changed. `gone`: tokens of nodes whose VM was there and is not any more."""
        records = {record.node.name: record for record in self._records.nodes()}
        ups = _ups(plan, records)
        intents = self._planned(ups, plan.digest)
        for step in plan.steps:
            if step.verb is Verb.UP and step not in ups:
                self._missed(step.klass, 1, "a start of its class has just failed")
        others = [step for step in plan.steps if step.verb not in (Verb.UP, Verb.REAP)]
        with self._lead.writing() as changes:
            for step in others:
                record = records[step.node]
                event = event_of(step, record.node.state, vm_gone=record.node.token in gone)
                if event != STOP:
                    intents += self._intended(changes, record, event, Why(step.rule, step.sentence, plan.digest))
        changed = self.carry_out(intents)
        return changed + self._stop(plan) + self._left_over(plan)

    def _intended(self, changes: Changes, record: Record, event: str, why: Why) -> list[Intent]:
        try:
            return [changes.intend(record.node.token, event, why)]
        except WrongTransition as wrong:
            log.warning("%s: %s", record.node.name, wrong)
            return []

    def order(self, record: Record, event: str, why: Why) -> int:
        """What a person wants of a node. Raises WrongTransition."""
        with self._lead.writing() as changes:
            intent = changes.intend(record.node.token, event, why)
        return self.carry_out([intent])

    def start(self, steps: Sequence[Step], digest: str) -> int:
        """New nodes, as a person wants them; how many there are now."""
        intents = self._planned(steps, digest)
        self.carry_out(intents)
        for intent in intents:
            record = self._records.by_token(intent.token)
            if record and record.node.state is FAILED:
                why = [entry.result for entry in self._records.events(record.node.name, 3) if entry.result != DONE]
                self._missed(record.node.klass, 1, f"{record.node.name} has failed: {why[-1] if why else ''}")
        return len(steps) - sum(missed.count for missed in self.missed.values())

    def _planned(self, steps: Sequence[Step], digest: str) -> list[Intent]:
        """New nodes with names, addresses and tokens, and their intents; fewer where there are no addresses."""
        intents: list[Intent] = []
        self.missed.clear()
        for name, group in groupby(sorted(steps, key=lambda step: step.klass), key=lambda step: step.klass):
            wanted, made, why = list(group), list[Intent](), ""
            try:
                made, why = self._of_class(name, wanted, digest)
            except (ProviderDown, Refusal) as error:
                why = str(error)
                self._said.once(f"class {name}", "No node of class %s: %s", name, why)
            self._missed(name, len(wanted) - len(made), why)
            intents += made
        return intents

    def _missed(self, klass: str, count: int, why: str) -> None:
        if count:
            self.missed[klass] = Missed(count + self.missed.get(klass, Missed(0, "")).count, why)

    def _of_class(self, name: str, steps: Sequence[Step], digest: str) -> tuple[list[Intent], str]:
        """The intents for new nodes of a class, and why there are fewer."""
        klass, intents, why_not = self._policies().klass(name), [], ""
        leases = self._deeds.provider.leases(klass, len(steps), self._records.held())
        if len(leases) < len(steps):
            missing = len(steps) - len(leases)
            why_not = "its network has no address left"
            self._said.once(f"class {name}", "%d more nodes of class %s wait: %s", missing, name, why_not)
        else:
            self._said.well(f"class {name}")
        with self._lead.writing() as changes:
            for step, lease in zip(steps, leases, strict=False):
                why = Why(step.rule, step.sentence, digest)
                try:
                    intents.append(changes.plan(str(uuid.uuid4()), name, lease, step.owner, why))
                except Held as held:
                    log.warning("No node of class %s: %s", name, held)
                    why_not = str(held)
                else:
                    log.info("%s (%s): planned, %s, rule %s: %s", lease.name, name, lease.ip, why.rule, why.sentence)
        return intents, why_not

    # --- the end of VMs ---

    def _stop(self, plan: Plan) -> int:
        """Stop the VMs of nodes that are unregistered, and those that no node has; how many for the first time."""
        ends = {step.node for step in plan.steps if step.verb is Verb.REMOVE}
        nodes = [record for record in self._records.nodes() if record.node.name in ends]
        leaving = [one for one in nodes if one.node.state is UNREGISTERED]
        tokens = {one.node.token: _hard(one, clock.now()) for one in leaving}
        reaped = [step for step in plan.steps if step.verb is Verb.REAP and step.vm >= 0]
        try:
            if tokens:
                self._deeds.provider.stop(tokens, {one.node.token: one.node.vm for one in leaving})
            if reaped:
                self._deeds.provider.reap([step.vm for step in reaped])
        except ProviderDown as down:
            self._said.once("stop", "VMs are stopped later: %s", down)
            return 0
        self._said.well("stop")
        self._audit_reaped(reaped, plan.digest)
        fresh = tokens.keys() - self._stopping
        self._stopping |= fresh
        return len(fresh)

    def _left_over(self, plan: Plan) -> int:
        """Hosts of the batch system that no node has: no job may start there, or they are removed; how many anew."""
        done, ours = 0, {record.node.name for record in self._records.nodes()}  # some may just have become nodes
        left = [step for step in plan.steps if step.verb is Verb.REAP and step.vm < 0 and step.node not in ours]
        for rule, does in ((DRAINED, self._deeds.batch.drain), (EMPTY, self._deeds.batch.remove)):
            steps = [step for step in left if step.rule == rule]
            if not steps:
                continue
            with self._lead.writing():
                pass  # still ours
            try:
                refused = does([step.node for step in steps])
            except BatchDown as down:
                self._said.once("left over", "Hosts that are left over wait: %s", down)
                continue
            self._said.well("left over")
            done += self._audit_hosts(steps, refused, plan.digest)
        return done

    def _audit_hosts(self, steps: Sequence[Step], refused: Mapping[str, str], digest: str) -> int:
        """Tell what became of hosts, once; of how many something new was done."""
        done = 0
        with self._lead.writing() as changes:
            for step in steps:
                subject, result = f"host {step.node}", refused.get(step.node, DONE)
                if self._said.once(subject, "%s, %s: %s", subject, step.rule, result):
                    changes.audit("reap", subject, Why(step.rule, step.sentence, digest), result)
                    done += step.node not in refused
        return done

    def _audit_reaped(self, steps: Sequence[Step], digest: str) -> None:
        fresh = [step for step in steps if f"vm {step.vm}" not in self._stopping]
        if fresh:
            with self._lead.writing() as changes:
                for step in fresh:
                    self._stopping.add(f"vm {step.vm}")
                    changes.audit("reap", f"vm {step.vm}", Why(step.rule, step.sentence, digest))
                    log.info("VM %d is removed, rule %s: %s", step.vm, step.rule, step.sentence)


def _ups(plan: Plan, records: Mapping[str, Record]) -> list[Step]:
    """The starts of a plan, but for classes of which a start has just failed: that may be one too many in a row."""
    removed = [step for step in plan.steps if step.verb is Verb.REMOVE]
    failing = {step.klass for step in removed if records[step.node].node.state in COMING}
    return [step for step in plan.steps if step.verb is Verb.UP and step.klass not in failing]


def _place(intent: Intent) -> tuple[int, float]:
    return ORDER.index(intent.does), intent.at


def _hard(record: Record, now: float) -> bool:
    """Whether a VM is ended without asking the guest: it has failed, is lost, or had its time."""
    return not record.node.drained_by or now - record.node.since > SOFT


def _tell(errand: Errand, goal: NodeState) -> None:
    """One line for each decision."""
    intent, state = errand.intent, errand.record.node.state
    text = "%s (%s): %s, now %s, rule %s: %s"
    level = logging.WARNING if goal is FAILED and state in COMING else logging.INFO
    log.log(level, text, errand.name, errand.klass.name, intent.event, goal.name, intent.rule, intent.sentence)
