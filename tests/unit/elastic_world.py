"""A small world for the planner: nodes and jobs by short words, and steps carried out as if by the service."""

import itertools
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from oned.elastic.node import COMING, DRAINING, JOINING, PLANNED, QUARANTINED, READY, UNREGISTERED
from oned.elastic.plan import Plan, Step, Verb
from oned.elastic.planner import plan
from oned.elastic.policy import Billing, NodeClass, Pace, Policies
from oned.elastic.reading import Host, Job, JobState, Node, Part, Reading, Seen, Taken

NOW = 1_800_000_000.0
"""15 January 2027, 08:00 UTC, a Friday."""
AT_ONCE = Pace(step_up=1000, booting=1000, cool_down=0, max_kill=100)
"""No pace: everything in one cycle."""

LOCAL = NodeClass("local", slots=4, memory=8192, wait=60, most=4)
CLOUD = NodeClass("cloud", slots=8, memory=32768, wait=60, cloud=True, price=0.5, billing=Billing.HOUR)
SITE = Policies((LOCAL, CLOUD), pace=AT_ONCE)


def waiting(id: str = "1", waited: float = 1000, **facts: object) -> Job:
    """A job that waits."""
    return replace(Job(id, submitted=NOW - waited), **facts)


def running(id: str, node: str, slots: int = 1, **facts: object) -> Job:
    """A job that runs on a node."""
    job = Job(id, state=JobState.RUNNING, submitted=NOW - 5000, slots=slots, parts=(Part(node, slots),))
    return replace(job, **facts)


class World:
    """Nodes with their hosts and VMs; `reading` is what a cycle would read."""

    def __init__(self, policies: Policies, jobs: Iterable[Job] = ()) -> None:
        self.policies, self.jobs = policies, list(jobs)
        self.nodes: dict[str, Node] = {}
        self.hosts: dict[str, Host] = {}
        self.vms: dict[str, Seen] = {}
        self.facts: dict[str, object] = {}
        self.age = 0.0
        self._numbers = itertools.count()

    def add(self, klass: str, state: object = READY, *, idle: float = 0, **facts: object) -> str:
        """A node that is an hour old, unless the facts say otherwise; one that is ready or drains has a host."""
        number = next(self._numbers)
        name = f"wn{number:04d}"
        node = Node(name, klass, READY, NOW - 3000, f"token {number}", NOW - 3600, number, NOW - 3600)
        node = replace(node, state=state, idle_since=NOW - idle if idle else 0.0, report="ok")
        self.nodes[name] = replace(node, **facts)
        self.vms[name] = Seen(number, node.token, NOW - 3600, running=True)
        if state in (READY, DRAINING, JOINING, QUARANTINED):
            kind = self.policies.klass(klass)
            self.hosts[name] = Host(name, kind.slots, 0, kind.memory, kind.memory, kind.arch, kind.queues)
        return name

    def run(self, job: Job) -> None:
        """A job runs."""
        self.jobs.append(job)
        for part in job.parts:
            host = self.hosts[part.node]
            taken = part.slots * job.memory
            self.hosts[part.node] = replace(host, used=host.used + part.slots, free=host.free - taken)
            self.nodes[part.node] = replace(self.nodes[part.node], idle_since=0.0)

    def reading(self) -> Reading:
        at = NOW - self.age
        return replace(
            Reading(
                jobs=Taken(at, tuple(self.jobs)),
                hosts=Taken(at, tuple(self.hosts.values())),
                vms=Taken(at, tuple(self.vms.values())),
                nodes=tuple(self.nodes.values()),
            ),
            **self.facts,
        )

    def plan(self) -> Plan:
        return plan(self.reading(), self.policies, NOW)

    def apply(self, steps: Iterable[Step]) -> None:
        """What the service does for each step, as far as the next reading shows it."""
        for step in steps:
            if step.verb is Verb.UP:
                number = next(self._numbers)
                name = f"wn{number:04d}"
                self.nodes[name] = Node(name, step.klass, PLANNED, NOW, f"token {number}", NOW, owner=step.owner)
            elif step.verb is Verb.REAP:
                self.vms = {name: seen for name, seen in self.vms.items() if seen.vm != step.vm}
            elif step.verb in (Verb.REMOVE, Verb.FORGET):
                self.hosts.pop(step.node, None)
                self.vms.pop(step.node, None)
                self._remove(step.node, UNREGISTERED if step.verb is Verb.REMOVE else None)
            else:
                self._change(step)

    def _remove(self, name: str, state: object) -> None:
        if state is None or self.nodes[name].state is UNREGISTERED:
            del self.nodes[name]
        else:
            self.nodes[name] = replace(self.nodes[name], state=state, since=NOW)

    def _change(self, step: Step) -> None:
        states = {Verb.ENABLE: READY, Verb.UNDRAIN: READY, Verb.DRAIN: DRAINING, Verb.QUARANTINE: QUARANTINED}
        node = self.nodes[step.node]
        drained_by = step.rule if step.verb is Verb.DRAIN else node.drained_by
        self.nodes[step.node] = replace(node, state=states[step.verb], since=NOW, drained_by=drained_by)
        enabled = step.verb in (Verb.ENABLE, Verb.UNDRAIN)
        if step.node in self.hosts:
            self.hosts[step.node] = replace(self.hosts[step.node], enabled=enabled)


def verbs(made: Plan) -> list[tuple[str, str, str]]:
    """(verb, node or class, rule) of each step."""
    return [(step.verb.value, step.node or step.klass, step.rule) for step in made.steps]


def coming(world: World) -> int:
    """Nodes on their way."""
    return sum(node.state in COMING for node in world.nodes.values())


def ups(world: World) -> list[str]:
    """The classes of the nodes that are to be started."""
    return [step.klass for step in world.plan().steps if step.verb is Verb.UP]


def damage(path: Path) -> bytes:
    """Overwrite all pages of a data base but the first, which says that it is one; what it was before."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xa5\x5a" * ((len(whole) - 4096) // 2))
    return whole
