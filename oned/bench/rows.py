"""The rows of the bench: what each is, what it aims at, and what the part it stands on was measured to do."""

from typing import NamedTuple


class Row(NamedTuple):
    """One figure.

    aim    what it should reach
    limit  what the part alone does (prototypes on two cores), None where there is none
    part   which part
    more   whether more is better
    """

    name: str
    title: str
    unit: str
    aim: float
    limit: float | None
    part: str
    more: bool = True

    def reached(self, value: float) -> bool:
        """Whether a figure meets the aim."""
        return value >= self.aim if self.more else value <= self.aim

    def ratio(self, value: float) -> float:
        """The figure in terms of the aim; 1 and more is as good as the aim or better."""
        return value / self.aim if self.more else self.aim / max(value, 1e-9)


ROWS: dict[str, Row] = {
    row.name: row
    for row in (
        Row("info", "one.vm.info, 8 clients, kept connections", "/s", 6000, 18400, "resident bodies over asyncio"),
        Row("share", "our share of it above HTTP, CPU", "us", 80, 10, "lxml read, answer from ready bytes", False),
        Row("fresh", "one.vm.info, 8 clients, a connection per call", "/s", 3000, 8300, "uvicorn alone"),
        Row("allocate", "one.vm.allocate, 8 clients, durable", "/s", 1500, 8700, "group commit of rows"),
        Row("leases", "10,000 leases: CPU of the last 1,000 to the first", "x", 1.2, None, "", False),
        Row("instantiate", "instantiate, 2 NICs and 2 disks, to a bare allocate", "x", 0.5, None, ""),
        Row("list", "list of 10,000 VMs, full bodies: the whole answer", "ms", 80, 44, "ready bytes in pieces", False),
        Row("meanwhile", "small calls meanwhile, p99", "ms", 20, 4, "ready bytes in pieces", False),
        Row("rules", "the same list for a user with 20 ACL rules, times oneadmin's", "x", 3, None, "", False),
        Row("scheduled", "500 VMs on 100 hosts, allocate to RUNNING by mm_sched", "s", 3, None, "", False),
        Row("deployed", "500 direct deploys by 8 clients, to RUNNING", "/s", 300, None, ""),
        Row("hosts", "hosts monitored, for a second of CPU of oned and driver", "/s", 42, None, ""),
        Row("watching", "1,000 hosts, 10 VMs each, every 60 s: of one core", "%", 25, None, "", False),
        Row("match", "10,000 VMs x 2,500 hosts x 50 requirements: matching", "s", 1, 0.11, "NumPy columns", False),
        Row("plan", "elastic: plan for 1,000 nodes and 50,000 tasks", "s", 1, None, "", False),
        Row("dispatch", "dispatch of the scheduler", "/s", 500, 8700, "group commit of rows"),
        Row("start", "start with 10,000 VMs to the first answer", "s", 2, 0.17, "reading the bodies", False),
        Row("memory", "resident memory of all processes at 10,000 VMs", "MiB", 300, 70, "the bodies", False),
        Row("command", "onevm --version, wall", "ms", 80, 35, "argparse, socket and pyexpat", False),
    )
}
"""Row by name, in the order of the table. Figures of the parts are of prototypes, on a machine of the same kind."""


class Sizes(NamedTuple):
    """How much is measured.

    vms      in the data base for reads, memory and the start
    seconds  of each read load
    flock    VMs that are started at once
    hosts    simulated ones
    pending  VMs, and places hosts, of the match-making
    watched  hosts under watch, with so many guests each, which are asked once in a period (s)
    nodes    of a batch system, and tasks that wait for more of them
    repeats  of what is short, of which the median counts
    """

    vms: int = 10_000
    seconds: float = 3.0
    flock: int = 500
    hosts: int = 100
    pending: int = 10_000
    places: int = 2_500
    watched: int = 1_000
    guests: int = 10
    period: int = 60
    nodes: int = 1_000
    tasks: int = 50_000
    repeats: int = 5


FULL = Sizes()
QUICK = Sizes(vms=60, seconds=0.2, flock=6, hosts=3, pending=200, places=50, watched=3, guests=2, period=1, repeats=1)
