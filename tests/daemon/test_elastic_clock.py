"""Pauses and clocks of the loop: what is said of them, and clocks that are set."""

import pytest

from tests.daemon.elastic_cluster import Make, runs


def test_a_pause_is_told_once_and_ends_by_itself(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    cluster = make("COOL_DOWN_UP = 600\n")
    runs(cluster)
    second = cluster.batch.submit()
    for _ in range(5):
        cluster.later(10)
        cluster.cycle()
    assert len([one for one in caplog.messages if "left of COOL_DOWN_UP" in one]) == 1
    cluster.later(600)
    cluster.until(lambda: cluster.batch.job(second)["state"] == "runs")
