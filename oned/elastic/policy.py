"""What a site wants: classes of nodes, quotas, time tables, caps; and the questions that the planner asks of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from enum import Enum
from zoneinfo import ZoneInfo

from oned.elastic.needs import Offers, Place
from oned.elastic.node import HOLD
from oned.elastic.reading import Failures, Job

HOUR = 3600.0
NO_LIMIT = 1 << 31
"""More than anybody has: of nodes, of slots, of money."""


class Billing(Enum):
    """How a node is paid for."""

    HOUR = "hour"
    SECOND = "second"


@dataclass(frozen=True)
class NodeClass:
    """A kind of node: what its VMs are made of, how many there may be, and when they come and go.

    template      of oned: name or number
    slots, memory what a node of it has; memory 0 is not counted
    queues        queues and host groups its nodes are put into
    cloud         its VMs are in a cloud
    offers        what else a node of it has, by name
    promised      the memory that the settings say, where nodes have shown to have less
    places        its queues, and what each gives to jobs
    forced        names without which a job is not taken
    least, most   nodes
    spare         slots that are always free
    wait          seconds that a job has waited before a node is started for it
    idle          seconds without a job before a node is drained
    price         per hour of a node
    boot          seconds that a start takes
    life          seconds after which a node is drained, 0 never
    aside         seconds that an unwell one without jobs is kept for a person, 0 for as long as it may live
    """

    name: str
    template: str = ""
    slots: int = 1
    memory: int = 0
    arch: str = ""
    queues: frozenset[str] = frozenset()
    cloud: bool = False
    offers: Offers = ()
    promised: int = 0
    places: tuple[Place, ...] = ()
    forced: frozenset[str] = frozenset()
    least: int = 0
    most: int = 10
    spare: int = 0
    wait: float = 60.0
    idle: float = 600.0
    price: float = 0.0
    billing: Billing = Billing.SECOND
    boot: float = 120.0
    life: float = 0.0
    aside: float = 43200.0


@dataclass(frozen=True)
class Quota:
    """What an organisation may have at most, or, where it lends, what is its own before others get more.

    by     project, department, owner or group: what `who` is
    cost   of its nodes per hour
    lends  it may have more while nobody else wants it
    """

    name: str
    by: str
    who: frozenset[str]
    nodes: int = NO_LIMIT
    slots: int = NO_LIMIT
    cost: float = NO_LIMIT
    lends: bool = True

    @property
    def bounded(self) -> bool:
        """Whether it says what is theirs."""
        return min(self.nodes, self.slots, self.cost) < NO_LIMIT

    def covers(self, job: Job) -> bool:
        """Whether it is one of theirs."""
        return getattr(job, self.by) in self.who


@dataclass(frozen=True)
class Window:
    """Other numbers for a class at some times of the week.

    days         0 is Monday
    start, end   minutes of the day; an end that is not after the start is on the next day
    """

    klass: str
    days: frozenset[int]
    start: int
    end: int
    least: int | None = None
    most: int | None = None
    spare: int | None = None

    def holds(self, when: datetime) -> bool:
        """Whether it is in force at that time."""
        minute, day = when.hour * 60 + when.minute, when.weekday()
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end
        return (day in self.days and minute >= self.start) or ((day - 1) % 7 in self.days and minute < self.end)


@dataclass(frozen=True)
class Caps:
    """Money that may be bound: per hour, and in a day and a month that begin at midnight."""

    hour: float = NO_LIMIT
    day: float = NO_LIMIT
    month: float = NO_LIMIT


@dataclass(frozen=True)
class Pace:
    """How fast things change.

    step_up, booting    nodes started in a cycle, starting at once
    cool_up, cool_down  seconds of rest after a step in the same direction
    max_kill            per cent of the ready nodes that may begin to leave in a cycle
    hour_end            seconds before the end of a paid hour in which a node may be drained
    """

    step_up: int = 5
    booting: int = 10
    cool_up: float = 0.0
    cool_down: float = 120.0
    max_kill: int = 25
    hour_end: float = 300.0


@dataclass(frozen=True)
class Patience:
    """How long is waited before something is given up.

    start, join  seconds for a VM to be running, and for it to report
    unheard      seconds that a node may be silent
    drain        seconds that jobs have to end on a node that is drained
    kill         after that, jobs that cannot start again are ended as well
    grace        seconds in which nothing is called lost after the batch system's master started
    stop, act    age of a reading from which nothing is stopped, and from which nothing is started
    orphan       seconds after which a VM of ours, or a host that was a node, is removed which no node has
    hold         seconds that a name and an address are kept from others after their node is gone
    """

    start: float = 600.0
    join: float = 300.0
    unheard: float = 300.0
    drain: float = 86400.0
    kill: bool = False
    grace: float = 90.0
    stop: float = 120.0
    act: float = 600.0
    orphan: float = 300.0
    hold: float = HOLD


@dataclass(frozen=True)
class Brake:
    """After so many failed starts in a row a class rests, each time longer."""

    failures: int = 3
    rest: float = 600.0
    longest: float = 3600.0

    def until(self, failed: Failures | None) -> float:
        """When a class may start again; 0 when it may now."""
        if failed is None or failed.count < self.failures:
            return 0.0
        return failed.last + min(self.longest, self.rest * 2.0 ** min(max(0, failed.rests - 1), 20))

    def after(self, failed: Failures | None, created: float, now: float) -> Failures:
        """With one more failed start, of a node that was planned then: nodes of one round make one rest."""
        before = failed or Failures(0, 0.0)
        more = replace(before, count=before.count + 1, last=now)
        if more.count < self.failures or created < before.rested:
            return more
        return replace(more, rests=before.rests + 1, rested=now)


@dataclass(frozen=True)
class Policies:
    """Everything a site has said. Classes are in the order of the file.

    least, most  nodes of all classes together
    look_ahead   no node is started for what a job that ends soon makes room for
    burst_after  seconds that a job waits for our own hosts before a cloud is asked
    old_serve    a node with jobs is not drained for its age: the batch side gives it up when another has come
    program      whose commands a person is told of
    retired      classes that the settings have no more, while nodes of them are there
    """

    classes: tuple[NodeClass, ...] = ()
    least: int = 0
    most: int = 10
    quotas: tuple[Quota, ...] = ()
    windows: tuple[Window, ...] = ()
    caps: Caps = Caps()
    pace: Pace = Pace()
    patience: Patience = Patience()
    brake: Brake = Brake()
    look_ahead: bool = True
    burst_after: float = 120.0
    old_serve: bool = False
    program: str = "onesge"
    zone: str = "UTC"
    retired: tuple[NodeClass, ...] = ()
    _by_name: Mapping[str, NodeClass] = field(init=False, repr=False, compare=False)
    _retired: Mapping[str, NodeClass] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {klass.name: klass for klass in self.classes})
        object.__setattr__(self, "_retired", {klass.name: klass for klass in self.retired})

    def has(self, name: str) -> bool:
        """Whether there is a class of that name."""
        return name in self._by_name

    def klass(self, name: str) -> NodeClass:
        """The class of that name; one that is in the settings no more has no place for any node."""
        return self._by_name.get(name) or self._retired.get(name) or NodeClass(name, most=0, idle=0.0)

    def at(self, now: float) -> "Policies":
        """What holds at that time: the numbers of the time tables are those of the classes. The first window counts."""
        when = datetime.fromtimestamp(now, self.tz)
        return replace(self, classes=tuple(self._timed(klass, when) for klass in self.classes), windows=())

    @property
    def tz(self) -> tzinfo:
        """The zone of time tables and of the days and months of caps."""
        return ZoneInfo(self.zone)

    def widest(self) -> "Policies":
        """What could hold at some time: of each class the most that a time table or the class itself allows."""
        classes = []
        for klass in self.classes:
            windows = [one.most for one in self.windows if one.klass == klass.name and one.most is not None]
            classes.append(replace(klass, most=max([klass.most, *windows])))
        return replace(self, classes=tuple(classes), windows=())

    @property
    def capped(self) -> bool:
        """Whether there is any cap on money."""
        return self.caps != Caps()

    def quota(self, job: Job) -> Quota | None:
        """The first quota that covers a job."""
        return next((quota for quota in self.quotas if quota.covers(job)), None)

    def named(self, owner: str) -> Quota | None:
        """The quota of an organisation."""
        return next((quota for quota in self.quotas if quota.name == owner), None)

    def tight(self, klass: NodeClass) -> bool:
        """Whether MIN leaves no room under MAX for one more node of a class, so that one goes before another comes."""
        least = max(self.least, sum(min(one.least, one.most) for one in self.classes))
        return 0 < klass.most <= klass.least or 0 < self.most <= least

    def _timed(self, klass: NodeClass, when: datetime) -> NodeClass:
        for window in self.windows:
            if window.klass == klass.name and window.holds(when):
                return replace(
                    klass,
                    least=klass.least if window.least is None else window.least,
                    most=klass.most if window.most is None else window.most,
                    spare=klass.spare if window.spare is None else window.spare,
                )
        return klass
