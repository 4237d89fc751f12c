"""Two clusters, each with a Grid Engine and a network of its own and equal names in both, on one oned."""

import signal
from collections.abc import Callable, Iterator

import pytest

from tests.daemon.process import SIMULATED, Daemon
from tests.lab.elastic_sge import Side, Site, lasts, runs, works
from tests.lab.sge_world import sge_world

pytestmark = [pytest.mark.lab, pytest.mark.soak, pytest.mark.timeout(300)]
QUICK = "ORPHAN_TIME = 2\nMAX_UNHEARD = 3\nMASTER_GRACE = 75\n"


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Site]]:
    """The clusters. This thread, oned and both services are in the network of the first."""
    root = tmp_path_factory.mktemp("two")
    with (
        sge_world(root / "b") as theirs,
        sge_world(root / "a") as ours,
        Daemon(root / "oned", SIMULATED) as oned,
        Site(ours, oned) as site,
        Site(theirs, oned, side=Side("vo")) as other,
    ):
        yield site, other
        assert oned.check() == []


def test_each_has_its_own_nodes_under_equal_names_and_one_goes_on_while_the_others_master_is_dead(
    sites: tuple[Site, Site],
) -> None:
    site, other = sites

    def until(happened: Callable[[], object], what: str) -> None:
        site.until(lambda: [other.nature(), happened()][1], 120, what)

    with runs(other, QUICK), runs(site, QUICK):
        mine, theirs = site.job("-r", "y", *lasts("end")), other.job("-r", "y", *lasts("end"))
        until(lambda: site.place(mine) and other.place(theirs), "both have a job that runs")
        assert site.place(mine) == other.place(theirs) == "wn001"
        assert site.vm_of("wn001") != other.vm_of("wn001")
        other.crash("wn001")
        site.oned.one.vm.action("terminate-hard", other.vm_of("wn001"))
        until(lambda: other.place(theirs) not in ("", "wn001"), "the job of the lost node runs again")
        assert (site.place(mine), site.state("wn001")) == ("wn001", "READY")
        begins, vms = len(site.log()), site.tokens()
        site.sge.stop_master(signal.SIGKILL)
        until(lambda: "The batch system is not read" in site.log()[begins:], "onesge misses its master")
        more = other.job(*works(1))
        until(lambda: other.ended(more), "the other cluster serves")
        assert (site.state("wn001"), site.tokens()) == ("READY", vms)
        assert other.place(theirs) not in ("", "wn001")
        site.sge.start_master()
        for one in sites:
            one.let_end("end")
        until(lambda: site.ended(mine) and other.ended(theirs), "the jobs have run")
        until(lambda: site.empty() and other.empty(), "no cluster has nodes any more")
    assert len(site.tokens()) == 1
    assert not set(site.tokens()) & set(other.tokens())
    assert "LOST" in {entry.state for entry in other.records.events("wn001")}
    assert "LOST" not in {entry.state for entry in site.records.events()}
    assert "reap" not in {entry.event for one in sites for entry in one.records.events()}
