"""The loop: nodes come for jobs and go without them, whatever does not answer, is late, or is another loop."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oned import clock
from tests.daemon.elastic_cluster import Clock, Cluster, cluster
from tests.daemon.process import Daemon

Make = Callable[..., Cluster]


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moved = Clock(clock.now)
    monkeypatch.setattr(clock, "now", moved)
    return moved


@pytest.fixture
def small(simulated: Daemon, sound: None, tmp_path: Path, time: Clock) -> Iterator[Cluster]:
    with cluster(simulated, tmp_path, time) as made:
        yield made


def test_a_node_comes_for_a_job_serves_it_and_goes(small: Cluster) -> None:
    job = small.batch.submit()
    small.until(lambda: small.batch.job(job)["state"] == "runs")
    assert small.nodes() == {"wn001": "READY"}
    small.cycle()
    small.batch.finish(job)
    small.until(small.empty)
    events = [entry.event for entry in small.records.events("wn001")]
    assert events == ["plan", "register", "start", "running", "joined", "drain", "empty", "vm gone"]
    assert {entry.result for entry in small.records.events()} == {"done"}
    assert small.batch.states() == ["done"]
