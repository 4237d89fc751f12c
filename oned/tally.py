"""Counting what happens, cheaply enough for every call: numbers and times, read by who scrapes them."""

from bisect import bisect_left
from collections import defaultdict

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the classes that times are counted in, seconds; one more class takes what is longer."""


class Times:
    """How often something took how long: `classes` of BOUNDS, and the sum in seconds. Written by one thread only."""

    __slots__ = ("classes", "seconds")

    def __init__(self) -> None:
        self.classes = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        self.classes[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    @property
    def count(self) -> int:
        return sum(self.classes)

    def cumulated(self) -> list[tuple[str, int]]:
        """Bound → how many took at most as long, ending with "+Inf", as Prometheus wants them."""
        found, total = [], 0
        for bound, number in zip((*map(str, BOUNDS), "+Inf"), tuple(self.classes), strict=True):
            total += number
            found.append((bound, total))
        return found


class Calls:
    """The calls of each method: how long they took, and how many were refused."""

    def __init__(self) -> None:
        self.times: defaultdict[str, Times] = defaultdict(Times)
        self.refused: defaultdict[str, int] = defaultdict(int)

    def add(self, method: str, seconds: float, *, ok: bool) -> None:
        self.times[method].add(seconds)
        if not ok:
            self.refused[method] += 1


class Commits:
    """The transactions of the writer: how long they took, the units in them, and those that failed."""

    def __init__(self) -> None:
        self.times = Times()
        self.units = self.failed = 0


class Watched:
    """How many read events now, and how many were dropped as too slow."""

    def __init__(self) -> None:
        self.now = self.dropped = 0
