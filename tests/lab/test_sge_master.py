"""Grid Engine as a batch system, on a real master whose nodes are simulated: names in, jobs and hosts out."""

import logging
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from oned.elastic.batch import BatchDown, Departed, Member
from oned.elastic.demand import demand
from oned.elastic.policy import NodeClass, Policies
from oned.elastic.reading import Host, Job, JobState
from oned.elastic.sge.master import GridEngine
from share.lab.sge import USER
from tests.lab.sge_world import GROUP, QUEUE, SgeWorld, sge_world
from tests.lab.world import until

PARALLEL = """pe_name spread
slots 99
user_lists NONE
xuser_lists NONE
start_proc_args NONE
stop_proc_args NONE
allocation_rule $round_robin
control_slaves TRUE
job_is_first_task FALSE
urgency_slots min
accounting_summary FALSE
qsort_args NONE
"""
RULES = """{
   name         elastic
   description  NONE
   enabled      TRUE
   limit        users @pilots queues all.q to slots=3
   limit        users {*} to slots=1
}
"""
NAMES = [f"wn{number:02d}" for number in range(1, 7)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SgeWorld]:
    with sge_world(tmp_path_factory.mktemp("sge") / "a", simulated=True) as made:
        yield made


@pytest.fixture
def sge(world: SgeWorld) -> Iterator[GridEngine]:
    world.forget("alias")
    world.names({name: address(name) for name in NAMES})
    made = GridEngine(world.place, world.common / "lock")
    yield made
    if made.observe().jobs:
        world.admin("qdel", "-f", "-u", "*")
    assert made.remove(NAMES) == {}


def address(name: str) -> str:
    return f"10.77.1.{int(name[2:])}"


def member(name: str, slots: int = 2, **facts: object) -> Member:
    return Member(name, address(name), slots, **facts)  # type: ignore[arg-type]


def host(sge: GridEngine, name: str) -> Host:
    return {host.name: host for host in sge.observe().hosts}[name]


def jobs(sge: GridEngine, number: str) -> list[Job]:
    return [job for job in sge.observe().jobs if job.id.partition(".")[0] == number]


def running(sge: GridEngine, number: str) -> bool:
    return any(job.state is JobState.RUNNING for job in jobs(sge, number))


def test_nodes_are_registered_together_and_no_job_starts_before_they_are_enabled(
    sge: GridEngine, world: SgeWorld
) -> None:
    assert sge.register([member("wn01", 4), member("wn02")]) == {}
    one, two = sge.observe().hosts
    assert (one.name, one.slots, two.name, two.slots) == ("wn01", 4, "wn02", 2)
    assert (one.enabled, two.enabled, one.heard) == (False, False, True)
    assert {QUEUE, f"{QUEUE}@wn01", GROUP} == one.queues
    job = world.submit("sleep", "30")
    time.sleep(1.5)  # the scheduler looks each second
    assert [job.state for job in jobs(sge, job)] == [JobState.WAITING]
    assert sge.enable(["wn02"]) == {}
    until(lambda: running(sge, job), 10, "the job runs")
    (seen,) = jobs(sge, job)
    assert [part.node for part in seen.parts] == ["wn02"]


def test_a_node_offers_what_its_class_says_or_is_refused_until_it_does(sge: GridEngine, world: SgeWorld) -> None:
    members = [member("wn01", offers=(("card", "2"),)), member("wn02")]
    for _ in range(2):
        (refused,) = sge.register(members).items()
        assert refused[0] == "wn01"
        assert "it does not offer card (COMPLEX_VALUES, SGE_MEMORY)" in refused[1]
    lines = [line for line in world.admin("qconf", "-sc").splitlines() if not line.startswith("#")]
    world.define("-Mc", "\n".join([*lines, "card card INT <= YES YES 0 0", ""]), "complexes")
    assert sge.register(members) == {}
    assert dict(host(sge, "wn01").offers)["card"] == "2.000000"
    assert "card" not in dict(host(sge, "wn02").offers)


@pytest.mark.soak
def test_a_node_that_is_in_use_is_left_as_it_is_when_it_is_registered_again(sge: GridEngine) -> None:
    sge.register([member("wn01")])
    sge.enable(["wn01"])
    assert sge.register([member("wn01"), member("wn02")]) == {}
    assert (host(sge, "wn01").enabled, host(sge, "wn02").enabled) == (True, False)


@pytest.mark.soak
@pytest.mark.parametrize(
    "before",
    [
        ["qconf -ah wn01"],
        ["qconf -ah wn01", f"qconf -mattr queue slots [wn01=7] {QUEUE}"],
        ["qconf -ah wn01", f"qconf -aattr hostgroup hostlist wn01 {GROUP}"],
    ],
    ids=["known only", "with other slots", "in the group without slots"],
)
def test_what_was_registered_by_half_is_completed(sge: GridEngine, world: SgeWorld, before: list[str]) -> None:
    for line in before:
        world.admin(*line.split())
    assert sge.register([member("wn01", 3)]) == {}
    assert (host(sge, "wn01").slots, host(sge, "wn01").enabled) == (3, False)


def test_a_name_that_does_not_lead_to_the_address_and_back_is_told_and_the_others_are_registered(
    sge: GridEngine, world: SgeWorld
) -> None:
    world.names({"wn02": "10.77.9.9", "alias": address("wn03")})
    world.forget("wn03")
    refused = sge.register([member("wn01"), member("wn02"), member("wn03"), Member("wn09", "10.77.1.9", 1)])
    assert set(refused) == {"wn02", "wn03", "wn09"}
    assert refused["wn02"] == "its name leads to 10.77.9.9 on the master, not to 10.77.1.2"
    assert "does not resolve on the master" in refused["wn09"]
    assert [host.name for host in sge.observe().hosts] == ["wn01"]


@pytest.mark.soak
def test_an_address_that_leads_back_to_another_name_is_told(sge: GridEngine, world: SgeWorld) -> None:
    world.forget("wn04")
    world.names({"alias": address("wn04"), "wn04": address("wn04")})
    refused = sge.register([member("wn04")])
    assert refused == {"wn04": "its address 10.77.1.4 leads to alias alias on the master, not to wn04"}


@pytest.mark.soak
def test_a_node_that_is_known_with_other_slots_is_told_of(sge: GridEngine) -> None:
    sge.register([member("wn01", 2)])
    refused = sge.register([member("wn01", 4)])
    assert refused == {"wn01": f"{QUEUE} has 2 slots there, not 4: remove the node first, it is from before"}


@pytest.mark.soak
def test_a_drained_node_keeps_its_job_and_gets_no_other(sge: GridEngine, world: SgeWorld) -> None:
    sge.register([member("wn01")])
    sge.enable(["wn01"])
    job = world.submit("sleep", "30")
    until(lambda: running(sge, job), 10, "the job runs")
    assert sge.drain(["wn01", "wn05"]) == {"wn05": "it has no queue instance: it is not registered"}
    assert (host(sge, "wn01").used, host(sge, "wn01").enabled, running(sge, job)) == (1, False, True)
    assert sge.remove(["wn01"]) == {"wn01": "1 slots of it are taken by jobs"}
    assert running(sge, job)


def test_released_jobs_wait_again_and_what_cannot_is_refused_or_deleted_with_a_line_of_the_log(
    sge: GridEngine, world: SgeWorld, caplog: pytest.LogCaptureFixture
) -> None:
    sge.register([member("wn01")])
    sge.enable(["wn01"])
    again, fixed = world.submit("-r", "y", "sleep", "60"), world.submit("-r", "n", "sleep", "60")
    until(lambda: running(sge, again) and running(sge, fixed), 10, "the jobs run")
    sge.drain(["wn01"])
    told: list[Departed] = []
    refused = sge.release(["wn01"], kill=False, told=told.append)
    assert refused == {"wn01": f"job {fixed} of labuser is there: it cannot be started again"}
    assert [job.state for job in jobs(sge, again)] == [JobState.WAITING]
    with caplog.at_level(logging.WARNING):
        assert sge.release(["wn01"], kill=True, told=told.append) == {}
    assert told == [Departed(job, "labuser", "wn01", ended=job == fixed) for job in (again, fixed)]
    assert f"job {fixed} of labuser cannot be started again and is deleted: wn01 leaves" in caplog.text
    assert jobs(sge, fixed) == []
    assert sge.remove(["wn01"]) == {}


def test_a_job_that_was_made_able_to_start_again_is_released_and_not_deleted(sge: GridEngine, world: SgeWorld) -> None:
    sge.register([member("wn01")])
    sge.enable(["wn01"])
    first, second = world.submit("-r", "n", "sleep", "60"), world.submit("-r", "y", "sleep", "60")
    until(lambda: running(sge, first) and running(sge, second), 10, "the jobs run, and their details are known")
    world.user("qalter", "-r", "y", first)
    world.user("qalter", "-r", "n", second)
    sge.drain(["wn01"])
    refused = sge.release(["wn01"], kill=False)
    assert refused == {"wn01": f"job {second} of labuser is there: it cannot be started again"}
    assert [job.state for job in jobs(sge, first)] == [JobState.WAITING]


def test_jobs_and_tasks_that_share_a_node_are_all_released(sge: GridEngine, world: SgeWorld) -> None:
    sge.register([member("wn01", slots=6)])
    sge.enable(["wn01"])
    plain = [world.submit("-r", "y", "sleep", "60") for _ in range(2)]
    array = world.submit("-r", "y", "-t", "1-2", "sleep", "60")
    fixed = [world.submit("-r", "n", "sleep", "60") for _ in range(2)]
    until(lambda: host(sge, "wn01").used == 6, 15, "all of them run")
    sge.drain(["wn01"])
    assert sge.release(["wn01"], kill=True) == {}
    assert all(job.state is JobState.WAITING for number in (*plain, array) for job in jobs(sge, number))
    assert [jobs(sge, number) for number in fixed] == [[], []]


def test_a_removed_node_is_named_nowhere_and_removing_it_again_is_no_error(sge: GridEngine, world: SgeWorld) -> None:
    assert sge.register([member(name) for name in NAMES]) == {}
    sge.enable(NAMES)
    world.admin("qconf", "-mattr", "queue", "s_rt", "[wn02=1:00:00]", QUEUE)  # a site's own
    assert sge.remove(["wn01", "wn02", "wn08"]) == {}
    assert sge.remove(["wn01", "wn02"]) == {}
    told = "".join(world.admin("qconf", *words.split()) for words in (f"-sq {QUEUE}", f"-shgrp {GROUP}", "-sh", "-sel"))
    assert "wn03" in told
    assert "wn01" not in told
    assert "wn02" not in told
    assert [host.name for host in sge.observe().hosts] == NAMES[2:]


@pytest.mark.soak
def test_nodes_of_a_class_with_queues_and_groups_are_in_those(sge: GridEngine, world: SgeWorld) -> None:
    world.define("-Ahgrp", "group_name @big\nhostlist NONE\n")
    world.admin("qconf", "-aattr", "queue", "hostlist", "@big", QUEUE)
    refused = sge.register([member("wn01", queues=frozenset({"@big"})), member("wn02", queues=frozenset({"@small"}))])
    assert {"@big", GROUP} & host(sge, "wn01").queues == {"@big"}
    assert refused["wn02"].startswith("it is no execution host")
    assert sge.remove(["wn01", "wn02"]) == {}
    world.admin("qconf", "-dattr", "queue", "hostlist", "@big", QUEUE)
    world.admin("qconf", "-dhgrp", "@big")


@pytest.mark.soak
def test_memory_and_cloud_are_told_to_nodes_where_the_site_has_such_complexes(sge: GridEngine, world: SgeWorld) -> None:
    text = world.admin("qconf", "-sc")
    consumable = re.sub(r"^(h_vmem .*) NO( +\S+ +\S+ *)$", r"\1 YES\2", text, flags=re.MULTILINE)
    world.define("-Mc", consumable + "cloud cloud BOOL == YES NO 0 0\n", "complexes")
    with_memory = GridEngine(replace(world.place, memory="h_vmem"))
    assert with_memory.register([member("wn01", memory=2048), member("wn02", memory=2048, cloud=True)]) == {}
    sge.enable(["wn01", "wn02"])
    inside, small = (
        world.submit("-l", "cloud=1", "sleep", "30"),
        world.submit("-l", "cloud=0,h_vmem=1500M", "sleep", "30"),
    )
    until(lambda: running(sge, inside) and running(sge, small), 10, "both run")
    assert [[part.node for part in jobs(sge, job)[0].parts] for job in (inside, small)] == [["wn02"], ["wn01"]]
    second = world.submit("-l", "cloud=0,h_vmem=1500M", "sleep", "30")
    time.sleep(1.5)  # the scheduler looks each second
    assert not running(sge, second)
    world.admin("qdel", "-f", "-u", "*")
    assert sge.remove(["wn01", "wn02"]) == {}
    world.define("-Mc", text, "complexes")


@pytest.mark.soak
def test_a_parallel_job_and_an_array_are_released_as_a_whole_or_by_task(sge: GridEngine, world: SgeWorld) -> None:
    world.define("-Ap", PARALLEL)
    world.admin("qconf", "-aattr", "queue", "pe_list", "spread", QUEUE)
    sge.register([member("wn01", 1), member("wn02", 1)])
    sge.enable(["wn01", "wn02"])
    both = world.submit("-pe", "spread", "2", "sleep", "60")
    until(lambda: running(sge, both), 10, "the job runs")
    assert sorted(part.node for part in jobs(sge, both)[0].parts) == ["wn01", "wn02"]
    sge.drain(["wn01"])
    assert sge.release(["wn01"], kill=False) == {}
    assert [job.state for job in jobs(sge, both)] == [JobState.WAITING]
    world.admin("qdel", both)
    sge.enable(["wn01"])
    array = world.submit("-t", "1-4", "sleep", "60")
    until(lambda: len(jobs(sge, array)) == 3, 10, "two tasks run, the others wait")
    sge.drain(["wn01", "wn02"])
    assert sge.release(["wn02"], kill=False) == {}
    nodes = {part.node for job in jobs(sge, array) for part in job.parts}
    assert (nodes, sum(job.tasks for job in jobs(sge, array))) == ({"wn01"}, 4)
    world.admin("qdel", "-f", "-u", "*")
    assert sge.remove(["wn01", "wn02"]) == {}
    world.admin("qconf", "-dattr", "queue", "pe_list", "spread", QUEUE)
    world.admin("qconf", "-dp", "spread")


def test_quotas_for_user_lists_and_queues_are_those_that_the_master_holds_jobs_to(
    sge: GridEngine, world: SgeWorld
) -> None:
    assert sge.register([member("wn01", 8)]) == {}
    assert sge.enable(["wn01"]) == {}
    world.admin("qconf", "-au", USER, "pilots")
    world.define("-Arqs", RULES)
    try:
        array = world.submit("-t", "1-9", "sleep", "600")
        until(lambda: sum(job.state is JobState.RUNNING for job in jobs(sge, array)) == 3, 15, "three of them run")
        observed = GridEngine(world.place).observe()
        limits = [(limit.name, limit.slots, limit.owners, limit.each, limit.vague) for limit in observed.limits]
        assert limits == [("elastic/1", 3, {USER}, "", False), ("elastic/2", 1, set(), "owner", False)]
        asked = demand(observed.jobs, observed.limits, Policies((NodeClass("one", slots=2),)), time.time())
        assert asked.wants == ()
        assert [kept.reason for kept in asked.kept] == ["over the batch system's quota elastic/1 of 3 slots"]
    finally:
        world.admin("qconf", "-drqs", "elastic")
        world.admin("qconf", "-dul", "pilots")


@pytest.mark.soak
def test_nodes_whose_names_are_gone_are_removed_all_the_same_also_after_a_restart_of_the_master(
    sge: GridEngine, world: SgeWorld
) -> None:
    assert sge.register([member(name) for name in NAMES[:3]]) == {}
    world.forget("wn01", "wn02")
    assert sge.remove(["wn01"]) == {}
    world.stop_master(signal.SIGKILL)
    world.start_master()
    assert [host.name for host in sge.observe().hosts] == ["wn02", "wn03"]
    assert sge.drain(["wn02"]) == {}
    assert sge.remove(["wn02"]) == {}
    assert [host.name for host in sge.observe().hosts] == ["wn03"]


@pytest.mark.soak
def test_a_hundred_nodes_and_a_thousand_tasks(sge: GridEngine, world: SgeWorld) -> None:
    many = {f"many{number:03d}": f"10.77.2.{number}" for number in range(1, 101)}
    world.names(many)
    assert sge.register([Member(name, where, 4) for name, where in many.items()]) == {}
    assert sge.enable(many) == {}
    job = world.submit("-t", "1-1000", "sleep", "60")
    until(lambda: sum(one.state is JobState.RUNNING for one in jobs(sge, job)) == 400, 30, "all slots are taken")
    seen = sge.observe()
    assert sum(one.tasks for one in seen.jobs) == 1000
    assert {(one.heard, one.enabled, one.used) for one in seen.hosts} == {(True, True, 4)}
    world.admin("qdel", "-f", job)
    until(lambda: not jobs(sge, job), 30, "the tasks are gone")
    assert sge.remove(many) == {}
    assert sge.observe().hosts == ()


@pytest.mark.soak
def test_times_do_not_depend_on_the_zone_of_whoever_asks(
    sge: GridEngine, world: SgeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "TZ", "America/New_York")
    sge.register([member("wn01")])
    sge.enable(["wn01"])
    job = world.submit("-l", "h_rt=100", "sleep", "30")
    until(lambda: running(sge, job), 10, "the job runs")
    (seen,) = jobs(sge, job)
    assert abs(seen.submitted - time.time()) < 30
    assert abs(seen.ends - time.time() - 100) < 30


@pytest.mark.soak
def test_a_change_of_a_waiting_job_is_seen_when_its_details_are_old(
    sge: GridEngine, world: SgeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    sge.register([member("wn01")])
    job = world.submit("sleep", "30")
    assert [job.rerun for job in jobs(sge, job)] == [True]
    world.user("qalter", "-r", "n", job)
    monkeypatch.setattr("oned.elastic.sge.observe.DETAIL_AGE", -1.0)
    assert [job.rerun for job in jobs(sge, job)] == [False]


def test_two_writers_take_turns(sge: GridEngine, world: SgeWorld) -> None:
    other = GridEngine(world.place, world.common / "lock")
    thread = threading.Thread(target=other.register, args=([member(name) for name in NAMES[:3]],))
    thread.start()
    assert sge.register([member(name) for name in NAMES[3:]]) == {}
    thread.join()
    assert [host.name for host in sge.observe().hosts] == NAMES


def test_a_master_that_hangs_is_told_within_the_time_limit_and_one_that_is_down_at_once(
    world: SgeWorld, sge: GridEngine
) -> None:
    since = sge.observe().master_since
    hasty = GridEngine(replace(world.place, seconds=1))
    world.stop_master(signal.SIGSTOP)
    with pytest.raises(BatchDown, match=r"did not answer within 1 s \(SGE_TIMEOUT\): sge_qmaster hangs"):
        hasty.observe()
    world.stop_master(signal.SIGCONT)
    world.stop_master(signal.SIGKILL)
    with pytest.raises(BatchDown, match=r"sge_qmaster does not run there. Start it"):
        sge.observe()
    with pytest.raises(BatchDown, match=r"sge_qmaster does not run there. Start it"):
        sge.register([member("wn01")])
    world.start_master()
    assert sge.observe().master_since > since > time.time() - 600
