"""What is done outside for the transitions of nodes, by the words of the table of their life; many nodes in one call.

All of it may be done again. What a deed cannot find out, because somebody does not answer, it raises: BatchDown,
ProviderDown, SiteDown; then the intents stay open.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from oned.elastic.batch import About, Batch, BatchDown, Departed, Member, Refused, nobody
from oned.elastic.node import DRAINING, QUARANTINED
from oned.elastic.policy import NodeClass
from oned.elastic.provider import ENDING, Provider
from oned.elastic.reading import Host
from oned.elastic.records import Intent, Record
from oned.elastic.site import Site

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Errand:
    """An intent with its node and the class of that."""

    record: Record
    klass: NodeClass
    intent: Intent

    @property
    def token(self) -> str:
        return self.record.node.token

    @property
    def name(self) -> str:
        return self.record.lease.name


@dataclass(frozen=True)
class Outcome:
    """What became of an errand.

    facts  new columns of the node's row, where it is done
    why    it is not done, "" where it is
    then   the event that a node has which cannot have what was intended; "" leaves it as it is
    again  it was not done, and is tried again
    jobs   that were taken away from the node, whether it is done or not
    """

    facts: Mapping[str, object] = field(default_factory=dict)
    why: str = ""
    then: str = ""
    again: bool = False
    jobs: tuple[Departed, ...] = ()


DONE = Outcome()
Outcomes = Mapping[str, Outcome]
"""By token."""


@dataclass
class Deeds:
    """The hands of the loop.

    live      the nodes that there are: their names are to be in force
    kill      whether jobs that cannot start again are ended on a drained node whose time is over
    consoles  directory of what is kept of nodes that did not come up
    about     writes down which jobs are about to be taken away, so that they are told of whatever happens next
    """

    batch: Batch
    provider: Provider
    site: Site
    live: Callable[[], Collection[Record]]
    kill: Callable[[], bool]
    consoles: Path
    about: About = nobody

    def do(self, does: str, errands: Sequence[Errand]) -> Outcomes:
        """Do what the table of transitions says."""
        return _DEEDS[does](self, errands)

    def nothing(self, errands: Sequence[Errand]) -> Outcomes:
        return {errand.token: DONE for errand in errands}

    def register(self, errands: Sequence[Errand]) -> Outcomes:
        """Names lead to addresses before the batch system hears of them: else it refuses them."""
        taken = self.provider.hold([errand.record for errand in errands])
        outcomes = {token: Outcome(why=why, then="cancel") for token, why in taken.items()}
        waiting = self.site.publish(self.live())
        going = [errand for errand in errands if errand.token not in taken]
        known = [self.member(errand) for errand in going if errand.name not in waiting]
        refused = {**waiting, **(self.batch.register(known) if known else {})}
        for errand in going:
            why = refused.get(errand.name, "")
            outcomes[errand.token] = Outcome(why=why, again=True) if why else DONE
        return outcomes

    def member(self, errand: Errand) -> Member:
        """The node as the batch system is to know it."""
        klass = errand.klass
        address = self.site.address(errand.record, klass)
        return Member(
            errand.name, address, klass.slots, klass.memory, klass.queues, klass.cloud, klass.offers
        )  # fmt: skip

    def start(self, errands: Sequence[Errand]) -> Outcomes:
        made = self.provider.start([(errand.record, errand.klass) for errand in errands])
        return {
            token: Outcome({"vm": vm}) if isinstance(vm, int) else Outcome(why=vm, then="failed")
            for token, vm in made.items()
        }

    def enable(self, errands: Sequence[Errand]) -> Outcomes:
        back: dict[str, object] = {"drained_by": ""}
        return _answered(errands, self.batch.enable(_names(errands)), back)

    def drain(self, errands: Sequence[Errand]) -> Outcomes:
        """A node that is lost, unwell or failed is that, even if the batch system knows it no more."""
        refused = self.batch.drain(_names(errands))
        kept = {
            errand.name
            for errand in errands
            if errand.intent.goal is not DRAINING or errand.record.node.state is QUARANTINED
        }
        return _answered(errands, {name: why for name, why in refused.items() if name not in kept})

    def drain_and_start_again(self, errands: Sequence[Errand]) -> Outcomes:
        """Jobs that may start again do so elsewhere; the others go on, as long as the node does."""
        outcomes = self.drain(errands)
        drained = [errand.name for errand in errands if not outcomes[errand.token].why]
        left = self.batch.release(drained, kill=False) if drained else {}
        for name, why in left.items():
            log.info("%s goes, and %s", name, why)
        return outcomes

    def drain_and_keep_console(self, errands: Sequence[Errand]) -> Outcomes:
        outcomes = self.drain(errands)
        for errand in errands:
            if errand.record.node.vm >= 0:
                self._keep(errand, self.provider.console(errand.token))
        return outcomes

    def _keep(self, errand: Errand, text: str) -> None:
        path = self.consoles / f"{errand.name}-{errand.token[:8]}.txt"
        try:
            self.consoles.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{errand.intent.sentence}\n{text}")
        except OSError as error:
            log.warning("What is known of %s cannot be kept: %s", errand.name, error)

    def unregister(self, errands: Sequence[Errand]) -> Outcomes:
        return _answered(errands, self.batch.remove(_names(errands)))

    def stop(self, errands: Sequence[Errand]) -> None:
        """Order the end of their VMs, without asking the guests."""
        hard = {errand.token: True for errand in errands}
        self.provider.stop(hard, {errand.token: errand.record.node.vm for errand in errands})

    def stop_failed_and_unregister(self, errands: Sequence[Errand]) -> Outcomes:
        """What was planned by an older reading is looked at again: a job may have started since, on one that is up."""
        there = self._drained(errands)
        busy = {name: "a job has started on it" for name, host in there.items() if host.used}
        return self._ended(errands, busy, self.unregister)

    def stop_lost_release_and_unregister(self, errands: Sequence[Errand]) -> Outcomes:
        """One that is heard again stays; its jobs run."""
        there = self._drained(errands)
        heard = [errand for errand in errands if errand.name in there and there[errand.name].heard]
        alive = self._alive(heard) if heard else set()
        back = {errand.name: "it is heard again, and its VM is there" for errand in heard if errand.token in alive}
        return self._ended(errands, back, self._release_and_unregister)

    def _alive(self, errands: Sequence[Errand]) -> set[str]:
        """The tokens of those whose VM is there, or may be, and is not being ended."""
        there = self.provider.vms({errand.token: errand.record.node.vm for errand in errands}).items
        ending = {guest.token for guest in self.provider.guests() if guest.state in ENDING}
        return {seen.token for seen in there if not seen.ended} - ending

    def _drained(self, errands: Sequence[Errand]) -> Mapping[str, Host]:
        """The hosts as they are now, with no more jobs to come: what the batch system does not know is not drained."""
        self.batch.drain(_names(errands))
        return {host.name: host for host in self.batch.observe().hosts}

    def _ended(
        self, errands: Sequence[Errand], refused: Refused, then: Callable[[Sequence[Errand]], Outcomes]
    ) -> Outcomes:
        """End the VMs of those that are not refused, and go on with them."""
        going = [errand for errand in errands if errand.name not in refused]
        if going:
            self.stop(going)
        outcomes = then(going) if going else {}
        return {**outcomes, **{one.token: Outcome(why=refused[one.name]) for one in errands if one.name in refused}}

    def release_and_unregister(self, errands: Sequence[Errand]) -> Outcomes:
        """What leaves a node must not come back to it: it is drained first, whoever has enabled it since."""
        self.batch.drain(_names(errands))
        return self._release_and_unregister(errands)

    def _release_and_unregister(self, errands: Sequence[Errand]) -> Outcomes:
        """Jobs of lost nodes are gone already: those that cannot start again are ended, else the node never goes."""
        refused: dict[str, str] = {}
        left: list[Departed] = []
        for kill in (True, False):
            names = [
                errand.name for errand in errands if (self.kill() or errand.record.node.state is not DRAINING) is kill
            ]
            if names:
                refused |= self.batch.release(names, kill=kill, about=self.about, told=left.append)
        free = [errand.name for errand in errands if errand.name not in refused]
        answers = {**_answered(errands, refused), **self._removed([one for one in errands if one.name in free])}
        return {
            errand.token: replace(answers[errand.token], jobs=tuple(job for job in left if job.node == errand.name))
            for errand in errands
        }

    def _removed(self, errands: Sequence[Errand]) -> Outcomes:
        """What is not known is tried again: the jobs that have left are told of now."""
        try:
            return _answered(errands, self.batch.remove(_names(errands))) if errands else {}
        except BatchDown as down:
            return {errand.token: Outcome(why=str(down), again=True) for errand in errands}

    def free_address(self, errands: Sequence[Errand]) -> Outcomes:
        """The address stays ours a little longer: who remembers the name must not find another one there."""
        for errand in errands:
            self.provider.keep(errand.record.lease)
            self.site.gone(errand.record)
        tokens = {errand.token for errand in errands}
        self.site.publish([record for record in self.live() if record.node.token not in tokens])
        return self.nothing(errands)


_DEEDS: Mapping[str, Callable[[Deeds, Sequence[Errand]], Outcomes]] = {
    "": Deeds.nothing,
    "enable": Deeds.enable,
    "register": Deeds.register,
    "start": Deeds.start,
    "drain, start jobs again": Deeds.drain_and_start_again,
    "drain": Deeds.drain,
    "drain, keep console": Deeds.drain_and_keep_console,
    "drain, stop, release jobs, unregister": Deeds.stop_lost_release_and_unregister,
    "drain, release jobs, unregister": Deeds.release_and_unregister,
    "drain, stop, unregister": Deeds.stop_failed_and_unregister,
    "unregister": Deeds.unregister,
    "free the address": Deeds.free_address,
}
ORDER = tuple(_DEEDS)
"""In which they are done within a cycle: what lets jobs run comes first."""


def _names(errands: Sequence[Errand]) -> list[str]:
    return [errand.name for errand in errands]


def _answered(errands: Sequence[Errand], refused: Refused, facts: Mapping[str, object] | None = None) -> Outcomes:
    """What the batch system's answer means for each."""
    return {
        errand.token: Outcome(why=refused[errand.name]) if errand.name in refused else Outcome(facts or {})
        for errand in errands
    }
