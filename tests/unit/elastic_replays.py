"""Replays for tests: jobs by short words, and settings as a site would write them."""

import random
from collections.abc import Iterator, Sequence

from oned.elastic.accounting import Record
from oned.elastic.node import EXISTING
from oned.elastic.outcome import Outcome
from oned.elastic.policy import Policies
from oned.elastic.replay import Options, Replay, wishes
from oned.elastic.settings import ELASTIC_SETTINGS, ElasticConfig, read
from oned.template.parse import parse

MIDNIGHT = 1_800_230_400
"""Monday, 18 January 2027, 00:00 UTC."""
HOUR = 3600


def site(text: str) -> Policies:
    """The policies of an onesge.conf."""
    return read(ElasticConfig(ELASTIC_SETTINGS, parse(text), lambda name, _: name))


def job(id: str, at: float, seconds: float = 600, **facts: object) -> Record:
    """A job that came so many hours after midnight."""
    came = MIDNIGHT + int(at * HOUR)
    usual = {"name": "job", "owner": "ada", "group": "", "project": "", "department": ""}
    return Record(**{**usual, **facts}, id=id, submitted=came, started=came, ended=came + int(seconds))  # type: ignore[arg-type]


def many(count: int, at: float, seconds: float = 600, **facts: object) -> list[Record]:
    """As many of the same, each with a number of its own."""
    return [job(f"{at}.{number}", at, seconds, **facts) for number in range(count)]


class Witness:
    """Sees every change of a replay: how many nodes there are, and that no limit is passed at any time."""

    def __init__(self) -> None:
        self.counts: list[tuple[float, dict[str, int], dict[str, int]]] = []
        self.started: list[tuple[float, float]] = []

    def __call__(self, replay: Replay) -> None:
        classes: dict[str, int] = {}
        owners: dict[str, int] = {}
        for node in replay.nodes.values():
            assert node.state in EXISTING
            classes[node.klass] = classes.get(node.klass, 0) + 1
            owners[node.owner] = owners.get(node.owner, 0) + 1
        self.counts.append((replay.now, classes, owners))
        for machine in replay.batch.machines.values():
            assert 0 <= machine.free <= machine.kind.slots
            assert machine.memory >= 0 or not machine.kind.memory
        self.started += [(task.started, task.job.submitted) for task in replay.batch.tasks]

    def nodes(self, first: float, last: float, klass: str = "") -> Iterator[int]:
        """How many there were between two hours after midnight, at each change."""
        for now, classes, _ in self.counts:
            if first * HOUR <= now - MIDNIGHT < last * HOUR:
                yield classes.get(klass, 0) if klass else sum(classes.values())

    def at(self, hour: float) -> dict[str, int]:
        """How many there were at that hour after midnight, by class."""
        return [classes for now, classes, _ in self.counts if now - MIDNIGHT <= hour * HOUR][-1]

    def owned(self, owner: str) -> Iterator[int]:
        """How many nodes an organisation had, at each change."""
        return (owners.get(owner, 0) for _, _, owners in self.counts)


def replayed(
    policies: Policies, records: Sequence[Record], options: Options | None = None, **rules: str
) -> tuple[Outcome, Witness]:
    """What came of it, and who saw it."""
    witness = Witness()
    return Replay(wishes(records, rules), policies, options or Options(), witness).run(), witness


def random_records(seed: int, count: int) -> list[Record]:
    """A week of jobs by working hours, alone and as arrays, one slot or more."""
    dice = random.Random(seed)
    made: list[Record] = []
    while len(made) < count:
        at = dice.randrange(7) * 24 + min(23.9, max(0.0, dice.gauss(13, 3)))
        facts = {"slots": dice.choice((1, 1, 2, 4)), "memory": dice.choice((0, 512)), "owner": f"u{dice.randrange(9)}",
                 "project": dice.choice(("atlas", "cms"))}  # fmt: skip
        for _ in range(dice.choice((1, 1, 1, 20))):
            made.append(job(str(len(made)), at, dice.lognormvariate(6, 1.3) + 1, **facts))
    return made
