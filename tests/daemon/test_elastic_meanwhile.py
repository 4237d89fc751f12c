"""What has become of nodes between a reading and what is done by it, or without an answer."""

from collections.abc import Callable, Collection

from elastic_batch import FileBatch

from oned.elastic.batch import BatchDown, Observed, Refused
from tests.daemon.elastic_cluster import Cluster, Make, runs


class Moving(FileBatch):
    """A batch system in which something happens once, just after a reading."""

    def __init__(self, cluster: Cluster, happens: Callable[[], object]) -> None:
        super().__init__(cluster.batch.path)
        self._happens = [happens]

    def observe(self) -> Observed:
        seen = super().observe()
        if self._happens:
            self._happens.pop()()
        return seen


def moved(cluster: Cluster, happens: Callable[[], object]) -> None:
    """A cycle, just after the readings of which something happens."""
    cluster.hands = Moving(cluster, happens)
    cluster.start()
    assert cluster.lead.take()
    cluster.cycles.run()


def silent(cluster: Cluster, name: str = "wn001") -> None:
    """A node is lost, as it is not heard; its VM runs."""
    cluster.dead = {name}
    cluster.cycle()
    cluster.later(310)
    cluster.cycle()
    assert cluster.nodes() == {name: "LOST"}


def machines(cluster: Cluster) -> list[tuple[str, str]]:
    return [(guest.node, guest.state) for guest in cluster.machines()]


def enabled(cluster: Cluster, name: str = "wn001") -> bool:
    """Whether jobs may start on a host."""
    found: bool = cluster.batch.read()["hosts"][name]["enabled"]
    return found


def test_a_job_that_started_on_a_failed_node_after_the_reading_runs_to_its_end(make: Make) -> None:
    cluster = make("JOIN_TIME = 60\n")
    cluster.dead = {"wn001"}
    job = cluster.batch.submit(rerun=False)
    cluster.until(lambda: cluster.nodes().get("wn001") == "JOINING")
    cluster.later(61)
    cluster.cycle()
    assert cluster.nodes() == {"wn001": "FAILED"}

    def a_person_enables_it() -> None:
        cluster.batch.join("wn001")
        cluster.batch.enable(["wn001"])

    moved(cluster, a_person_enables_it)
    assert ("wn001", "RUNNING") in machines(cluster)
    assert (cluster.batch.job(job)["state"], enabled(cluster)) == ("runs", False), "it runs, and no other starts"
    cluster.dead = set()
    cluster.cycle()
    cluster.batch.finish(job)
    cluster.until(lambda: "wn001" not in cluster.nodes())


def test_a_lost_node_that_is_heard_after_the_reading_is_back_with_its_job(small: Cluster) -> None:
    job = runs(small)
    silent(small)
    moved(small, lambda: small.batch.join("wn001"))
    assert machines(small) == [("wn001", "RUNNING")]
    small.dead = set()
    small.until(lambda: small.nodes() == {"wn001": "READY"})
    assert (small.batch.job(job)["host"], small.batch.job(job)["starts"], enabled(small)) == ("wn001", 1, True)


def test_no_vm_of_a_lost_node_is_ended_while_the_batch_system_cannot_be_asked(small: Cluster) -> None:
    job = runs(small)
    silent(small)
    small.batch.down("qmaster is busy")
    small.later(100)
    small.cycle()
    assert machines(small) == [("wn001", "RUNNING")]
    small.batch.down("")
    small.until(lambda: small.batch.job(job)["starts"] == 2, "the job starts elsewhere, once it is known that it can")
    small.until(lambda: "wn001" not in small.nodes())


def test_no_job_starts_on_a_node_from_when_its_vm_is_known_to_be_gone(small: Cluster) -> None:
    first = runs(small)
    small.undead = {"wn001"}
    small.batch.finish(first)
    (guest,) = small.guests()
    small.oned.one.vm.recover(guest.vm, 3)
    small.oned.reaches(guest.vm, "DONE")
    small.cycle()
    assert small.nodes() == {"wn001": "LOST"}
    late = small.batch.submit(rerun=False)
    assert small.batch.job(late)["state"] == "waits"
    small.until(lambda: small.batch.job(late)["state"] == "runs", "it runs on a node that is there")
    assert small.batch.job(late)["host"] != "wn001"


def test_a_job_that_leaves_a_node_at_its_deadline_does_not_come_back_to_it_though_a_person_enabled_it(
    make: Make,
) -> None:
    cluster = make("DRAIN_TIME = 60\n")
    job = runs(cluster)
    cluster.records.order("drain", "wn001")
    cluster.cycle()
    cluster.batch.enable(["wn001"])
    cluster.later(61)
    cluster.cycle()
    assert cluster.nodes()["wn001"] == "UNREGISTERED"
    assert cluster.batch.job(job)["host"] != "wn001"


class Unanswered(FileBatch):
    """A batch system that enables nodes and does not say so, for a while."""

    times = 2

    def enable(self, names: Collection[str]) -> Refused:
        answer = super().enable(names)
        if self.times:
            self.times -= 1
            raise BatchDown("qhost did not answer within 10 s")
        return answer


def test_a_node_that_was_enabled_without_an_answer_and_is_found_unwell_takes_no_jobs(small: Cluster) -> None:
    small.hands = batch = Unanswered(small.batch.path)
    small.start()
    job = small.batch.submit()
    small.until(lambda: batch.times == 1)
    small.batch.finish(job)
    small.records.report(small.node().node.token, "disk full")
    small.cycle()
    assert (small.nodes(), enabled(small)) == ({"wn001": "FAILED"}, False)


def test_a_node_that_was_put_aside_and_enabled_without_an_answer_takes_no_jobs_when_it_is_to_go(small: Cluster) -> None:
    job = runs(small, rerun=False)
    token = small.node().node.token
    small.records.report(token, "disk full")
    small.cycle()
    small.hands = batch = Unanswered(small.batch.path)
    small.start()
    small.records.report(token, "ok")
    small.cycle()
    assert (small.nodes(), enabled(small), batch.times) == ({"wn001": "QUARANTINED"}, True, 1)
    small.records.order("drain", "wn001")
    small.cycle()
    assert (small.nodes(), enabled(small)) == ({"wn001": "DRAINING"}, False)
    assert small.batch.job(job)["state"] == "runs"
