"""What the doctor looks at, read from Grid Engine and from the place where its commands run. Nothing is changed."""

import re
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

from oned import clock
from oned.elastic.addresses import fits
from oned.elastic.batch import BatchDown
from oned.elastic.policy import NodeClass
from oned.elastic.sge import read
from oned.elastic.sge.answer import Unreadable
from oned.elastic.sge.cell import facts_of, read_cell
from oned.elastic.sge.commands import Commands
from oned.elastic.sge.doctor import findings, master_name
from oned.elastic.sge.facts import Answer, Facts, Finding, Grade, Stand
from oned.elastic.sge.hosts import unresolved
from oned.elastic.sge.place import Place

AT_A_TIME = 8
"""Hosts that are asked at a time."""
LOG_LINES = "400"
"""Lines at the end of the master's messages that are read."""
_CLOCK = re.compile(r"^start time:.*\(([0-9]+)\)\s*\nrun time \[s\]:\s*([0-9]+)\s*$", re.MULTILINE)
_REFUSED = re.compile(r"(?:remote rdata host name|clients host name) \"([^\"]+)\"")


class Nodes(NamedTuple):
    """The nodes of the records, and the patterns of names such as wn%03d; without one no name is like theirs."""

    patterns: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()

    def lacks(self, host: str) -> bool:
        """Whether a host has a name as nodes have, and no node has it."""
        return host not in self.names and any(fits(pattern, host) for pattern in self.patterns)


def examine(place: Place, classes: Iterable[NodeClass] = (), nodes: Nodes | None = None) -> list[Finding]:
    """What is wrong with the cell; of a master that cannot be asked only what is known without it.

    classes  of nodes, which say in which queues and host groups nodes are; without any it is as SGE_QUEUE says
    nodes    of the records, where there are any: other hosts with such names are told of
    """
    commands = Commands(place)
    try:
        master = commands.file(f"{place.common}/act_qmaster").strip()
        address = _address(commands, master)
    except BatchDown as error:
        return [_down(str(error))]
    try:
        facts = replace(read_facts(commands, master, address), stands=stands(place, classes))
        lost = sorted(host.name for host in facts.hosts if nodes and nodes.lacks(host.name))
        return findings(replace(facts, unowned=tuple(lost)))
    except BatchDown as error:
        return [_down(str(error)), *master_name(master, address, place.common)]
    except Unreadable as error:
        return [_down(f"{error}. Is this Grid Engine 8.1?")]


def stands(place: Place, classes: Iterable[NodeClass]) -> tuple[Stand, ...]:
    """Where nodes are put: once for each class that says so itself, and once for all others."""
    usual = place.stand(())
    own = [(klass.name, place.stand(klass.queues)) for klass in classes]
    said = [Stand(*found, f"QUEUES of class {name}") for name, found in own if found != usual]
    others = [Stand(*usual, "SGE_QUEUE and SGE_HOST_GROUP")] if len(said) < len(own) or not own else []
    return (*others, *said)


def read_facts(commands: Commands, master: str, address: str) -> Facts:
    """All that the checks need. Raises BatchDown, and Unreadable."""
    place = commands.place
    bootstrap = facts_of(commands.file(f"{place.common}/bootstrap"))
    facts = Facts(
        place=place,
        version=_version(commands),
        user=commands.other("id", "-un").text.strip(),
        admin_user=bootstrap.get("admin_user", ""),
        managers=frozenset(commands.text("qconf", "-sm").split()),
        master=master,
        master_address=address,
        master_answer=ping(commands, master, place.qmaster_port, "qmaster"),
        conf=facts_of(commands.text("qconf", "-sconf")),
        scheduler=facts_of(commands.text("qconf", "-ssconf")),
        refused=_refused(commands, bootstrap),
    )
    return _with_hosts(facts, commands)


def _with_hosts(facts: Facts, commands: Commands) -> Facts:
    """The facts with those of queues, host groups and hosts whose names resolve; simulated ones are not asked."""
    cell = read_cell(commands)
    misnamed = unresolved(commands, dict.fromkeys(cell.execs, ""))
    names = sorted(cell.execs - set(misnamed))
    asked = [] if facts.simulated else names
    qhost = commands.read("qhost", "-q", "-xml")
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        complexes = pool.map(lambda name: _complexes(commands, name), names)
        answers = pool.map(lambda name: ping(commands, name, facts.place.execd_port, "execd"), asked)
    return replace(
        facts,
        queues=cell.queues,
        groups=cell.groups,
        hosts=tuple(read.hosts(qhost, simulated=facts.simulated)),
        instances=read.instances(qhost),
        complexes=dict(zip(names, complexes, strict=True)),
        misnamed=misnamed,
        answers=dict(zip(asked, answers, strict=True)),
    )


def ping(commands: Commands, host: str, port: int, daemon: str) -> Answer:
    """What a daemon of Grid Engine answers. Its clock is known to about two seconds."""
    try:
        said = commands.other("qping", "-info", host, str(port), daemon, "1")
    except BatchDown as error:
        return Answer(False, said=str(error))
    found = _CLOCK.search(said.text)
    if not found:
        return Answer(said.status == 0, said=" ".join(said.text.split()))
    skew = float(found[1]) + float(found[2]) - clock.now()
    return Answer(True, skew)


def _address(commands: Commands, name: str) -> str:
    words = commands.other("getent", "ahostsv4", name).output.decode(errors="replace").split()
    return words[0] if words else ""


def _complexes(commands: Commands, name: str) -> str:
    return facts_of(commands.text("qconf", "-se", name)).get("complex_values", "NONE")


def _version(commands: Commands) -> str:
    return (commands.other("qstat", "-help").text.splitlines() or [""])[0].strip()


def _refused(commands: Commands, bootstrap: Mapping[str, str]) -> frozenset[str]:
    """Names that the master refused, by the end of its log; none where that cannot be read from here."""
    log = f"{bootstrap.get('qmaster_spool_dir', '')}/messages"
    return _names(commands.other("tail", "-n", LOG_LINES, log).text.splitlines(), clock.now())


def _names(lines: Iterable[str], now: float) -> frozenset[str]:
    """Names refused in lines of about a day; their dates are in the zone of the master."""
    days = tuple(time.strftime("%m/%d/%Y", time.gmtime(now + day * 86400)) for day in (-1, 0, 1))
    return frozenset(found[1] for line in lines if line.startswith(days) and (found := _REFUSED.search(line)))


def _down(text: str) -> Finding:
    return Finding(Grade.ERROR, "Grid Engine does not answer", text)
