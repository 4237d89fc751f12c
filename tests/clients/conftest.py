"""A daemon with simulated hosts alpha and beta, for clients of other people."""

from collections.abc import Iterator

import pytest

from tests.daemon.process import SIMULATED, Daemon

CONF = """
VM_POLLING_INTERVAL = 1
VM_HOOK = [ NAME = "told", ON = "DONE", COMMAND = "/bin/true", ARGUMENTS = "$ID" ]
HM_MAD = [ EXECUTABLE = "one_hm" ]
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with the drivers of simulated hosts and a hook; alpha, beta and VMs are monitored.

    In the end what it keeps is consistent.
    """
    with Daemon(tmp_path_factory.mktemp("cloud"), CONF + SIMULATED) as daemon:
        for name in ("alpha", "beta"):
            daemon.monitored(name)
        yield daemon
        assert daemon.check() == []
