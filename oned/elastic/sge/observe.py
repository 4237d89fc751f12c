"""What Grid Engine says of jobs, hosts and quotas, put together; and what is kept between readings."""

import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC

from oned import clock
from oned.elastic import accounting
from oned.elastic.accounting import Typical
from oned.elastic.batch import BatchDown, Observed
from oned.elastic.reading import Host, Job, JobState, Limit
from oned.elastic.sge import limits, read
from oned.elastic.sge.answer import Unreadable
from oned.elastic.sge.cell import facts_of, read_groups, read_queues
from oned.elastic.sge.commands import Commands
from oned.elastic.sge.complexes import Complexes, complexes, given, totals
from oned.elastic.sge.read import Detail

SETTLED = 60.0
"""Seconds for which host groups, parallel environments, queues and quotas are not read again."""
AT_ONCE = 500
"""Jobs whose details one command asks for."""
NEW_JOBS = 4 * AT_ONCE
"""Jobs whose details are read first in one reading; of those beyond only what qstat tells is known until the next."""
DETAIL_AGE = 300.0
"""Seconds after which the details of a job are read again (qalter changes them)."""
HISTORY, HISTORY_AGE = 2 << 20, 600.0
"""Bytes at the end of the accounting file that tell how long jobs usually run; seconds until they are read again."""
_START = re.compile(r"^start time:.*\(([0-9]+)\)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Settled:
    """What changes seldom.

    groups     host group → its hosts
    rules      parallel environment → allocation rule
    reruns     whether the queues start jobs again that say nothing of it
    simulated  hosts need no machine
    master     host of the master
    known      what jobs ask for by name, and what queues give
    """

    groups: Mapping[str, Iterable[str]]
    rules: Mapping[str, str]
    limits: tuple[Limit, ...]
    reruns: bool
    simulated: bool
    master: str
    known: Complexes


class Observer:
    """Reads Grid Engine. Raises BatchDown when a command fails or its answer cannot be read.

    How long a host is silent is counted from the first reading in which it is: Grid Engine does not tell.
    """

    def __init__(self, commands: Commands) -> None:
        self.commands = commands
        self._settled: tuple[float, Settled] | None = None
        self._details: dict[str, tuple[float, Detail]] = {}
        self._silent: dict[str, float] = {}
        self._typical, self._next_history = Typical(), 0.0

    def observe(self) -> Observed:
        """All of it as it is now."""
        at = clock.now()
        try:
            return self._observe(at)
        except Unreadable as error:
            raise BatchDown(
                f"{error}. Is this Grid Engine 8.1? Look at what qhost -q -xml and qstat -xml print"
            ) from error

    def forget(self) -> None:
        """Read again next time what changes seldom: it has just been changed."""
        self._settled = None

    def forget_jobs(self, numbers: Iterable[str]) -> None:
        """Read the details of these jobs again next time: what is done with them cannot be undone."""
        for number in numbers:
            self._details.pop(number, None)

    def jobs(self) -> tuple[Job, ...]:
        """The jobs alone, as they are now."""
        answer = self._qstat()
        try:
            return self._jobs(answer, self._in_force(), clock.now())
        except Unreadable as error:
            raise BatchDown(f"{error}. Is this Grid Engine 8.1? Look at what qstat -xml prints") from error

    def hosts(self) -> list[Host]:
        """The hosts alone, as they are now."""
        settled = self._in_force()
        return read.hosts(self.commands.read("qhost", "-q", "-xml"), settled.groups, simulated=settled.simulated)

    def _observe(self, at: float) -> Observed:
        with ThreadPoolExecutor(3) as pool:
            hosts = pool.submit(self.commands.read, "qhost", "-q", "-F", "-xml")
            answer = pool.submit(self._qstat)
            settled = self._in_force()
            since = pool.submit(self._master_since, settled.master)
            jobs = self._jobs(answer.result(), settled, at)
            known, told = settled.known, hosts.result()
            found = read.hosts(told, settled.groups, simulated=settled.simulated, known=known)
            running = [job for job in jobs if job.state is not JobState.WAITING]
            heard = self._with_silence(read.less_taken(found, running, known))
            return Observed(
                at,
                jobs,
                tuple(heard),
                settled.limits,
                since.result(),
                given=known.given,
                shared=read.shares(told, known),
                forced=known.forced,
            )

    def _qstat(self) -> bytes:
        return self.commands.read("qstat", "-u", "*", "-r", "-f", "-xml")

    # -- jobs and their details -----------------------------------------------------------------------------------
    def _jobs(self, answer: bytes, settled: Settled, at: float) -> tuple[Job, ...]:
        numbers = read.numbers(answer)
        self._learn(numbers, settled, at)
        known = {number: detail for number, (_, detail) in self._details.items()}
        return tuple(read.jobs(answer, settled.rules, known, UTC, self._usual().seconds, settled.known))

    def _usual(self) -> Typical:
        """How long jobs usually run, by the end of the accounting file; what was known where that is not to be read."""
        if clock.monotonic() >= self._next_history:
            self._next_history = clock.monotonic() + HISTORY_AGE
            path = f"{self.commands.place.common}/accounting"
            with suppress(BatchDown):
                said = self.commands.other("tail", "-c", str(HISTORY), path)
                if said.status == 0:
                    lines = said.output.splitlines()[1:]  # the first one is a comment, or the rest of a line
                    self._typical = Typical(accounting.read(lines, accounting.Tally()))
        return self._typical

    def _learn(self, numbers: list[str], settled: Settled, at: float) -> None:
        """Have the details of these jobs: of new ones, and of those that were read longest ago; forget ended ones."""
        self._details = {number: self._details[number] for number in numbers if number in self._details}
        new = [number for number in numbers if number not in self._details][:NEW_JOBS]
        old = sorted((since, number) for number, (since, _) in self._details.items() if at - since > DETAIL_AGE)
        wanted = new + [number for _, number in old[:AT_ONCE]]
        for start in range(0, len(wanted), AT_ONCE):
            some = ",".join(wanted[start : start + AT_ONCE])
            found = read.details(self.commands.read("qstat", "-j", some, "-xml"), queues_rerun=settled.reruns)
            self._details |= {number: (at, detail) for number, detail in found.items()}

    # -- hosts ----------------------------------------------------------------------------------------------------
    def _with_silence(self, hosts: list[Host]) -> list[Host]:
        at = clock.monotonic()
        silent = {host.name for host in hosts if not host.heard}
        self._silent = {name: self._silent.get(name, at) for name in silent}
        return [replace(host, silent=at - self._silent[host.name]) if host.name in silent else host for host in hosts]

    def _master_since(self, master: str) -> float:
        """When the master started; 0 where there is no qping to ask."""
        port = str(self.commands.place.qmaster_port)
        try:
            found = _START.search(self.commands.other("qping", "-info", master, port, "qmaster", "1").text)
        except BatchDown:
            return 0.0
        return float(found[1]) if found else 0.0

    # -- what changes seldom --------------------------------------------------------------------------------------
    def _in_force(self) -> Settled:
        now = clock.monotonic()
        if self._settled is None or now - self._settled[0] > SETTLED:
            self._settled = (now, self._read_settled())
        return self._settled[1]

    def _limits(self, queues: list[str]) -> tuple[Limit, ...]:
        """The quotas in force; a user list that is not there has nobody in it."""
        answer = self.commands.text("qconf", "-srqs")
        there = set(self.commands.text("qconf", "-sul").split()) if (named := limits.lists_of(answer)) else set()
        lists = {
            name: limits.members(self.commands.text("qconf", "-su", name)) if name in there else frozenset[str]()
            for name in named
        }
        return tuple(limits.limits(answer, queues, lists))

    def _read_settled(self) -> Settled:
        commands = self.commands
        queues = list(read_queues(commands).values())
        rules = {
            name: read.rule(commands.text("qconf", "-sp", name)) for name in commands.text("qconf", "-spl").split()
        }
        parameters = facts_of(commands.text("qconf", "-sconf")).get("qmaster_params", "")
        return Settled(
            groups=read_groups(commands),
            rules=rules,
            limits=self._limits([queue.name for queue in queues]),
            reruns=all(queue.reruns for queue in queues),
            simulated="SIMULATE_EXECDS=1" in parameters.upper() or "SIMULATE_EXECDS=TRUE" in parameters.upper(),
            master=commands.file(f"{commands.place.common}/act_qmaster").strip(),
            known=Complexes(
                complexes(commands.text("qconf", "-sc")), given(queues), totals(commands.text("qconf", "-se", "global"))
            ),
        )
