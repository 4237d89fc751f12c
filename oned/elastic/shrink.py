"""Which nodes are drained by choice: too old, too many, idle; in which order, and what forbids it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from oned.elastic.care import OLD, Verdict, View, too_old
from oned.elastic.cost import paid_until
from oned.elastic.node import EXISTING, LEAVING, QUARANTINED, NodeState
from oned.elastic.packing import Bin
from oned.elastic.plan import Verb
from oned.elastic.policy import Billing, NodeClass, Policies

IDLE, MANY, LENT = "idle", "max", "lent"
UNDRAINABLE = frozenset((IDLE,))
"""Rules whose drained nodes may serve again when jobs come."""


@dataclass
class Shrink:
    """The drains of a plan. `allowed` is how many nodes may still begin to leave in this cycle.

    read     when jobs and hosts were read: since then it is not known who is idle
    views    the nodes that are ready and stay so, and those that would be enabled, as far as they alone go
    cooling  seconds for which nothing leaves yet; what would is then told so
    bins     after packing, by the name of the node
    free     slots of a class that are free or on their way, less what waits
    """

    policies: Policies
    now: float
    read: float
    views: Sequence[View]
    allowed: int
    cooling: float
    bins: Mapping[str, Bin] = field(default_factory=dict)
    free: Counter[str] = field(default_factory=Counter)
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._ready = Counter(view.klass.name for view in self.views)
        self._stay = Counter(view.klass.name for view in self.views if not too_old(view, self.now))
        self._ordered = sorted(self.views, key=self._order)

    def whatever_waits(self, existing: Iterable[View]) -> None:
        """Nodes that are too old or too many. This comes before the packing, so that nothing is promised to them."""
        for view in self._ordered:
            self._drain(view, OLD, self._age(view))
        there = list(existing)
        surplus = self._surplus(there)
        for view in self._aside(there):
            if why := _many(surplus, view):
                self.verdicts[view.node.name] = Verdict(Verb.DRAIN, MANY, f"{why}, and it is unwell")
            surplus = self._less(surplus, view)
        for view in self._ordered:
            self._drain(view, MANY, _many(surplus, view))
            surplus = self._less(surplus, view)

    def idle(self, bins: Mapping[str, Bin], free: Counter[str]) -> None:
        """Nodes that nothing runs on, and that nothing which waits has its place on."""
        self.bins, self.free = bins, free
        for view in self._ordered:
            if view.node.state is NodeState.READY:
                self._drain(view, IDLE, self._idle(view))

    def lent(self, back: Iterable[tuple[View, str]]) -> None:
        """Nodes that are taken back from whom they were lent to, each with the reason."""
        for view, why in back:
            self._drain(view, LENT, why)

    def _order(self, view: View) -> tuple[bool, float, int, float, str]:
        """Cloud before local, nearest to the end of what is paid, fewest jobs, oldest."""
        left = paid_until(view.node, view.klass, self.now) - self.now
        return not view.klass.cloud, left, len(view.jobs), view.node.created, view.node.name

    def _aside(self, existing: Iterable[View]) -> list[View]:
        """Nodes that a person should look at: of too many they go first, for they serve nobody."""
        serve = {view.node.name for view in self.views}
        aside = [view for view in existing if view.node.state is QUARANTINED and view.node.name not in serve]
        return sorted(aside, key=self._order)

    def _drained(self) -> set[str]:
        return {name for name, said in self.verdicts.items() if said.verb is Verb.DRAIN}

    def _less(self, surplus: Counter[str], view: View) -> Counter[str]:
        """What is left too many when a node is drained, or not."""
        said = self.verdicts.get(view.node.name)
        if said is not None and said.verb is Verb.DRAIN and said.rule == MANY:
            return surplus - Counter(("", view.klass.name))
        return surplus

    def _drain(self, view: View, rule: str, why: str) -> None:
        """Drain a node for a reason, unless something forbids it; both are said."""
        name, klass = view.node.name, view.klass
        if not why or name in self._drained():
            return
        kept = self._kept(view, rule)
        if kept:
            if view.node.state is NodeState.READY:
                self.verdicts.setdefault(name, Verdict(None, rule, f"{why}; it stays: {kept}"))
            return
        self.verdicts[name] = Verdict(Verb.DRAIN, rule, why)
        self._ready[klass.name] -= 1
        self._stay[klass.name] -= not too_old(view, self.now)
        self.free[klass.name] -= max(0, self.bins[name].free) if name in self.bins else 0
        self.allowed -= view.node.state is NodeState.READY

    def _kept(self, view: View, rule: str) -> str:
        """What forbids that a node is drained."""
        klass = view.klass
        if self.cooling > 0:
            return f"the last drain was a short time ago, {self.cooling:.0f} s are left of COOL_DOWN_DOWN"
        left = self._stay if rule == IDLE else self._ready  # those that are too old go when others have come
        first = rule == OLD and self.policies.tight(klass)  # one at a time: the next one when another has come for it
        if left[klass.name] <= klass.least - first:
            return f"class {klass.name} is to have {klass.least} nodes at least"
        if left.total() <= self.policies.least - first:
            return f"there are to be {self.policies.least} nodes at least"
        if rule == IDLE and klass.spare and self.free[klass.name] - self._free_on(view) < klass.spare:
            return f"{klass.spare} slots of class {klass.name} are to be free (SPARE_SLOTS)"
        if self.allowed <= 0 and view.node.state is NodeState.READY:
            return f"as many as may leave in a cycle do (MAX_KILL = {self.policies.pace.max_kill} per cent)"
        return ""

    def _free_on(self, view: View) -> int:
        bin = self.bins.get(view.node.name)
        return max(0, bin.free) if bin else 0

    def _age(self, view: View) -> str:
        if view.busy and self.policies.old_serve:
            return ""
        return f"it is older than the {view.klass.life:.0f} s of MAX_LIFE" if too_old(view, self.now) else ""

    def _surplus(self, existing: Iterable[View]) -> Counter[str]:
        """How many nodes there are too many, by class and, under "", of all; those that leave already do not count."""
        nodes = Counter({"": 0})
        most = {"": self.policies.most}
        drained = self._drained()
        for view in existing:
            if view.node.state in EXISTING and view.node.state not in LEAVING and view.node.name not in drained:
                nodes.update(("", view.klass.name))
                most[view.klass.name] = view.klass.most
        return Counter({name: count - most[name] for name, count in nodes.items() if count > most[name]})

    def _idle(self, view: View) -> str:
        """Why a node is drained as idle; "" while it is not. Waiting jobs that would use it make it needed."""
        node, klass = view.node, view.klass
        needed = node.name in self.bins and self.bins[node.name].taken > 0
        idle = self.read - max(node.idle_since, node.since)  # one that has just come, or come back, may still be needed
        if view.busy or needed or node.idle_since <= 0 or idle <= 0 or idle < klass.idle:
            return ""
        left = paid_until(node, klass, self.now) - self.now
        if _by_hour(klass) and left > self.policies.pace.hour_end:
            self.verdicts.setdefault(
                node.name, Verdict(None, IDLE, f"it is idle, but paid for {left:.0f} s more; it may serve until then")
            )
            return ""
        return f"no job for {idle:.0f} s, and none that waits would use it"


def serving(views: Iterable[View], verdicts: Mapping[str, Verdict]) -> list[View]:
    """The nodes that take jobs, or would from now on, as far as they alone go."""
    return [view for view in views if _serves(view, verdicts[view.node.name])]


def _serves(view: View, said: Verdict) -> bool:
    return said.verb is Verb.ENABLE or (view.node.state is NodeState.READY and said.verb is None and not said.waits)


def _by_hour(klass: NodeClass) -> bool:
    return klass.billing is Billing.HOUR and klass.price > 0


def _many(surplus: Mapping[str, int], view: View) -> str:
    """That there are too many nodes like this one, or of all; "" when there are not."""
    for scope, count in surplus.items():
        if count > 0 and scope in ("", view.klass.name):
            return f"there are {count} more nodes than MAX{f' of class {scope}' if scope else ''} allows"
    return ""
