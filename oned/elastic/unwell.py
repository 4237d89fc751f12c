"""Unwell nodes that keep others from coming: they fill MAX, jobs wait, and nobody has looked at them for a while."""

from collections.abc import Iterator, Mapping, Sequence

from oned.elastic.care import ASIDE, Verdict, View
from oned.elastic.growth import Growth, Need
from oned.elastic.node import LEAVING, QUARANTINED
from oned.elastic.packing import Placed
from oned.elastic.plan import STOPS, Verb
from oned.elastic.policy import NodeClass

IN_THE_WAY = "in the way"
LOOKED_AT = 600.0
"""Seconds that an unwell node has, and who looks after it, though it is in the way."""


def in_the_way(
    placed: Sequence[Placed], growth: Growth, views: Sequence[View], verdicts: Mapping[str, Verdict], now: float
) -> dict[str, Verdict]:
    """By name, the drain of the unwell node that is the longest so, where only MAX keeps one from coming for a job.

    One at a time: while an empty one is on its way out its place is awaited.
    """
    for klass, full in dict.fromkeys(_wanted(placed, growth, now)):
        beside = [view for view in views if not full or view.klass.name == klass.name]
        if any(_leaves(view, verdicts[view.node.name]) for view in beside):
            continue
        unwell = [view for view in beside if _may_go(view, verdicts[view.node.name], now)]
        if unwell:
            first = min(unwell, key=lambda view: (view.node.since, view.node.name))
            most = f"MAX of class {klass.name}" if full else "MAX of all classes"
            sentence = f"{most} is reached, jobs wait for a node, and it is unwell for {now - first.node.since:.0f} s"
            return {first.node.name: Verdict(Verb.DRAIN, IN_THE_WAY, sentence)}
    return {}


def _wanted(placed: Sequence[Placed], growth: Growth, now: float) -> Iterator[tuple[NodeClass, bool]]:
    """Classes of which a node would come but for MAX, each with whether it is that of the class."""
    for one in placed:
        left = one.unmet - one.passed
        if left <= 0:
            continue
        need = Need(one.want.shape, left, now - one.want.since(one.want.tasks - one.unmet))
        for klass in growth.classes(need.shape):
            full = growth.full(klass)
            if full is not None and not growth.too_early(klass, need) and _in_quota(growth, klass, need):
                yield klass, full


def _in_quota(growth: Growth, klass: NodeClass, need: Need) -> bool:
    """Whether the organisation may have a node of the class at all."""
    quota = growth.policies.named(need.shape.owner) if need.shape.owner else None
    return quota is None or quota.lends or growth.share_left(quota, klass) > 0


def _leaves(view: View, said: Verdict) -> bool:
    """Whether a node without jobs is on its way out."""
    return not view.busy and (view.node.state in LEAVING or said.verb in STOPS)


def _may_go(view: View, said: Verdict, now: float) -> bool:
    aside = view.node.state is QUARANTINED and said.verb is None and said.rule == ASIDE
    return aside and not view.busy and now - view.node.since > LOOKED_AT
