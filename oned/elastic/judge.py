"""What can never run, whatever is started: told at once, so that it takes nothing from what can."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from oned.elastic.care import View
from oned.elastic.counted import Counted
from oned.elastic.demand import Demand, Shape, impossible, kind_of
from oned.elastic.known import known
from oned.elastic.plan import Served
from oned.elastic.policy import Policies
from oned.elastic.reading import Reading


class Judge:
    """Which shapes no node holds, by all that could ever be there: at the hours of time tables too.

    counted  what is left on hosts of what was asked for
    """

    def __init__(self, policies: Policies, reading: Reading, views: Sequence[View]) -> None:
        self._policies, self._reading, self._views = _within(known(policies.widest(), reading), reading), reading, views
        self.counted = Counted((), ())

    def __call__(self, shapes: Collection[Shape]) -> Mapping[Shape, str]:
        """Those of them that can never run, and why."""
        self.counted = counted = Counted(shapes, self._reading.jobs.items)
        ours = {view.node.name for view in self._views}
        hosts = (host for host in self._reading.hosts.items if host.name not in ours)
        others = [counted.kind(host, self._reading).at(host.name) for host in hosts]
        named = [kind_of(self._policies.klass(view.klass.name)).at(view.node.name) for view in self._views if view.host]
        found = {shape: impossible(shape, self._policies, others, named) for shape in shapes}
        return {shape: why for shape, why in found.items() if why}


def _within(policies: Policies, reading: Reading) -> Policies:
    """No more nodes of a class than its network has addresses for."""
    room = reading.addresses
    classes = (
        replace(klass, most=min(klass.most, room[klass.name].most)) if klass.name in room else klass
        for klass in policies.classes
    )
    return replace(policies, classes=tuple(classes)) if room else policies


def told(wanted: Demand) -> Iterator[Served]:
    """What can never run, for people."""
    for want, why in wanted.hopeless:
        yield Served(want.shape, want.tasks, tuple(want.jobs), want.since(0), (), (), (), want.tasks, why, True)
