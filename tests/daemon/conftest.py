"""Real daemons: one with scripted drivers, one with the simulated ones. Each test file shares its own."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from oned import clock
from tests.daemon.elastic_cluster import Clock, Cluster, Make, cluster
from tests.daemon.process import SIMULATED, Daemon, Scripted

QUIET = "HOST_MONITORING_INTERVAL = 3600\nVM_POLLING_INTERVAL = 0\n"


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripted]:
    """A daemon whose drivers the test plays; nothing is polled by itself."""
    with Scripted(tmp_path_factory.mktemp("scripted"), QUIET) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with the drivers of simulated hosts; alpha and beta are monitored."""
    with Daemon(tmp_path_factory.mktemp("simulated"), SIMULATED) as daemon:
        for name in ("alpha", "beta"):
            daemon.monitored(name)
        yield daemon


@pytest.fixture(scope="module")
def cloud(scripted: Scripted) -> Iterator[Scripted]:
    """The scripted daemon with the host alpha; its data base is sound in the end."""
    scripted.monitored("alpha")
    yield scripted
    assert scripted.check() == []


@pytest.fixture
def sound(simulated: Daemon) -> Iterator[None]:
    """After each test the data base is sound."""
    yield
    assert simulated.check() == []


@pytest.fixture
def unshaken(simulated: Daemon) -> Iterator[None]:
    """After each test the daemon answers as before, and has nothing in its log that it did not expect."""
    before = simulated.log()
    yield
    assert simulated.admin.text("one.system.version")
    assert "Traceback" not in simulated.log().removeprefix(before)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory for a daemon of the test's own."""
    return tmp_path


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the test's process, which it may move on."""
    moved = Clock(clock.now)
    monkeypatch.setattr(clock, "now", moved)
    monkeypatch.setattr(clock, "monotonic", moved.monotonic)
    return moved


@pytest.fixture
def make(simulated: Daemon, sound: None, tmp_path: Path, time: Clock) -> Iterator[Make]:
    """Makes an elastic cluster with settings."""
    with ExitStack() as stack:
        yield lambda settings="", klass="": stack.enter_context(cluster(simulated, tmp_path, time, settings, klass))


@pytest.fixture
def small(make: Make) -> Cluster:
    """An elastic cluster of one class."""
    return make()
