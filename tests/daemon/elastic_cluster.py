"""A cluster for tests: a real oned with simulated hosts, a batch system in a file, and the loop in the test's hands."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from elastic_batch import FileBatch

from oned import clock
from oned.client.client import Client
from oned.client.documents import parse
from oned.elastic.batch import Batch
from oned.elastic.cycle import Cycle
from oned.elastic.daemon import Assembled, assemble
from oned.elastic.leader import Lead
from oned.elastic.plan import Plan
from oned.elastic.provider import Guest, _guest
from oned.elastic.records import Record, Records
from oned.elastic.settings import ElasticConfig
from oned.locations import Locations
from tests.daemon.process import ADMIN, Daemon

_numbers = itertools.count(1)
EAGER = """
WAIT_BEFORE_UP = 0
IDLE_TIME = 0
COOL_DOWN_DOWN = 0
MAX_KILL = 100
LOOK_AHEAD = NO
"""
"""Settings with which everything is done at once."""
STEPS = 200
"""Cycles after which what has not happened counts as not happening."""


class Clock:
    """The wall clock and the monotonic one, which the test may move on: `ahead`; and set, the first alone: `wrong`."""

    def __init__(self, real: Callable[[], float], even: Callable[[], float] = clock.monotonic) -> None:
        self._real, self._even, self.ahead, self.wrong = real, even, 0.0, 0.0

    def __call__(self) -> float:
        return self._real() + self.ahead + self.wrong

    def monotonic(self) -> float:
        """Time that goes by for everybody."""
        return self._even() + self.ahead


class Cluster:
    """One cluster of its own in a shared oned: network, template, class `local`.

    settings  of onesge.conf, beside the class
    klass     keys of the class
    dead      nodes whose execd does not run; undead: those where it runs on though their VM is gone
    """

    def __init__(self, oned: Daemon, root: Path, time: Clock, settings: str = "", klass: str = "") -> None:
        self.oned, self.root, self.time = oned, root, time
        self.number = next(_numbers)
        number = self.number
        self.network = oned.admin.number(
            "one.vn.allocate",
            f"NAME = nodes{number}\nBRIDGE = br0\nVN_MAD = dummy\nSGE = YES\n"
            f"AR = [ TYPE = IP4, IP = 10.9.{number}.1, SIZE = 4 ]\n",
            -1,
        )
        oned.one.template.allocate(
            f'NAME = node{number}\nCPU = 0.1\nMEMORY = 16\nNIC = [ NETWORK = "nodes{number}" ]\n'
        )
        self.batch = FileBatch(root / "batch.json")
        self.hands: Batch = self.batch
        self.client: Callable[[], Client] = lambda: Client(self.oned.endpoint, ADMIN, 60)
        (root / "onesge.conf").write_text(
            f'CLUSTER = "c{number}"\nDATABASE = "{root}/onesge.db"\nONE_XMLRPC = "{oned.endpoint}"\n'
            f'NODE_CLASS = [ NAME = local, TEMPLATE = "node{number}", SLOTS = 1{klass} ]\n{EAGER}{settings}'
        )
        self.host = oned.host("alpha")
        self.dead: set[str] = set()
        self.undead: set[str] = set()
        self.start()

    # --- the service ---

    def start(self) -> None:
        """A new onesge, which knows what is in the records and nothing else; one that was there has died."""
        if hasattr(self, "service"):
            self.lead._unlock()
            self.service.close()
        self.service = self.assembled()
        self.records = self.service.records
        self.lead = Lead(self.records)
        self.cycles = Cycle(self.service.world, self.lead)

    def lose_records(self) -> None:
        """onesge dies, its file is lost, and a new one starts."""
        self.lead._unlock()
        self.service.close()
        del self.service
        for file in self.root.glob("onesge.db*"):
            file.unlink()
        self.start()

    def assembled(self) -> Assembled:
        config = ElasticConfig.load(self.root / "onesge.conf")
        places = Locations.of({"ONE_LOCATION": str(self.root)})
        return assemble(config, places, lambda _config, _records: self.hands, self.client())

    def close(self) -> None:
        self.lead.resign()
        for guest in self.guests():
            self.provider.stop({guest.token: True})
        self.service.close()

    @property
    def provider(self):
        return self.service.world.provider

    def cycle(self) -> Plan:
        """What happens outside, then one cycle."""
        self.nature()
        assert self.lead.take()
        return self.cycles.run()[0]

    def until(self, happened: Callable[[], object], what: str = "it") -> None:
        """Cycles until something is so."""
        for _ in range(STEPS):
            self.cycle()
            if happened():
                return
        told = [f"{one.event} {one.state} {one.rule}: {one.result}" for one in self.records.events()]
        raise AssertionError(f"{what} did not happen: {self.nodes()}, VMs {self.guests()}, {told[-15:]}")

    def tokens(self) -> list[str]:
        """The token of every VM that there ever was, twice if there were two VMs for it."""
        pool = parse(self.oned.admin.text("one.vmpool.info", -2, -1, -1, -2))
        marks = [vm.first("USER_TEMPLATE/ONESGE") for vm in pool.all("VM")]
        return [mark.text("TOKEN") for mark in marks if mark and mark.text("CLUSTER") == f"c{self.number}"]

    # --- the world around it ---

    def nature(self) -> None:
        """Waiting VMs are placed; in VMs that run an execd starts; hosts whose VM is gone are not heard of."""
        alive = set(self.undead)
        for guest in self.machines():
            if guest.state == "PENDING":
                self.oned.one.vm.deploy(guest.vm, self.host)
                self.oned.reaches(guest.vm, "RUNNING", "BOOT_FAILURE")
            elif guest.state == "RUNNING" and guest.node not in self.dead:
                alive.add(guest.node)
                self.batch.join(guest.node)
        for name in self.batch.read()["hosts"].keys() - alive:
            self.batch.leave(name)

    def guests(self) -> list[Guest]:
        return self.provider.guests()

    def machines(self) -> list[Guest]:
        """The VMs of the cluster whoever they belong to."""
        pool = parse(self.oned.admin.text("one.vmpool.info", -2, -1, -1, -1))
        return [guest for vm in pool.all("VM") if (guest := _guest(vm, f"c{self.number}"))]

    def nodes(self) -> dict[str, str]:
        """The state of each node that is not gone."""
        return {record.node.name: record.node.state.name for record in self.records.nodes()}

    def node(self, name: str = "wn001") -> Record:
        found = self.records.node(name)
        assert found is not None, self.nodes()
        return found

    def empty(self) -> bool:
        """Nothing is left of any node."""
        return not (self.nodes() or self.guests() or self.batch.read()["hosts"] or self.records.intents())

    def later(self, seconds: float) -> None:
        """Time goes by."""
        self.time.ahead += seconds


Make = Callable[..., Cluster]
"""Of the fixture that makes clusters with settings."""


def runs(cluster: Cluster, **facts: object) -> str:
    """A job that runs on a node of its own."""
    job = cluster.batch.submit(**facts)
    cluster.until(lambda: cluster.batch.job(job)["state"] == "runs", "the job runs")
    cluster.until(lambda: cluster.node(cluster.batch.job(job)["host"]).node.idle_since == 0)
    return job


@contextmanager
def cluster(oned: Daemon, root: Path, time: Clock, settings: str = "", klass: str = "") -> Iterator[Cluster]:
    """A cluster that is cleaned up after."""
    made = Cluster(oned, root, time, settings, klass)
    try:
        yield made
    finally:
        made.close()


__all__ = ["EAGER", "Clock", "Cluster", "Make", "Records", "clock", "cluster", "runs"]
