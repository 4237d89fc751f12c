"""What a cycle starts from: jobs, batch hosts, VMs and our nodes, each with the time it was read.

Times are seconds since the epoch, memory is MiB, money is in the currency of the settings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

from oned.elastic.needs import Given, Need, Offers, Shared
from oned.elastic.node import NodeState

Item = TypeVar("Item")

WHOLE, SPREAD = -1, 0
"""Layouts of a job: all slots on one node; any number on any node. Above zero: so many on each of its nodes."""


class JobState(Enum):
    """What the batch system says of a job; only one that waits asks for nodes."""

    WAITING = "waits"
    HELD = "is held"
    FAILED = "is in error state"
    RUNNING = "runs"
    ENDING = "is being deleted"


@dataclass(frozen=True)
class Part:
    """Slots of a running job on a node."""

    node: str
    slots: int


@dataclass(frozen=True)
class Job:
    """A job, or what waits of an array.

    submitted  when it began to wait
    tasks      how many of the same wait or run; each needs the slots
    slots      the least it can start with
    most       the most it would take, from a range
    layout     WHOLE, SPREAD, or the slots on each of its nodes
    memory     per slot
    pe         its parallel environment, or a pattern of those that will do; "" for none
    queues     queues or host groups it insists on, one of which a node has to be in; empty is any
    cloud      True only in a cloud, False only on our own hosts, None either
    host       the only host that will do, or a pattern of such; "" is any
    needs      what else it asks for by name, in the order of the names
    starts     not before this time
    rerun      it may be started again from the beginning
    parts      where it runs
    ends       when it is expected to end; 0 is not known
    """

    id: str
    owner: str = ""
    group: str = ""
    project: str = ""
    department: str = ""
    state: JobState = JobState.WAITING
    submitted: float = 0.0
    tasks: int = 1
    slots: int = 1
    most: int = 1
    layout: int = WHOLE
    memory: int = 0
    arch: str = ""
    queues: frozenset[str] = frozenset()
    cloud: bool | None = None
    host: str = ""
    needs: tuple[Need, ...] = ()
    starts: float = 0.0
    rerun: bool = True
    parts: tuple[Part, ...] = ()
    ends: float = 0.0
    pe: str = ""


@dataclass(frozen=True)
class Host:
    """A host as the batch system sees it.

    memory   of the host, 0 when it never told
    free     memory that jobs have not taken
    queues   its queues and host groups
    offers   what else it has, by name; of what jobs take the part that is left
    shown    what of that it reports by itself, told while it has no jobs
    heard    it reports; what does not is not usable, whatever else is said
    silent   seconds since it was last heard, 0 while it is
    enabled  jobs may start
    """

    name: str
    slots: int
    used: int = 0
    memory: int = 0
    free: int = 0
    arch: str = ""
    queues: frozenset[str] = frozenset()
    offers: Offers = ()
    shown: Offers = ()
    heard: bool = True
    silent: float = 0.0
    enabled: bool = True


@dataclass(frozen=True)
class Seen:
    """A VM of ours as the engine, or the cloud, sees it.

    token    of the node it was started for
    since    when it was made
    running  it has booted as far as the engine can tell
    failed   why it will not without help, "" while it may
    ended    why its machine is there no more, though the engine still knows the VM; "" while it may be there
    apart    why the engine's list lacks it, as it says when asked for this one; "" for one in the list. A VM of a node
             that the engine calls gone is neither
    since_apart  since when that is so
    unknown  the engine has no such VM, or another one of that number
    trouble  its state and what the engine says went wrong last; "" for nothing
    node     the name of the node it was started for
    since_strange  since when no node has it, 0 where one has
    """

    vm: int
    token: str
    since: float
    running: bool
    failed: str = ""
    ended: str = ""
    apart: str = ""
    since_apart: float = 0.0
    unknown: bool = False
    trouble: str = ""
    node: str = ""
    since_strange: float = 0.0


@dataclass(frozen=True)
class Node:
    """A node as our records have it.

    state, since  and since when it is in it
    created       when it was planned; also the order of nodes
    paid_from     when paying began, 0 before
    idle_since    0 while it has jobs
    owner         the organisation whose quota it counts against, "" for none
    drained_by    the rule that drains it
    report        what it said of its health: "" nothing yet, "ok", or what is wrong
    mute          it used to report and has not for longer than a node may be silent
    waits         why what has begun for it cannot go on yet, "" where it can
    """

    name: str
    klass: str
    state: NodeState
    since: float
    token: str
    created: float = 0.0
    vm: int = -1
    paid_from: float = 0.0
    idle_since: float = 0.0
    owner: str = ""
    drained_by: str = ""
    report: str = ""
    mute: bool = False
    waits: str = ""


@dataclass(frozen=True)
class Left:
    """A host of the batch system that was a node, and that no node has any more.

    since  it was first seen so
    kept   why it is left alone, "" for nothing
    """

    name: str
    klass: str
    since: float
    kept: str = ""


@dataclass(frozen=True)
class Taken(Generic[Item]):
    """Items, and when they were read. After a failed reading these are the last good ones."""

    at: float
    items: tuple[Item, ...] = ()


@dataclass(frozen=True)
class Failures:
    """Failed starts of a class in a row.

    rests   how often it had to rest for them
    rested  when the last rest began: what was planned before it fails within the same round
    """

    count: int
    last: float
    rests: int = 0
    rested: float = 0.0


@dataclass(frozen=True)
class Proof:
    """What nodes of a class have shown to have, which may be less than its settings promise.

    memory  the least that any of them reported
    offers  what they report by name
    """

    memory: int = 0
    arch: str = ""
    offers: Offers = ()


@dataclass(frozen=True)
class Limit:
    """A resource quota of the batch system: so many slots for those whom it matches.

    set               of the limits of one set only the first counts that covers a job; "" is a set of its own
    owners, projects, pes  whom; empty is everybody. Names may have * and ?, which stand for some name; one with a !
                      before it is left out, one with an @ is a group of owners
    each              "owner", "project", "pe" when the limit is for each one of them, "" when for all together
    queues            only jobs that run there; empty is anywhere
    vague             whom it covers, or how much it lets them have, is not known: nothing is counted
    """

    name: str
    slots: int
    owners: frozenset[str] = frozenset()
    projects: frozenset[str] = frozenset()
    each: str = ""
    set: str = ""
    pes: frozenset[str] = frozenset()
    queues: frozenset[str] = frozenset()
    vague: bool = False


@dataclass(frozen=True)
class Addresses:
    """The network of a class, and how many addresses of it are for nodes: those they have and those that are free."""

    network: int
    most: int


@dataclass(frozen=True)
class Reading:
    """Everything that a plan is made from, but for the policies and the time.

    limits        the batch system's quotas
    given         what its queues give to jobs
    shared        what all hosts share, such as licences
    forced        names of which a node that offers one takes only jobs that ask for it
    proofs        by class, what nodes that are gone have shown; those that are there show it themselves
    failures      by class
    unfit         by class, why no VM of it can be made whatever waits: its template is missing …
    addresses     by class, of those whose network has few
    left          hosts that were nodes
    last_up, last_down  when the last step up and the last step down was taken
    master_since  when the batch system's master started; its hosts need a while to report again
    spent         money for nodes that are gone, since the hour of the clock, the day or the month began;
                  `ahead` is what they have bound of the next hour
    """

    jobs: Taken[Job]
    hosts: Taken[Host]
    vms: Taken[Seen]
    nodes: tuple[Node, ...] = ()
    limits: tuple[Limit, ...] = ()
    given: tuple[Given, ...] = ()
    shared: tuple[Shared, ...] = ()
    forced: frozenset[str] = frozenset()
    proofs: Mapping[str, Proof] = field(default_factory=dict)
    failures: Mapping[str, Failures] = field(default_factory=dict)
    unfit: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[str, Addresses] = field(default_factory=dict)
    left: tuple[Left, ...] = ()
    last_up: float = 0.0
    last_down: float = 0.0
    master_since: float = 0.0
    spent_hour: float = 0.0
    spent_ahead: float = 0.0
    spent_day: float = 0.0
    spent_month: float = 0.0
