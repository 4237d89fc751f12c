"""What Grid Engine 8.1.9 printed of complexes, queues, hosts and jobs with `-l`, read; `elastic_sge/` as recorded."""

from datetime import UTC
from pathlib import Path

import pytest

from oned.elastic.needs import Need, Per, Place, Shared, places
from oned.elastic.reading import Host, Job
from oned.elastic.sge import read
from oned.elastic.sge.cell import queues
from oned.elastic.sge.complexes import Complexes, complexes, given, pairs, totals

RECORDED = Path(__file__).with_name("elastic_sge")


def recorded(name: str) -> str:
    return (RECORDED / name).read_text()


def configured(default: str = "0") -> Complexes:
    text = recorded("complexes.txt").replace("YES         YES        0        0", f"YES YES {default} 0")
    known = complexes(text)
    return Complexes(known, given(queues(recorded("queue.txt"))), totals("complex_values        matlab=3\n"))


@pytest.fixture(scope="module")
def jobs() -> dict[str, Job]:
    found = read.jobs(recorded("qstat_requests.xml").encode(), {}, {}, UTC, known=configured())
    return {job.id: job for job in found}


@pytest.fixture(scope="module")
def hosts() -> dict[str, Host]:
    return {host.name: host for host in read.hosts(recorded("qhost_offers.xml").encode(), known=configured())}


def test_complexes_have_a_relation_and_are_taken_by_slot_by_job_or_not_at_all() -> None:
    known = configured().by_name
    facts = {name: (one.relation, one.per, one.text) for name, one in known.items()}
    assert facts["gpu"] == ("<=", Per.SLOT, False)
    assert facts["scratch"] == ("<=", Per.JOB, False)
    assert facts["mem_used"] == (">=", Per.NOTHING, False)
    assert facts["model"] == ("==", Per.NOTHING, True)
    assert facts["matlab_node"] == ("==", Per.NOTHING, False)
    assert "slots" not in configured().defaults


def test_requests_are_needs_by_the_full_names_of_their_complexes(jobs: dict[str, Job]) -> None:
    needs = {id: job.needs for id, job in jobs.items()}
    assert needs["1"] == (Need("gpu", "1", per=Per.SLOT), Need("matlab", "2", per=Per.SLOT))
    assert needs["2"] == (Need("gpu", "5", per=Per.SLOT),)
    assert needs["8"] == (Need("matlab_node", "1", "=="),)
    assert needs["9"] == (Need("matlab_node", "TRUE", "=="),)
    assert needs["10"] == (
        Need("mem_total", "1G", optional=True),
        Need("num_proc", "2", "==", optional=True),
        Need("scratch", "3G", per=Per.JOB),
        Need("swap_free", "1G", optional=True),
    )
    assert needs["13"] == (Need("model", "v100|a100", "==", text=True),)


def test_a_limit_is_a_need_only_where_some_queue_has_less(jobs: dict[str, Job]) -> None:
    assert jobs["5"].needs == ()  # h_rt=600 of 3600
    assert jobs["4"].needs == (Need("h_rt", "7200", optional=True),)
    assert jobs["16"].needs == (Need("virtual_free", "2G", optional=True),)
    assert jobs["16"].memory == 2048


def test_requests_for_a_host_or_a_queue_are_wishes_for_these(jobs: dict[str, Job]) -> None:
    assert (jobs["7"].host, jobs["7"].needs) == ("wn0*", ())
    assert (jobs["12"].queues, jobs["12"].needs) == (frozenset({"all.q"}), ())


def test_hosts_tell_what_is_left_and_show_what_they_report_while_they_are_idle(hosts: dict[str, Host]) -> None:
    offers = dict(hosts["wn01"].offers)
    assert (offers["gpu"], offers["scratch"], offers["matlab"]) == ("1.000000", "10.000G", "1.000000")
    assert hosts["wn01"].shown == ()
    idle = recorded("qhost_offers.xml").replace("'slots_used'>2<", "'slots_used'>0<").encode()
    (first, _) = read.hosts(idle, known=configured())
    shown = dict(first.shown)
    assert (shown["num_proc"], shown["mem_free"], shown["m_topology"]) == ("2.000000", "21.228G", "SCC")
    assert not {"gpu", "load_avg", "mem_used", "cpu", "arch"} & set(shown)


def test_licences_are_what_the_host_global_has() -> None:
    found = read.shares(recorded("qhost_offers.xml").encode(), configured())
    assert found == (Shared("matlab", "3", "1.000000"),)


def test_queues_give_their_limits_and_values_those_of_a_host_in_place_of_the_general_ones() -> None:
    known = configured().given
    assert places({"all.q"}, known) == (Place("all.q", (("h_rt", "01:00:00"), ("matlab_node", "TRUE"))),)
    assert places({"all.q", "all.q@wn02"}, known) == (Place("all.q", (("h_rt", "01:00:00"), ("gpu", "1"))),)


def test_what_every_job_takes_is_a_need_of_all() -> None:
    (job, *_) = read.jobs(recorded("qstat_requests.xml").encode(), {}, {}, UTC, known=configured("1"))
    implied = [need.name for need in job.needs if need.implied]
    assert (job.id, implied) == ("1", [])
    (other,) = (
        one
        for one in read.jobs(recorded("qstat_requests.xml").encode(), {}, {}, UTC, known=configured("1"))
        if one.id == "7"
    )
    assert [(need.name, need.optional) for need in other.needs] == [("gpu", True), ("matlab", True)]


def test_where_memory_is_counted_no_job_gets_more_than_is_left_of_it(hosts: dict[str, Host]) -> None:
    text = recorded("complexes.txt").replace("h_vmem     MEMORY      <=    YES         NO", "h_vmem MEMORY <= YES YES")
    known = Complexes(complexes(text), (), {})
    told = recorded("qhost_offers.xml").replace("name='scratch'", "name='h_vmem'").encode()
    one, two = read.less_taken(read.hosts(told, known=known), (), known)
    assert (one.free, one.memory, two.free) == (10240, 24064, 24064)


def test_pairs_of_names_and_values() -> None:
    assert pairs("gpu=2, model=v100") == (("gpu", "2"), ("model", "v100"))
    assert pairs("NONE") == ()
