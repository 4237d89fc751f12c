"""The elastic service's plan: what waits and what is there, by the number."""

import statistics

from oned.bench.report import timed
from oned.bench.rows import Sizes
from oned.elastic.node import READY
from oned.elastic.planner import plan
from oned.elastic.policy import Billing, NodeClass, Policies
from oned.elastic.reading import SPREAD, WHOLE, Host, Job, JobState, Node, Part, Reading, Seen, Taken

NOW = 1_800_000_000.0
_SLOTS, _MEMORY = 4, 8192
_SIZES = 7
"""Sizes of memory that jobs ask for."""


def planning(sizes: Sizes) -> tuple[str, float]:
    """One plan: half of the tasks are jobs of their own, half arrays; most nodes are full, and more have to come."""
    classes = (
        NodeClass("local", slots=_SLOTS, memory=_MEMORY, most=2 * sizes.nodes),
        NodeClass("cloud", slots=16, memory=65536, most=sizes.nodes, cloud=True, price=0.5, billing=Billing.HOUR),
    )
    policies, read = Policies(classes, most=2 * sizes.nodes), _reading(sizes)
    seconds = [timed(lambda: plan(read, policies, NOW)) for _ in range(sizes.repeats)]
    return "plan", statistics.median(seconds)


def _reading(sizes: Sizes) -> Reading:
    hosts, nodes, vms, jobs = [], [], [], []
    for number in range(sizes.nodes):
        name, used = f"wn{number:04d}", _SLOTS if number % 10 else 0
        hosts.append(Host(name, _SLOTS, used, _MEMORY, _MEMORY - used * 1024))
        nodes.append(Node(name, "local", READY, NOW - 5000 + number, f"t{number}", NOW - 6000, number, NOW - 6000))
        vms.append(Seen(number, f"t{number}", NOW - 6000, running=True))
        if used:
            parts = (Part(name, used),)
            jobs.append(Job(f"r{number}", state=JobState.RUNNING, slots=used, parts=parts, ends=NOW + number))
    jobs += [_waiting(number) for number in range(sizes.tasks // 2)]
    jobs += [Job(f"a{number}", submitted=NOW - 900, tasks=sizes.tasks // 10, memory=512) for number in range(5)]
    return Reading(Taken(NOW, tuple(jobs)), Taken(NOW, tuple(hosts)), Taken(NOW, tuple(vms)), tuple(nodes))


def _waiting(number: int) -> Job:
    return Job(
        str(number),
        owner=f"u{number % 50}",
        submitted=NOW - 1000 + number / 100,
        slots=1 + number % 4,
        memory=256 * (1 + number % _SIZES),
        layout=SPREAD if number % 2 else WHOLE,
    )
