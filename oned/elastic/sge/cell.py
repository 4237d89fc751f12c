"""What Grid Engine is configured to have: its hosts, host groups and queues, by the words of qconf."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from oned.elastic.sge.commands import Commands


def short(name: str) -> str:
    """The name of a host without its domain."""
    return name.partition(".")[0]


_OVERRIDE = re.compile(r"\[([^=\]]+)=([^\]]*)\]")


@dataclass(frozen=True)
class Queue:
    """A cluster queue: for each attribute its general value, and those of hosts and host groups.

    own  attribute → host or host group → value
    """

    name: str
    values: Mapping[str, str]
    own: Mapping[str, Mapping[str, str]]

    @property
    def named(self) -> frozenset[str]:
        """Hosts and host groups that have a value of their own in it."""
        return frozenset(host for values in self.own.values() for host in values)

    @property
    def reruns(self) -> bool:
        """Whether jobs that say nothing of it are started again when their host dies."""
        return self.values.get("rerun", "").upper() == "TRUE"


@dataclass(frozen=True)
class Cell:
    """Hosts by their short names.

    groups   members of each host group as they are listed in it: hosts, and other groups with their @
    configs  hosts with a configuration of their own
    """

    admins: frozenset[str]
    execs: frozenset[str]
    configs: frozenset[str]
    groups: Mapping[str, frozenset[str]]
    queues: Mapping[str, Queue]

    def knows(self, name: str) -> bool:
        """Whether anything names the host."""
        return name in self.admins | self.execs | self.configs or bool(self.groups_of(name) or self.queues_of(name))

    def groups_of(self, name: str) -> list[str]:
        """The host groups that list it."""
        return [group for group, members in self.groups.items() if name in members]

    def queues_of(self, name: str) -> list[str]:
        """The queues in which it has a value of its own."""
        return [queue.name for queue in self.queues.values() if name in queue.named]


def read_cell(commands: Commands) -> Cell:
    """The cell as it is now. Raises BatchDown."""
    return Cell(
        admins=_names(commands.text("qconf", "-sh")),
        execs=_names(commands.text("qconf", "-sel")),
        configs=_names(commands.text("qconf", "-sconfl")),
        groups=_listed(commands),
        queues=read_queues(commands),
    )


def read_groups(commands: Commands) -> dict[str, frozenset[str]]:
    """The hosts of each host group, with those of the groups in it. Raises BatchDown."""
    listed = _listed(commands)
    return {group: frozenset(_hosts(group, listed, ())) for group in listed}


def read_queues(commands: Commands) -> dict[str, Queue]:
    """The cluster queues by name. Raises BatchDown."""
    return {queue.name: queue for queue in queues(commands.text("qconf", "-sq", "*"))}


def queues(text: str) -> list[Queue]:
    """The queues of `qconf -sq *`, whose long values are in one line."""
    found: list[Queue] = []
    for part in re.split(r"^(?=qname\s)", text, flags=re.MULTILINE):
        facts = facts_of(part)
        if "qname" not in facts:
            continue
        own = {
            word: {_name(host): given.strip() for host, given in _OVERRIDE.findall(value)}
            for word, value in facts.items()
            if "[" in value
        }
        found.append(Queue(facts["qname"], {word: value.partition(",[")[0] for word, value in facts.items()}, own))
    return found


def facts_of(text: str) -> dict[str, str]:
    """Words and values of what qconf prints, one of each in a line."""
    pairs = (line.split(None, 1) for line in text.splitlines() if len(line.split(None, 1)) == 2)
    return {word: value.strip() for word, value in pairs}


def _listed(commands: Commands) -> dict[str, frozenset[str]]:
    names = commands.text("qconf", "-shgrpl").split()
    return {name: _members(commands.text("qconf", "-shgrp", name)) for name in names}


def _hosts(group: str, listed: Mapping[str, Iterable[str]], seen: Collection[str]) -> Iterator[str]:
    for member in listed.get(group, ()):
        if not member.startswith("@"):
            yield member
        elif member not in seen:
            yield from _hosts(member, listed, (*seen, group))


def _members(text: str) -> frozenset[str]:
    """The members of `qconf -shgrp NAME`."""
    return _names(facts_of(text).get("hostlist", "NONE"))


def _names(text: str) -> frozenset[str]:
    return frozenset(map(_name, text.split())) - {"NONE"}


def _name(text: str) -> str:
    return text if text.startswith("@") else short(text)
