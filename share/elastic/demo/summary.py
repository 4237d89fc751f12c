"""What it came to: how long jobs waited, how long there were nodes, what that costs."""

import math
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from oned.elastic.accounting import last
from share.elastic.demo.board import Board
from share.elastic.demo.settings import SLOTS

MINUTE = 60.0


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
    yield f"{'nodes':8} {'started':>8} {'node-minutes':>13} {'in use':>7} {'jobs':>5} {'cost':>8}"
    lives, paid = board.lives(), board.records.paid()
    seconds: Counter[str] = Counter()
    jobs: Counter[str] = Counter()
    for run in runs:
        klass = "cloud" if board.places.get(run.id, "").startswith("ec2") else "local"
        seconds[klass] += run.seconds
        jobs[klass] += 1
    total = 0.0
    for klass in ("local", "cloud"):
        lived = sum(end - begin for begin, end in lives.get(klass, ()))
        cost = sum(one.amount for one in paid if one.klass == klass)
        total += cost
        used = 100 * seconds[klass] / max(1.0, lived * SLOTS)
        row = f"{klass:8} {len(lives.get(klass, ())):8} {lived / MINUTE:13.1f}"
        yield f"{row} {used:6.0f}% {jobs[klass]:5} {cost:8.4f}"
    yield f"{'':8} {'':8} {'':13} {'':7} {len(runs):5} {total:8.4f}"


def percentile(ordered: Sequence[int], percent: int) -> int:
    """The value that so many of a hundred do not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
