"""onesge between a real Grid Engine and an oned with simulated hosts: what boots in a VM is a machine of namespaces."""

import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Self

from oned.client.documents import parse
from oned.elastic.records import Records
from tests.daemon.process import Daemon
from tests.lab.sge_world import GROUP, SgeWorld
from tests.lab.world import until

NODES = 6
ANCHOR = "anchor"
"""A host without a machine: where a queue has none at all, qsub warns that no queue takes the job, and exits with 1."""
COMMAND = "import sys; from oned.cli.onesge.program import main; sys.exit(main())"
SETTINGS = """
WAIT_BEFORE_UP = 0
IDLE_TIME = 0
COOL_DOWN_DOWN = 0
MAX_KILL = 100
LOOK_AHEAD = NO
INTERVAL = 1
MAX_UNHEARD = 10
MASTER_GRACE = 15
NODE_CLASS = [ NAME = local, TEMPLATE = node, SLOTS = 1, MAX = 3, PRICE = 1 ]
"""


class Site:
    """The cluster. In each VM that runs a machine of the node's name boots with a real execd; it goes with its VM."""

    def __init__(self, sge: SgeWorld, oned: Daemon, settings: str = "") -> None:
        self.sge, self.oned = sge, oned
        names = {f"wn{number:03d}": f"10.77.0.{100 + number}" for number in range(1, NODES + 1)}
        sge.names(names | {ANCHOR: "10.77.0.99"})
        sge.admin("qconf", "-ah", ANCHOR)
        sge.admin("qconf", "-aattr", "hostgroup", "hostlist", ANCHOR, GROUP)
        sge.admin("qmod", "-d", f"*@{ANCHOR}")
        self.host = oned.monitored("alpha")
        ranges = f"AR = [ TYPE = IP4, IP = 10.77.0.101, SIZE = {NODES} ]\n"
        oned.admin.number("one.vn.allocate", f"NAME = nodes\nBRIDGE = br0\nVN_MAD = dummy\nSGE = YES\n{ranges}", -1)
        oned.one.template.allocate('NAME = node\nCPU = 0.1\nMEMORY = 16\nNIC = [ NETWORK = "nodes" ]\n')
        (oned.etc / "onesge.conf").write_text(f"{SETTINGS}{settings}{sge.settings}")
        self.dead: set[str] = set()
        self.process: subprocess.Popen[bytes] | None = None
        self._begins = 0
        self._machines: dict[int, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_reason: object) -> None:
        self.stop()

    # --- the service ---

    def run(self) -> subprocess.Popen[bytes]:
        """Start onesge, and another one if one runs."""
        self._begins = len(self.log())
        with (self.oned.root / "onesge.out").open("ab") as output:
            command = [sys.executable, "-c", COMMAND, "run", "-s"]
            self.process = subprocess.Popen(command, env=self._environment, stdout=output, stderr=output)
        return self.process

    def said(self, *words: str) -> str:
        """What a command of onesge prints."""
        command = [sys.executable, "-c", COMMAND, *words]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, check=True).stdout

    @property
    def _environment(self) -> dict[str, str]:
        return self.oned.environment | {"ONE_XMLRPC": self.oned.endpoint}

    def kill(self) -> None:
        """kill -9."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def stop(self) -> int:
        """SIGTERM, once it runs; the exit status."""
        if self.process is None or self.process.poll() is not None:
            return -1
        until(lambda: "onesge runs" in self.log()[self._begins :], 30, "the start of onesge")
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def log(self) -> str:
        """What it has logged."""
        path = self.oned.root / "onesge.out"
        return path.read_text() if path.exists() else ""

    @property
    def records(self) -> Records:
        return Records(self.oned.var / "onesge.db")

    # --- the world around it ---

    def nature(self) -> None:
        """VMs that wait are placed; machines boot and go as their VMs do."""
        there = {}
        for vm in parse(self.oned.admin.text("one.vmpool.info", -2, -1, -1, -1)).all("VM"):
            name, number = vm.text("USER_TEMPLATE/ONESGE/NODE"), vm.int("ID")
            if vm.int("STATE") == 1:
                self.oned.one.vm.deploy(number, self.host)
            elif (vm.int("STATE"), vm.int("LCM_STATE")) == (3, 3):
                there[number] = name
        for number in self._machines.keys() - there.keys():
            self._crash(self._machines.pop(number))
        for number in there.keys() - self._machines.keys():
            self._machines[number] = there[number]
            if there[number] not in self.dead:
                self.sge.node(there[number])

    def _crash(self, name: str) -> None:
        if name in self.sge.machines:
            self.sge.machines.pop(name).crash()

    def until(self, happened: Callable[[], object], seconds: float, what: str) -> None:
        """Wait for something while the world goes on."""

        def step() -> object:
            self.nature()
            return happened()

        try:
            until(step, seconds, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()[-4000:]}\n{self.sge.admin('qstat', '-f', '-u', '*')}") from None

    def job(self, *words: str) -> str:
        """A job that writes its output into the user's home."""
        return self.sge.submit("-N", "job", *words)

    def ended(self, job: str) -> bool:
        """Whether a job has written what it had to, as its last word."""
        path = self.sge.common / "home" / f"job.o{job}"
        return path.exists() and path.read_text().endswith("done\n")

    def empty(self) -> bool:
        """Nothing is left of any node, anywhere."""
        hosts = [line.split()[0] for line in self.sge.admin("qhost").splitlines()[3:]]
        return hosts == [ANCHOR] and not (self.records.nodes() or self.records.intents() or self._machines)

    def tokens(self) -> list[str]:
        """The token of every VM that there ever was, twice if there were two for it."""
        pool = parse(self.oned.admin.text("one.vmpool.info", -2, -1, -1, -2))
        return [vm.text("USER_TEMPLATE/ONESGE/TOKEN") for vm in pool.all("VM")]
