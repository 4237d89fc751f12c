"""What running jobs take of what nodes have beside slots and memory, and so what is left there."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from oned.elastic.demand import Kind, Shape
from oned.elastic.needs import Per, amount, places
from oned.elastic.reading import Host, Job, Reading


def takes(job: Job) -> Iterator[tuple[str, str, float]]:
    """(node, name, how much) of what a running job has; what is taken once for the job is on its first node."""
    for need in job.needs:
        parts = job.parts if need.per is Per.SLOT else job.parts[:1] if need.per is Per.JOB else ()
        for part in parts:
            yield part.node, need.name, need.each(part.slots)


class Counted:
    """What is left on hosts of the names that what waits asks for.

    names  those of them that jobs take of; of others nothing is known, which costs nothing
    """

    def __init__(self, waiting: Iterable[Shape], jobs: Iterable[Job]) -> None:
        shapes = list(waiting)
        self.names = frozenset(name for shape in shapes for name, _ in shape.counted)
        self._asked = frozenset(need.name for shape in shapes for need in shape.needs)
        self._taken: dict[str, dict[str, float]] = {}
        for job in jobs if self.names else ():
            for node, name, each in takes(job) if job.parts else ():
                own = self._taken.setdefault(node, {})
                own[name] = own.get(name, 0.0) + each

    def left(self, host: Host, kind: Kind) -> dict[str, float]:
        """Of each name, by what the batch system tells and by the jobs there: the least counts."""
        if not self.names:
            return {}
        told, taken = dict(host.offers), self._taken.get(host.name, {})
        found = {}
        for name in self.names:
            if (most := kind.most(name)) is not None:
                by_jobs = most - taken.get(name, 0.0)
                said = amount(told.get(name, ""))
                found[name] = by_jobs if said is None else min(said, by_jobs)
        return found

    def kind(self, host: Host, reading: Reading) -> Kind:
        """What a host is that is not ours, as far as anybody asks: of what jobs take, all that it has."""
        kind, told = Kind(host.slots, host.memory, host.arch, host.queues), self._asked | reading.forced
        if not told:
            return kind
        taken = self._taken.get(host.name, {})
        offers = tuple(
            (name, f"{(amount(value) or 0.0) + taken[name]:.15g}" if name in taken else value)
            for name, value in host.offers
            if name in told
        )
        there = places(host.queues, reading.given)
        names = {name for name, _ in offers} | {name for place in there for name, _ in place.offers}
        return replace(kind, offers=offers, places=there, forced=reading.forced & names)
