"""What jobs ask for by name beside slots, memory and queues, and whether what a node offers meets it.

Values are text as the batch system writes them. Nothing here knows what the names mean.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from functools import lru_cache

Offers = tuple[tuple[str, str], ...]
"""What a node, a queue or all of them together offer: names with values, each name once."""

MANY = 1 << 31
_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30,
          "T": 1 << 40}  # fmt: skip
_SIZE = re.compile(r"(-?[0-9]+(?:\.[0-9]*)?|-?\.[0-9]+)([kKmMgGtT]?)")
_TIME = re.compile(r"[0-9]*(?::[0-9]*){1,3}")
_WORDS = {"true": 1.0, "false": 0.0, "infinity": float("inf")}


class Per(Enum):
    """How what a job asks for is taken from what is offered."""

    NOTHING = "is compared"
    SLOT = "is taken for each slot"
    JOB = "is taken once for each job"


@dataclass(frozen=True)
class Need:
    """A request by name.

    relation  of what is wanted to what is offered: <=, >=, == or !=
    text      both are words, wanted may be a pattern; else they are numbers, sizes, times or truths
    optional  a node of which it is not known will do
    implied   nobody asked for it: every job takes it
    """

    name: str
    wanted: str
    relation: str = "<="
    per: Per = Per.NOTHING
    text: bool = False
    optional: bool = False
    implied: bool = False

    def each(self, slots: int) -> float:
        """How much so many slots on one node take of it."""
        return (amount(self.wanted) or 0.0) * (slots if self.per is Per.SLOT else 1)

    def met_by(self, value: str, slots: int) -> bool:
        """Whether a node that offers a value has it for so many slots."""
        if self.text:
            same = suits(self.wanted, value)
            return not same if self.relation == "!=" else same
        wanted, offered = self.each(slots), amount(value)
        if offered is None:
            return False
        return {"<=": wanted <= offered, ">=": wanted >= offered, "!=": wanted != offered}.get(
            self.relation, wanted == offered
        )

    def words(self) -> str:
        """The request for people."""
        return f"{self.name}={self.wanted}"


@dataclass(frozen=True)
class Given:
    """Values of a queue that are given together.

    where  the host or host group on which they are in place of the general ones; "" for the general ones
    """

    queue: str
    attribute: str
    where: str
    offers: Offers


@dataclass(frozen=True)
class Shared:
    """Something that all nodes share, such as licences: what there is, and what is left; "" is not known."""

    name: str
    total: str
    left: str


@dataclass(frozen=True)
class Place:
    """A queue as a node has it: its name, and what it gives there."""

    queue: str
    offers: Offers = ()


def places(names: Iterable[str], given: Sequence[Given]) -> tuple[Place, ...]:
    """The queues of a node among its queues and host groups. A value of its own counts before that of a group."""
    known = frozenset(names)
    return tuple(Place(queue, _there(queue, known, given)) for queue in sorted(known) if "@" not in queue)


def _there(queue: str, names: frozenset[str], given: Sequence[Given]) -> Offers:
    best: dict[str, tuple[int, Offers]] = {}
    for one in given:
        if one.queue != queue:
            continue
        rank = 0 if not one.where else 1 if one.where in names else 2 if f"{queue}@{one.where}" in names else -1
        if rank >= 0 and rank >= best.get(one.attribute, (0, ()))[0]:
            best[one.attribute] = rank, one.offers
    return tuple(pair for _, offers in best.values() for pair in offers)


def lacking(needs: Iterable[Need], levels: Sequence[Mapping[str, str]], slots: int) -> str:
    """Why a node does not have what is needed for so many slots, "" when it has.

    levels  what it offers itself, what its queue gives: all that offer a name have to meet it, and one has to offer it
    """
    for need in needs:
        values = [level[need.name] for level in levels if need.name in level]
        if not values and not need.optional:
            return f"has no {need.name}"
        for value in values:
            if not need.met_by(value, slots):
                where = f" for each of {slots} slots" if need.per is Per.SLOT and slots > 1 else ""
                return f"has {need.name}={value}, {need.wanted} is wanted{where}"
    return ""


def times(left: float, each: float) -> int:
    """How many times something can be taken of what is left, never below 0; MANY where that has no end."""
    return max(0, int(left / each + 1e-9)) if left < MANY * each else MANY


@lru_cache(maxsize=4096)
def amount(text: str) -> float | None:
    """The number of a value: `2`, `1.5G` (k is 1000, K is 1024), `1:00:00`, `TRUE`, `INFINITY`; None for others."""
    word = text.strip()
    if word.lower() in _WORDS:
        return _WORDS[word.lower()]
    if found := _SIZE.fullmatch(word):
        return float(found[1]) * _UNITS[found[2]]
    if _TIME.fullmatch(word):
        return float(sum(int(part or 0) * 60**place for place, part in enumerate(reversed(word.split(":")))))
    return None


@lru_cache(maxsize=4096)
def suits(pattern: str, value: str) -> bool:
    """Whether a word is what a pattern means: `*` and `?` stand for others, `!` is not, `&` binds before `|`.

    Not known here are parentheses: what has some suits everything.
    """
    if "(" in pattern:
        return True
    return any(
        all(_is_one(part.strip(), value) for part in alternative.split("&")) for alternative in pattern.split("|")
    )


def _is_one(pattern: str, value: str) -> bool:
    if pattern.startswith("!"):
        return not _is_one(pattern[1:].strip(), value)
    return fnmatchcase(value.lower(), pattern.lower())
