"""What is to be seen of the demonstration at a moment: jobs, nodes, money, and what happened last."""

import re
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from oned.elastic.node import GONE
from oned.elastic.records import Entry, Paid, Records
from share.elastic.demo.settings import PRICES, Size
from share.elastic.demo.site import Site

_JOB = re.compile(r"^\s*(\d+)\s+\S+\s+\S+\s+\S+\s+(\S+)\s+\S+\s+\S+(?:\s+\S+@([\w-]+)\S*)?\s+\d+\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Row:
    """A node. since: seconds in its state; jobs: that run on it; why: it is there, or what is wrong with it."""

    name: str
    klass: str
    state: str
    since: float
    address: str
    jobs: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Moment:
    """Everything at one time.

    elapsed  seconds since the jobs were submitted
    rate     money per hour of the nodes that there are; spent: so far
    news     what happened since the moment before
    """

    elapsed: float
    waiting: int
    running: int
    done: int
    nodes: tuple[Row, ...] = ()
    rate: float = 0.0
    spent: float = 0.0
    news: tuple[Entry, ...] = ()

    @property
    def over(self) -> bool:
        """Whether all jobs have ended and all nodes have gone."""
        return not (self.waiting or self.running or self.nodes)


@dataclass
class Board:
    """Looks at the site, and keeps what the end of it all is told from.

    places  job → class of the node that it ran on
    firsts  token of a node → the first job that was seen on it, and when
    course  the moments, for a picture of them
    """

    site: Site
    size: Size
    begin: float = field(default_factory=time.time)
    places: dict[str, str] = field(default_factory=dict)
    firsts: dict[str, tuple[str, float]] = field(default_factory=dict)
    course: list[Moment] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.records = Records(self.site.one / "var/onesge.db")
        self._seen = 0

    def look(self) -> Moment:
        """How it is now."""
        now, jobs = time.time(), jobs_of(self.site.sge.admin("qstat", "-u", "*"))
        busy = Counter(jobs.values())
        waiting = busy.pop("", 0)
        news = tuple(self.records.entries(self._seen))
        self._seen = news[-1].id if news else self._seen
        records = self.records.nodes()
        rows = tuple(
            Row(
                record.node.name, record.node.klass, record.node.state.name, now - record.node.since, record.lease.ip,
                tuple(job for job, node in jobs.items() if node == record.node.name),
                record.node.report if record.node.report not in ("", "ok") else record.sentence,
            )
            for record in records
        )  # fmt: skip
        for record, row in zip(records, rows, strict=True):
            self.places |= dict.fromkeys(row.jobs, row.klass)
            if row.jobs:
                self.firsts.setdefault(record.node.token, (row.jobs[0], time.time()))
        moment = Moment(
            now - self.begin, waiting, busy.total(), self.size.jobs - waiting - busy.total(), rows,
            sum(PRICES[row.klass] for row in rows), spent(self.records.paid(), now), news,
        )  # fmt: skip
        self.course.append(moment)
        return moment

    def network_since(self) -> dict[str, list[float]]:
        """Name → when a node of that name came into the network: its machine has booted so far."""
        found: dict[str, list[float]] = {}
        path = self.site.lab.directory / "online"
        for line in path.read_text().splitlines() if path.exists() else ():
            at, _, name = line.partition(" ")
            found.setdefault(name, []).append(float(at))
        return found

    def lives(self) -> dict[str, list[tuple[float, float]]]:
        """By class, when each node was ordered and when it was gone."""
        begun: dict[str, float] = {}
        found: dict[str, list[tuple[float, float]]] = {}
        for entry in self.records.entries(0):
            if entry.event == "start" and entry.result == "done":
                begun[entry.token] = entry.at
            elif entry.state == GONE.name and entry.token in begun:
                found.setdefault(entry.klass, []).append((begun.pop(entry.token), entry.at))
        return found


def jobs_of(text: str) -> dict[str, str]:
    """Job → the node that it runs on, "" while it waits, of what qstat prints."""
    return {job: node for job, _, node in _JOB.findall(text)}


def spent(paid: Iterable[Paid], now: float) -> float:
    """Money for what is over of the periods."""
    return sum(
        one.amount * min(1.0, max(0.0, now - one.start) / max(1.0, one.until - one.start)) for one in paid
    )  # fmt: skip
