"""What can hold tasks while a plan is made: hosts of others, and nodes that run, that come, that might serve again."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from oned.elastic import shrink
from oned.elastic.care import PAUSED, Verdict, View, too_old
from oned.elastic.counted import Counted, takes
from oned.elastic.demand import Kind, kind_of
from oned.elastic.node import COMING, NodeState
from oned.elastic.packing import Bin, Ending, Room, empty
from oned.elastic.plan import Verb
from oned.elastic.policy import NO_LIMIT, Policies
from oned.elastic.reading import Host, JobState, Reading

_DRAINS = ("state", "draining", "empty", PAUSED.rule)
"""Rules of nodes that leave as they should: neither lost nor over their time."""


@dataclass
class Bins:
    """The bins of a plan in the making.

    views     each node of ours with all that is known of it
    verdicts  what happens to it, by its name
    counted   what is left on hosts beside slots and memory
    """

    reading: Reading
    policies: Policies
    now: float
    views: Sequence[View]
    verdicts: Mapping[str, Verdict]
    counted: Counted
    _kinds: dict[Kind, Kind] = field(default_factory=dict)

    def all(self) -> list[Bin]:
        """In the order in which they are filled: a plan that was carried out fills them in the same way again."""
        self._here = Counter(view.klass.name for view in self.views)
        ours = {view.node.name for view in self.views}
        endings = self._endings()
        others = [
            self._of_host(host, self.counted.kind(host, self.reading), "", Room.FREE, endings)
            for host in self.reading.hosts.items
            if host.name not in ours
        ]
        known = [(key, bin) for view in self.views for key, bin in self._of_view(view, endings)]
        return others + [bin for _, bin in sorted(known, key=lambda pair: pair[0])]

    def _of_view(self, view: View, endings: Mapping[str, list[Ending]]) -> Iterator[tuple[tuple[int, float, str], Bin]]:
        """The bin of a node and its place in the order, when it can hold anything."""
        node, verb, kind = view.node, self.verdicts[view.node.name].verb, kind_of(view.klass)
        back = node.drained_by in shrink.UNDRAINABLE and self._may_be_back(view)
        if verb is Verb.ENABLE or back:
            room = Room.DRAINING if back else Room.FREE
            host = replace(view.host, enabled=True) if view.host else None
            bin = self._of_host(host, kind, node.klass, room, endings) if host else self._empty(view, kind, room)
            yield (0, self.now, node.name), bin
        elif node.state is NodeState.READY and verb is None and view.host:
            yield (0, node.since, node.name), self._of_host(view.host, kind, node.klass, Room.FREE, endings)
        elif node.state in COMING and verb is None:
            yield (1, node.created, node.name), self._empty(view, kind, Room.COMING)

    def _may_be_back(self, view: View) -> bool:
        """Whether a node that was to leave could serve again: it is well, and not one of too many."""
        if view.node.state is not NodeState.DRAINING or self.verdicts[view.node.name].rule not in _DRAINS:
            return False
        few = self._here[view.klass.name] <= view.klass.most and self._here.total() <= self.policies.most
        return few and view.heard and not (view.vm_gone or view.apart) and not too_old(view, self.now)

    def _empty(self, view: View, kind: Kind, room: Room) -> Bin:
        return empty(self._kinds.setdefault(kind, kind), view.node.name, view.node.klass, room, self.counted.names)

    def _of_host(
        self, host: Host, kind: Kind, klass: str, room: Room, endings: Mapping[str, list[Ending]]
    ) -> Bin:  # fmt: skip
        """The bin of a host that the batch system has. One that takes no job now has no room, now or soon."""
        usable = host.heard and host.enabled
        kind = self._kinds.setdefault(kind, kind)
        free = min(host.slots, kind.slots) - host.used if usable else 0
        memory = host.free if host.memory else kind.memory or NO_LIMIT
        ends = endings.get(host.name, []) if usable else []
        return Bin(host.name, klass, kind, room, free, memory, ends, left=self.counted.left(host, kind))

    def _endings(self) -> dict[str, list[Ending]]:
        """What running jobs free before a node could be there; one that should have ended is not waited for."""
        latest = self.now + max((klass.boot for klass in self.policies.classes), default=0.0)
        endings: dict[str, list[Ending]] = {}
        for job in self.reading.jobs.items if self.policies.look_ahead else ():
            if job.state is JobState.RUNNING and self.now < job.ends <= latest:
                for part in job.parts:
                    needs = tuple((name, each) for node, name, each in takes(job) if node == part.node)
                    ending = Ending(job.ends, part.slots, part.slots * job.memory, needs)
                    endings.setdefault(part.node, []).append(ending)
        return endings
