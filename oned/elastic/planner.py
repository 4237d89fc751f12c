"""(Reading, Policies, now) → Plan. Nothing outside is asked or changed, and no decision is taken anywhere else."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from operator import attrgetter

import orjson

from oned.elastic import shrink
from oned.elastic.bins import Bins
from oned.elastic.care import PAUSED, Clock, Verdict, View, too_old, verdict
from oned.elastic.cost import Budget, Spend
from oned.elastic.demand import demand
from oned.elastic.doubt import doubt
from oned.elastic.doubt import notes as apart
from oned.elastic.growth import Growth, New
from oned.elastic.judge import Judge, told
from oned.elastic.known import known
from oned.elastic.leftover import left_over, stray_vms
from oned.elastic.lending import Lending
from oned.elastic.node import COMING, EXISTING, SERVING, NodeState
from oned.elastic.packing import Bin, Packing, Placed, Room
from oned.elastic.plan import STOPS, Fate, Plan, Served, Step, Verb
from oned.elastic.policy import NodeClass, Policies
from oned.elastic.reading import Job, Node, Reading, Seen
from oned.elastic.unwell import in_the_way
from oned.elastic.words import untimed

MIN, SPARE, DEMAND = "min", "spare", "demand"
_ASKED = attrgetter(*(one.name for one in fields(Job) if one.name not in ("submitted", "ends")))
"""All of a job but clocks."""


def plan(reading: Reading, policies: Policies, now: float) -> Plan:
    """What to do now, with everything that led to it."""
    return _Planner(reading, policies, now).plan()


class _Planner:
    """One plan in the making."""

    def __init__(self, reading: Reading, policies: Policies, now: float) -> None:
        self.reading, self.said, self.now = reading, policies.at(now), now
        self.ever, self.policies = policies, known(self.said, reading)
        policies = self.policies
        self.age = now - min(reading.hosts.at, reading.jobs.at, reading.vms.at)
        self.notes = [*_about_age(reading, policies, now), *_closed(reading, policies, now), *_waiting(reading)]
        self.views = views(reading, policies)
        self._doubt()
        self.budget = Budget(policies, reading, now)
        self.before = self.budget.spend()
        self.growth = Growth(policies, reading, self.budget, now)
        self.verdicts = self._care()
        self.drains = self._drains()

    def plan(self) -> Plan:
        """The plan."""
        jobs = self.reading.jobs.items
        judge = Judge(self.ever, self.reading, self.views)
        wanted = demand(jobs, self.reading.limits, self.policies, self.now, self.reading.shared, judge)
        bins = Bins(self.reading, self.policies, self.now, self.views, self.verdicts, judge.counted).all()
        self.packing = Packing(
            bins, self.growth, self.now, look_ahead=self.policies.look_ahead, counted=judge.counted.names
        )
        self.bins = {bin.name: bin for bin in self.packing.bins}
        self._keep_least()
        placed = self.packing.pack(wanted)
        self._keep_spare(placed)
        self._undrain()
        if self.age <= self.policies.patience.stop:
            self.drains.idle(self.bins, self._free())
            self.verdicts |= self.drains.verdicts
            if self.policies.quotas:
                lending = Lending(self.growth, self.views, self.verdicts, self.bins)
                self.drains.lent(lending.back(placed, self.now))
                self.verdicts |= self.drains.verdicts
            self.verdicts |= in_the_way(placed, self.growth, self.views, self.verdicts, self.now)
        steps = (*self._steps(), *self._ups(), *self._reaps(), *self._left_over())
        return Plan(
            at=self.now,
            digest=_digest(self.reading, self.said, steps),
            steps=steps,
            served=(*map(_served, placed), *told(wanted)),
            kept=wanted.kept,
            fates=tuple(self._fates()),
            notes=tuple(self.notes),
            before=self.before,
            after=self._after(steps),
        )

    def _doubt(self) -> None:
        """A reading that is not believed is one that is too old to stop anything."""
        if why := doubt(self.reading, self.now):
            self.age = max(self.age, self.policies.patience.stop + 1)
            self.notes.append(why)
        self.notes += apart(self.views)

    # --- each node by itself ---

    def _care(self) -> dict[str, Verdict]:
        reading, patience = self.reading, self.policies.patience
        clock = Clock(self.now, reading.hosts.at, reading.vms.at, reading.master_since, patience)
        said = {view.node.name: self._fresh(verdict(view, clock)) for view in self.views}
        ready = sum(view.node.state is NodeState.READY for view in self.views)
        share = self.policies.pace.max_kill
        self.allowed = max(1, ready * share // 100) if share else 0
        for view in self.views:
            one = said[view.node.name]
            if one.verb in STOPS and one.waits:
                if self.allowed <= 0:
                    said[view.node.name] = replace(
                        one, verb=None, sentence=f"{one.sentence}; others go first (MAX_KILL)"
                    )
                else:
                    self.allowed -= 1
        return said

    def _fresh(self, said: Verdict) -> Verdict:
        """The verdict, or that the readings are too old for it."""
        if said.verb is None:
            return said
        most = self.policies.patience.stop if said.verb in STOPS else self.policies.patience.act
        return said if self.age <= most else PAUSED

    def _drains(self) -> shrink.Shrink:
        """Drains by choice; of nodes that leave whatever waits at once, when the readings are fresh."""
        rest = self.policies.pace.cool_down - (self.now - self.reading.last_down) if self.reading.last_down else 0.0
        read = min(self.reading.hosts.at, self.reading.jobs.at)
        serving = shrink.serving(self.views, self.verdicts)
        drains = shrink.Shrink(self.policies, self.now, read, serving, self.allowed, rest)
        if self.age <= self.policies.patience.stop:
            drains.whatever_waits(
                view for view in self.views if self.verdicts[view.node.name].verb not in (Verb.REMOVE, Verb.DRAIN)
            )
            self.verdicts |= drains.verdicts
        return drains

    # --- more nodes ---

    def _keep_least(self) -> None:
        """Nodes up to the least of each class and of all; first those that were to leave."""
        serving = Counter(view.klass.name for view in self.views if self._serves(view))
        for klass in self.policies.classes:
            while serving[klass.name] < klass.least and self._more(klass, MIN, f"{klass.least} nodes of it are wanted"):
                serving[klass.name] += 1
        for klass in sorted(self.policies.classes, key=lambda klass: (klass.cloud, klass.price)):
            sentence = f"{self.policies.least} nodes of all classes are wanted"
            while serving.total() < self.policies.least and self._more(klass, MIN, sentence):
                serving[klass.name] += 1

    def _serves(self, view: View) -> bool:
        """Whether a node counts for the least: it is there or comes, and is not lost nor about to go for its age."""
        said = self.verdicts[view.node.name]
        alive = said.verb is None and not said.waits and view.node.state in SERVING
        return (alive or said.verb is Verb.ENABLE) and not too_old(view, self.now)

    def _keep_spare(self, placed: Sequence[Placed]) -> None:
        """Free slots up to what a class should always have, beside all that waits: younger jobs take them too."""
        while any(self._spare(klass, placed) for klass in self.policies.classes if klass.spare):
            pass  # a node for one class may give room to a job that takes slots of another one too

    def _spare(self, klass: NodeClass, placed: Sequence[Placed]) -> bool:
        """Whether nodes came for the free slots of a class."""
        came, sentence = False, f"{klass.spare} slots of it are to be free"
        while self._free_to_stay(klass) < klass.spare and self._more(klass, SPARE, sentence):
            self.packing.again(placed)
            came = True
        return came

    def _free_to_stay(self, klass: NodeClass) -> int:
        """Free slots of a class, without those of nodes that are about to go for their age."""
        old = {view.node.name for view in self.views if too_old(view, self.now)}
        bins = [bin for bin in self.packing.bins if bin.klass == klass.name and bin.name not in old]
        return sum(max(0, bin.free) for bin in bins if bin.room is not Room.DRAINING or self._is_back(bin))

    def _more(self, klass: NodeClass, rule: str, sentence: str) -> bool:
        """One more node of a class: one that was to leave, or a new one."""
        for bin in self.packing.bins:
            if bin.room is Room.DRAINING and bin.klass == klass.name and not self._is_back(bin):
                self.verdicts[bin.name] = Verdict(Verb.UNDRAIN, rule, sentence)
                return True
        if not self.growth.add(klass, rule, sentence):
            return False
        self.packing.add(self.growth.new[-1])
        return True

    def _is_back(self, bin: Bin) -> bool:
        return self.verdicts[bin.name].verb is Verb.UNDRAIN or bin.taken > 0

    def _free(self) -> Counter[str]:
        """Slots by class that are free or on their way when all that waits has its place."""
        free: Counter[str] = Counter()
        for bin in self.packing.bins:
            if bin.room is not Room.DRAINING or self._is_back(bin):
                free[bin.klass] += max(0, bin.free)
        return free

    def _undrain(self) -> None:
        """Nodes that were to leave and have got tasks."""
        for bin in self.packing.bins:
            if bin.room is Room.DRAINING and bin.taken and self.verdicts[bin.name].verb is not Verb.UNDRAIN:
                self.verdicts[bin.name] = Verdict(Verb.UNDRAIN, DEMAND, f"tasks for {bin.taken} of its slots wait")
        if why := self._no_up():
            for name, said in self.verdicts.items():
                if said.verb is Verb.UNDRAIN:
                    self.verdicts[name] = Verdict(None, said.rule, f"{said.sentence}; not now: {why}")

    def _ups(self) -> list[Step]:
        """The nodes to start in this cycle; the rest comes in the next ones."""
        coming = sum(view.node.state in COMING and self.verdicts[view.node.name].verb is None for view in self.views)
        pace, new = self.policies.pace, self.growth.new
        why = self._no_up()
        count = 0 if why else max(0, min(pace.step_up, pace.booting - coming, len(new)))
        if count < len(new):
            why = why or f"STEP_UP is {pace.step_up}, BOOTING_MAX {pace.booting}, {coming} are starting"
            self.notes.append(f"{len(new) - count} more nodes are wanted than are started now: {why}")
        for late in new[count:]:
            self.budget.take(late.klass, -1)
        return [_up(one) for one in new[:count]]

    def _no_up(self) -> str:
        """Why nothing is started now; "" when something may be."""
        if self.age > self.policies.patience.act:
            return "the readings are too old"
        rest = self.policies.pace.cool_up - (self.now - self.reading.last_up)
        return f"{rest:.0f} s are left of COOL_DOWN_UP" if rest > 0 and self.reading.last_up else ""

    # --- fewer nodes ---

    def _reaps(self) -> list[Step]:
        """VMs of ours that no node has."""
        if self.age > self.policies.patience.stop:
            return []
        steps, notes = stray_vms(self.reading, self.policies.patience, self.now)
        self.notes += notes
        return steps

    def _left_over(self) -> list[Step]:
        """Hosts of the batch system that were nodes and are left over."""
        if self.age > self.policies.patience.stop:
            return []
        steps, notes = left_over(self.reading, self.policies.patience, self.drains.allowed, self.now)
        self.notes += notes
        return steps

    # --- as data ---

    def _steps(self) -> list[Step]:
        steps = []
        for view in self.views:
            said = self.verdicts[view.node.name]
            if said.verb is not None:
                saves = -view.klass.price if said.verb is Verb.REMOVE else 0.0
                step = Step(said.verb, view.klass.name, view.node.name, said.rule, said.sentence, saves)
                steps.append(step)
        return steps

    def _fates(self) -> Iterator[Fate]:
        for view in self.views:
            said, node = self.verdicts[view.node.name], view.node
            yield Fate(node.name, node.klass, node.state.name, said.verb, said.rule, said.sentence)

    def _after(self, steps: Iterable[Step]) -> Spend:
        bound = self.budget.spend()
        return replace(bound, hour=bound.hour + sum(step.cost for step in steps if step.verb is not Verb.UP))


def views(reading: Reading, policies: Policies) -> list[View]:
    """Each node of ours with all that is known of it."""
    hosts = {host.name: host for host in reading.hosts.items}
    seen: dict[str, Seen] = {}
    for one in reading.vms.items:
        seen.setdefault(one.token, one)
    running: dict[str, list[Job]] = {}
    for job in reading.jobs.items:
        for part in job.parts:
            running.setdefault(part.node, []).append(job)
    return [
        View(
            node=node,
            klass=policies.klass(node.klass),
            host=hosts.get(node.name),
            vm=seen.get(node.token),
            vm_gone=_is_gone(node, seen, reading.vms.at) or bool((vm := seen.get(node.token)) and vm.ended),
            jobs=tuple(running.get(node.name, ())),
        )
        for node in reading.nodes
        if node.state in EXISTING
    ]


def _is_gone(node: Node, seen: Mapping[str, Seen], at: float) -> bool:
    """Whether a VM that was there is not any more. A reading from before its order says nothing of it."""
    return node.vm >= 0 and node.token not in seen and at > node.since


def _about_age(reading: Reading, policies: Policies, now: float) -> Iterator[str]:
    for name, at in (("jobs", reading.jobs.at), ("hosts", reading.hosts.at), ("VMs", reading.vms.at)):
        age, patience = now - at, policies.patience
        if at <= 0:
            yield f"There is no reading of {name} yet: nothing is started and nothing is stopped."
            continue
        if age > patience.act:
            yield f"The reading of {name} is {age:.0f} s old: nothing is started and nothing is stopped."
        elif age > patience.stop:
            yield f"The reading of {name} is {age:.0f} s old: nothing is stopped."


def _closed(reading: Reading, policies: Policies, now: float) -> Iterator[str]:
    """Classes of which no node comes, whatever waits."""
    for klass in policies.classes:
        failed = reading.failures.get(klass.name)
        if why := reading.unfit.get(klass.name):
            yield f"No node of class {klass.name} can be started: {why}."
        elif failed and (until := policies.brake.until(failed)) > now:
            when = datetime.fromtimestamp(until, policies.tz).strftime("%H:%M:%S")
            yield (
                f"Class {klass.name} rests until {when} after {failed.count} failed starts in a row; see "
                f"{policies.program} audit. When what failed is mended: {policies.program} class resume {klass.name}"
            )


def _waiting(reading: Reading) -> Iterator[str]:
    """Nodes that do not come on, a sentence for each reason."""
    for why in dict.fromkeys(node.waits for node in reading.nodes if node.waits):
        names = [node.name for node in reading.nodes if node.waits == why]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        verb = "waits" if len(names) == 1 else "wait"
        yield f"{', '.join(names[:3])}{more} {verb}: {why}"


def _up(new: New) -> Step:
    return Step(Verb.UP, new.klass.name, "", new.rule, new.sentence, new.klass.price, new.owner)


def _served(placed: Placed) -> Served:
    want, rooms = placed.want, Counter[Room]()
    for (room, _), tasks in placed.where.items():
        rooms[room] += tasks
    return Served(
        shape=want.shape,
        tasks=want.tasks,
        jobs=tuple(want.jobs),
        since=want.since(0),
        where=tuple((room.value, rooms[room]) for room in Room if rooms[room]),
        nodes=tuple(sorted(placed.nodes)),
        new=tuple(sorted(placed.new.items())),
        unmet=placed.unmet,
        reason=placed.reason if placed.unmet else "",
        classes=tuple(sorted((klass, room.value, tasks) for (room, klass), tasks in placed.where.items() if tasks)),
    )


def _digest(reading: Reading, policies: Policies, steps: Iterable[Step]) -> str:
    """Of everything but clocks: times of readings and of nodes' states, seconds of silence and of idleness."""
    facts = (
        policies,
        [replace(node, since=0.0, idle_since=float(node.idle_since > 0), waits="") for node in reading.nodes],
        reading.vms.items,
        reading.limits,
        [(host.name, host.slots, host.used, host.heard, host.enabled) for host in reading.hosts.items],
        [_ASKED(job) for job in reading.jobs.items],
        [replace(step, sentence=untimed(step.sentence)) for step in steps],
    )
    return hashlib.sha256(orjson.dumps(facts, default=sorted)).hexdigest()
