"""A daemon with simulated hosts alpha and beta, for clients of other people."""

from collections.abc import Iterator

import pytest

from tests.daemon.process import SIMULATED, Daemon


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with the drivers of simulated hosts; alpha and beta are monitored. It is consistent in the end."""
    with Daemon(tmp_path_factory.mktemp("cloud"), SIMULATED) as daemon:
        for name in ("alpha", "beta"):
            daemon.monitored(name)
        yield daemon
        assert daemon.check() == []
