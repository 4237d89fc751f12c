"""New nodes while a plan is made: of which class, whether they may be, and why not."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from oned.elastic.cost import Budget
from oned.elastic.demand import Shape, kind_of, useful
from oned.elastic.node import EXISTING
from oned.elastic.policy import NO_LIMIT, NodeClass, Policies, Quota
from oned.elastic.reading import Reading

LOCAL_FIRST = "our own hosts first"


@dataclass(frozen=True)
class New:
    """A node that is to be started, for a shape or for a rule."""

    klass: NodeClass
    rule: str
    sentence: str
    owner: str = ""


@dataclass(frozen=True)
class Need:
    """What a node would be for.

    left    tasks that would use it
    waited  seconds that the oldest of them has waited
    lent    it may be beyond the quota of the owner, where that lends
    """

    shape: Shape
    left: int
    waited: float
    lent: bool = False


class Growth:
    """The nodes that a plan adds, within all caps. The order of `new` is the order in which they are to come."""

    def __init__(self, policies: Policies, reading: Reading, budget: Budget, now: float) -> None:
        self.policies, self.budget = policies, budget
        self.new: list[New] = []
        self._count: Counter[str] = Counter()
        self._addresses, self._with_address = reading.addresses, Counter[int]()
        self._owned: Counter[str] = Counter()
        self._owned_slots: Counter[str] = Counter()
        self._owned_cost: dict[str, float] = {}
        for node in reading.nodes:
            if node.state in EXISTING:
                self._book(policies.klass(node.klass), node.owner, 1)
        self._closed = {
            name: f"rests for {until - now:.0f} s more after {failed.count} failed starts in a row"
            for name, failed in reading.failures.items()
            if (until := policies.brake.until(failed)) > now
        } | dict(reading.unfit)
        self._holds: dict[Shape, list[NodeClass]] = {}

    def classes(self, shape: Shape) -> Sequence[NodeClass]:
        """The classes whose nodes hold a piece of it, whatever the caps."""
        if shape not in self._holds:
            self._holds[shape] = [klass for klass in self.policies.classes if not shape.misfit(kind_of(klass))]
        return self._holds[shape]

    def boot(self, shape: Shape) -> float:
        """Seconds until a new node for it would be there; 0 when none can come, or nobody looks ahead."""
        klass = self.likely(shape)
        return klass.boot if klass else 0.0

    def likely(self, shape: Shape) -> NodeClass | None:
        """The class of which a node for it would be, as long as no cap is in the way; None when none can come."""
        return min(self.classes(shape), key=lambda klass: _rank(klass, shape, 1), default=None)

    def grow(self, need: Need) -> New | str:
        """A node for it, booked; or why there is none."""
        reasons = []
        classes = sorted(self.classes(need.shape), key=lambda klass: _rank(klass, need.shape, need.left))
        for klass in classes:
            why = self.too_early(klass, need) or self.refusal(klass) or self._over_quota(klass, need)
            if not why:
                tasks = "1 task waits that wants" if need.left == 1 else f"{need.left} tasks wait that want"
                sentence = f"{tasks} {need.shape.words()}; no node has room for {'it' if need.left == 1 else 'them'}"
                return self._add(New(klass, "demand", sentence, need.shape.owner))
            reasons.append(f"{klass.name}: {why}")
        return "; ".join(reasons) or "no class of nodes holds it, it waits for a host that is there"

    def add(self, klass: NodeClass, rule: str, sentence: str) -> bool:
        """Book a node of a class for a rule, when the caps let it."""
        if self.refusal(klass):
            return False
        self._add(New(klass, rule, sentence))
        return True

    def undo(self, count: int) -> None:
        """Take the last nodes back: what they were for does not get all it needs."""
        for _ in range(count):
            new = self.new.pop()
            self._book(new.klass, new.owner, -1)
            self.budget.take(new.klass, -1)

    def refusal(self, klass: NodeClass) -> str:
        """Why no node of a class may come at all."""
        if klass.name in self._closed:
            return self._closed[klass.name]
        if self._count[klass.name] >= klass.most:
            return f"has its MAX of {klass.most} nodes"
        if self._count.total() >= self.policies.most:
            return f"MAX = {self.policies.most} nodes of all classes are there"
        room = self._addresses.get(klass.name)
        if room and self._with_address[room.network] >= room.most:
            return f"its network has {room.most} addresses for nodes, and all are taken"
        return self.budget.refusal(klass)

    def full(self, klass: NodeClass) -> bool | None:
        """Whether it is the MAX of a class that lets no node of it come, or of all classes: False; None for neither."""
        if klass.name in self._closed or self.budget.refusal(klass):
            return None
        if self._count[klass.name] >= klass.most:
            return True if klass.most else None
        return False if self._count.total() >= self.policies.most else None

    def share_left(self, quota: Quota, klass: NodeClass) -> int:
        """How many nodes of a class an organisation may still have as its own."""
        name = quota.name
        left = [quota.nodes - self._owned[name], (quota.slots - self._owned_slots[name]) // klass.slots]
        if klass.price > 0 and quota.cost < NO_LIMIT:
            left.append(math.floor((quota.cost - self._owned_cost.get(name, 0.0)) / klass.price + 1e-9))
        return max(0, min(left))

    def patience(self, klass: NodeClass, shape: Shape) -> float:
        """Seconds that a task waits before a node of a class is started for it, and before it counts on one."""
        if not klass.cloud or shape.cloud or all(one.cloud for one in self.classes(shape)):
            return klass.wait
        return max(klass.wait, self.policies.burst_after)

    def too_early(self, klass: NodeClass, need: Need) -> str:
        """Why no node of a class is started yet, "" when its time has come."""
        if need.waited < klass.wait:
            return f"waited {need.waited:.0f} of {klass.wait:.0f} s"
        if need.waited < (most := self.patience(klass, need.shape)):
            return f"{LOCAL_FIRST}, waited {need.waited:.0f} of {most:.0f} s"
        return ""

    def _over_quota(self, klass: NodeClass, need: Need) -> str:
        quota = self.policies.named(need.shape.owner) if need.shape.owner else None
        if quota is None or (need.lent and quota.lends):
            return ""
        return self._excess(quota, klass)

    def _excess(self, quota: Quota, klass: NodeClass) -> str:
        name = quota.name
        for what, used, more, cap in (
            ("nodes", self._owned[name], 1, quota.nodes),
            ("slots", self._owned_slots[name], klass.slots, quota.slots),
            ("an hour", self._owned_cost.get(name, 0.0), klass.price, quota.cost),
        ):
            if more > cap + 1e-9 and cap > 0:
                return f"one node of it is {more:g} {what}, the whole quota of {name} is {cap:g}"
            if cap < NO_LIMIT and used + more > cap + 1e-9:
                return f"{name} has {used:g} of its quota of {cap:g} {what}"
        return ""

    def _add(self, new: New) -> New:
        self.new.append(new)
        self._book(new.klass, new.owner, 1)
        self.budget.take(new.klass)
        return new

    def _book(self, klass: NodeClass, owner: str, count: int) -> None:
        self._count[klass.name] += count
        if room := self._addresses.get(klass.name):
            self._with_address[room.network] += count
        if owner:
            self._owned[owner] += count
            self._owned_slots[owner] += klass.slots * count
            self._owned_cost[owner] = self._owned_cost.get(owner, 0.0) + klass.price * count


def _rank(klass: NodeClass, shape: Shape, left: int) -> tuple[bool, float, int, int, int]:
    """Our own before a cloud, then what is cheapest for so many tasks, then few nodes, then small ones.

    Of those that cost the same, one with room for what a task would take beyond its least comes before smaller ones.
    """
    nodes = nodes_for(klass, shape, left)
    return klass.cloud, klass.price * nodes, nodes, -min(klass.slots, shape.most), klass.slots


def nodes_for(klass: NodeClass, shape: Shape, tasks: int) -> int:
    """How many nodes of a class so many tasks would take."""
    return -(-tasks * shape.slots // useful(kind_of(klass), shape))
