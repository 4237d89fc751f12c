"""onesge with a real Grid Engine: its nodes follow the queue, whenever it dies and whatever dies beside it."""

import os
import random
from collections.abc import Iterator

import pytest

from oned.elastic.batch import Member
from oned.elastic.sge.master import GridEngine
from tests.daemon.process import SIMULATED, Daemon
from tests.lab.elastic_sge import Site, works
from tests.lab.sge_world import QUEUE, SgeWorld, sge_world

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def sge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SgeWorld]:
    with sge_world(tmp_path_factory.mktemp("sge") / "a") as made:
        yield made


@pytest.fixture(scope="module")
def site(sge: SgeWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Daemon(tmp_path_factory.mktemp("oned"), SIMULATED) as oned, Site(sge, oned, nodes=24) as made:
        yield made
        assert oned.check() == []


def test_jobs_of_qsub_run_on_nodes_that_come_for_them_and_go(site: Site) -> None:
    jobs = [site.job(*works(1)) for _ in range(2)]
    assert site.said("run", "--dry-run", "--once").count("up a node of class local, rule demand: ") == 2
    assert site.records.nodes() == []
    site.run()
    site.until(lambda: all(map(site.ended, jobs)), 60, "the jobs have run")
    site.until(site.empty, 60, "all nodes are gone")
    events = [entry.event for entry in site.records.events("wn001")]
    assert events == ["plan", "register", "start", "running", "joined", "drain", "empty", "vm gone"]
    assert site.stop() == 0
    assert "Traceback" not in site.log()
    assert len(site.tokens()) == len(set(site.tokens()))


@pytest.mark.soak
def test_a_host_that_was_a_node_and_that_no_node_has_is_drained_and_removed(site: Site) -> None:
    site.configure("ORPHAN_TIME = 2\n")
    site.run()
    job = site.job(*works(1))
    site.until(lambda: site.ended(job), 60, "the job has run")
    site.until(site.empty, 60, "all nodes are gone")
    record = site.records.past("wn001")[0]
    site.stop()
    master = GridEngine(site.sge.place)
    assert master.register([Member("wn001", record.lease.ip, 1)]) == {}
    assert master.enable(["wn001"]) == {}
    assert "Host wn001 of the batch system, without a node since " in site.said("node", "reap", "--dry-run")
    site.run()
    site.until(site.empty, 60, "the host is removed")
    assert site.stop() == 0
    told = [(entry.token, entry.rule, entry.result) for entry in site.records.events() if entry.event == "reap"]
    assert told == [("host wn001", "left over, empty", "done")]
    assert master.register([Member("wn001", record.lease.ip, 1)]) == {}
    assert site.said("node", "reap").endswith(": it is removed\n")
    assert site.hosts() == set()
    site.configure("")


COMPLEXES = """gpu gpu INT <= YES YES 0 0
matlab ml INT <= YES YES 0 0
h_vmem h_vmem MEMORY <= YES YES 0 0
"""
GPU = (
    "SGE_MEMORY = h_vmem\n"
    'NODE_CLASS = [ NAME = gpu, TEMPLATE = onesge, SLOTS = 2, MEMORY = 4096, MAX = 3, COMPLEX_VALUES = "gpu=2" ]\n'
)


def test_a_job_gets_a_node_that_has_what_it_asks_for_and_none_where_no_node_has_it(site: Site) -> None:
    sge = site.sge
    lines = sge.admin("qconf", "-sc").splitlines(keepends=True)
    others = [line for line in lines if not line.startswith(("#", "h_vmem"))]
    sge.define("-Mc", "".join(others) + COMPLEXES, "complexes")
    sge.admin("qconf", "-mattr", "exechost", "complex_values", "matlab=1", "global")
    sge.admin("qconf", "-mattr", "queue", "h_rt", "1:00:00", QUEUE)
    first = site.job("-l", "gpu=1,h_vmem=3G", *works(60))
    long = site.job("-l", "h_rt=7200", *works(1))
    licensed = [site.job("-l", "matlab=1", *works(1)) for _ in range(2)]
    assert site.said("run", "--dry-run", "--once").count("up a node of class local, rule demand: ") == 1
    assert "can never run: no class of nodes holds it: local has no gpu" in site.said("explain", first)
    assert "local has h_rt=1:00:00, 7200 is wanted in all.q" in site.said("explain", long)
    assert "waiting for matlab: 0 of 1 are left for it, 1 are wanted (licence taken)" in site.said(
        "explain", licensed[1]
    )
    sge.user("qdel", long, *licensed)
    site.configure(GPU)
    site.run()
    site.until(lambda: site.place(first), 60, "the job has its graphics card")
    second = site.job("-l", "gpu=1,h_vmem=3G", *works(1))
    site.until(lambda: site.ended(second), 60, "what has no memory beside the first has a node of its own")
    assert {record.node.klass for record in site.records.nodes()} == {"gpu"}
    assert "gpu=2,h_vmem=4096M" in sge.admin("qconf", "-se", site.place(first))
    sge.user("qdel", first)
    site.until(site.empty, 60, "all nodes are gone")
    assert site.stop() == 0
    site.configure("")


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(6))
def test_killed_again_and_again_it_loses_no_job_and_leaves_no_node(site: Site, seed: int) -> None:
    dice = random.Random(seed)
    before = len(site.tokens())
    jobs = [site.job("-r", "y", *works(dice.randrange(1, 8))) for _ in range(6)]
    killed = 0
    while not all(map(site.ended, jobs)):
        site.run()
        life = dice.uniform(0.8, 6.0)
        with pytest.raises(AssertionError, match="never"):
            site.until(lambda: False, life, "never")
        site.kill()
        killed += 1
        assert killed < 60, site.log()[-4000:]
    site.run()
    site.until(site.empty, 120, "all nodes are gone")
    assert site.stop() == 0
    fresh = site.tokens()[before:]
    assert len(fresh) == len(set(fresh))
    assert "Traceback" not in site.log()


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_of_two_services_the_second_takes_over_when_the_first_is_killed(site: Site) -> None:
    before = len(site.tokens())
    first = site.run()
    site.until(lambda: "onesge runs" in site.log(), 30, "the first runs")
    second = site.run()
    waits = "Another service is active"
    site.until(lambda: waits in site.log(), 30, "the second waits")
    job = site.job("-r", "y", *works(4))
    site.until(site.records.nodes, 30, "a node is planned")
    first.kill()
    first.wait()
    site.until(lambda: site.ended(job), 60, "the job has run")
    site.until(site.empty, 60, "all nodes are gone")
    assert second.poll() is None
    assert site.stop() == 0
    fresh = site.tokens()[before:]
    assert len(fresh) == len(set(fresh))


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_the_first_job_of_a_node_starts_soon_after_its_machine_has_booted(site: Site) -> None:
    site.configure("INTERVAL = 15\n")
    site.run()
    for _ in range(3):
        job = site.job("sh", "-c", "'date +%s.%N; echo done'")
        site.until(lambda job=job: site.ended(job), 60, "the job has run")  # type: ignore[misc]
        starts = float(site.output(job).split()[0])
        at = {entry.node: entry.at for entry in site.records.events() if entry.event == "joined"}
        node = site.records.events()[-1].node
        begins, booted = site.boots[node]
        print(  # noqa: T201
            f"{node}: RUNNING to job {starts - begins:.2f} s, of which boot {booted - begins:.2f} s, to be enabled "
            f"{at[node] - booted:.2f} s, to start the job {starts - at[node]:.2f} s; load {os.getloadavg()[0]:.1f}"
        )
        assert begins < booted < starts
        site.until(site.empty, 60, "all nodes are gone")
    assert site.stop() == 0
    site.configure("")
