"""What Prometheus is told of the elastic service: the last cycle as gauges, what happened since the start as counters.

Counters are read off the audit, so what another command has done counts too. Label values are few: sentences are none.
"""

from collections import Counter as Sums
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from oned.elastic.changes import BEGUN
from oned.elastic.cost import Spend
from oned.elastic.farewell import ENDED, RESTARTED
from oned.elastic.node import COMING, DRAINING, FAILED, JOINING, READY, STARTING, NodeState
from oned.elastic.plan import Plan
from oned.elastic.policy import NO_LIMIT, Caps, Policies
from oned.elastic.reading import Node, Reading
from oned.elastic.records import JOB_ENDED, JOB_RESTARTED, WAITS, Entry, Records

MISSING = "The package prometheus-client is not installed, without it there are no metrics: pip install 'oned[metrics]'"
NO_ROOM, IMPOSSIBLE, NOT_COUNTED = "no room", "impossible", "not counted"
"""Reasons for which a task waits, beside the places that were found for others."""
BUCKETS = (1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0, 600.0, 1200.0)
CYCLE_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0)
DRAIN_BUCKETS = (10.0, 60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 12 * 3600.0, 86400.0)

_GAUGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "pending_tasks": (
        "Tasks that wait, by organisation, by the class of nodes that takes them and by what becomes of them",
        ("owner", "class", "reason"),
    ),
    "pending_slots": ("Slots that they want", ("owner", "class", "reason")),
    "oldest_wait_seconds": ("How long the oldest of them waits", ("owner",)),
    "wanted_nodes": ("New nodes that the tasks want, started in this cycle or not", ("class",)),
    "nodes": ("Nodes by class and state", ("class", "state")),
    "nodes_max": ("Nodes that there may be, by the numbers of now", ("class",)),
    "slots": ("Slots of nodes that take jobs", ("class",)),
    "slots_used": ("Those that have one", ("class",)),
    "failed_starts_in_a_row": ("Failed starts since the last node of the class that joined", ("class",)),
    "spend": ("Money: per hour now, and bound in this day and month", ("period",)),
    "cap_left": ("What is left of a cap; of an hour, with what nodes that are gone have bound of it", ("period",)),
    "input_age_seconds": ("How old what a cycle started from was", ("input",)),
    "leader": ("1 if this process runs the loop", ()),
}
_COUNTERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "decisions": ("What was done with nodes, by event of their life and rule", ("event", "rule")),
    "refused": ("What could not be done, by event", ("event",)),
    "failed_starts": ("Nodes that did not come up", ("class",)),
    "drains": ("Nodes that were drained", ("class", "rule")),
    "jobs": ("Jobs that were started again (restarted) or ended because their node went, by rule", ("fate", "rule")),
}
FATES = {JOB_ENDED: ENDED, JOB_RESTARTED: RESTARTED}
_TIMES: Mapping[str, tuple[str, tuple[str, ...], tuple[float, ...]]] = {
    "boot_seconds": ("From the order of a VM until it runs", ("class",), BUCKETS),
    "join_seconds": ("From then until the node takes jobs", ("class",), BUCKETS),
    "drain_seconds": ("From the drain of a node until its last job has ended", ("class",), DRAIN_BUCKETS),
    "cycle_seconds": ("A cycle: looking, planning, acting", (), CYCLE_BUCKETS),
}
NAMES = tuple(f"onesge_{name}" for name in (*_GAUGES, *_COUNTERS, *_TIMES))
"""The metrics; those of counters end in _total in the text."""


class NoMetrics(Exception):
    """The library is missing, or the port or file cannot be had; the text says what to do."""


class Metrics:
    """The metrics of a process. Raises NoMetrics."""

    def __init__(self, records: Records) -> None:
        try:
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
        except ImportError:
            raise NoMetrics(MISSING) from None
        self._records = records
        self.registry = CollectorRegistry()
        kept: dict[str, Any] = {"registry": self.registry, "namespace": "onesge"}
        self._gauges = {name: Gauge(name, text, labels, **kept) for name, (text, labels) in _GAUGES.items()}
        self._counters = {name: Counter(name, text, labels, **kept) for name, (text, labels) in _COUNTERS.items()}
        self._times = {
            name: Histogram(name, text, labels, buckets=buckets, **kept)
            for name, (text, labels, buckets) in _TIMES.items()
        }
        self._seen = records.last_entry()
        self._was = {one.node.token: (one.node.state.name, one.node.since) for one in records.nodes()}

    def cycle(self, plan: Plan, reading: Reading, policies: Policies, *, seconds: float, leads: bool = True) -> None:
        """What a cycle found and did, when it has ended.

        policies  with the numbers of now
        """
        self._happened()
        for gauge in self._gauges.values():
            gauge.clear()
        self._gauges["leader"].set(leads)
        self._times["cycle_seconds"].observe(seconds)
        self._waiting(plan)
        self._nodes(reading, policies)
        self._money(plan.after, policies.caps)
        for name, at in (("jobs", reading.jobs.at), ("hosts", reading.hosts.at), ("vms", reading.vms.at)):
            self._gauges["input_age_seconds"].labels(name).set(max(0.0, plan.at - at))

    def text(self) -> bytes:
        """All of it in the text that Prometheus reads."""
        from prometheus_client import generate_latest

        return generate_latest(self.registry)

    def serve(self, address: str, port: int) -> int:
        """Answer /metrics from a thread until the process ends; the port. Raises NoMetrics."""
        from prometheus_client import start_http_server

        try:
            server, _thread = start_http_server(port, address, self.registry)
        except OSError as error:
            raise NoMetrics(f"METRICS_PORT {port} of {address} cannot be had: {error.strerror}") from error
        return int(server.server_address[1])

    def write(self, path: Path) -> None:
        """Replace a file, such as one that node_exporter collects, as a whole. Raises NoMetrics."""
        from prometheus_client import write_to_textfile

        try:
            write_to_textfile(str(path), self.registry)
        except OSError as error:
            raise NoMetrics(f"METRICS_FILE {path} cannot be written: {error.strerror}") from error

    # ---

    def _happened(self) -> None:
        """Count what the audit has anew."""
        for entry in self._records.entries(self._seen):
            self._seen = entry.id
            if entry.event in FATES:
                self._counters["jobs"].labels(FATES[entry.event], entry.rule).inc()
            elif entry.result == "done":
                self._counters["decisions"].labels(entry.event, entry.rule).inc()
                self._moved(entry)
            elif not entry.result.startswith((BEGUN, WAITS)):
                self._counters["refused"].labels(entry.event).inc()

    def _moved(self, entry: Entry) -> None:
        """Count a change of a node's state, and how long the one before lasted."""
        before, since = self._was.get(entry.token, ("", entry.at))
        if not entry.state or entry.state == before:
            return
        self._was[entry.token] = (entry.state, entry.at)
        kept = {(STARTING.name, JOINING.name): "boot_seconds", (JOINING.name, READY.name): "join_seconds"}
        name = (
            "drain_seconds" if before == DRAINING.name and entry.event == "empty" else kept.get((before, entry.state))
        )
        if name:
            self._times[name].labels(entry.klass).observe(max(0.0, entry.at - since))
        if entry.state == FAILED.name and before in {state.name for state in COMING}:
            self._counters["failed_starts"].labels(entry.klass).inc()
        if entry.state == DRAINING.name:
            self._counters["drains"].labels(entry.klass, entry.rule).inc()
        if entry.state == NodeState.GONE.name:
            del self._was[entry.token]

    def _waiting(self, plan: Plan) -> None:
        tasks: Sums[tuple[str, str, str]] = Sums()
        slots: Sums[tuple[str, str, str]] = Sums()
        wanted: Sums[str] = Sums()
        oldest: dict[str, float] = {}
        for served in plan.served:
            owner = served.shape.owner or "-"
            left = ("", IMPOSSIBLE if served.impossible else NO_ROOM, served.unmet)
            for klass, reason, count in (*served.classes, left):
                tasks[owner, klass or "-", reason] += count
                slots[owner, klass or "-", reason] += count * served.shape.slots
            wanted.update(dict(served.new))
            oldest[owner] = max(oldest.get(owner, 0.0), plan.at - served.since)
        tasks["-", "-", NOT_COUNTED] += sum(len(kept.jobs) for kept in plan.kept)
        self._set("pending_tasks", tasks)
        self._set("pending_slots", slots)
        self._set("wanted_nodes", {(klass,): count for klass, count in wanted.items()})
        self._set("oldest_wait_seconds", {(owner,): age for owner, age in oldest.items()})

    def _nodes(self, reading: Reading, policies: Policies) -> None:
        names = [klass.name for klass in policies.classes]
        counts = Sums({(name, state.name): 0 for name in names for state in NodeState if state is not NodeState.GONE})
        counts.update((node.klass, node.state.name) for node in reading.nodes)
        self._set("nodes", counts)
        self._set("nodes_max", {(klass.name,): klass.most for klass in policies.classes})
        self._set("failed_starts_in_a_row", {(name,): failed.count for name, failed in reading.failures.items()})
        self._slots(reading, {node.name: node for node in reading.nodes})

    def _slots(self, reading: Reading, nodes: Mapping[str, Node]) -> None:
        total: Sums[tuple[str]] = Sums()
        used: Sums[tuple[str]] = Sums()
        for host in reading.hosts.items:
            node = nodes.get(host.name)
            if node is not None and node.state is READY:
                total[(node.klass,)] += host.slots
                used[(node.klass,)] += host.used
        self._set("slots", total)
        self._set("slots_used", used)

    def _money(self, bound: Spend, caps: Caps) -> None:
        self._set("spend", {("hour",): bound.hour, ("day",): bound.day, ("month",): bound.month})
        rows = (("hour", bound.bound, caps.hour), ("day", bound.day, caps.day), ("month", bound.month, caps.month))
        self._set("cap_left", {(name,): max(0.0, cap - amount) for name, amount, cap in rows if cap < NO_LIMIT})

    def _set(self, name: str, rows: Mapping[Any, float]) -> None:
        for labels, value in rows.items():
            self._gauges[name].labels(*labels).set(value)


def listed() -> Iterable[tuple[str, tuple[str, ...], str]]:
    """Every metric for the manual: its name in the text, its labels, its sentence."""
    for name, (sentence, labels) in _GAUGES.items():
        yield f"onesge_{name}", labels, sentence
    for name, (sentence, labels) in _COUNTERS.items():
        yield f"onesge_{name}_total", labels, sentence
    for name, (sentence, labels, _) in _TIMES.items():
        yield f"onesge_{name}", labels, f"{sentence} (histogram)"
