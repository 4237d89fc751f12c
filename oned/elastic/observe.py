"""What a cycle starts from: the batch system and oned are read, and what nodes do is noted in the records.

A reading that fails leaves the last good one with its age.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from oned import clock
from oned.elastic import clocks
from oned.elastic.batch import Batch, BatchDown, Observed
from oned.elastic.changes import Changes, Why
from oned.elastic.cost import begins, clock_hour
from oned.elastic.known import made_by, proofs, remembered
from oned.elastic.node import EXISTING, JOINING, STARTING
from oned.elastic.policy import NodeClass, Policies
from oned.elastic.provider import Provider, ProviderDown
from oned.elastic.reading import Addresses, Host, Left, Node, Proof, Reading, Seen, Taken
from oned.elastic.records import Record, Records
from oned.elastic.said import Said
from oned.elastic.tables import DOWN, UP

log = logging.getLogger(__name__)
NOTHING = Observed(at=0.0, jobs=(), hosts=())
FIT = 60.0
"""Seconds after which templates, with which all was well, are looked at again."""


@dataclass(frozen=True)
class Note:
    """What is new of a node: other columns of its row, and whether its VM has come to run."""

    record: Record
    facts: Mapping[str, Any] = field(default_factory=dict)
    runs: bool = False


class Observer:
    """The eyes of the loop.

    reports  nodes tell of their health; where they do not, one that the batch system hears is healthy
    """

    def __init__(self, records: Records, batch: Batch, provider: Provider, *, reports: bool) -> None:
        self._records, self._batch, self._provider, self._reports = records, batch, provider, reports
        self._observed, self._vms = NOTHING, Taken[Seen](0.0)
        self._said = Said(log)
        self._unfit: Mapping[str, str] = {}
        self._addresses: Mapping[str, Addresses] = {}
        self._fit_of: set[tuple[str, str]] = set()
        self._fit_at = 0.0

    def look(self, classes: Sequence[NodeClass] = ()) -> None:
        """Read both sides anew, as far as they answer; and whether VMs of the classes can be made."""
        try:
            self._observed = self._batch.observe()
            self._said.well("batch", "The batch system answers again")
        except BatchDown as down:
            self._said.once("batch", "The batch system is not read: %s", down)
        try:
            known = {one.node.token: one.node.vm for one in self._records.nodes() if one.node.state in EXISTING}
            self._vms = self._provider.vms(known)
            self._fit(tuple(classes))
            self._said.well("oned", "oned answers again")
        except ProviderDown as down:
            self._said.once("oned", "oned is not read: %s", down)

    def follow(self, jump: float) -> None:
        """The clock was set by so many seconds: the readings are as old as they are."""
        if self._observed.at:
            self._observed = replace(self._observed, at=self._observed.at + jump)
        if self._vms.at:
            self._vms = replace(self._vms, at=self._vms.at + jump)
        self._fit_at += jump

    def _fit(self, classes: tuple[NodeClass, ...]) -> None:
        """Look at templates and networks of the classes: now and then, and each time while something is wrong."""
        names = {(klass.name, klass.template) for klass in classes}
        if self._unfit or names != self._fit_of or clock.now() - self._fit_at > FIT:
            self._unfit = self._provider.unfit(classes)
            self._addresses = self._provider.addresses(classes, self._records.held())
            self._fit_of, self._fit_at = names, clock.now()

    # --- what is noted ---

    def notes(self, records: Iterable[Record]) -> list[Note]:
        """What is new of the nodes, by the readings of now."""
        hosts = {host.name: host for host in self._observed.hosts}
        vms: dict[str, Seen] = {}
        for seen in sorted(self._vms.items, key=lambda seen: (seen.since, seen.vm)):
            vms.setdefault(seen.token, seen)
        busy = {part.node for job in self._observed.jobs for part in job.parts}
        busy |= {host.name for host in self._observed.hosts if host.used}
        found = (
            self._note(record, hosts.get(record.node.name), vms.get(record.node.token), record.node.name in busy)
            for record in records
        )
        return [note for note in found if note.facts or note.runs]

    def _note(self, record: Record, host: Host | None, vm: Seen | None, busy: bool) -> Note:
        node = record.node
        facts: dict[str, Any] = {}
        idle = 0.0 if busy else node.idle_since or self._observed.at
        silent = 0.0 if host is None or host.heard else record.silent_since or self._observed.at
        if host is not None and idle != node.idle_since:
            facts["idle_since"] = idle
        if host is not None and silent != record.silent_since:
            facts["silent_since"] = silent
        apart = 0.0 if vm is None or not vm.apart else record.apart_since or self._vms.at
        if apart != record.apart_since:
            facts["apart_since"] = apart
        if vm is not None and node.vm < 0:
            facts["vm"] = vm.vm
        return Note(record, facts, runs=vm is not None and vm.running and node.state is STARTING)

    @staticmethod
    def write(changes: Changes, notes: Iterable[Note]) -> None:
        """Note it in the records."""
        for note in notes:
            token = note.record.node.token
            if note.facts:
                changes.update(token, **note.facts)
            if note.runs:
                changes.fire(token, "running", Why("running", "its VM runs"))

    # --- what no node has ---

    def lost(self, policies: Policies) -> list[Record]:
        """The nodes of VMs of ours of which the records know nothing, such as after a file was lost."""
        first: dict[str, int] = {}
        for seen in sorted(self._strays(self._records.nodes()), key=lambda seen: (seen.since, seen.vm)):
            first.setdefault(seen.token, seen.vm)
        unknown = [vm for token, vm in first.items() if self._records.by_token(token) is None]
        try:
            found = [self._provider.node_of(vm, policies) for vm in unknown]
        except ProviderDown:
            return []  # `look` tells
        taken = {text for one in self._records.held() for text in (one.lease.name, one.lease.ip, one.lease.mac)}
        return [one for one in found if one and not taken & {one.lease.name, one.lease.ip, one.lease.mac}]

    def _strays(self, records: Iterable[Record]) -> list[Seen]:
        ours = {record.node.token for record in records}
        return [seen for seen in self._vms.items if seen.token not in ours]

    def unowned(self, records: Collection[Record]) -> set[str] | None:
        """Names of hosts that were nodes and of VMs that no node has; None while the batch system was not read."""
        hosts = self.strangers(records)
        return None if hosts is None else {*hosts, *(_stray(seen) for seen in self._strays(records))}

    def strangers(self, records: Iterable[Record]) -> dict[str, Record] | None:
        """Hosts that were nodes and that no node has, with the last one; None while the batch system was not read."""
        if not self._observed.at:
            return None
        ours = {record.node.name for record in records}
        found = self._records.once({host.name for host in self._observed.hosts} - ours)
        return {name: record for name, record in found.items() if record.node.since < self._observed.at}

    def _left(self, records: Iterable[Record], now: float) -> tuple[Left, ...]:
        found, since = self.strangers(records) or {}, self._records.left()
        kept = self.kept(found.values()) if found else {}
        return tuple(
            Left(name, record.node.klass, since.get(name, now), kept.get(name, "")) for name, record in found.items()
        )

    def _strange(self, records: Iterable[Record], now: float) -> dict[int, float]:
        """By VM that no node has, since when that was seen."""
        since = self._records.left()
        return {seen.vm: since.get(_stray(seen), now) for seen in self._strays(records)}

    def kept(self, once: Collection[Record]) -> dict[str, str]:
        """By name, why hosts that were nodes are left alone."""
        try:
            return self._provider.taken([record.lease for record in once])
        except ProviderDown as down:
            return {record.node.name: str(down) for record in once}

    # --- the reading ---

    def gone(self, records: Iterable[Record]) -> frozenset[str]:
        """The tokens of nodes whose VM was there and is not any more."""
        there = {seen.token for seen in self._vms.items}
        return frozenset(
            record.node.token
            for record in records
            if record.node.vm >= 0 and record.node.token not in there and self._vms.at > record.node.since
        )

    def reading(self, records: Iterable[Record], policies: Policies, now: float) -> Reading:
        """Everything that a plan is made from."""
        nodes = [record for record in records if record.node.state in EXISTING]
        left, strange = self._left(nodes, now), self._strange(nodes, now)
        apart = {record.node.token: record.apart_since for record in nodes if record.apart_since}
        silent = {record.node.name: record.silent_since for record in nodes if record.silent_since}
        waits = self._records.waits()
        observed, (day, month), (hour, ahead) = self._observed, begins(policies, now), clock_hour(policies, now)
        hosts = (
            replace(host, silent=max(host.silent, observed.at - silent.get(host.name, observed.at)))
            if not host.heard
            else host
            for host in observed.hosts
        )
        return Reading(
            jobs=Taken(observed.at, tuple(clocks.waiting(job, now) for job in observed.jobs)),
            hosts=Taken(observed.at, tuple(hosts)),
            vms=replace(self._vms, items=tuple(_since(seen, apart, strange) for seen in self._vms.items)),
            nodes=tuple(self._as_read(record, now - policies.patience.unheard, waits) for record in nodes),
            limits=observed.limits,
            given=observed.given,
            shared=observed.shared,
            forced=observed.forced,
            proofs=self._proofs(policies),
            failures=self._records.failures(),
            unfit=self._unfit,
            addresses=self._addresses,
            left=left,
            last_up=self._records.moved(UP),
            last_down=self._records.moved(DOWN),
            master_since=observed.master_since if observed.master_since <= now + policies.patience.grace else 0.0,
            spent_hour=self._records.spent_on_gone(hour),
            spent_ahead=self._records.spent_on_gone(ahead),
            spent_day=self._records.spent_on_gone(day),
            spent_month=self._records.spent_on_gone(month),
        )

    def _proofs(self, policies: Policies) -> dict[str, Proof]:
        """What nodes of the classes have shown to have, as far as they were made by the settings of now."""
        return {
            name: proof for name, (of, proof) in self._records.proofs().items() if of == made_by(policies.klass(name))
        }

    def proven(self, records: Iterable[Record], policies: Policies) -> dict[str, Proof]:
        """By class, what its nodes show now and the records do not have."""
        before = self._proofs(policies)
        now = proofs(self._observed.hosts, [record.node for record in records])
        found = {name: remembered(before.get(name, Proof()), proof) for name, proof in now.items()}
        return {name: proof for name, proof in found.items() if proof != before.get(name)}

    def _as_read(self, record: Record, late: float, waits: Mapping[str, str]) -> Node:
        node = replace(record.node, waits=waits.get(record.node.token, ""))
        if not self._reports:
            return node if node.report else replace(node, report="ok")
        return replace(node, mute=True) if 0 < record.reported < late else node


def _stray(seen: Seen) -> str:
    return f"VM {seen.vm}"  # no host has a blank in its name


def _since(seen: Seen, apart: Mapping[str, float], strange: Mapping[int, float]) -> Seen:
    if seen.vm in strange:
        return replace(seen, since_strange=strange[seen.vm])
    return replace(seen, since_apart=apart[seen.token]) if seen.apart and seen.token in apart else seen


def noted(records: Iterable[Record], notes: Iterable[Note], now: float = 0.0) -> list[Record]:
    """The records as they would be with the notes, for who may not write them."""
    news = {note.record.node.token: note for note in notes}
    return [_noted(record, news.get(record.node.token), now or clock.now()) for record in records]


def _noted(record: Record, note: Note | None, now: float) -> Record:
    if note is None:
        return record
    facts = dict(note.facts)
    silent = facts.pop("silent_since", record.silent_since)
    apart = facts.pop("apart_since", record.apart_since)
    if note.runs:
        facts |= {"state": JOINING, "since": now}
    return replace(record, node=replace(record.node, **facts), silent_since=silent, apart_since=apart)
