"""A hundred nodes at once: onesge's loop with a real Grid Engine whose nodes are simulated, and a real oned.

Figures of a run are in share/doc/elastic-sge.md; here it is only seen that all is done.
"""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.client.documents import parse
from oned.elastic.node import NodeState
from oned.elastic.records import Records
from tests.daemon.process import SIMULATED, Daemon
from tests.lab.sge_world import SgeWorld, sge_world
from tests.lab.world import until

pytestmark = [pytest.mark.soak, pytest.mark.timeout(400)]

NODES, SLOTS = 100, 4
CONF = f"""\
NODE_CLASS = [ NAME = local, TEMPLATE = worker, SLOTS = {SLOTS}, MAX = {NODES}, MEMORY = 0 ]
MAX = {NODES}
WAIT_BEFORE_UP = 0
LOOK_AHEAD = NO
IDLE_TIME = 0
COOL_DOWN_DOWN = 0
MAX_KILL = 100
STEP_UP = {NODES}
BOOTING_MAX = {NODES}
INTERVAL = 1
"""
NETWORK = (
    f"NAME = nodes\nBRIDGE = br0\nVN_MAD = dummy\nSGE = YES\nAR = [ TYPE = IP4, IP = 10.77.1.1, SIZE = {NODES} ]\n"
)
TEMPLATE = "NAME = worker\nCPU = 0.01\nMEMORY = 1\nNIC = [ NETWORK = nodes ]\n"
COMMAND = "import sys; from oned.cli.onesge.program import main; sys.exit(main())"
PENDING = 1


class Site:
    """Grid Engine, oned, and onesge that runs."""

    def __init__(self, sge: SgeWorld, oned: Daemon) -> None:
        self.sge, self.oned = sge, oned
        sge.names({f"wn{number:03d}": f"10.77.1.{number}" for number in range(1, NODES + 1)})
        self.host = oned.monitored("alpha")
        oned.admin.number("one.vn.allocate", NETWORK, -1)
        oned.admin.number("one.template.allocate", TEMPLATE)
        self.metrics = oned.root / "metrics"
        (oned.etc / "onesge.conf").write_text(f'{CONF}METRICS_FILE = "{self.metrics}"\n{sge.settings}')

    @property
    def records(self) -> Records:
        return Records(self.oned.var / "onesge.db")

    def place(self) -> None:
        """What the scheduler would do."""
        for vm in parse(self.oned.one.vmpool.info(-2, -1, -1, PENDING)):
            self.oned.one.vm.deploy(vm.int("ID"), self.host)

    def ready(self) -> int:
        """How many nodes take jobs."""
        self.place()
        return sum(record.node.state is NodeState.READY for record in self.records.nodes())

    def cycles(self) -> tuple[float, float]:
        """Seconds that cycles have taken so far, and how many there were."""
        text = self.metrics.read_text()
        found = dict(re.findall(r"^onesge_cycle_seconds_(sum|count) ([0-9.e+-]+)$", text, re.MULTILINE))
        return float(found["sum"]), float(found["count"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("site")
    with sge_world(root / "sge", simulated=True) as sge, Daemon(root / "oned", SIMULATED) as oned:
        yield Site(sge, oned)
        assert oned.check() == []


@pytest.fixture
def loop(site: Site) -> Iterator[Path]:
    """A loop that runs; where it writes."""
    output = site.oned.root / "onesge.out"
    environment = site.oned.environment | {"ONE_XMLRPC": site.oned.endpoint}
    with output.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-c", COMMAND, "run"], env=environment, stdout=file, stderr=file)
    yield output
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


def test_a_hundred_nodes_come_for_an_array_take_it_and_go(site: Site, loop: Path) -> None:
    submitted = site.sge.user("sh", "-c", f"qsub -b y -t 1-{2 * NODES * SLOTS} sleep 40 || true")
    assert "has been submitted" in submitted
    until(lambda: site.ready() == NODES, 120, "all are ready")
    begun = site.cycles()
    until(lambda: site.cycles()[1] >= begun[1] + 10, 120, "ten cycles with all nodes")
    seconds, count = (after - before for before, after in zip(begun, site.cycles(), strict=True))
    print(f"a cycle with {NODES} nodes: {seconds / count:.2f} s")  # noqa: T201 (seen with -s)
    until(lambda: not site.sge.admin("qstat", "-u", "*"), 120, "all tasks have run")
    until(lambda: not site.records.nodes(), 120, "all nodes are gone")
    assert site.sge.admin("qconf", "-sh").split() == ["sgemaster.lab"]
    assert "Traceback" not in loop.read_text()
