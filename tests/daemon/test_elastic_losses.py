"""What is lost, or seems to be: nodes of which oned or Grid Engine says so and not both, rows of nodes, a class."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from elastic_batch import FileBatch

from oned.elastic.batch import Refused
from oned.elastic.node import LOST, PLANNED
from oned.elastic.plan import Verb
from oned.elastic.reading import Node
from oned.elastic.records import Record
from tests.daemon.elastic_cluster import Cluster, Make, runs
from tests.daemon.elastic_faults import Killed


class Witness(FileBatch):
    """A batch system that notes which VMs run under the names that it forgets."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster.batch.path)
        self.cluster, self.running, self.forgotten = cluster, set[str](), set[str]()

    def remove(self, names: Collection[str]) -> Refused:
        self.forgotten |= set(names)
        self.running |= {guest.node for guest in self.cluster.machines() if guest.state == "RUNNING"} & set(names)
        return super().remove(names)


@pytest.fixture
def other(small: Cluster) -> Iterator[int]:
    """Another user of oned."""
    user = small.oned.one.user.allocate(f"other{small.number}", "secret")
    yield user
    for guest in small.machines():
        small.oned.one.vm.recover(guest.vm, 3)
    small.oned.one.user.delete(user)


def give(cluster: Cluster, user: int) -> None:
    """All VMs of the cluster go to a user."""
    for guest in cluster.machines():
        cluster.oned.one.vm.chown(guest.vm, user, -1)


def test_nodes_whose_vms_were_given_away_run_their_jobs_on_and_are_back_with_them(small: Cluster, other: int) -> None:
    jobs = [runs(small), runs(small, rerun=False)]
    give(small, other)
    told = small.cycle().notes
    assert "of 2 nodes it lacks 2 VMs that oned does not call DONE. Nothing is stopped" in told[0]
    assert f"belongs to other{small.number}" in told[1]
    assert told[1].endswith("The batch system hears 2.")
    small.later(61)
    assert "implausible" not in " ".join(small.cycle().notes)
    assert set(small.nodes().values()) == {"READY"}
    small.later(250)
    small.cycle()
    assert set(small.nodes().values()) == {"QUARANTINED"}
    give(small, 0)
    small.until(lambda: set(small.nodes().values()) == {"READY"})
    assert [(small.batch.job(job)["state"], small.batch.job(job)["starts"]) for job in jobs] == [("runs", 1)] * 2


def test_a_node_that_nobody_hears_and_whose_vm_is_another_users_is_lost_and_its_vm_is_ended(
    small: Cluster, other: int
) -> None:
    again, fixed = runs(small), runs(small, rerun=False)
    name = small.batch.job(fixed)["host"]
    machine = next(guest for guest in small.machines() if guest.node == name)
    small.oned.one.vm.chown(machine.vm, other, -1)
    small.dead = {name}
    small.cycle()
    small.later(310)
    small.until(lambda: name not in small.nodes())
    assert machine.vm not in [guest.vm for guest in small.machines()]
    assert (small.batch.job(fixed)["state"], small.batch.job(again)["starts"]) == ("killed", 1)


def test_a_job_runs_on_where_the_machine_of_a_vm_that_is_done_is_heard(small: Cluster) -> None:
    job = runs(small, rerun=False)
    small.undead = {"wn001"}
    small.oned.one.vm.recover(small.guests()[0].vm, 3)
    for _ in range(3):
        small.cycle()
    assert (small.batch.job(job)["state"], small.nodes()) == ("runs", {"wn001": "QUARANTINED"})
    small.undead = set()
    small.until(lambda: "wn001" not in small.nodes())
    assert small.batch.job(job)["state"] == "killed"


def test_a_job_that_cannot_start_again_is_left_on_a_silent_node_whose_vm_runs(small: Cluster) -> None:
    again, fixed = runs(small), runs(small, rerun=False)
    name = small.batch.job(fixed)["host"]
    small.dead = {name, small.batch.job(again)["host"]}
    small.cycle()
    small.later(310)
    small.until(lambda: small.batch.job(again)["starts"] == 2)
    for _ in range(3):
        made = small.cycle()
    assert (small.batch.job(fixed)["state"], small.nodes()[name]) == ("runs", "LOST")
    assert "A person should look" in made.explain_node(name)[0]
    small.records.order("remove", name, who="kim")
    small.until(lambda: name not in small.nodes())
    assert small.batch.job(fixed)["state"] == "killed"


def test_no_machine_runs_under_a_name_that_the_batch_system_has_forgotten(make: Make) -> None:
    cluster = make("JOIN_TIME = 100\n")
    job = runs(cluster)
    cluster.hands = witness = Witness(cluster)
    cluster.start()
    cluster.dead = {"wn001", "wn002"}
    cluster.cycle()
    cluster.later(310)
    cluster.until(lambda: cluster.nodes().get("wn002") == "JOINING")
    cluster.later(101)
    cluster.until(lambda: cluster.batch.job(job)["starts"] == 2)
    cluster.until(lambda: "wn001" not in cluster.nodes())
    assert witness.forgotten == {"wn001", "wn002"}
    assert witness.running == set()


SCRIPT = """#!/bin/sh
echo "$@" >> {told}
[ "$5" = restarted ] || { echo no mailer; exit 3; }
"""


def test_whose_job_was_taken_away_is_told_by_the_audit_and_by_the_command_of_the_site(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    script, told = tmp_path / "job ended", tmp_path / "told"
    script.write_text(SCRIPT.replace("{told}", str(told)))
    script.chmod(0o755)
    cluster = make(f"JOB_ENDED_COMMAND = \"'{script}' word\"\n")
    again, fixed = runs(cluster), runs(cluster, rerun=False)
    for guest in cluster.guests():
        cluster.oned.one.vm.recover(guest.vm, 3)
    cluster.until(lambda: cluster.batch.job(again)["starts"] == 2)
    cluster.until(lambda: "wn001" not in cluster.nodes() and "wn002" not in cluster.nodes())
    (entry,) = cluster.records.departures(fixed)
    assert (entry.event, entry.node, entry.rule, entry.result) == ("job ended", "wn002", "lost", "done")
    assert entry.sentence == f"job {fixed} of kim is ended for good: {LOST.value}"
    assert [entry.event for entry in cluster.records.departures(again)] == ["job restarted"]
    assert cluster.records.departures(f"{fixed}0") == []
    cluster.service.world.farewell.close()
    assert sorted(told.read_text().splitlines()) == [
        f"word {again} kim wn001 restarted {LOST.value}", f"word {fixed} kim wn002 ended {LOST.value}",
    ]  # fmt: skip
    assert f"JOB_ENDED_COMMAND ends with 3 for job {fixed}: no mailer" in caplog.text


class Dies(FileBatch):
    """A batch system whose caller dies when jobs were taken away, before it has written so."""

    def release(self, names: Collection[str], **options: Any) -> Refused:
        super().release(names, **options)
        raise Killed("after release")


@pytest.mark.parametrize("rerun", [False, True])
def test_whose_job_was_taken_away_is_told_by_the_next_service_when_this_one_dies_of_it(
    small: Cluster, rerun: bool
) -> None:
    job = runs(small, rerun=rerun)
    small.hands = Dies(small.batch.path)
    small.start()
    small.oned.one.vm.recover(small.guests()[0].vm, 3)
    with pytest.raises(Killed):
        small.until(lambda: "wn001" not in small.nodes())
    assert small.batch.job(job)["state"] == ("waits" if rerun else "killed")
    assert small.records.departures(job) == []
    small.hands = small.batch
    small.start()
    small.until(lambda: "wn001" not in small.nodes())
    (entry,) = small.records.departures(job)
    assert (entry.event, entry.node, entry.rule) == ("job restarted" if rerun else "job ended", "wn001", "lost")


def test_at_a_spot_notice_jobs_that_may_start_again_do_so_elsewhere_and_the_others_run_as_long_as_their_node(
    small: Cluster,
) -> None:
    again, fixed = runs(small), runs(small, rerun=False)
    for job in (again, fixed):
        record = small.records.node(small.batch.job(job)["host"])
        assert record
        small.records.report(record.node.token, 'EC2 takes it back: {"action": "terminate"}')
    first, second = (small.batch.job(job)["host"] for job in (again, fixed))
    small.cycle()
    assert [small.nodes()[name] for name in (first, second)] == ["DRAINING"] * 2
    assert small.batch.job(again)["state"] == "waits", "it has left with the cycle that heard of it"
    small.until(lambda: small.batch.job(again)["state"] == "runs")
    assert (small.batch.job(again)["starts"], small.batch.job(fixed)["host"]) == (2, second)
    small.until(lambda: first not in small.nodes())
    assert (small.batch.job(fixed)["state"], small.nodes()[second]) == ("runs", "DRAINING")
    assert [one.rule for one in small.records.events(second) if one.state == "DRAINING"] == ["taken back"], "once"
    small.batch.finish(fixed)
    small.until(lambda: second not in small.nodes())


def test_vms_that_cannot_be_nodes_go_after_a_while_from_when_that_was_seen(small: Cluster) -> None:
    klass = replace(small.service.policies.klass("local"), name="of another time")
    stray = Record(Node("wn003", klass.name, PLANNED, 0, "a token of nobody"), small.provider.leases(klass, 3, ())[2])
    small.provider.start([(stray, klass)])
    small.later(301)
    small.cycle()
    small.later(299)
    small.cycle()
    assert len(small.guests()) == 1
    small.later(2)
    small.until(lambda: not small.guests())
    assert [entry.rule for entry in small.records.events() if entry.event == "reap"] == ["orphan"]


def test_when_the_records_are_lost_vms_are_nodes_again_and_their_jobs_go_on(make: Make) -> None:
    cluster = make("COST_CAP = [ DAY = 10 ]\n", ", PRICE = 1, BILLING = hour")
    job = runs(cluster)
    token, (guest,) = cluster.records.nodes()[0].node.token, cluster.guests()
    cluster.lose_records()
    assert [step.verb for step in cluster.cycles.look().steps] == [Verb.ENABLE]
    assert cluster.records.nodes() == []
    cluster.later(301)
    cluster.until(lambda: cluster.nodes() == {"wn001": "READY"})
    (record,) = cluster.records.nodes()
    assert (record.node.token, record.node.vm, [one.vm for one in cluster.guests()]) == (token, guest.vm, [guest.vm])
    assert [entry.event for entry in cluster.records.events("wn001")] == ["adopt", "running", "joined"]
    assert [paid.start for paid in cluster.records.paid()] == [record.node.paid_from] == [guest.since]
    assert (cluster.batch.job(job)["state"], cluster.batch.job(job)["starts"]) == ("runs", 1)


def test_what_nodes_of_a_class_that_is_renamed_cost_still_counts_against_the_caps(make: Make) -> None:
    cluster = make("COST_CAP = [ HOUR = 2.5 ]\n", ", PRICE = 1, BILLING = hour")
    jobs = [cluster.batch.submit() for _ in range(3)]
    cluster.until(lambda: [cluster.batch.job(job)["state"] for job in jobs] == ["runs", "runs", "waits"])
    conf = cluster.root / "onesge.conf"
    conf.write_text(conf.read_text().replace("NAME = local,", "NAME = renamed,"))
    assert cluster.service.in_force.reread(conf)
    plan = cluster.cycle()
    assert (plan.before.hour, plan.before.day) == (2, 2)
    assert Verb.UP not in {step.verb for step in plan.steps}
    assert len(cluster.tokens()) == 2
