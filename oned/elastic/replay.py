"""The planner over what has really run, in simulated time: nodes, waits and money that other settings would have made.

Each job comes when it came, asks for what it got and runs as long as it ran. Everything else, when nodes come and go,
is decided by `planner.plan`, as in the service.
"""

import heapq
import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from oned.elastic.accounting import Record, Typical
from oned.elastic.cost import begins, clock_hour, committed
from oned.elastic.course import STRETCHES, Course
from oned.elastic.demand import Kind, Shape, impossible, kind_of, shape_of
from oned.elastic.node import COMING, DRAINING, JOINING, READY, STARTING
from oned.elastic.outcome import Outcome, example
from oned.elastic.plan import Plan, Step, Verb
from oned.elastic.planner import plan
from oned.elastic.policy import HOUR, Policies
from oned.elastic.reading import Failures, Job, Node, Reading, Seen, Taken
from oned.elastic.sge.words import layout
from oned.elastic.simulated import SimulatedBatch, Task
from oned.elastic.timers import timers
from oned.elastic.words import span

UNKNOWN_RULE = "$fill_up"
"""The allocation rule of a parallel environment that nobody told of: the one that asks for least."""
NEVER = math.inf
MONTH = 32 * 86400.0
"""Seconds in which a cap of a month begins anew."""


@dataclass(frozen=True)
class Wish:
    """A job of the past as it is to come again."""

    job: Job
    name: str
    shape: Shape
    seconds: float
    limit: float


@dataclass(frozen=True)
class Options:
    """How a replay is made.

    every    seconds between two looks at everything
    spread   boot times are up to this share longer or shorter
    failing  share of the nodes that never come up
    seed     of what is random in these two
    hope     seconds without a job that comes, starts or ends after which those left are given up
    """

    every: float = 60.0
    spread: float = 0.0
    failing: float = 0.0
    seed: int = 1
    hope: float = MONTH


def wishes(records: Sequence[Record], rules: Mapping[str, str]) -> list[Wish]:
    """The jobs in the order in which they came. `rules`: allocation rule by parallel environment. NotUnderstood."""
    ordered = sorted(records, key=lambda record: (record.submitted, record.id))
    return [_wish(record, rules) for record in ordered]


def _wish(record: Record, rules: Mapping[str, str]) -> Wish:
    job = Job(
        record.id,
        record.owner,
        record.group,
        record.project,
        record.department,
        submitted=float(record.submitted),
        slots=record.slots,
        most=record.slots,
        layout=layout(rules.get(record.pe, UNKNOWN_RULE) if record.pe else "$pe_slots", record.slots),
        memory=record.memory,
        arch=record.arch,
        queues=record.queues,
        cloud=record.cloud,
    )
    return Wish(job, record.name, shape_of(job), float(max(record.seconds, 1)), float(record.limit))


Watch = Callable[["Replay"], None]


class Replay:
    """One replay. `run` gives the outcome; `watch` is called whenever something has changed, and after each look.

    now    seconds since the epoch
    nodes  by name, as the records of the service would have them
    """

    def __init__(self, load: Sequence[Wish], policies: Policies, options: Options, watch: Watch | None = None) -> None:
        self.policies, self.options = policies, options
        self._typical = Typical()
        self.batch = SimulatedBatch(self._usually)
        self.nodes: dict[str, Node] = {}
        self.failures: dict[str, Failures] = {}
        self.now = load[0].job.submitted if load else 0.0
        self.done = 0
        self.last: Plan | None = None
        self._watch = watch or (lambda _: None)
        self._random = random.Random(options.seed)
        self._kinds: dict[str, Kind] = {klass.name: kind_of(klass) for klass in policies.classes}
        self._impossible: dict[Shape, str] = {}
        self._events: list[tuple[float, int, Task | str, int]] = []
        self._number, self._order = count(), count()
        self._moved = self.now
        self._cut: dict[Task, str] = {}
        self._last_up = self._last_down = 0.0
        self._gone: list[tuple[float, Node]] = []
        self._load, self._come = load, 0
        self._next = self.now
        self.outcome = Outcome(began=self.now)
        seconds = load[-1].job.submitted - self.now if load else 0.0
        self.course = Course(self.now, max(options.every, seconds / STRETCHES), (*self._kinds, "waiting", "running"))
        self._money: list[float] = []

    # --- time goes on ---

    def run(self, progress: Callable[[int, int, float], None] | None = None) -> Outcome:
        """What came of it. `progress` hears after each look: jobs done, jobs in all, simulated time."""
        while self._come < len(self._load) or self.batch.waiting or self.batch.tasks:
            if not self._due():
                break
            if self._happens():
                self._next = min(self._next, max(self.now, self.outcome.looked + self.options.every))
            if self._next <= self.now:
                self._look()
                self._next = self._next_look()
                if progress:
                    progress(self.done, len(self._load), self.now)
            self._note()
            if self._hopeless():
                break
        return self._end()

    def _hopeless(self) -> bool:
        """Whether none of the jobs left will end: nodes may come and go for ever, and jobs start again on them.

        Time is bounded: each job comes, starts for the first time and ends once at most.
        """
        still = self.now - self._moved
        if self._come < len(self._load) or still <= self.options.hope:
            return False
        return still > self.options.hope + max((task.seconds for task in self.batch.tasks), default=0.0)

    def _due(self) -> bool:
        """Go on to when something is due; False when nothing is any more."""
        submits = self._load[self._come].job.submitted if self._come < len(self._load) else NEVER
        time = min(self._next, submits, self._events[0][0] if self._events else NEVER)
        if time < NEVER:
            self._to(time)
        return time < NEVER

    def _happens(self) -> bool:
        """Jobs come, end and start, and nodes come up, at which the service wakes; whether anything did."""
        happened = False
        while self._events and self._events[0][0] <= self.now:
            _, _, what, run = heapq.heappop(self._events)
            if isinstance(what, str):
                happened |= self._booted(what)
            elif what.run == run and what in self.batch.tasks:
                self._ended(what)
                happened = True
        while self._come < len(self._load) and self._load[self._come].job.submitted <= self.now:
            self._submit(self._load[self._come])
            self._come += 1
            self._moved, happened = self.now, True
        return self._start() or happened

    def _at(self, time: float, what: Task | str, run: int = 0) -> None:
        """At that time a task ends, if it is the same run of it still, or a node is up; at one time in this order."""
        heapq.heappush(self._events, (time, next(self._order), what, run))

    def _next_look(self) -> float:
        """When the next look is due if nothing happens: soon while things change, else when a time has come."""
        soon = self.now + self.options.every
        patience = max((max(klass.wait, self.policies.burst_after) for klass in self.policies.classes), default=0.0)
        if (self.last and self.last.steps) or (self.batch.waiting and self.batch.youngest() + patience >= self.now):
            return soon
        running = self.batch.tasks.values() if self.batch.waiting else ()
        due = timers(
            self.policies, self.nodes.values(), running, self.failures, (self._last_up, self._last_down), self.now
        )
        return max(soon, min((time for time in due if time > self.now), default=NEVER))

    def _to(self, time: float) -> None:
        """Time goes on; money is noted at the end of each stretch of the course."""
        while len(self._money) < int((time - self.course.begin) / self.course.width):
            self._money.append(self.money(self.course.begin + (len(self._money) + 1) * self.course.width))
        self.now = max(self.now, time)

    def _note(self) -> None:
        counts = Counter(node.klass for node in self.nodes.values())
        amounts = {name: float(counts[name]) for name in self._kinds}
        self.course.at(
            self.now, {**amounts, "waiting": float(self.batch.waiting_slots), "running": float(self.batch.used)}
        )
        self.outcome.saw(counts)
        self._watch(self)

    # --- jobs ---

    def _submit(self, wish: Wish) -> None:
        if wish.shape not in self._impossible:
            self._impossible[wish.shape] = impossible(wish.shape, self.policies.widest(), ())
        if why := self._impossible[wish.shape]:
            example(self.outcome.impossible, why, wish.job.id)
            self.done += 1
            return
        self.batch.submit(Task(next(self._number), wish.job, wish.name, wish.shape, wish.seconds, wish.limit))

    def _usually(self, task: Task) -> float:
        return task.limit or self._typical.seconds(task.job.owner, task.name)

    def _start(self) -> bool:
        started = list(self.batch.start(self.now))
        for task in started:
            self._at(self.now + task.seconds, task, task.run)
            if task not in self._cut:
                self._moved = self.now
            for part in task.parts:
                self.nodes[part.node] = replace(self.nodes[part.node], idle_since=0.0)
        return bool(started)

    def _ended(self, task: Task) -> None:
        self.batch.end(task)
        self._moved = self.now
        for part in task.parts:
            if not self.batch.machines[part.node].tasks:
                self.nodes[part.node] = replace(self.nodes[part.node], idle_since=self.now)
        self._typical.ran(task.job.owner, task.name, task.seconds)
        self.outcome.waits.append(task.started - task.job.submitted)
        self.outcome.used += task.seconds * task.shape.slots
        self.done += 1

    # --- the service ---

    def reading(self) -> Reading:
        """What a look would read now."""
        vms = tuple(
            Seen(node.vm, node.token, node.created, running=node.state is not STARTING) for node in self.nodes.values()
        )
        hour, ahead, day, month = self._spent()
        return Reading(
            jobs=Taken(self.now, self.batch.jobs()),
            hosts=Taken(self.now, self.batch.hosts()),
            vms=Taken(self.now, vms),
            nodes=tuple(self.nodes.values()),
            failures=dict(self.failures),
            last_up=self._last_up,
            last_down=self._last_down,
            spent_hour=hour,
            spent_ahead=ahead,
            spent_day=day,
            spent_month=month,
        )

    def _look(self) -> None:
        """Make a plan and carry it out."""
        self.last = plan(self.reading(), self.policies, self.now)
        self.outcome.looked = self.now
        self.outcome.looks += 1
        for step in self.last.steps:
            self._carry_out(step)
        self._start()

    def _carry_out(self, step: Step) -> None:
        if step.verb in (Verb.UP, Verb.UNDRAIN):
            self._last_up = self.now
        elif step.verb is Verb.DRAIN:
            self._last_down = self.now
        if step.verb is Verb.UP:
            self._up(step)
        elif step.verb is Verb.REMOVE:
            self._remove(step)
        elif step.verb in (Verb.ENABLE, Verb.UNDRAIN, Verb.DRAIN):
            ready = step.verb is not Verb.DRAIN
            node = self.nodes[step.node]
            idle = self.now if step.verb is Verb.ENABLE else node.idle_since
            drained_by = "" if ready else step.rule
            self.nodes[step.node] = replace(node, state=READY if ready else DRAINING, since=self.now, idle_since=idle,
                                            drained_by=drained_by)  # fmt: skip
            self.batch.open(step.node, to_jobs=ready)

    def _up(self, step: Step) -> None:
        number = next(self._number)
        name = f"node{number}"
        self.nodes[name] = Node(name, step.klass, STARTING, self.now, name, self.now, number, self.now,
                                owner=step.owner)  # fmt: skip
        self.outcome.starts += 1
        boot = self.policies.klass(step.klass).boot
        boot *= 1 + self.options.spread * self._random.uniform(-1, 1)
        if self._random.random() >= self.options.failing:
            self._at(self.now + boot, name)

    def _booted(self, name: str) -> bool:
        node = self.nodes.get(name)
        if node is None:
            return False
        self.nodes[name] = replace(node, state=JOINING, since=self.now, report="ok")
        self.failures.pop(node.klass, None)
        self.batch.add(name, self._kinds[node.klass])
        self._next = self.now
        return True

    def _remove(self, step: Step) -> None:
        node = self.nodes.pop(step.node)
        if node.state in COMING:
            self.outcome.failed += 1
            self.failures[node.klass] = self.policies.brake.after(self.failures.get(node.klass), node.created, self.now)
        if node.name in self.batch.machines:
            cut = self.batch.remove(node.name)
            self.outcome.again += len(cut)
            self._cut |= dict.fromkeys(cut, node.drained_by or step.rule)
        self._gone.append((self.now, node))
        self.outcome.count(node, self.policies.klass(node.klass), self.now)

    # --- money ---

    def money(self, now: float) -> float:
        """All that is bound up to a time that is not before the last removal."""
        klass = self.policies.klass
        return self.outcome.cost + sum(
            committed(node, klass(node.klass), now, 0.0) for node in self.nodes.values() if node.created <= now
        )

    def _spent(self) -> list[float]:
        """For nodes that are gone, in this hour and the next, this day and this month; nothing where no cap asks."""
        if not self.policies.capped:
            return [0.0] * 4
        day, month = begins(self.policies, self.now)
        self._gone = [(until, node) for until, node in self._gone if until > month - HOUR]
        klass = self.policies.klass
        return [
            sum(committed(node, klass(node.klass), until, begin) for until, node in self._gone)
            for begin in (*clock_hour(self.policies, self.now), day, month)
        ]

    # --- the end ---

    def _end(self) -> Outcome:
        self.course.to(self.now)
        self._to(self.now)
        outcome = self.outcome
        for node in self.nodes.values():
            outcome.count(node, self.policies.klass(node.klass), self.now)
        self._money.append(outcome.cost)
        self._tell_left()
        outcome.ended, outcome.course, outcome.money = self.now, self.course, self._money
        return outcome

    def _tell_left(self) -> None:
        """Why the jobs that are left have not run to their end."""
        reasons = {job: one.reason for one in self.last.served for job in one.jobs} if self.last else {}
        drain = span(self.policies.patience.drain)
        for job, task in self.batch.left():
            if rule := self._cut.get(task):
                why = f"its node went each time before it had ended, by the rule {rule}. DRAIN_TIME is {drain}"
                example(self.outcome.cut, why, task.job.id)
            else:
                example(self.outcome.never, reasons.get(job.id) or "it found no node", task.job.id)
