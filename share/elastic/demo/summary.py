"""What it came to: how long jobs waited, how long there were nodes, how soon they worked, what that costs."""

import math
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oned.elastic.accounting import last
from share.elastic.demo.board import Board
from share.elastic.demo.settings import SLOTS

MINUTE = 60.0
HEAD = "nodes     started  node-minutes  in use  jobs     cost     boot  first job"
MEANING = (
    "boot: from the order of a node until its machine was in the network; first job: from there until a job ran on it.",
    "Of several nodes of a class it is the one that took longest.",
)


@dataclass(frozen=True)
class Start:
    """How a node began. boot: seconds from its order until it was in the network; work: from there to its first job."""

    klass: str
    boot: float
    work: float


def summary(board: Board, accounting: Path) -> Iterator[str]:
    """The table, by what Grid Engine's accounting and onesge's records say."""
    runs = last(accounting)
    waits = sorted(run.started - run.submitted for run in runs if not run.failed)
    yield f"{len(waits)} jobs have ended well" + (
        f", {len(runs) - len(waits)} have not" if len(runs) > len(waits) else ""
    )
    if waits:
        yield (
            f"they waited {statistics.fmean(waits):.1f} s on average, 95 of 100 at most {percentile(waits, 95)} s, "
            f"the longest {waits[-1]} s"
        )
    yield ""
    yield HEAD
    lives, paid = board.lives(), board.records.paid()
    begun = list(starts(board, {run.id: run.started for run in runs}))
    seconds: Counter[str] = Counter()
    jobs: Counter[str] = Counter()
    for run in runs:
        klass = board.places.get(run.id, "")
        seconds[klass] += run.seconds
        jobs[klass] += 1
    for klass in board.size.most:
        lived = sum(end - begin for begin, end in lives.get(klass, ()))
        cost = sum(one.amount for one in paid if one.klass == klass)
        used = 100 * seconds[klass] / max(1.0, lived * SLOTS)
        row = f"{klass:8} {len(lives.get(klass, ())):8} {lived / MINUTE:13.1f}"
        yield f"{row} {used:6.0f}% {jobs[klass]:5} {cost:8.4f}{_worst([one for one in begun if one.klass == klass])}"
    yield f"{'':8} {'':8} {'':13} {'':7} {len(runs):5} {sum(one.amount for one in paid):8.4f}"
    yield ""
    yield from MEANING


def starts(board: Board, started: Mapping[str, int]) -> Iterator[Start]:
    """Of the nodes that had a job and an address for the first time. started: of a job by its number, whole seconds.

    A first job is not taken for earlier than it was: it ran at the end of that second, or when it was seen to run.
    """
    network = board.network_since()
    for entry in board.records.entries(0):
        if entry.event != "start" or entry.result != "done" or entry.token not in board.firsts:
            continue
        job, seen = board.firsts[entry.token]
        ran = min(seen, started.get(job, seen) + 1.0)
        online = [at for at in network.get(entry.node, ()) if entry.at <= at <= ran]
        if online:
            yield Start(entry.klass, online[0] - entry.at, ran - online[0])


def _worst(begun: Sequence[Start]) -> str:
    if not begun:
        return ""
    return f" {max(one.boot for one in begun):6.1f} s {max(one.work for one in begun):8.1f} s"


def percentile(ordered: Sequence[int], percent: int) -> int:
    """The value that so many of a hundred do not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
