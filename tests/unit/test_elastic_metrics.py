"""The metrics of the elastic service: what a cycle found, and what the audit says has happened since the start."""

import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from oned import clock
from oned.elastic.batch import Departed
from oned.elastic.changes import Why
from oned.elastic.leader import Lead
from oned.elastic.metrics import Metrics, NoMetrics, listed
from oned.elastic.node import READY
from oned.elastic.planner import plan
from oned.elastic.policy import Caps, NodeClass, Policies
from oned.elastic.reading import Failures
from oned.elastic.records import Lease, Records
from tests.unit.elastic_world import NOW, World, running, waiting

POLICIES = Policies(
    classes=(NodeClass("local", slots=2, most=3), NodeClass("ec2", slots=4, price=0.5, cloud=True)),
    caps=Caps(hour=3.0),
)
WHY = Why("demand", "a task waits", "d")


class Time:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    moved = Time()
    monkeypatch.setattr(clock, "now", moved)
    return moved


@pytest.fixture
def lead(tmp_path: Path, time: Time) -> Iterator[Lead]:
    claim = Lead(Records(tmp_path / "onesge.db"), 1e9)
    claim.take()
    yield claim
    claim.resign()


@pytest.fixture
def metrics(lead: Lead) -> Metrics:
    return Metrics(lead._records)


def values(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """(name, labels …) → value, of every sample."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }


def happens(lead: Lead, time: Time, token: str, events: dict[str, float], rule: str = "demand") -> None:
    """Events of a node's life, each so many seconds after the one before; PLANNED is first."""
    for event, seconds in events.items():
        time.now += seconds
        with lead.writing() as changes:
            if event == "plan":
                number = int(token)
                changes.plan(token, "local", Lease(0, f"wn{number}", f"m{number}", f"10.0.0.{number}"), "", WHY)
                changes.fire(token, "register", WHY)
            else:
                changes.fire(token, event, replace(WHY, rule=rule))


def test_a_cycle_tells_what_waits_where_it_goes_and_what_it_costs(metrics: Metrics) -> None:
    world = World(POLICIES, [waiting("7", 300, slots=2, tasks=9), waiting("8", slots=64)])
    name = world.add("local")
    world.run(running("1", name))
    world.add("ec2")
    world.facts["failures"] = {"ec2": Failures(2, NOW - 50)}
    made = world.plan()
    metrics.cycle(made, world.reading(), POLICIES, seconds=0.2)
    found = values(metrics)
    assert found["onesge_pending_tasks", "-", "-", "impossible"] == 1
    assert found["onesge_pending_slots", "-", "-", "impossible"] == 64
    waits = {key[1:]: value for key, value in found.items() if key[0] == "onesge_pending_tasks" and value}
    assert waits.pop(("-", "-", "impossible")) == 1
    assert waits == {("ec2", "-", "free slots"): 2, ("ec2", "-", "new nodes"): 5, ("local", "-", "new nodes"): 2}
    assert found["onesge_oldest_wait_seconds", "-"] == 1000
    assert (found["onesge_nodes", "local", "READY"], found["onesge_nodes", "ec2", "FAILED"]) == (1, 0)
    assert (found["onesge_slots", "local"], found["onesge_slots_used", "local"]) == (2, 1)
    assert found["onesge_spend", "hour"] == made.after.hour
    assert found["onesge_cap_left", "hour"] == 3.0 - made.after.hour
    assert ("onesge_cap_left", "day") not in found
    assert found["onesge_failed_starts_in_a_row", "ec2"] == 2
    assert (found["onesge_leader",], found["onesge_cycle_seconds_count",]) == (1, 1)


def test_what_is_no_longer_so_is_told_no_more(metrics: Metrics) -> None:
    world = World(POLICIES, [waiting("8", slots=64)])
    metrics.cycle(world.plan(), world.reading(), POLICIES, seconds=0.1)
    world.jobs, world.age = [], 45.0
    metrics.cycle(plan(world.reading(), POLICIES, NOW), world.reading(), POLICIES, seconds=0.1, leads=False)
    found = values(metrics)
    assert ("onesge_pending_tasks", "-", "-", "impossible") not in found
    assert (found["onesge_input_age_seconds", "jobs"], found["onesge_leader",]) == (45, 0)


def test_the_life_of_nodes_is_counted_from_the_audit(metrics: Metrics, lead: Lead, time: Time) -> None:
    happens(lead, time, "1", {"plan": 0, "start": 1, "running": 12, "joined": 30, "drain": 500, "empty": 70}, "idle")
    happens(lead, time, "2", {"plan": 0, "start": 0, "failed": 100})
    with lead.writing() as changes:
        changes.refuse(changes.intend("2", "remove", WHY), "a job runs on it")
    with lead.writing() as changes:
        changes.departed(changes.intend("2", "remove", WHY), [Departed("7", "kim", "wn2", ended=True)])
    world = World(POLICIES)
    for _ in range(2):
        metrics.cycle(world.plan(), world.reading(), POLICIES, seconds=0.1)
    found = values(metrics)
    assert (found["onesge_boot_seconds_sum", "local"], found["onesge_join_seconds_sum", "local"]) == (12, 30)
    assert (found["onesge_drain_seconds_sum", "local"], found["onesge_drain_seconds_count", "local"]) == (70, 1)
    assert found["onesge_drains_total", "local", "idle"] == 1
    assert found["onesge_failed_starts_total", "local"] == 1
    assert found["onesge_jobs_total", "ended", "demand"] == 1
    assert (found["onesge_decisions_total", "joined", "idle"], found["onesge_refused_total", "remove"]) == (1, 1)


def test_what_happened_before_the_start_is_not_counted_but_its_times_are_known(lead: Lead, time: Time) -> None:
    happens(lead, time, "1", {"plan": 0, "start": 1})
    metrics = Metrics(lead._records)
    happens(lead, time, "1", {"running": 20})
    world = World(POLICIES)
    metrics.cycle(world.plan(), world.reading(), POLICIES, seconds=0.1)
    found = values(metrics)
    assert found["onesge_boot_seconds_sum", "local"] == 20
    assert [key[1] for key in found if key[0] == "onesge_decisions_total"] == ["running"]


def test_metrics_are_read_over_http_and_written_as_a_file(metrics: Metrics, tmp_path: Path) -> None:
    world = World(POLICIES)
    world.add("local", READY)
    metrics.cycle(world.plan(), world.reading(), POLICIES, seconds=0.1)
    port = metrics.serve("127.0.0.1", 0)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        assert 'onesge_nodes{class="local",state="READY"} 1.0' in answer.read().decode()
    metrics.write(tmp_path / "onesge.prom")
    assert "onesge_leader 1.0" in (tmp_path / "onesge.prom").read_text()
    with pytest.raises(NoMetrics, match="METRICS_PORT"):
        metrics.serve("127.0.0.1", port)
    with pytest.raises(NoMetrics, match="METRICS_FILE"):
        metrics.write(tmp_path / "missing/onesge.prom")


def test_every_metric_is_in_the_manual_with_its_labels_and_sentence() -> None:
    page = (Path(__file__).parents[2] / "share/doc/elastic.md").read_text()
    rows = [f"| `{name}` | {', '.join(f'`{label}`' for label in labels)} | {text} |" for name, labels, text in listed()]
    assert len(rows) > 15
    assert [row for row in rows if row not in page] == []
