"""A batch system without jobs: as many nodes of a class are kept well as a person wants.

It shows that another batch system is one module: to the planner each wanted node is a task that fills a whole node. A
command of the site says which nodes are well; without one a node is well whose VM runs.
"""

import json
import shlex
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from oned import clock, server_files
from oned.elastic.batch import About, BatchDown, Member, Observed, Refused, Told, nobody
from oned.elastic.policy import Policies
from oned.elastic.reading import Host, Job, JobState, Part

NAME = "oneplain"
AT_ONCE = 16
"""Commands that look whether nodes are well, at once."""

Running = Callable[[], Collection[str]]
"""The names of the nodes whose VM runs. Raises BatchDown when nobody can tell."""
Leading = Callable[[], AbstractContextManager[object]]
"""Within it nobody else writes. Entering it raises where another loop is the active one by now."""


@dataclass(frozen=True)
class Aged:
    """Nodes that are older than they may be, and the classes that can have no other node beside theirs."""

    nodes: Collection[str] = ()
    full: Collection[str] = ()


@dataclass
class Kept:
    """A node that the pool knows.

    serves  it is one of those that are wanted
    """

    klass: str
    address: str
    enabled: bool = False
    serves: bool = False


class Wanted:
    """How many nodes of each class a person wants: a file, that may be changed at any time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, int]:
        """By class. Raises BatchDown when the file is none of ours."""
        found = _read(self._path)
        if not all(isinstance(number, int) and number >= 0 for number in found.values()):
            raise BatchDown(f"{self._path} is none of oneplain: it has other things than numbers of nodes")
        return found

    def set(self, klass: str, number: int) -> None:
        """From now on so many. OSError when it cannot be written."""
        _write(self._path, {**self.read(), klass: number})


class Plain:
    """The pool: a `Batch` (`oned.elastic.batch`). Its nodes are in a file, so that it may die at any time.

    directory  of its file
    wanted     how many nodes a person wants
    check      command with its words; the name and the address of a node are added. "" for none
    patience   seconds that it may take
    running    see Running; all of them until somebody says another thing
    aged       what is to be renewed; nothing until somebody says another thing
    leading    see Leading; for who is alone until somebody says another thing
    """

    def __init__(self, directory: Path, wanted: Wanted, check: str = "", patience: float = 10.0) -> None:
        self.wanted = wanted
        self.running: Running = self.nodes
        self.aged: Callable[[], Aged] = Aged
        self.leading: Leading = nullcontext
        self._path = directory / "nodes.json"
        self._check, self._patience = shlex.split(check), patience

    # --- the interface ---

    def observe(self) -> Observed:
        """Nodes as hosts, those that serve as running jobs, and those that are missing as tasks that wait."""
        at = clock.now()
        before, wanted = self.nodes(), self.wanted.read()
        nodes = {name: replace(kept) for name, kept in before.items()}
        well, aged = self._well(nodes), self.aged()
        for klass in wanted.keys() | {kept.klass for kept in nodes.values()}:
            own = {name: kept for name, kept in nodes.items() if kept.klass == klass}
            _appoint(own, wanted.get(klass, 0), well, aged.nodes)
            if klass in aged.full:
                _give_up(own, wanted.get(klass, 0), aged.nodes)
        self._decided(before, nodes)
        hosts = (_host(name, kept, heard=name in well) for name, kept in nodes.items())
        return Observed(at, tuple(_jobs(nodes, wanted, aged.nodes)), tuple(hosts))

    def register(self, members: Collection[Member]) -> Refused:
        with self._writing() as nodes:
            for member in members:
                nodes.setdefault(member.name, Kept(next(iter(member.queues), ""), member.address))
        return {}

    def enable(self, names: Collection[str]) -> Refused:
        return self._change(names, enabled=True)

    def drain(self, names: Collection[str]) -> Refused:
        return self._change(names, enabled=False, serves=False)

    def release(self, names: Collection[str], *, kill: bool, about: About = nobody, told: Told = nobody) -> Refused:
        return self._change(names, serves=False)

    def remove(self, names: Collection[str]) -> Refused:
        with self._writing() as nodes:
            refused = {name: "it serves" for name in names if name in nodes and nodes[name].serves}
            for name in names:
                if name not in refused:
                    nodes.pop(name, None)
        return refused

    # --- the file, and what is well ---

    def nodes(self) -> dict[str, Kept]:
        """The nodes by name, in the order in which they were made known. Raises BatchDown."""
        try:
            return {name: Kept(**facts) for name, facts in _read(self._path).items()}
        except TypeError as error:
            raise BatchDown(f"{self._path} is none of oneplain: {error}") from error

    def _change(self, names: Collection[str], *, enabled: bool | None = None, serves: bool | None = None) -> Refused:
        with self._writing() as nodes:
            for kept in (nodes[name] for name in names if name in nodes):
                kept.enabled = kept.enabled if enabled is None else enabled
                kept.serves = kept.serves if serves is None else serves
        return {name: "there is no such node" for name in names if name not in nodes}

    def _decided(self, before: Mapping[str, Kept], after: Mapping[str, Kept]) -> None:
        """Write who serves from now on. To ask who is well takes long: what was decided holds for what was read."""
        if after == before:
            return
        with self._writing() as nodes:
            if nodes != before:
                raise BatchDown(f"{self._path} was changed while nodes were asked whether they are well")
            nodes.update(after)

    @contextmanager
    def _writing(self) -> Iterator[dict[str, Kept]]:
        """The nodes of now, which are written as they are left. Nothing is where another loop is the active one."""
        with self.leading():
            nodes = self.nodes()
            yield nodes
            self._keep(nodes)

    def _keep(self, nodes: Mapping[str, Kept]) -> None:
        try:
            _write(self._path, {name: asdict(kept) for name, kept in nodes.items()})
        except OSError as error:
            raise BatchDown(f"{self._path} cannot be written: {error}") from error

    def _well(self, nodes: Mapping[str, Kept]) -> set[str]:
        """The nodes whose VM runs and that the command finds well."""
        running = self.running()
        up = [name for name in nodes if name in running]
        if not self._check or not up:
            return set(up)
        with ThreadPoolExecutor(min(AT_ONCE, len(up))) as threads:
            answers = threads.map(lambda name: self._is_well(name, nodes[name].address), up)
            return {name for name, well in zip(up, answers, strict=True) if well}

    def _is_well(self, name: str, address: str) -> bool:
        """A command that does not answer in time, or that is not there, finds nobody well."""
        with suppress(OSError, subprocess.TimeoutExpired):
            done = subprocess.run(
                [*self._check, name, address],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=self._patience,
                check=False,
            )
            return done.returncode == 0
        return False


def plain_policies(policies: Policies) -> Policies:
    """The policies of a site for a pool: a task is a node, it asks for nothing but its class, and it asks at once."""
    classes = (
        replace(klass, slots=1, memory=0, arch="", queues=frozenset((klass.name,)), wait=0.0)
        for klass in policies.classes
    )
    own = replace(policies, classes=tuple(classes), quotas=(), look_ahead=False, burst_after=0.0)
    return replace(own, old_serve=True, program=NAME)


def _appoint(nodes: Mapping[str, Kept], wanted: int, well: Collection[str], aged: Collection[str]) -> None:
    """Let as many nodes of a class serve as are wanted: those that do already, then the oldest that are well.

    One that is too old serves until another has come in its place, which is well.
    """
    serving = sorted((name for name, kept in nodes.items() if kept.serves), key=lambda name: name not in well)
    spare = [name for name, kept in nodes.items() if kept.enabled and not kept.serves and name in well]
    first = [name for name in serving if name not in aged]
    last = [name for name in serving if name in aged]
    chosen = [*first, *(name for name in spare if name not in aged), *last][:wanted]
    for name, kept in nodes.items():
        kept.serves = name in chosen


def _give_up(nodes: Mapping[str, Kept], wanted: int, aged: Collection[str]) -> None:
    """Where another node cannot come first, one that is too old goes first: one at a time, when nothing is missing."""
    serving = [name for name, kept in nodes.items() if kept.serves]
    old = [name for name in serving if name in aged]
    if old and len(serving) >= wanted:
        nodes[old[0]].serves = False


def _host(name: str, kept: Kept, *, heard: bool) -> Host:
    return Host(name, 1, int(kept.serves), queues=frozenset((kept.klass,)), heard=heard, enabled=kept.enabled)


def _jobs(nodes: Mapping[str, Kept], wanted: Mapping[str, int], aged: Collection[str]) -> Iterator[Job]:
    """What runs, and what waits: nodes that are missing, and for each class one in the place of those too old."""
    for name, kept in nodes.items():
        if kept.serves:
            queues = frozenset((kept.klass,))
            yield Job(f"{kept.klass}.{name}", state=JobState.RUNNING, queues=queues, parts=(Part(name, 1),))
    for klass, number in wanted.items():
        serving = [name for name, kept in nodes.items() if kept.serves and kept.klass == klass]
        missing = number - len(serving) + any(name in aged for name in serving)
        if missing > 0:
            yield Job(klass, tasks=missing, queues=frozenset((klass,)))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BatchDown(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise BatchDown(f"{path} is none of oneplain")
    return found


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    server_files.replace(path, json.dumps(value, indent=1) + "\n")
