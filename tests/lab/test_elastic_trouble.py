"""onesge with a real Grid Engine in trouble, in short: a master that is away, nodes that do not join, deadlines.

The same with usual times, and more of it, is in test_elastic_faults.py.
"""

import signal
from collections.abc import Iterator

import pytest

from tests.daemon.process import SIMULATED, Daemon
from tests.lab.elastic_sge import Site, lasts, runs, works
from tests.lab.sge_world import SgeWorld, sge_world

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]
ADDRESSES = 24
"""So many that a test does not wait for one. The name of a node that died without a farewell may join a minute late."""
STRANGER = "ip-10-77-0-200"


@pytest.fixture(scope="module")
def sge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SgeWorld]:
    with sge_world(tmp_path_factory.mktemp("sge") / "a") as made:
        made.configure(max_unheard="00:00:06")
        yield made


@pytest.fixture(scope="module")
def site(sge: SgeWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Daemon(tmp_path_factory.mktemp("oned"), SIMULATED) as oned, Site(sge, oned, nodes=ADDRESSES) as made:
        yield made
        assert oned.check() == []


def states(site: Site, name: str) -> list[str]:
    """The states that a node has had."""
    return [entry.state for entry in site.records.events(name)]


def all_busy(site: Site) -> bool:
    """Whether each node has a job, as far as onesge knows."""
    return {record.node.idle_since for record in site.records.nodes()} == {0.0}


def test_nodes_lost_while_the_master_is_dead_are_replaced_and_the_others_go_on(site: Site) -> None:
    with runs(site, "MAX_UNHEARD = 3\nMASTER_GRACE = 12\n"):
        jobs = [site.job("-r", "y", *lasts("back")) for _ in range(3)]
        silent, gone, steady = site.placed(*jobs)
        site.until(lambda: all_busy(site), 30, "onesge has seen that the nodes are busy")
        begins, vms = len(site.log()), len(site.tokens())
        site.sge.stop_master(signal.SIGKILL)
        site.crash(silent)
        site.oned.one.vm.action("terminate-hard", site.vm_of(gone))
        site.until(lambda: "The batch system is not read" in site.log()[begins:], 30, "onesge misses the master")
        site.until(lambda: site.vm_of(gone) not in site.guests().values(), 30, "a VM is gone")
        assert (site.state(silent), site.state(steady), len(site.tokens())) == ("READY", "READY", vms)
        site.sge.start_master()
        site.sge.machines[steady].signal(signal.SIGKILL)
        site.sge.machines[steady].start("sge_execd")  # by itself it finds the new master half a minute later
        site.until(lambda: site.place(jobs[0]) not in ("", silent), 90, "the job of the silent node runs again")
        site.until(lambda: site.place(jobs[1]) not in ("", gone), 90, "and that of the other one")
        assert (site.place(jobs[2]), site.state(steady)) == (steady, "READY")
        site.let_end("back")
        site.until(lambda: all(map(site.ended, jobs)), 60, "all jobs have run")
        site.sge.admin("qdel", "-f", jobs[2])  # an execd that was started anew tells of a job's end a minute later
    assert ["LOST" in states(site, name) for name in (silent, gone, steady)] == [True, True, False]


def test_a_node_that_never_joins_and_one_with_a_wrong_name_are_replaced_and_told_of(site: Site) -> None:
    taken = {record.node.name for record in site.records.held()}
    dead, strange = [name for number in range(1, ADDRESSES) if (name := f"wn{number:03d}") not in taken][:2]
    site.dead, site.own_name = {dead}, STRANGER
    with runs(site, "JOIN_TIME = 8\nPROTECT = 9\n"):
        jobs = [site.job(*works(1)) for _ in range(2)]
        site.until(lambda: strange in site.sge.machines, 60, "a machine with a wrong name boots")
        site.own_name = ""
        site.until(lambda: all(map(site.ended, jobs)), 90, "the jobs have run on nodes that came in their place")
    for name in (dead, strange):
        (told,) = [entry.sentence for entry in site.records.events(name) if entry.state == "FAILED"][:1]
        assert "the batch system does not hear of it after" in told
        assert "calls itself by another name" in told
        assert states(site, name)[-1] == "GONE"
    assert site.consoles.count("deployed as") == 2


def test_a_job_at_the_drain_deadline_starts_again_elsewhere_or_keeps_its_node_until_it_may_be_ended(
    site: Site,
) -> None:
    with runs(site, "DRAIN_TIME = 1\n"):
        again, fixed = site.job("-r", "y", *lasts("again")), site.job("-r", "n", *lasts("never"))
        left, kept = site.placed(again, fixed)
        for name in (left, kept):
            site.records.order("drain", name)
        site.until(lambda: site.place(again) not in ("", left), 60, "the first job runs elsewhere")
        told = f"job {fixed} cannot be started again, and DRAIN_KILL is NO"
        site.until(lambda: told in site.said("explain", kept), 30, "it is told why the other node stays")
        assert (site.place(fixed), site.state(kept)) == (kept, "DRAINING")
        assert site.stop() == 0
        site.configure("DRAIN_TIME = 1\nDRAIN_KILL = YES\n")
        site.run()
        site.let_end("again")
        site.until(lambda: site.ended(again) and not site.state(kept), 60, "the job has run, and the node is gone")
    assert f"job {fixed} of labuser cannot be started again and is deleted: {kept} leaves" in site.log()
    assert not site.ended(fixed)


@pytest.mark.soak
def test_at_a_spot_notice_a_job_that_may_start_again_leaves_at_once_and_one_that_may_not_runs_on(site: Site) -> None:
    with runs(site):
        again, fixed = site.job("-r", "y", *lasts("taken")), site.job("-r", "n", *lasts("stays"))
        left, kept = site.placed(again, fixed)
        for name in (left, kept):
            record = site.records.node(name)
            assert record
            site.records.report(record.node.token, 'EC2 takes it back: {"action": "terminate"}')
        site.until(
            lambda: site.place(again) not in ("", left), 60, "the first job runs on a node that came in its place"
        )
        assert (site.place(fixed), site.state(kept)) == (kept, "DRAINING")
        for name in ("taken", "stays"):
            site.let_end(name)
        site.until(lambda: site.ended(again) and site.ended(fixed), 60, "both have run")
        site.until(lambda: not site.state(left) and not site.state(kept), 60, "their nodes go")
    for name in (left, kept):
        assert [entry.rule for entry in site.records.events(name) if entry.state == "DRAINING"] == ["taken back"]
    assert f"{kept} goes, and job {fixed} of labuser is there: it cannot be started again" in site.log()
