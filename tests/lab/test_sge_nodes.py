"""Real nodes of a real Grid Engine, as the elastic service treats them: joining, dying, coming back."""

import signal
import time
from collections.abc import Iterator

import pytest

from oned.elastic.batch import Departed, Member
from oned.elastic.reading import Host, Job, JobState
from oned.elastic.sge.master import GridEngine
from share.lab.sge import SgeWorld
from tests.lab.sge_world import sge_world
from tests.lab.world import until

NAMES = tuple(f"wn0{number}" for number in range(1, 8))
"""Each test has its own: the name of a node that died without a farewell can join again only about a minute later."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SgeWorld]:
    with sge_world(tmp_path_factory.mktemp("sge") / "a") as made:
        made.names({name: address(name) for name in NAMES})
        yield made


@pytest.fixture
def sge(world: SgeWorld) -> Iterator[GridEngine]:
    """The batch system with nodes registered, without machines."""
    made = GridEngine(world.place)
    assert made.register([Member(name, address(name), 2) for name in NAMES]) == {}
    yield made
    for machine in world.machines.values():
        if machine.process:
            machine.crash()
    world.machines.clear()
    if made.observe().jobs:
        world.admin("qdel", "-f", "-u", "*")
    assert made.remove(NAMES) == {}


def address(name: str) -> str:
    return f"10.77.0.1{name[2:]}"


def host(sge: GridEngine, name: str) -> Host:
    return {host.name: host for host in sge.observe().hosts}[name]


def job(sge: GridEngine, number: str) -> Job | None:
    return next((job for job in sge.observe().jobs if job.id == number), None)


def place_of(sge: GridEngine, number: str) -> str:
    """Where the job runs, "" while it does not."""
    found = job(sge, number)
    return found.parts[0].node if found and found.state is JobState.RUNNING else ""


def test_a_job_runs_on_a_node_soon_after_it_joined_and_was_enabled(sge: GridEngine, world: SgeWorld) -> None:
    waiting = world.submit("-l", "hostname=wn01", "sleep", "60")
    assert (host(sge, "wn01").heard, host(sge, "wn01").enabled) == (False, False)
    world.node("wn01")
    until(lambda: host(sge, "wn01").heard, 15, "the node is heard")
    told = host(sge, "wn01")
    assert (told.enabled, told.silent, told.arch, told.memory > 0) == (False, 0.0, "lx-amd64", True)
    found = job(sge, waiting)
    assert found
    assert found.state is JobState.WAITING
    assert sge.enable(["wn01"]) == {}
    until(lambda: place_of(sge, waiting) == "wn01", 15, "the job runs")


@pytest.mark.soak
def test_a_node_whose_execd_starts_anew_stays_disabled_before_it_was_enabled_and_enabled_after(
    sge: GridEngine, world: SgeWorld
) -> None:
    node = world.node("wn02")
    until(lambda: host(sge, "wn02").heard, 15, "the node is heard")
    for enabled in (False, True):
        if enabled:
            sge.enable(["wn02"])
        node.signal(signal.SIGKILL)
        node.start("sge_execd")
        time.sleep(4)  # it reports each 2 seconds
        assert (host(sge, "wn02").heard, host(sge, "wn02").enabled) == (True, enabled)


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_jobs_of_a_node_that_died_start_again_elsewhere_and_the_node_is_forgotten(
    sge: GridEngine, world: SgeWorld
) -> None:
    node = world.node("wn03")
    until(lambda: host(sge, "wn03").heard, 15, "the node is heard")
    sge.enable(["wn03"])
    again = [world.submit("-r", "y", "sleep", "120") for _ in range(2)]
    until(lambda: [place_of(sge, one) for one in again] == ["wn03"] * 2, 15, "the jobs run")
    node.crash()
    until(lambda: not host(sge, "wn03").heard, 60, "the node is missed")
    time.sleep(1)
    assert host(sge, "wn03").silent >= 1
    world.node("wn04")
    until(lambda: host(sge, "wn04").heard, 15, "the other node is heard")
    sge.enable(["wn04"])
    assert sge.remove(["wn03"]) == {"wn03": "2 slots of it are taken by jobs"}
    assert sge.release(["wn03"], kill=False) == {}
    until(lambda: [place_of(sge, one) for one in again] == ["wn04"] * 2, 15, "the jobs run elsewhere")
    assert sge.remove(["wn03"]) == {}
    assert "wn03" not in [host.name for host in sge.observe().hosts]
    # The address is used again, as the leases do after a while.
    assert sge.register([Member("wn03", address("wn03"), 2)]) == {}
    world.node("wn03")
    # The master may still hold the connection of the dead one; then the new execd tries again after a minute.
    until(lambda: host(sge, "wn03").heard, 100, "the node is back")


@pytest.mark.soak
def test_a_job_that_cannot_start_again_is_deleted_from_a_dead_node_only_when_told(
    sge: GridEngine, world: SgeWorld
) -> None:
    node = world.node("wn05")
    until(lambda: host(sge, "wn05").heard, 15, "the node is heard")
    sge.enable(["wn05"])
    fixed = world.submit("-r", "n", "sleep", "120")
    until(lambda: place_of(sge, fixed) == "wn05", 15, "the job runs")
    node.crash()
    until(lambda: not host(sge, "wn05").heard, 60, "the node is missed")
    assert sge.release(["wn05"], kill=False) == {"wn05": f"job {fixed} of labuser is there: it cannot be started again"}
    leaving: list[Departed] = []
    assert sge.release(["wn05"], kill=True, about=leaving.extend) == {}
    assert leaving == [Departed(fixed, "labuser", "wn05", ended=True)]
    assert job(sge, fixed) is None
    assert sge.remove(["wn05"]) == {}


@pytest.mark.soak
def test_nodes_are_heard_again_after_the_master_was_killed_and_their_jobs_go_on(
    sge: GridEngine, world: SgeWorld
) -> None:
    world.node("wn06")
    until(lambda: host(sge, "wn06").heard, 15, "the node is heard")
    sge.enable(["wn06"])
    running = world.submit("sleep", "120")
    until(lambda: place_of(sge, running) == "wn06", 15, "the job runs")
    before = sge.observe()
    world.stop_master(signal.SIGKILL)
    world.start_master()
    assert sge.observe().master_since > before.master_since
    until(lambda: host(sge, "wn06").heard, 60, "the node is heard again")
    assert (place_of(sge, running), host(sge, "wn06").enabled) == ("wn06", True)


@pytest.mark.soak
def test_a_job_is_expected_to_run_as_long_as_the_accounting_file_says_of_its_name(
    sge: GridEngine, world: SgeWorld
) -> None:
    world.node("wn07")
    until(lambda: host(sge, "wn07").heard, 15, "the node is heard")
    sge.enable(["wn07"])
    for _ in range(3):
        world.submit("-N", "brief", "-l", "hostname=wn07", "sleep", "2")
    until(lambda: not sge.observe().jobs, 40, "they have ended")
    time.sleep(2)  # the master writes each second what has ended
    for name, expected in (("brief", True), ("new", False)):
        fresh = GridEngine(world.place)  # one that knows the file does not read it again for a while
        number = world.submit("-N", name, "-l", "hostname=wn07", "sleep", "60")
        until(lambda number=number: place_of(sge, number), 15, "it runs")  # type: ignore[misc]
        found = job(fresh, number)
        assert found
        assert (0 < found.ends - found.submitted < 30) is expected
        world.user("qdel", number)
