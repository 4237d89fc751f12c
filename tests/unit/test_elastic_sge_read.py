"""What Grid Engine 8.1.9 printed in a small cluster, read; in `elastic_sge/` as recorded, without environments."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from oned.elastic.demand import demand
from oned.elastic.policy import Policies
from oned.elastic.reading import SPREAD, WHOLE, Job, JobState, Part
from oned.elastic.sge import read
from oned.elastic.sge.answer import Unreadable, parsed

RECORDED = Path(__file__).with_name("elastic_sge")
RULES = {"smp": "$pe_slots", "mpi": "$fill_up", "two": "2"}


def recorded(name: str) -> bytes:
    return (RECORDED / name).read_bytes()


@pytest.fixture(scope="module")
def jobs() -> dict[str, Job]:
    known = read.details(recorded("jobs.xml"), queues_rerun=True)
    return {job.id: job for job in read.jobs(recorded("qstat.xml"), RULES, known, UTC)}


def test_hosts_have_slots_memory_and_groups_under_their_short_names() -> None:
    one, two = read.hosts(recorded("qhost.xml"), {"@allhosts": ["wn01.lab", "wn02.lab"], "@big": ["wn03"]})
    assert (one.name, one.slots, one.used, one.memory, one.arch) == ("wn01", 4, 0, 24064, "lx-amd64")
    assert one.queues == {"all.q", "all.q@wn01", "@allhosts"}
    assert (two.name, two.used, two.heard, two.enabled) == ("wn02", 3, True, True)


def test_a_dead_host_shows_only_a_u_and_is_not_heard() -> None:
    one, two = read.hosts(recorded("qhost_dead.xml"))
    assert (one.heard, one.enabled) == (True, True)
    assert (two.used, two.heard, two.enabled) == (3, False, False)


@pytest.mark.parametrize("state", ["u", "au", "adu", "du", "d", "D", "s", "S", "C", "E", "o", "c", "P", "a", "A"])
def test_no_job_starts_on_a_host_in_such_a_state(state: str) -> None:
    answer = recorded("qhost.xml").replace(b"state_string'></", f"state_string'>{state}</".encode())
    assert [host.enabled for host in read.hosts(answer)] == [False, False]
    assert [host.heard for host in read.hosts(answer)] == ["u" not in state] * 2


def test_a_host_that_never_reported_is_not_heard() -> None:
    answer = recorded("qhost.xml").replace(b"23.5G", b"-").replace(b"lx-amd64", b"-")
    assert {(host.heard, host.memory, host.arch) for host in read.hosts(answer)} == {(False, 0, "")}


def test_what_waits_is_read_with_its_shape(jobs: dict[str, Job]) -> None:
    facts = {
        id: (job.slots, job.layout, job.memory, job.arch, job.queues, job.cloud)
        for id, job in jobs.items()
        if job.state is JobState.WAITING
    }
    none = frozenset[str]()
    assert facts == {
        "21": (64, WHOLE, 0, "", none, None),
        "23": (1, WHOLE, 0, "", none, None),
        "24": (16, SPREAD, 0, "", none, None),
        "25": (8, 2, 0, "lx-amd64", none, None),
        "26": (1, WHOLE, 0, "", frozenset({"all.q@wn02"}), True),
        "28": (1, WHOLE, 0, "", none, True),  # a soft wish for a queue is none
        "30": (1, WHOLE, 0, "", none, True),
        "32": (3, WHOLE, 1536, "", none, True),
        "33": (1, WHOLE, 0, "", frozenset({"@allhosts"}), True),
    }
    assert (jobs["32"].most, jobs["30"].owner, jobs["30"].group, jobs["24"].project) == (4, "nobody", "nogroup", "cern")


def test_what_is_shown_as_waiting_and_cannot_start_is_told_apart(jobs: dict[str, Job]) -> None:
    assert {id for id, job in jobs.items() if job.state is JobState.FAILED} == {"16", "18"}
    assert {"22", "29"} < {id for id, job in jobs.items() if job.state is JobState.HELD}
    assert datetime.fromtimestamp(jobs["23"].starts, UTC) == datetime(2030, 1, 1, tzinfo=UTC)
    found = demand(list(jobs.values()), (), Policies(), jobs["21"].submitted + 100)
    assert {id for kept in found.kept for id in kept.jobs} == {"16", "18", "19", "22", "23", "29"}


def test_an_array_that_may_run_few_tasks_at_once_does_not_ask_for_all(jobs: dict[str, Job]) -> None:
    assert (jobs["19"].tasks, jobs["19"].state) == (24_984, JobState.HELD)  # two may run, two do
    known = read.details(recorded("jobs.xml"), queues_rerun=True)
    for at_once, tasks in ((5, 3), (0, 24_984)):
        known["19"] = replace(known["19"], at_once=at_once)
        (array,) = (job for job in read.jobs(recorded("qstat.xml"), RULES, known, UTC) if job.id == "19")
        assert (array.tasks, array.state) == (tasks, JobState.WAITING)


def test_running_tasks_are_jobs_of_their_own_on_their_node(jobs: dict[str, Job]) -> None:
    running = {id: job.parts for id, job in jobs.items() if job.state is JobState.RUNNING}
    assert running == {id: (Part("wn02", 1),) for id in ("17", "19.3", "19.31")}


def test_a_job_on_several_nodes_is_one_with_its_slots_on_each() -> None:
    (wide,) = (job for job in read.jobs(recorded("qstat_wide.xml"), RULES, {}, UTC) if job.parts)
    assert (wide.id, wide.slots, wide.parts) == ("35", 6, (Part("wn01", 4), Part("wn02", 2)))
    begun = datetime(2026, 11, 27, 7, 51, 32, tzinfo=UTC).timestamp()
    assert wide.ends == begun + 3600


def test_a_job_that_starts_again_elsewhere_still_runs_and_the_array_does_not_grow() -> None:
    found = {job.id: job for job in read.jobs(recorded("qstat_rq.xml"), RULES, {}, UTC)}
    assert {id: job.parts for id, job in found.items() if job.parts} == {
        id: (Part("wn01", 1),) for id in ("17", "19.3", "19.31")
    }
    assert found["19"].tasks == 24_984


def test_times_without_a_zone_are_in_that_of_the_master() -> None:
    for zone in (UTC, ZoneInfo("Europe/Madrid")):
        found = {job.id: job for job in read.jobs(recorded("qstat.xml"), RULES, {}, zone)}
        assert found["21"].submitted == datetime(2026, 11, 27, 7, 45, 38, tzinfo=zone).timestamp()


def test_details_are_in_seconds_of_the_epoch_and_say_who_may_start_again() -> None:
    for queues_rerun in (True, False):
        known = read.details(recorded("jobs.xml"), queues_rerun=queues_rerun)
        assert [known[id].rerun for id in ("16", "17", "19")] == [False, True, queues_rerun]
    assert (known["21"].submitted, known["23"].starts, known["24"].project) == (1795765538, 1893456000, "cern")
    assert read.details(recorded("no_job.xml"), queues_rerun=True) == {}


def test_memory_that_running_jobs_asked_for_is_taken(jobs: dict[str, Job]) -> None:
    hosts = read.less_taken(read.hosts(recorded("qhost.xml")), jobs.values())
    assert [(host.name, host.free) for host in hosts] == [("wn01", 24064), ("wn02", 23964)]


def test_rules_of_parallel_environments() -> None:
    assert {name: read.rule(recorded(f"pe_{name}.txt").decode()) for name in RULES} == RULES
    with pytest.raises(Unreadable):
        read.rule("pe_name x\n")


def test_a_request_that_is_not_understood_asks_for_nothing() -> None:
    answer = recorded("qstat.xml").replace(b">1.5G<", b">much<")
    found = {job.id: job.state for job in read.jobs(answer, RULES, {}, UTC)}
    assert found["32"] is JobState.FAILED


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "no XML"),
        (b"error: commlib error: got select error", "no XML"),
        (b"<qstat/>", "the answer is qstat, not qhost"),
        (b'<!DOCTYPE qhost [<!ENTITY a "b">]><qhost>&a;</qhost>', "DOCTYPE"),
        (
            b"<qhost><host name='a'><queue name='q'><queuevalue name='slots'>-1</queuevalue></queue></host></qhost>",
            "-1",
        ),
        (b"<qhost>" + b" " * (64 << 20), "more than the"),
    ],
    ids=["nothing", "words", "another", "entities", "numbers", "size"],
)
def test_what_the_command_does_not_print_is_refused(answer: bytes, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        read.hosts(answer)


def test_a_job_that_says_no_end_is_expected_to_run_as_long_as_others_of_its_name() -> None:
    said = {job.id: job for job in read.jobs(recorded("qstat.xml"), RULES, {}, UTC)}
    usual = read.jobs(
        recorded("qstat.xml"), RULES, {}, UTC, lambda owner, name: {("root", "arr"): 600.0}.get((owner, name), 0)
    )
    ends = {job.id: job.ends for job in usual if job.ends != said[job.id].ends}
    begun = datetime(2026, 11, 27, 7, 45, 38, tzinfo=UTC).timestamp()
    assert min(ends.values()) == begun + 600
    assert {id.partition(".")[0] for id in ends} == {"19"}


@pytest.mark.parametrize("bytes_of_a_user", [b"sleep\xff300", b"\x1b[31m", b"caf\xe9", b"&#27;", b"&#x1B;", b"&#12;"])
def test_what_a_user_wrote_into_a_job_hides_no_other_job(bytes_of_a_user: bytes) -> None:
    answer = b"<?xml version='1.0'?><a><b>" + bytes_of_a_user + b"</b><c>other</c></a>"
    assert parsed(answer).findtext("c") == "other"


def test_an_answer_that_is_cut_off_is_none() -> None:
    with pytest.raises(read.Unreadable, match="no XML"):
        parsed(b"<?xml version='1.0'?><a><b>1</b>")
