"""The loop: nodes come for jobs and go without them, whatever does not answer, is late, or is another loop."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from oned.client.client import Client
from oned.client.documents import parse
from oned.elastic.cycle import Cycle, StalePlan
from oned.elastic.leader import Deposed, Lead
from oned.elastic.plan import Verb
from tests.daemon.elastic_cluster import Cluster, Make, runs
from tests.daemon.elastic_faults import DeafClient, Killed, MortalBatch, MortalClient, Points
from tests.daemon.process import ADMIN


def test_a_node_comes_for_a_job_serves_it_and_goes(small: Cluster) -> None:
    job = runs(small)
    assert small.nodes() == {"wn001": "READY"}
    small.batch.finish(job)
    small.until(small.empty)
    events = [entry.event for entry in small.records.events("wn001")]
    assert events == ["plan", "register", "start", "running", "joined", "drain", "empty", "vm gone"]
    assert {entry.result for entry in small.records.events()} == {"done"}
    assert small.batch.states() == ["done"]


def test_a_service_that_dies_at_each_point_of_nodes_lives_loses_nothing(make: Make) -> None:
    cluster = make("MAX = 1\n")
    points = Points()
    cluster.hands = MortalBatch(cluster.batch, points)
    cluster.client = lambda: mortal(cluster, points)

    def live(happened: Callable[[], object]) -> None:
        while True:
            cluster.start()
            points.commits(cluster.records.engine)
            with suppress(Killed):
                return cluster.until(happened)

    first = cluster.batch.submit()
    live(lambda: cluster.batch.job(first)["state"] == "runs")
    cluster.batch.finish(first)
    live(cluster.empty)
    cluster.later(121)
    second = cluster.batch.submit()
    live(lambda: cluster.batch.job(second)["state"] == "runs" and "READY" in cluster.nodes().values())
    cluster.oned.one.vm.recover(cluster.guests()[0].vm, 3)
    live(lambda: cluster.batch.job(second)["starts"] == 2)
    cluster.batch.finish(second)
    live(cluster.empty)
    assert cluster.batch.states() == ["done", "done"]
    assert len(cluster.tokens()) == len(set(cluster.tokens())) == 3
    for call in ("register", "enable", "drain", "release", "remove", "one.template.instantiate", "one.vm.action"):
        assert {f"before {call}", f"after {call}", f"commit 1 after {call}"} <= set(points.passed)


def told(cluster: Cluster, name: str) -> list[str]:
    """The events of a node."""
    return [entry.event for entry in cluster.records.events(name)]


def mortal(cluster: Cluster, points: Points) -> Client:
    client = MortalClient(cluster.oned.endpoint, ADMIN, 60)
    client.points = points
    return client


def deaf(cluster: Cluster) -> DeafClient:
    """A service whose answers from oned may be lost."""
    client = DeafClient(cluster.oned.endpoint, ADMIN, 60)
    cluster.client = lambda: client
    cluster.start()
    return client


def test_a_vm_whose_order_was_not_answered_is_found_by_its_token(small: Cluster) -> None:
    client = deaf(small)
    client.lost = ("one.template.instantiate",)
    job = small.batch.submit()
    small.until(small.tokens)
    assert small.nodes() == {"wn001": "REGISTERED"}
    client.lost = ()
    small.until(lambda: small.batch.job(job)["state"] == "runs")
    assert len(small.tokens()) == 1
    assert small.node().node.vm == small.guests()[0].vm


@pytest.mark.soak
def test_a_batch_system_that_is_away_stops_nothing_and_starts_nothing_until_it_is_back(small: Cluster) -> None:
    job = runs(small)
    small.batch.finish(job)
    small.batch.down("commlib error: got select error")
    for _ in range(3):
        small.cycle()
    assert small.nodes() == {"wn001": "READY"}
    small.later(700)
    assert "nothing is started and nothing is stopped" in " ".join(small.cycle().notes)
    small.batch.down("")
    small.until(small.empty)


@pytest.mark.soak
def test_an_oned_that_is_away_is_waited_for(small: Cluster) -> None:
    client = deaf(small)
    job = runs(small)
    client.away = True
    assert small.lead.take()
    small.later(130)
    assert "The reading of VMs is 13" in small.cycles.run()[0].notes[0]
    small.batch.finish(job)
    small.cycles.run()
    assert small.nodes() == {"wn001": "READY"}
    client.away = False
    small.until(small.empty)


@pytest.mark.soak
def test_a_node_that_never_joins_goes_its_console_is_kept_and_its_class_rests(make: Make) -> None:
    cluster = make("JOIN_TIME = 100\nPROTECT = 2\nPROTECT_TIME = 600\n")
    cluster.dead = {"wn001", "wn002"}
    job = cluster.batch.submit()
    for name in ("wn001", "wn002"):
        cluster.until(lambda name=name: cluster.nodes().get(name) == "JOINING")
        cluster.later(101)
        cluster.until(lambda name=name: name not in cluster.nodes())
        assert told(cluster, name)[-3:] == ["overdue", "remove", "vm gone"]
    consoles = sorted((cluster.root / "consoles").iterdir())
    assert [path.name[:5] for path in consoles] == ["wn001", "wn002"]
    assert "deployed as" in consoles[0].read_text()
    for _ in range(5):
        assert not [step for step in cluster.cycle().steps if step.verb is Verb.UP]
    assert cluster.records.failures()["local"].count == 2
    cluster.dead = set()
    cluster.later(601)
    cluster.until(lambda: cluster.batch.job(job)["state"] == "runs")
    assert cluster.records.failures() == {}
    assert len(set(cluster.tokens())) == 3


def test_an_absence_of_the_master_takes_no_node_that_comes_and_makes_no_class_rest(make: Make) -> None:
    cluster = make("JOIN_TIME = 100\nSTALE_DOWN = 600\nPROTECT = 1\n")
    cluster.dead = {"wn001"}
    cluster.batch.submit()
    cluster.until(lambda: cluster.nodes().get("wn001") == "JOINING")
    cluster.batch.down("commlib error: got select error")
    cluster.later(300)
    cluster.cycle()
    cluster.batch.down("")
    cluster.batch.restarted()
    cluster.cycle()
    assert cluster.nodes() == {"wn001": "JOINING"}
    cluster.later(101)
    cluster.until(lambda: "wn001" not in cluster.nodes())
    assert told(cluster, "wn001")[-3:] == ["overdue", "remove", "vm gone"]
    assert cluster.records.failures() == {}


@pytest.mark.soak
def test_more_jobs_than_addresses_get_as_many_nodes_and_the_rest_waits(small: Cluster) -> None:
    jobs = [small.batch.submit() for _ in range(6)]
    small.until(lambda: small.batch.states().count("runs") == 4)
    for _ in range(3):
        small.cycle()
    assert list(small.nodes()) == ["wn001", "wn002", "wn003", "wn004"]
    for job in jobs[:4]:
        small.batch.finish(job)
    small.until(lambda: small.batch.states().count("runs") == 2)
    for job in jobs[4:]:
        small.batch.finish(job)
    small.until(small.empty)


def test_an_address_is_held_for_a_while_after_its_node_and_then_is_free(make: Make) -> None:
    cluster = make("HOLD_TIME = 300\n")
    cluster.batch.finish(runs(cluster))
    cluster.until(cluster.empty)
    cluster.later(299)
    cluster.cycle()
    assert [record.lease.name for record in cluster.records.held()] == ["wn001"]
    assert cluster.provider.leases(cluster.service.policies.klass("local"), 4, ())[0].name == "wn002"
    cluster.later(2)
    cluster.cycle()
    assert cluster.records.held() == []
    assert cluster.provider.leases(cluster.service.policies.klass("local"), 4, ())[0].name == "wn001"


def test_of_two_loops_one_acts_and_the_other_takes_over_and_nothing_is_done_twice(make: Make) -> None:
    cluster = make("LEADER_TIME = 5\n")
    other = cluster.assembled()
    lead = Lead(other.records, 30)
    cycles = Cycle(other.world, lead)
    job = cluster.batch.submit()
    cluster.cycle()
    assert not lead.take()
    with pytest.raises(Deposed):
        cycles.run()
    cluster.later(31)
    assert lead.take()
    with pytest.raises(Deposed):
        cluster.cycles.run()
    while cluster.batch.job(job)["state"] != "runs":
        cluster.nature()
        cycles.run()
    assert len(cluster.tokens()) == 1
    lead.resign()
    other.close()
    cluster.until(cluster.lead.take)


@pytest.mark.soak
def test_a_job_whose_node_died_runs_again_elsewhere_and_one_that_cannot_is_ended_with_word(small: Cluster) -> None:
    jobs = [runs(small), runs(small, rerun=False)]
    for guest in small.guests():
        small.oned.one.vm.recover(guest.vm, 3)
    small.until(lambda: small.batch.job(jobs[0])["starts"] == 2)
    assert small.batch.job(jobs[1])["state"] == "killed"
    assert told(small, "wn001")[-4:] == ["vm gone", "job restarted", "remove", "vm gone"]
    assert "READY" in small.nodes().values()


@pytest.mark.soak
def test_a_node_that_is_silent_for_too_long_is_lost_and_one_that_is_heard_again_is_not(small: Cluster) -> None:
    job = runs(small)
    small.dead = {"wn001"}
    small.cycle()
    small.later(290)
    small.cycle()
    assert small.nodes() == {"wn001": "READY"}
    small.later(20)
    small.cycle()
    assert small.nodes() == {"wn001": "LOST"}
    small.dead = set()
    small.until(lambda: small.nodes() == {"wn001": "READY"})
    assert small.batch.job(job)["starts"] == 1
    small.dead = {"wn001"}
    small.cycle()
    small.later(310)
    small.until(lambda: small.batch.job(job)["starts"] == 2)
    assert small.batch.job(job)["host"] != "wn001"


def test_the_cap_holds_over_nodes_that_come_and_go(make: Make) -> None:
    cluster = make("COST_CAP = [ DAY = 2.5 ]\n", ", PRICE = 1, BILLING = hour")
    for _ in range(30):
        cluster.batch.submit()
    for _ in range(9):
        for number, job in cluster.batch.read()["jobs"].items():
            if job["state"] == "runs":
                cluster.batch.finish(number)
        cluster.later(600)
        plan = cluster.cycle()
        assert plan.after.day <= 2.5 or Verb.UP not in {step.verb for step in plan.steps}
    assert len(cluster.tokens()) == 2
    assert "waits" in cluster.batch.states()


def test_an_unwell_node_goes_in_time_and_the_hour_that_was_paid_for_it_lets_no_other_come(make: Make) -> None:
    cluster = make("COST_CAP = [ HOUR = 1 ]\nQUARANTINE_TIME = 600\n", ", PRICE = 1, BILLING = hour")
    job = runs(cluster)
    (node,) = cluster.records.nodes()
    assert cluster.records.report(node.node.token, "/home is not mounted")
    cluster.until(lambda: cluster.nodes() == {"wn001": "QUARANTINED"})
    waits = cluster.batch.submit()
    cluster.later(601)
    cluster.cycle()
    assert cluster.nodes() == {"wn001": "QUARANTINED"}, "its job is left to end"
    cluster.batch.finish(job)
    cluster.until(lambda: not cluster.nodes())
    (drain,) = [entry for entry in cluster.records.events("wn001") if entry.event == "drain"]
    assert drain.rule == "quarantine"
    cluster.later(120)
    assert [step.verb for step in cluster.cycle().steps if step.verb is Verb.UP] == []
    cluster.later(7200)
    cluster.until(lambda: cluster.batch.job(waits)["state"] == "runs")


def test_a_start_that_oned_refuses_is_a_failure_and_costs_nothing(make: Make) -> None:
    cluster = make("PROTECT = 1\n", ", PRICE = 1")
    template = next(
        one.int("ID") for one in parse(cluster.oned.admin.text("one.templatepool.info", -2, -1, -1)).all("VMTEMPLATE")
        if one.text("NAME") == f"node{cluster.number}"
    )  # fmt: skip
    cluster.oned.one.template.update(
        template, f'NIC = [ NETWORK = "nodes{cluster.number}" ]\nNIC = [ NETWORK_ID = 999 ]', 1
    )
    cluster.batch.submit()
    cluster.until(cluster.records.failures)
    cluster.until(cluster.empty)
    assert told(cluster, "wn001") == ["plan", "register", "start", "failed", "remove", "vm gone"]
    assert "999" in cluster.records.events("wn001")[2].result
    assert (cluster.records.paid(), cluster.tokens()) == ([], [])


def test_a_hosts_file_that_cannot_be_written_is_told_with_the_nodes_that_wait_for_it(
    make: Make, tmp_path: Path
) -> None:
    hosts = tmp_path / "hosts"
    hosts.mkdir()
    cluster = make(f'NAMES = [ SERVER = none, DIRECTORY = "{tmp_path}/names", ETC_HOSTS = "{hosts}" ]\n')
    cluster.batch.submit()
    for _ in range(3):
        made = cluster.cycle()
    (note,) = made.notes
    assert note.startswith("wn001 waits: names are not in force: ")
    assert str(hosts) in note
    assert len([entry for entry in cluster.records.events("wn001") if entry.event == "register"]) == 1
    hosts.rmdir()
    hosts.touch()
    cluster.until(lambda: cluster.nodes() == {"wn001": "READY"} or not cluster.cycles.look().notes, "it goes on")


def test_a_name_that_does_not_resolve_yet_is_tried_again(small: Cluster) -> None:
    small.batch.unresolved("wn001")
    job = small.batch.submit()
    for _ in range(3):
        small.cycle()
    assert small.nodes() == {"wn001": "PLANNED"}
    (waits,) = [entry for entry in small.records.events("wn001") if entry.event == "register"]
    assert waits.result.startswith("waits: ")
    why = waits.result.removeprefix("waits: ")
    made = small.cycle()
    assert f"it waits: {why}" in made.explain_node("wn001")[0]
    assert made.notes == (f"wn001 waits: {why}",)
    small.batch.unresolved()
    small.until(lambda: small.batch.job(job)["state"] == "runs")


def test_jobs_that_are_there_at_the_drain_deadline_start_again_elsewhere_or_stay_until_they_end(make: Make) -> None:
    cluster = make("DRAIN_TIME = 1000\n")
    again, fixed = runs(cluster), runs(cluster, rerun=False)
    names = [cluster.batch.job(job)["host"] for job in (again, fixed)]
    for name in names:
        cluster.records.order("drain", name, who="kim")
    cluster.until(lambda: [cluster.nodes()[name] for name in names] == ["DRAINING"] * 2)
    cluster.later(900)
    cluster.cycle()
    assert [cluster.batch.job(job)["host"] for job in (again, fixed)] == names
    cluster.later(101)
    cluster.until(lambda: cluster.batch.job(again)["starts"] == 2)
    cluster.until(lambda: names[0] not in cluster.nodes())
    assert (cluster.batch.job(fixed)["state"], cluster.nodes()[names[1]]) == ("runs", "DRAINING")
    cluster.batch.finish(fixed)
    cluster.until(lambda: names[1] not in cluster.nodes())
    assert (cluster.batch.job(fixed)["state"], cluster.batch.job(fixed)["starts"]) == ("done", 1)


def test_a_look_changes_nothing_and_says_what_would_be_done(small: Cluster) -> None:
    small.batch.submit()
    made = small.cycles.look()
    assert [step.verb for step in made.steps] == [Verb.UP]
    assert small.cycles.look().digest == made.digest
    assert (small.records.nodes(), small.tokens(), small.records.events()) == ([], [], [])
    assert small.lead.take()
    with (small.root / "onesge.conf").open("a") as file:
        file.write("DRAIN_TIME = 5\n")
    assert small.service.in_force.reread(small.root / "onesge.conf")
    with pytest.raises(StalePlan):
        small.cycles.carry_out(made.digest)
    made = small.cycles.look()
    assert small.cycles.carry_out(made.digest).digest == made.digest
    assert small.nodes() == {"wn001": "STARTING"}
    with pytest.raises(StalePlan):
        small.cycles.carry_out(made.digest)
