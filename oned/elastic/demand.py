"""Jobs to shapes: what asks for nodes, how much of it, and what does not and why."""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from oned.elastic.allowed import matches
from oned.elastic.booked import Booked
from oned.elastic.needs import Need, Offers, Per, Place, Shared, amount, lacking, suits, times
from oned.elastic.policy import NodeClass, Policies
from oned.elastic.reading import SPREAD, WHOLE, Job, JobState, Limit


@dataclass(frozen=True)
class Kind:
    """What a node is, as far as jobs ask. Nothing said (memory 0, no arch, no queues) is not asked for.

    offers    what it has by name; of what jobs take all of it
    places    its queues, and what each gives
    forced    names without which it takes no job
    promised  memory that a class should have, where its nodes have less
    name      of the host, where it is only one
    """

    slots: int
    memory: int = 0
    arch: str = ""
    queues: frozenset[str] = frozenset()
    cloud: bool = False
    offers: Offers = ()
    places: tuple[Place, ...] = ()
    forced: frozenset[str] = frozenset()
    promised: int = 0
    name: str = ""

    def at(self, name: str) -> "Kind":
        """The same as the one host of that name."""
        return replace(self, name=name, queues=self.queues | {f"{place.queue}@{name}" for place in self.places})

    def most(self, name: str) -> float | None:
        """How much of something an empty node has, None for what it does not tell."""
        levels = (self.offers, *(place.offers for place in self.places))
        found = [amount(value) for offers in levels for key, value in offers if key == name]
        return min((value for value in found if value is not None), default=None)


@dataclass(frozen=True)
class Shape:
    """What a task needs; jobs of one shape are alike to the planner.

    layout  WHOLE, SPREAD, or the slots on each of its nodes
    memory  per slot, MiB
    host    the only host that will do, or a pattern; no node is started for a name
    needs   what else is asked for by name
    owner   the organisation whose quota it counts against
    most    slots that it would take where they are free, from a range; 0 without one. No node is started for them
    """

    slots: int = 1
    layout: int = WHOLE
    memory: int = 0
    arch: str = ""
    queues: frozenset[str] = frozenset()
    cloud: bool | None = None
    host: str = ""
    needs: tuple[Need, ...] = ()
    owner: str = ""
    most: int = 0

    @property
    def piece(self) -> int:
        """Slots that have to be on one node."""
        if self.layout == WHOLE:
            return self.slots
        return 1 if self.layout == SPREAD else self.layout

    @property
    def counted(self) -> tuple[tuple[str, float], ...]:
        """What a piece takes from a node, by name. What is taken once for a job on several nodes is not counted."""
        if not self.needs:
            return ()
        whole = self.layout == WHOLE
        return tuple(
            (need.name, need.each(self.piece))
            for need in self.needs
            if need.per is Per.SLOT or (need.per is Per.JOB and whole)
        )

    @property
    def pinned(self) -> bool:
        """Whether it is for hosts of some names only."""
        return bool(self.host) or any("@" in queue[1:] for queue in self.queues)

    @property
    def nodes(self) -> int:
        """Nodes that a task is on at least."""
        return self.slots // self.layout if self.layout > 0 else 1

    def words(self) -> str:
        """The shape for people."""
        where = {WHOLE: "on one node", SPREAD: "anywhere"}.get(self.layout, f"{self.layout} on each node")
        parts = ["1 slot" if self.slots == 1 else f"{self.slots} slots, {where}"]
        parts += [f"up to {self.most} where they are free"] if self.most else []
        parts += [f"{self.memory} MiB a slot"] if self.memory else []
        parts += [self.arch] if self.arch else []
        parts += [f"in {' or '.join(sorted(self.queues))}"] if self.queues else []
        parts += [f"on host {self.host}"] if self.host else []
        parts += [need.words() for need in self.needs if not need.implied]
        parts += [] if self.cloud is None else ["in a cloud" if self.cloud else "not in a cloud"]
        parts += [f"of {self.owner}"] if self.owner else []
        return ", ".join(parts)

    def misfit(self, kind: Kind) -> str:
        """Why not even an empty node of a kind holds a piece of it; "" when one does."""
        if self.cloud is not None and self.cloud != kind.cloud:
            return "is not in a cloud" if self.cloud else "is in a cloud"
        if kind.slots < self.piece:
            return f"has {kind.slots} slots, {self.piece} are wanted on one node"
        if kind.memory and kind.memory < self.piece * self.memory:
            return f"has {_memory(kind)}, {self.piece * self.memory} are wanted on one node"
        if self.arch and kind.arch and not matches(self.arch.split("|"), (kind.arch,)):
            return f"is {kind.arch}, not {self.arch}"
        return self._elsewhere(kind) or (self._lacking(kind) if self.needs or kind.forced else "")

    def _elsewhere(self, kind: Kind) -> str:
        if self.queues and kind.queues and not matches(self.queues, kind.queues):
            return f"is not in {' or '.join(sorted(self.queues))}"
        if self.host and not suits(self.host, kind.name):
            return f"is not {self.host}" if kind.name else f"is not started for the name {self.host}"
        return ""

    def _lacking(self, kind: Kind) -> str:
        """What of that which is asked for by name a node does not have, in none of the queues that will do."""
        missing = kind.forced.difference(need.name for need in self.needs)
        if missing:
            return f"takes only jobs that ask for {' and '.join(sorted(missing))}"
        own = dict(kind.offers)
        wishes = [queue.partition("@")[0] for queue in self.queues]
        suited = [place for place in kind.places if matches(wishes, (place.queue,))]
        whys = []
        for place in suited or kind.places or (Place(""),):
            why = lacking(self.needs, (own, dict(place.offers)), self.piece)
            if not why:
                return ""
            whys.append(f"{why} in {place.queue}" if place.offers else why)
        return "; ".join(dict.fromkeys(whys))


@dataclass
class Want:
    """The tasks of one shape.

    jobs  their ids, oldest first
    parts the jobs, with how many tasks of each
    ages  when each began to wait, and how many tasks waited then at most: (time, tasks so far), oldest first
    """

    shape: Shape
    tasks: int = 0
    jobs: list[str] = field(default_factory=list)
    ages: list[tuple[float, int]] = field(default_factory=list)
    parts: list[tuple[Job, int]] = field(default_factory=list)

    def add(self, job: Job, tasks: int) -> None:
        """Tasks of a job that is not older than those before it."""
        self.tasks += tasks
        self.jobs.append(job.id)
        self.ages.append((job.submitted, self.tasks))
        self.parts.append((job, tasks))

    def last(self, tasks: int) -> Iterator[tuple[Job, int]]:
        """The jobs of so many tasks, the youngest ones, with how many of each."""
        for job, count in reversed(self.parts):
            if tasks <= 0:
                return
            yield job, min(count, tasks)
            tasks -= count

    def since(self, number: int) -> float:
        """Since when the task of that number waits, 0 being the oldest."""
        return self.ages[bisect_right(self.ages, number, key=lambda age: age[1])][0]

    def before(self, time: float) -> int:
        """How many tasks have waited since that time or longer."""
        count = bisect_right(self.ages, time, key=lambda age: age[0])
        return self.ages[count - 1][1] if count else 0


@dataclass(frozen=True)
class Kept:
    """Jobs that ask for nothing now, and why."""

    reason: str
    jobs: tuple[str, ...]


@dataclass(frozen=True)
class Over:
    """Tasks of a job that a limit of the batch system keeps from running."""

    job: Job
    shape: Shape
    tasks: int
    reason: str


class Demand:
    """What waits, and what does not count.

    The batch system's limits are booked in the order of age for what may find room; `more` passes on what does not.

    wants     what may run, hardest to place first
    hopeless  what never can, and why; it takes nothing of any limit
    """

    def __init__(self, booked: Booked, asking: Sequence[tuple[Job, Shape]], hopeless: Mapping[Shape, str]) -> None:
        self._booked = booked
        self._kept: dict[str, list[str]] = {}
        self._without: dict[Shape, float] = {}
        never: dict[Shape, Want] = {}
        for job, shape in asking:
            if shape in hopeless:
                never.setdefault(shape, Want(shape)).add(job, job.tasks)
        self.hopeless = tuple((want, hopeless[shape]) for shape, want in never.items())
        self._over = [Over(job, shape, job.tasks, "") for job, shape in asking if shape not in hopeless]
        self.wants = self._take()

    @property
    def kept(self) -> tuple[Kept, ...]:
        """Jobs that ask for nothing now."""
        kept = {reason: list(ids) for reason, ids in self._kept.items()}
        for over in self._over:
            kept.setdefault(over.reason, []).append(over.job.id)
        return tuple(Kept(reason, tuple(ids)) for reason, ids in kept.items())

    def keep(self, job: Job, reason: str) -> None:
        """A job asks for nothing, whatever becomes free."""
        self._kept.setdefault(reason, []).append(job.id)

    def more(self, unmet: Sequence[tuple[Want, int]]) -> tuple[Want, ...]:
        """What may run in place of tasks that find no room, so many of each want: limits count only what runs.

        Of their shape only older ones: younger ones would find no room either.
        """
        if not (self._over and unmet):
            return ()
        for want, tasks in unmet:
            self._without[want.shape] = min(want.since(want.tasks - tasks), self._without.get(want.shape, inf))
            for job, count in want.last(tasks):
                self._booked.give_back(job, count)
        return self._take()

    def _take(self) -> tuple[Want, ...]:
        """What the limits let run of what they have not yet."""
        wants: dict[Shape, Want] = {}
        left = []
        for over in self._over:
            job, shape = over.job, over.shape
            if job.submitted >= self._without.get(shape, inf):
                left.append(over)
                continue
            tasks, reason = self._booked.take(job, over.tasks)
            if tasks:
                wants.setdefault(shape, Want(shape)).add(job, tasks)
            if tasks < over.tasks:
                left.append(Over(job, shape, over.tasks - tasks, reason))
        self._over = left
        return tuple(sorted(wants.values(), key=lambda want: _difficulty(want.shape), reverse=True))


_STATES = {
    JobState.HELD: "held: it waits for its release, or for a job before it",
    JobState.FAILED: "in error state: its last start failed and a person has to clear it",
    JobState.ENDING: "being deleted",
}
LATER = "for later: its start time has not come"


Judge = Callable[[Collection[Shape]], Mapping[Shape, str]]
"""Which of some shapes no node could ever hold, and why."""


def demand(
    jobs: Sequence[Job],
    limits: Sequence[Limit],
    policies: Policies,
    now: float,
    shared: Sequence[Shared] = (),
    judge: Judge = lambda _: {},
) -> Demand:
    """What the jobs ask for. Arrays are counts: the cost does not depend on the number of tasks."""
    asking, kept = [], []
    for job in sorted(jobs, key=lambda job: (job.submitted, job.id)):
        if job.state is JobState.RUNNING:
            continue
        if reason := LATER if job.starts > now else _STATES.get(job.state, ""):
            kept.append((job, reason))
        elif job.tasks > 0:
            asking.append((job, _shape(job, policies)))
    made = Demand(Booked(limits, shared, jobs), asking, judge({shape for _, shape in asking}))
    for job, reason in kept:
        made.keep(job, reason)
    return made


def _shape(job: Job, policies: Policies) -> Shape:
    quota = policies.quota(job) if policies.quotas else None
    return shape_of(job, quota.name if quota else "")


def shape_of(job: Job, owner: str = "") -> Shape:
    """What a task of a job needs. `owner`: the organisation whose quota it counts against."""
    layout = WHOLE if job.slots in (1, job.layout) else job.layout
    most = job.most if job.most > job.slots and layout in (WHOLE, SPREAD) else 0
    return Shape(job.slots, layout, job.memory, job.arch, job.queues, job.cloud, job.host, job.needs, owner, most)


def _difficulty(shape: Shape) -> tuple[int, int, int, str]:
    """First-fit decreasing: what needs most on one node first. The words make the order the same each time."""
    return shape.piece, shape.slots, shape.piece * shape.memory, shape.words()


def _memory(kind: Kind) -> str:
    """The memory of a node, and where it is less than its class should have that too."""
    return f"{kind.memory} MiB" + (f", not the {kind.promised} of its MEMORY" if kind.promised else "")


def kind_of(klass: NodeClass) -> Kind:
    """What the nodes of a class are."""
    return Kind(
        klass.slots,
        klass.memory,
        klass.arch,
        klass.queues,
        klass.cloud,
        klass.offers,
        klass.places,
        klass.forced,
        klass.promised,
    )


def impossible(shape: Shape, policies: Policies, others: Sequence[Kind], ours: Sequence[Kind] = ()) -> str:
    """Why no node that could ever be there holds a task, "" when some could.

    others  the nodes that are there and are not ours
    ours    those that are; they count only for what asks for a host by its name
    """
    if shape.layout > 0 and shape.slots % shape.layout:
        return f"{shape.slots} slots cannot be divided into {shape.layout} on each node"
    misfits = [f"{klass.name} {why}" for klass in policies.classes if (why := shape.misfit(kind_of(klass)))]
    usable = [useful(kind, shape) for kind in (*others, *(ours if shape.pinned else ())) if not shape.misfit(kind)]
    most = policies.most
    for klass in sorted(policies.classes, key=lambda klass: klass.slots, reverse=True):
        if not shape.misfit(kind_of(klass)):
            count = min(klass.most, most)
            most -= count
            usable += [useful(kind_of(klass), shape)] * count
    if not usable:
        return "no class of nodes holds it: " + ("; ".join(misfits) or "there is none with a MAX above 0")
    if len(usable) < shape.nodes:
        return f"it needs {shape.nodes} nodes, there can be {len(usable)} at most"
    if sum(usable) < shape.slots:
        return f"it needs {shape.slots} slots, there can be {sum(usable)} at most"
    return ""


def useful(kind: Kind, shape: Shape) -> int:
    """The slots of an empty node that tasks of a shape can take; of one task with pieces a node holds one piece."""
    if shape.layout > 0:
        return shape.piece
    slots = kind.slots
    if kind.memory and shape.memory:
        slots = min(slots, kind.memory // shape.memory)
    for name, each in shape.counted:
        if each > 0 and (most := kind.most(name)) is not None:
            slots = min(slots, times(most, each) * shape.piece)
    return max(1, slots // shape.piece) * shape.piece
