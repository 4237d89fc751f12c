"""What came of a replay: waits, nodes, money, and what could not be run; as numbers, and as JSON."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from oned.elastic.cost import paid_until
from oned.elastic.course import Course
from oned.elastic.policy import HOUR, NodeClass
from oned.elastic.reading import Node

Told = dict[str, tuple[int, str]]
"""By reason: how many jobs, and the number of the first."""


@dataclass(frozen=True)
class Waits:
    """How long jobs waited, seconds: the mean, what half of them, and 95 of 100, did not exceed, and the longest."""

    jobs: int
    mean: float
    p50: float
    p95: float
    most: float

    @staticmethod
    def of(waits: Iterable[float]) -> "Waits":
        """Of the waits of all jobs."""
        ordered = sorted(waits)
        if not ordered:
            return Waits(0, 0.0, 0.0, 0.0, 0.0)
        mean = math.fsum(ordered) / len(ordered)
        return Waits(len(ordered), mean, _share(ordered, 50), _share(ordered, 95), ordered[-1])


def _share(ordered: list[float], percent: int) -> float:
    """The nearest rank."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


@dataclass
class Outcome:
    """All of it.

    began, ended   simulated time
    waits          of each job that has run
    impossible     jobs that no node could ever hold
    never          jobs that still waited when nothing happened any more
    cut            jobs that never ended, for each node on which they ran had to go
    seconds        of nodes by class, from their order to their end
    costs          money by class
    peak           nodes at once, by class; "" is all
    slots, used    slots of nodes, and those in which jobs ran, times seconds
    starts, failed nodes ordered, and those of them that never came up
    again          jobs that were started a second time, for their node had to go
    looks, looked  how many plans were made, and when the last one
    money          bound at the end of each stretch of the course
    """

    began: float
    ended: float = 0.0
    waits: list[float] = field(default_factory=list)
    impossible: Told = field(default_factory=dict)
    never: Told = field(default_factory=dict)
    cut: Told = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    costs: dict[str, float] = field(default_factory=dict)
    peak: Counter[str] = field(default_factory=Counter)
    slots: float = 0.0
    used: float = 0.0
    starts: int = 0
    failed: int = 0
    again: int = 0
    looks: int = 0
    looked: float = 0.0
    course: Course | None = None
    money: list[float] = field(default_factory=list)

    @property
    def cost(self) -> float:
        """Money for all nodes."""
        return math.fsum(self.costs.values())

    @property
    def node_hours(self) -> float:
        """Of all nodes."""
        return math.fsum(self.seconds.values()) / HOUR

    @property
    def use(self) -> float:
        """The share of the nodes' slots in which jobs ran, 0 to 1."""
        return self.used / self.slots if self.slots else 0.0

    def count(self, node: Node, klass: NodeClass, now: float) -> None:
        """A node has ended."""
        seconds, name = now - node.created, klass.name
        paid = klass.price * (paid_until(node, klass, now) - node.paid_from) / HOUR
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        self.costs[name] = self.costs.get(name, 0.0) + paid
        self.slots += seconds * klass.slots

    def saw(self, counts: Mapping[str, int]) -> None:
        """So many nodes by class are there."""
        for name, number in (*counts.items(), ("", sum(counts.values()))):
            self.peak[name] = max(self.peak[name], number)

    def facts(self) -> dict[str, object]:
        """All numbers, for JSON."""
        waits = Waits.of(self.waits)
        return {
            "began": self.began, "ended": self.ended, "jobs": waits.jobs,
            "wait": {"mean": waits.mean, "p50": waits.p50, "p95": waits.p95, "max": waits.most},
            "node_hours": self.node_hours,
            "node_hours_by_class": {name: seconds / HOUR for name, seconds in self.seconds.items()},
            "most_nodes": self.peak[""],
            "most_nodes_by_class": {name: count for name, count in self.peak.items() if name},
            "cost": self.cost, "cost_by_class": dict(self.costs), "use": self.use,
            "starts": self.starts, "failed_starts": self.failed, "started_again": self.again,
            "impossible": _told(self.impossible), "never_started": _told(self.never),
            "never_ended": _told(self.cut),
            "course": self._course(),
        }  # fmt: skip

    def _course(self) -> dict[str, object]:
        if self.course is None:
            return {}
        means = {name: self.course.means(name) for name in self.course.names}
        return {"began": self.course.begin, "seconds": self.course.width, "means": means, "money": self.money}


def example(told: Told, reason: str, job: str, count: int = 1) -> None:
    """Count jobs with a reason; the first of them stays the example."""
    before, first = told.get(reason, (0, job))
    told[reason] = (before + count, first)


def _told(told: Told) -> list[dict[str, object]]:
    return [{"jobs": count, "first": first, "reason": reason} for reason, (count, first) in told.items()]
