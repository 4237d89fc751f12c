"""What is lent comes back: nodes of an organisation above its quota go when tasks wait that are within another's.

A node is lent when it was started beyond the quota of its organisation (`QUOTA … LEND`). Its jobs are left to end; only
then it goes, and the next plan starts one for those who wait.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from oned.elastic.care import Verdict, View
from oned.elastic.growth import Growth, Need, nodes_for
from oned.elastic.node import LEAVING, NodeState
from oned.elastic.packing import Bin, Placed
from oned.elastic.plan import Verb
from oned.elastic.policy import Quota

ANY = ""
"""In place of a class: a node of any of them makes the room that is missing."""


@dataclass(frozen=True)
class Claim:
    """Nodes that an organisation may have within its quota and cannot: as many are there as MAX allows.

    scope  the class of which one has to go, ANY when MAX is that of all classes
    """

    owner: str
    count: int
    scope: str


class Lending:
    """Which nodes are taken back. All of it is of a plan in which what waits has its place already.

    views     each node of ours
    verdicts  what happens to them as far as that is known
    bins      what was promised to them, by name
    """

    def __init__(
        self, growth: Growth, views: Sequence[View], verdicts: Mapping[str, Verdict], bins: Mapping[str, Bin]
    ) -> None:  # fmt: skip
        self._growth, self._policies = growth, growth.policies
        self._leaving = [view for view in views if _leaves(view, verdicts[view.node.name])]
        stays = [view for view in views if not _leaves(view, verdicts[view.node.name])]
        self._owned: dict[str, list[float]] = {}
        for view in stays:
            self._book(view, 1)
        emptiest = sorted(stays, key=lambda view: (len(view.jobs), view.node.created, view.node.name))
        self._lent = [view for view in emptiest if _may_go(view, verdicts[view.node.name], bins.get(view.node.name))]

    def back(self, placed: Sequence[Placed], now: float) -> Iterator[tuple[View, str]]:
        """The nodes that should go, each with the reason."""
        for claim in self._claims(placed, now):
            for _ in range(claim.count):
                if one := next((view for view in self._leaving if claim.scope in (ANY, view.klass.name)), None):
                    self._leaving.remove(one)  # it makes room already
                elif found := self._next(claim):
                    yield found
                else:
                    break

    def _claims(self, placed: Sequence[Placed], now: float) -> Iterator[Claim]:
        taken: Counter[str] = Counter()
        for one in placed:
            owner = one.want.shape.owner
            quota = self._policies.named(owner) if owner else None
            if one.unmet and quota is not None and quota.bounded:
                count, scope = self._claim(one, quota, now, taken[owner])
                taken[owner] += count
                yield Claim(owner, count, scope)

    def _claim(self, one: Placed, quota: Quota, now: float, taken: int) -> tuple[int, str]:
        """How many nodes more they should have, and of which class one has to go for each."""
        want = one.want
        need = Need(want.shape, one.unmet, now - want.since(want.tasks - one.unmet))
        for klass in self._growth.classes(want.shape):
            full, share = self._growth.full(klass), self._growth.share_left(quota, klass) - taken
            if full is None or self._growth.too_early(klass, need) or share < nodes_for(klass, want.shape, 1):
                continue
            return min(share, nodes_for(klass, want.shape, one.unmet)), klass.name if full else ANY
        return 0, ANY

    def _next(self, claim: Claim) -> tuple[View, str] | None:
        for view in self._lent:
            quota = self._policies.named(view.node.owner)
            if quota is None or claim.scope not in (ANY, view.klass.name):
                continue
            if quota.name != claim.owner and (over := self._over(quota)):
                self._lent.remove(view)
                self._book(view, -1)
                return view, f"{over}, and tasks of {claim.owner} wait that are within theirs: it is taken back"
        return None

    def _over(self, quota: Quota) -> str:
        """That an organisation has more than its own; "" when it has not."""
        owned = zip(
            ("nodes", "slots", "an hour"), self._owned[quota.name], (quota.nodes, quota.slots, quota.cost), strict=True
        )
        for what, used, cap in owned:
            if used > cap + 1e-9:
                return f"{quota.name} has {used:g} {what}, its quota is {cap:g}"
        return ""

    def _book(self, view: View, count: int) -> None:
        owned = self._owned.setdefault(view.node.owner, [0.0, 0.0, 0.0])
        for place, much in enumerate((1, view.klass.slots, view.klass.price)):
            owned[place] += count * much


def _leaves(view: View, said: Verdict) -> bool:
    """Whether a node makes room by itself."""
    return said.verb in (Verb.DRAIN, Verb.REMOVE, Verb.FORGET) or (
        view.node.state in LEAVING and said.verb is not Verb.UNDRAIN
    )


def _may_go(view: View, said: Verdict, bin: Bin | None) -> bool:
    """Whether a node serves, has an organisation, and nothing that waits has its place on it."""
    serves = view.node.state is NodeState.READY and said.verb is None and not said.waits
    return serves and view.node.owner != "" and bin is not None and not bin.taken
