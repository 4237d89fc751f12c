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


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_a_clock_that_is_set_while_the_service_runs_makes_no_node_older_or_younger(make: Make, seconds: int) -> None:
    cluster = make("IDLE_TIME = 600\nMAX_LIFE = 1800\n", ", PRICE = 1, BILLING = hour")
    cluster.dead = {"wn002"}
    job = runs(cluster)
    cluster.batch.submit()
    cluster.until(lambda: cluster.nodes() == {"wn001": "READY", "wn002": "JOINING"})
    cluster.batch.finish(job)
    cluster.later(100)
    cluster.cycle()
    paid = cluster.records.paid()
    cluster.time.wrong = seconds
    for _ in range(3):
        assert cluster.cycle().steps == ()
    assert cluster.nodes() == {"wn001": "READY", "wn002": "JOINING"}
    moved = [one.start - before.start for one, before in zip(cluster.records.paid(), paid, strict=True)]
    assert moved == pytest.approx([seconds] * 2)
    cluster.later(201)
    cluster.until(lambda: "wn002" not in cluster.nodes())


def test_a_clock_that_was_set_back_while_no_service_ran_stops_nothing(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = make("COOL_DOWN_UP = 60\nCOOL_DOWN_DOWN = 120\n")
    job = runs(cluster)
    cluster.time.wrong = -7200
    cluster.start()
    second = cluster.batch.submit()
    cluster.cycle()
    assert "The clock is before times in the records" in caplog.text
    cluster.later(61)
    cluster.until(lambda: cluster.batch.job(second)["state"] == "runs")
    cluster.oned.one.vm.recover(cluster.node(cluster.batch.job(job)["host"]).node.vm, 3)
    cluster.until(lambda: cluster.batch.job(job)["state"] == "waits")
    cluster.later(61)
    cluster.until(lambda: cluster.batch.job(job)["starts"] == 2)


def test_a_job_of_before_the_clock_was_set_back_gets_its_node(make: Make) -> None:
    cluster = make("WAIT_BEFORE_UP = 30\n")
    cluster.time.wrong = 7200
    job = cluster.batch.submit()
    cluster.time.wrong = 0
    cluster.until(lambda: cluster.batch.job(job)["state"] == "runs")
