"""A plan as data: steps with rule, sentence and cost; what became of each job and node; as text and as JSON."""

import types
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

import orjson

from oned.elastic.cost import Spend
from oned.elastic.demand import Kept, Shape

__all__ = ["Fate", "Kept", "Plan", "PlanUnreadable", "Served", "Step", "Verb"]


class Verb(Enum):
    """What a step does."""

    UP = "up"
    ENABLE = "enable"
    UNDRAIN = "undrain"
    QUARANTINE = "quarantine"
    DRAIN = "drain"
    REMOVE = "remove"
    FORGET = "forget"
    REAP = "reap"


STOPS = frozenset((Verb.QUARANTINE, Verb.DRAIN, Verb.REMOVE, Verb.FORGET, Verb.REAP))
"""Steps that take something away: none is taken on an old reading."""


@dataclass(frozen=True)
class Step:
    """One thing to do.

    node   its name; "" for one that is to be started
    rule   the rule that wants it
    cost   money per hour that it adds, below zero when it saves
    owner  whose quota a new node counts against
    vm     the VM that is to be removed without a node, -1 for none
    """

    verb: Verb
    klass: str
    node: str
    rule: str
    sentence: str
    cost: float = 0.0
    owner: str = ""
    vm: int = -1


@dataclass(frozen=True)
class Served:
    """What became of the jobs of one shape.

    since       the oldest waits since then
    where       (free slots, new nodes …, tasks)
    nodes       names of those that have room for them
    new         (class, nodes to be started for them)
    unmet       tasks that find no room, and why
    impossible  no node could ever hold one: it asks for nothing
    classes     (class of the nodes, where, tasks): `where` by class, "" for nodes of others
    """

    shape: Shape
    tasks: int
    jobs: tuple[str, ...]
    since: float
    where: tuple[tuple[str, int], ...] = ()
    nodes: tuple[str, ...] = ()
    new: tuple[tuple[str, int], ...] = ()
    unmet: int = 0
    reason: str = ""
    impossible: bool = False
    classes: tuple[tuple[str, str, int], ...] = ()


@dataclass(frozen=True)
class Fate:
    """What becomes of a node: the verb of its step, or None when it stays as it is."""

    node: str
    klass: str
    state: str
    verb: Verb | None
    rule: str
    sentence: str


class PlanUnreadable(ValueError):
    """A text that is no plan."""


@dataclass(frozen=True)
class Plan:
    """What to do, why, and what it was made from.

    digest  of what it was made from and of its steps; the same digest is the same plan
    notes   what holds everything up, such as an old reading
    before  money bound without the steps, and `after` with them
    """

    at: float
    digest: str
    steps: tuple[Step, ...]
    served: tuple[Served, ...]
    kept: tuple[Kept, ...]
    fates: tuple[Fate, ...]
    notes: tuple[str, ...]
    before: Spend
    after: Spend

    def json(self) -> bytes:
        """The plan as JSON, which `of` reads."""
        return orjson.dumps(self, default=sorted, option=orjson.OPT_INDENT_2)

    @staticmethod
    def of(text: bytes) -> "Plan":
        """The plan of a JSON text. Raises PlanUnreadable."""
        try:
            made: Plan = _made(Plan, orjson.loads(text))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise PlanUnreadable(f"this is no plan: {error}. `onesge plan --json` writes one") from error
        return made

    def explain_job(self, job: str) -> list[str]:
        """Why nodes come for a job, or do not; one sentence for each of its parts, none when it does not wait."""
        found = [f"Job {job} asks for no node: it is {kept.reason}." for kept in self.kept if job in kept.jobs]
        for served in self.served:
            if job in served.jobs:
                found += [_of_shape(job, served)]
        return found

    def explain_node(self, node: str) -> list[str]:
        """What becomes of a node and why; nothing when there is none of that name."""
        found = []
        for fate in self.fates:
            if fate.node == node:
                does = fate.verb.value if fate.verb else "stays"
                found.append(f"{node} ({fate.klass}, {fate.state}): {does}, by the rule {fate.rule}: {fate.sentence}.")
        for step in self.steps:
            if step.verb is Verb.REAP and step.node == node:
                found.append(f"{node}: {step.verb.value}, by the rule {step.rule}: {step.sentence}.")
        for served in self.served:
            if node in served.nodes:
                found.append(f"Waiting tasks have room on it: {served.shape.words()}.")
        return found


def _of_shape(job: str, served: Served) -> str:
    """What a person is told of a job."""
    head = f"Job {job} wants {served.shape.words()}"
    if served.impossible:
        return f"{head}. It can never run: {served.reason}."
    parts = [f"{tasks} on {where}" for where, tasks in served.where]
    parts += [f"{served.unmet} wait on ({served.reason})"] if served.unmet else []
    new = [f"{count} of class {klass}" for klass, count in served.new]
    more = f"; nodes to be started: {', '.join(new)}" if new else ""
    return f"{head}. Of {served.tasks} such tasks: {', '.join(parts)}{more}."


def _made(kind: Any, given: Any) -> Any:
    """A value of a type from what JSON made of it."""
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(**{field.name: _made(hints[field.name], given[field.name]) for field in fields(kind)})
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return None if given is None else _made(next(one for one in inner if one is not type(None)), given)
    if origin is tuple:
        kinds = _endless(inner[0]) if inner[-1] is Ellipsis else iter(inner)
        return tuple(_made(next(kinds), item) for item in given)
    if origin is frozenset:
        return frozenset(given)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(given)
    return _plain(kind, given)


def _endless(kind: Any) -> Iterator[Any]:
    while True:
        yield kind


def _plain(kind: Any, given: Any) -> Any:
    if kind is float and type(given) is int:
        return float(given)
    if type(given) is not kind:
        raise ValueError(f"{given!r:.40} is no {kind.__name__}")
    return given
