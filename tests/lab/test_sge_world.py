"""The Grid Engine that other tests start from: a job of an ordinary user runs on a node that joined."""

from collections.abc import Iterator

import pytest

from tests.lab.sge_world import GROUP, QUEUE, SgeWorld, sge_world
from tests.lab.world import until


@pytest.fixture(scope="module")
def sge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SgeWorld]:
    with sge_world(tmp_path_factory.mktemp("sge") / "a") as made:
        yield made


@pytest.mark.soak
def test_a_job_waits_until_its_node_has_booted_and_runs_there(sge: SgeWorld) -> None:
    sge.names({"wn01": "10.77.0.101"})
    sge.admin("qconf", "-ah", "wn01")
    sge.admin("qconf", "-aattr", "hostgroup", "hostlist", "wn01", GROUP)
    job = sge.submit("-N", "first", "hostname")
    assert " qw " in sge.admin("qstat", "-u", "*")
    sge.node("wn01")
    until(lambda: job not in sge.admin("qstat", "-u", "*"), 30, "the job has ended")
    assert (sge.common / "home" / f"first.o{job}").read_text() == "wn01\n"
    assert f"{QUEUE}@wn01" in sge.admin("qstat", "-f")
