"""onesge between a real Grid Engine and an oned with simulated hosts: what boots in a VM is a machine of namespaces."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from oned import clock
from oned.client.documents import Document, parse
from oned.elastic.records import Records
from oned.elastic.tables import node
from tests.daemon.process import Daemon
from tests.lab.sge_world import GROUP, QUEUE, SgeWorld
from tests.lab.world import until

NODES = 6
PAUSE = 0.1
"""Seconds between two looks."""
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
"""


@dataclass(frozen=True)
class Side:
    """What is a cluster's own where several share a master and an oned.

    name    of the cluster, and of all that oned has of it
    prefix  of the names of its nodes
    first   last number of the first address
    keys    more of its class
    """

    name: str = "onesge"
    prefix: str = "wn"
    first: int = 101
    queue: str = QUEUE
    group: str = GROUP
    keys: str = ""

    @property
    def settings(self) -> str:
        """Its lines of onesge.conf."""
        first = f'NAME = local, TEMPLATE = {self.name}, QUEUES = "{self.queue} {self.group}"'
        return (
            f"CLUSTER = {self.name}\nNODE_NAMES = {self.prefix}%03d\n"
            f"NODE_CLASS = [ {first}, SLOTS = 1, MAX = 3, PRICE = 1{self.keys} ]\n"
        )


ONLY = Side()


def works(seconds: int) -> tuple[str, ...]:
    """The words of a job that takes so long, and says as its last word that it is done.

    The quotes are for the shell on the node, to which qsub gives the words in one line.
    """
    return ("sh", "-c", f"'sleep {seconds}; echo done'")


def lasts(file: str) -> tuple[str, ...]:
    """The words of a job that takes until there is such a file in its user's home; its last word is the same."""
    return ("sh", "-c", f"'until [ -e {file} ]; do sleep 0.2; done; echo done'")


class Site:
    """The cluster. In each VM that runs a machine of the node's name boots with a real execd; it goes with its VM.

    settings  of onesge.conf beside or in place of SETTINGS
    nodes     how many addresses there are
    own_name  what the machines of new nodes call themselves, "" for their right name
    dead      names of nodes whose machine does not boot
    boots     when the machine of a node was switched on, and when it had booted and its execd was called
    """

    def __init__(self, sge: SgeWorld, oned: Daemon, settings: str = "", nodes: int = NODES, side: Side = ONLY) -> None:
        self.sge, self.oned, self.side = sge, oned, side
        sge.names({f"{side.prefix}{number + 1:03d}": f"10.77.0.{side.first + number}" for number in range(nodes)})
        self._drop_anchor()
        self.host = oned.monitored(f"host-{side.name}")
        net = f"NAME = {side.name}\nBRIDGE = br0\nVN_MAD = dummy\nSGE = YES\n"
        ranges = f"AR = [ TYPE = IP4, IP = 10.77.0.{side.first}, SIZE = {nodes} ]\n"
        oned.admin.number("one.vn.allocate", net + ranges, -1)
        template = f'NAME = {side.name}\nCPU = 0.1\nMEMORY = 16\nNIC = [ NETWORK = "{side.name}" ]\n'
        self.template = oned.admin.number("one.template.allocate", template)
        self._conf, self._out = oned.etc / f"{side.name}.conf", oned.root / f"{side.name}.out"
        self.configure(settings)
        self.own_name = ""
        self.boots: dict[str, tuple[float, float]] = {}
        self.dead: set[str] = set()
        self.process: subprocess.Popen[bytes] | None = None
        self._begins = 0
        self._machines: dict[int, str] = {}

    def _drop_anchor(self) -> None:
        if ANCHOR not in self.sge.known:
            self.sge.names({ANCHOR: "10.77.0.99"})
            self.sge.admin("qconf", "-ah", ANCHOR)
        self.sge.admin("qconf", "-aattr", "hostgroup", "hostlist", ANCHOR, self.side.group)
        self.sge.admin("qmod", "-d", f"*@{ANCHOR}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_reason: object) -> None:
        self.stop()

    # --- the service ---

    def configure(self, settings: str) -> None:
        """Settings beside SETTINGS, or in place of them, for the next start: of two the first counts."""
        database = f'DATABASE = "{self._database}"\n'
        self._conf.write_text(f"{settings}{SETTINGS}{self.side.settings}{database}{self.sge.settings}")

    def run(self) -> subprocess.Popen[bytes]:
        """Start onesge, and another one if one runs."""
        self._begins = len(self.log())
        with self._out.open("ab") as output:
            command = [sys.executable, "-c", COMMAND, "run", "-s", "--config", str(self._conf)]
            self.process = subprocess.Popen(command, env=self._environment, stdout=output, stderr=output)
        return self.process

    def said(self, *words: str, fails: bool = False) -> str:
        """What a command of onesge prints; it may end with another status than 0 only if it `fails`."""
        command = [sys.executable, "-c", COMMAND, *words, "--config", str(self._conf)]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, check=not fails).stdout

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
        return self._out.read_text() if self._out.exists() else ""

    @property
    def records(self) -> Records:
        return Records(self._database)

    @property
    def _database(self) -> Path:
        return self.oned.var / f"{self.side.name}.db"

    @property
    def consoles(self) -> str:
        """What is kept of nodes that did not come up."""
        return "".join(path.read_text() for path in sorted(self._database.parent.glob("consoles/*")))

    # --- the world around it ---

    def nature(self) -> None:
        """VMs that wait are placed; machines boot and go as their VMs do."""
        there = {}
        for vm in self._vms(-1):
            name, number = vm.text("USER_TEMPLATE/ONESGE/NODE"), vm.int("ID")
            if vm.int("STATE") == 1:
                self.oned.one.vm.deploy(number, self.host)
            elif (vm.int("STATE"), vm.int("LCM_STATE")) == (3, 3):
                there[number] = name
        for number in self._machines.keys() - there.keys():
            if made := self.sge.machines.pop(self._machines.pop(number), None):
                made.shut_down(5)
        for number in there.keys() - self._machines.keys():
            self._machines[number] = there[number]
            if there[number] not in self.dead:
                self._boot(there[number])

    def _boot(self, name: str) -> None:
        """A machine whose name is wrong knows that name itself, as one whose name is by DHCP of somebody else does."""
        begins = clock.now()
        made = self.sge.node(name, calls_itself=self.own_name, execd=not self.own_name)
        self.boots[name] = (begins, clock.now())
        if self.own_name:
            own = f"(echo {made.address} {self.own_name}; cat /etc/hosts) > /run/hosts"
            made.run("sh", "-c", f"{own}; mount --bind /run/hosts /etc/hosts")
            made.start("sge_execd")

    def crash(self, name: str) -> None:
        """A machine loses its power, whatever its VM is said to do."""
        if name in self.sge.machines:
            self.sge.machines.pop(name).crash()

    def until(self, happened: Callable[[], object], seconds: float, what: str) -> None:
        """Wait for something while the world goes on."""

        def step() -> object:
            self.nature()
            found = happened()
            if not found:
                self.pause()
            return found

        try:
            until(step, seconds, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()[-4000:]}\n{self.sge.admin('qstat', '-f', '-u', '*')}") from None

    def pause(self) -> None:
        """A moment, for others to have the processor: most looks run a command of Grid Engine."""
        time.sleep(PAUSE)

    def job(self, *words: str) -> str:
        """A job that writes its output into the user's home."""
        return self.sge.submit("-N", "job", *words)

    def let_end(self, file: str) -> None:
        """Jobs that last until there is this file may end."""
        (self.sge.common / "home" / file).touch()

    def placed(self, *jobs: str) -> list[str]:
        """The nodes of jobs, once all of them run."""
        self.until(lambda: all(map(self.place, jobs)), 90, f"jobs {jobs} run")
        return [self.place(job) for job in jobs]

    def ended(self, job: str) -> bool:
        """Whether a job has written what it had to, as its last word."""
        path = self.sge.common / "home" / f"job.o{job}"
        return path.exists() and path.read_text().endswith("done\n")

    def output(self, job: str) -> str:
        """What a job has written."""
        return (self.sge.common / "home" / f"job.o{job}").read_text()

    def place(self, job: str) -> str:
        """The node that a job runs on, "" while it does not."""
        lines = self.sge.admin("qstat", "-u", "*", "-s", "r").splitlines()[2:]
        fields = [line.split() for line in lines if line.split()[0] == job]
        return fields[0][7].partition("@")[2].partition(".")[0] if fields else ""

    def state(self, name: str) -> str:
        """Of a node in the records, "" where there is none."""
        record = self.records.node(name)
        return record.node.state.name if record else ""

    def rules(self, name: str) -> list[tuple[str, str]]:
        """Event and rule of all that has happened to nodes of a name."""
        return [(entry.event, entry.rule) for entry in self.records.events(name)]

    def empty(self) -> bool:
        """Nothing is left of any node, anywhere."""
        return not (self.hosts() or self.records.nodes() or self.records.intents() or self._machines)

    def hosts(self) -> set[str]:
        """The nodes that Grid Engine knows as hosts."""
        hosts = {line.split()[0] for line in self.sge.admin("qhost").splitlines()[3:]}
        assert ANCHOR in hosts
        return {host for host in hosts if host.startswith(self.side.prefix)}

    def guests(self) -> dict[str, int]:
        """The VMs that there are, by the token of their node."""
        return {vm.text("USER_TEMPLATE/ONESGE/TOKEN"): vm.int("ID") for vm in self._vms(-1)}

    def vm_of(self, name: str) -> int:
        """The VM of a node that there is."""
        record = self.records.node(name)
        assert record is not None, name
        return record.node.vm

    def time_goes_by(self) -> None:
        """The addresses of nodes that are gone have been held for long enough."""
        records = self.records
        with records.engine.begin() as connection:
            connection.execute(node.update().values(held_until=0.0))
        records.close()

    def tokens(self) -> list[str]:
        """The token of every VM that there ever was, twice if there were two for it."""
        return [vm.text("USER_TEMPLATE/ONESGE/TOKEN") for vm in self._vms(-2)]

    def _vms(self, states: int) -> list[Document]:
        """The VMs of the cluster; -1 those that are, -2 those that were too."""
        pool = parse(self.oned.admin.text("one.vmpool.info", -2, -1, -1, states))
        return [vm for vm in pool.all("VM") if vm.text("USER_TEMPLATE/ONESGE/CLUSTER") == self.side.name]


@contextlib.contextmanager
def runs(site: Site, settings: str = "") -> Iterator[None]:
    """onesge runs with these settings; in the end all nodes go, and each had one VM."""
    site.configure(settings)
    before = len(site.tokens())
    site.run()
    yield
    site.until(site.empty, 90, "all nodes are gone")
    assert site.stop() == 0
    fresh = site.tokens()[before:]
    assert len(fresh) == len(set(fresh)) > 0
    assert "Traceback" not in site.log()
