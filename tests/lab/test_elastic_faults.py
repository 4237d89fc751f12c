"""onesge with a real Grid Engine where something is wrong: deadlines, wrong names, a master that was away."""

import signal
from collections.abc import Callable, Iterator

import pytest

from share.lab.machine import changed
from tests.daemon.process import SIMULATED, Daemon
from tests.lab.elastic_sge import Side, Site, runs, works
from tests.lab.sge_world import QUEUE, SgeWorld, sge_world

pytestmark = [pytest.mark.lab, pytest.mark.soak, pytest.mark.timeout(400)]
ADDRESSES = 24
"""So many that a test does not wait for one. The name of a node that died without a farewell may join a minute late."""
VO = Side("vo", "vo", 150, "b.q", "@b")
STRANGER = "ip-10-77-0-200"


@pytest.fixture(scope="module")
def sge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SgeWorld]:
    with sge_world(tmp_path_factory.mktemp("sge") / "a") as made:
        yield made


@pytest.fixture(scope="module")
def site(sge: SgeWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Daemon(tmp_path_factory.mktemp("oned"), SIMULATED) as oned, Site(sge, oned, nodes=ADDRESSES) as made:
        yield made
        assert oned.check() == []


@pytest.fixture(scope="module")
def other(site: Site) -> Iterator[Site]:
    """A cluster beside it: the same master and oned, its own queue, host group, network and template."""
    site.sge.define("-Ahgrp", f"group_name {VO.group}\nhostlist NONE\n")
    queue = changed(site.sge.admin("qconf", "-sq", QUEUE), {"qname": VO.queue, "hostlist": VO.group})
    site.sge.define("-Aq", queue)
    with Site(site.sge, site.oned, nodes=8, side=VO) as made:
        yield made


def test_at_the_drain_deadline_a_job_starts_again_elsewhere_and_one_that_cannot_keeps_its_node(site: Site) -> None:
    with runs(site, "DRAIN_TIME = 5\n"):
        again, fixed = site.job("-r", "y", *works(25)), site.job("-r", "n", *works(45))
        left, kept = site.placed(again, fixed)
        site.said("node", "drain", f"{left},{kept}")
        site.until(lambda: site.place(again) not in ("", left), 90, "the first job runs elsewhere")
        assert ("overdue", "deadline") in site.rules(left)
        told = f"job {fixed} cannot be started again, and DRAIN_KILL is NO"
        site.until(lambda: told in site.said("explain", kept), 30, "it is told why the other node stays")
        assert (site.place(fixed), site.state(kept)) == (kept, "DRAINING")
        site.until(lambda: site.ended(again) and site.ended(fixed), 90, "both jobs have run")
    assert ("empty", "empty") in site.rules(kept)


def test_at_the_drain_deadline_a_job_that_cannot_start_again_is_ended_where_the_setting_says_so(site: Site) -> None:
    with runs(site, "DRAIN_TIME = 5\nDRAIN_KILL = YES\n"):
        fixed = site.job("-r", "n", *works(300))
        (node,) = site.placed(fixed)
        site.said("node", "drain", node)
        site.until(lambda: not site.state(node), 60, "the node is gone")
        assert ("overdue", "deadline") in site.rules(node)
        assert f"job {fixed} of labuser cannot be started again and is deleted: {node} leaves" in site.log()
        assert fixed not in site.sge.admin("qstat", "-u", "*")
    assert not site.ended(fixed)


def test_nodes_whose_execd_calls_itself_otherwise_fail_with_the_reason_and_their_class_rests(site: Site) -> None:
    site.own_name = STRANGER
    with runs(site, "JOIN_TIME = 15\nPROTECT = 2\nPROTECT_TIME = 30\n"):
        before = len(site.tokens())
        job = site.job(*works(1))
        rests = "local: rests for"
        site.until(lambda: rests in site.said("explain", job), 120, "the class rests")
        assert len(site.tokens()) == before + 2
        site.own_name = ""
        failed = [entry for entry in site.records.events() if entry.rule == "never joined"]
        assert [(entry.event, entry.state) for entry in failed] == [("overdue", "FAILED")] * 2
        assert all("the batch system does not hear of it after" in entry.sentence for entry in failed)
        assert all("calls itself by another name" in entry.sentence for entry in failed)
        assert f"hosts that call themselves {STRANGER}" in site.said("doctor", fails=True)
        assert site.consoles.count("deployed as") == 2
        site.until(lambda: site.ended(job), 90, "the job has run on a node with its right name")
        assert len(site.tokens()) == before + 3
        assert site.records.failures() == {}


def test_nodes_lost_while_the_master_was_away_are_replaced_and_their_jobs_run_again(site: Site) -> None:
    with runs(site, "MASTER_GRACE = 75\n"):  # an execd that lives finds the new master within a minute
        jobs = [site.job("-r", "y", *works(seconds)) for seconds in (20, 20, 60)]
        silent, gone, steady = site.placed(*jobs)
        site.sge.stop_master(signal.SIGKILL)
        site.crash(silent)
        record = site.records.node(gone)
        assert record
        site.oned.one.vm.action("terminate-hard", record.node.vm)
        begins = len(site.log())
        site.until(lambda: "The batch system is not read" in site.log()[begins:], 30, "onesge misses the master")
        site.sge.start_master()
        site.until(lambda: site.ended(jobs[0]) and site.ended(jobs[1]), 200, "both jobs have run")
        assert site.place(jobs[2]) in (steady, "")
        site.until(lambda: site.ended(jobs[2]), 90, "the third has run")
    assert ("unheard", "lost") in site.rules(silent)
    assert ("vm gone", "lost") in site.rules(gone)
    assert ("drain", "idle") in site.rules(steady)


def test_two_clusters_of_one_master_and_one_oned_leave_each_others_nodes_alone(site: Site, other: Site) -> None:
    def until(happened: Callable[[], object], what: str) -> None:
        site.until(lambda: [other.nature(), happened()][1], 90, what)

    with runs(other, "ORPHAN_TIME = 2\n"), runs(site, "ORPHAN_TIME = 2\n"):
        mine = site.job("-q", QUEUE, "-r", "y", *works(50))
        until(lambda: site.place(mine), "a job runs")  # perhaps late, on a name that had died
        theirs = [other.job("-q", VO.queue, "-r", "y", *works(100)) for _ in range(2)]
        until(lambda: all(map(other.place, theirs)), "those of the other cluster run")
        places = [site.place(job) for job in (mine, *theirs)]
        assert [place[:2] for place in places] == ["wn", "vo", "vo"]
        record = other.records.node(places[1])
        assert record
        site.oned.one.vm.action("terminate-hard", record.node.vm)
        until(lambda: other.place(theirs[0]) not in ("", places[1]), "the job of the lost node runs again")
        assert other.place(theirs[0]).startswith("vo")
        assert (site.place(mine), other.place(theirs[1])) == (places[0], places[2])
        until(lambda: site.ended(mine) and site.empty(), "one cluster has no nodes any more")
        assert other.place(theirs[1]) == places[2]
        site.until(lambda: [other.nature(), all(map(other.ended, theirs))][1], 160, "the jobs of the other have run")
        until(other.empty, "the other has no nodes any more")
    assert ("vm gone", "lost") in other.rules(places[1])
    for cluster in (site, other):
        told = {entry.node[:2] for entry in cluster.records.events() if entry.node}
        assert told == {cluster.side.prefix}
