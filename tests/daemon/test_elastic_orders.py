"""What people order of nodes: it is done, and stays done whatever the rules want."""

import pytest

from tests.daemon.elastic_cluster import Cluster, Make, runs


def result(cluster: Cluster, number: int) -> str:
    """What became of an order."""
    return next(order.result for order in cluster.records.orders(waiting=False) if order.id == number)


def test_a_node_that_is_to_be_removed_goes_when_its_jobs_have_ended_and_an_idle_one_at_once(make: Make) -> None:
    cluster = make("", ", MIN = 1")
    job = runs(cluster, rerun=False)
    first = cluster.records.order("remove", "wn001", who="kim")
    cluster.cycle()
    again = cluster.records.order("remove", "wn001", who="kim")
    for _ in range(3):
        cluster.cycle()
    assert (cluster.nodes()["wn001"], cluster.node().node.drained_by) == ("DRAINING", "by hand")
    assert result(cluster, first) == "done"
    assert result(cluster, again) == "it is being drained already, and goes when its jobs have ended"
    assert (cluster.batch.job(job)["state"], cluster.batch.job(job)["starts"]) == ("runs", 1)
    cluster.batch.finish(job)
    cluster.until(lambda: cluster.nodes() == {"wn002": "READY"})
    cluster.records.order("remove", "wn002", who="kim")
    cluster.until(lambda: "wn002" not in cluster.nodes())


@pytest.mark.soak
def test_people_add_drain_and_bring_back_nodes_and_are_told_why_not(make: Make) -> None:
    cluster = make("IDLE_TIME = 10000\n", ", MAX = 2")
    cluster.records.order("add", "local", 3, "kim")
    cluster.until(lambda: list(cluster.nodes().values()) == ["READY", "READY"])
    job = runs(cluster)
    busy = cluster.batch.job(job)["host"]
    for verb, subject in (("drain", busy), ("undrain", busy), ("undrain", busy), ("drain", "wn009"), ("add", "none")):
        cluster.records.order(verb, subject, who="kim")
        cluster.cycle()
    results = [order.result for order in cluster.records.orders(waiting=False)]
    refused = ["it takes jobs already", "there is no node wn009", "there is no class none"]
    assert results == ["2 of 3: class local: has its MAX of 2 nodes", "done", "done", *refused]
    assert cluster.nodes()[busy] == "READY"
    lines = [(one.event, one.node or one.token, one.rule, one.result) for one in cluster.records.events()]
    assert lines[-3:] == [
        ("undrain", busy, "by hand", refused[0]), ("drain", "node wn009", "by hand", refused[1]),
        ("add", "class none", "by hand", refused[2]),
    ]  # fmt: skip
    assert {entry.rule for entry in cluster.records.events(busy) if entry.event == "undrain"} == {"by hand"}


@pytest.mark.parametrize("verb", ["drain", "remove"])
def test_a_node_that_was_drained_as_idle_does_not_serve_again_when_a_person_wants_it_out(make: Make, verb: str) -> None:
    cluster = make("", ", MAX = 1")
    cluster.batch.finish(runs(cluster))
    cluster.until(lambda: cluster.nodes() == {"wn001": "DRAINING"})
    assert cluster.node().node.drained_by == "idle"
    number = cluster.records.order(verb, "wn001", who="kim")
    job = cluster.batch.submit()
    cluster.cycle()
    assert result(cluster, number) == "done"
    cluster.until(lambda: "wn001" not in cluster.nodes())
    assert "undrain" not in [entry.event for entry in cluster.records.events("wn001")]
    assert cluster.batch.job(job)["state"] == "waits"
