"""The leases of one network: which places of its ranges are in use, and which one is next.

The next place is that of a moving position per range; a place that is given back goes to the end of a queue, so it is
used last. Taking, giving back and finding the next one cost the same however many leases there are.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import NamedTuple

from oned.vnet.range import Range

HOLD = "HOLD"
"""The holder of a lease that nobody may have."""


class Holder(NamedTuple):
    """Who has a lease: the name of a kind ("VM", "NET") and an id, or HOLD and -1."""

    kind: str
    oid: int


ON_HOLD = Holder(HOLD, -1)


class Place(NamedTuple):
    """An address of a network: the number of its range and the place in it."""

    ar: int
    place: int


class Leases:
    """Leases by range and place. `ranges` is that of the network: by number, in order."""

    def __init__(self, ranges: Mapping[int, Range]) -> None:
        self._ranges = ranges
        self._used: dict[int, dict[int, Holder]] = {}
        self._next: dict[int, int] = {}
        self._open: dict[int, None] = {}
        self._freed: OrderedDict[Place, None] = OrderedDict()
        self.count = 0
        for number in ranges:
            self.open(number)

    def open(self, ar: int) -> None:
        """Give places of a range away too, one that is new or has another size."""
        self._used.setdefault(ar, {})
        self._next.setdefault(ar, 0)
        self._open[ar] = None
        size = self._ranges[ar].size
        for place in [place for place in self._freed if place.ar == ar and place.place >= size]:
            del self._freed[place]
        self._next[ar] = min(self._next[ar], size)

    def close(self, ar: int) -> None:
        """Forget a range and the leases in it."""
        self.count -= len(self._used.pop(ar))
        self._next.pop(ar)
        self._open.pop(ar, None)
        for place in [place for place in self._freed if place.ar == ar]:
            del self._freed[place]

    def holder(self, place: Place) -> Holder | None:
        """Who has the place; None if it is free."""
        return self._used[place.ar].get(place.place)

    def used(self, ar: int) -> Mapping[int, Holder]:
        """The leases of a range: place → holder."""
        return self._used[ar]

    def __iter__(self) -> Iterator[tuple[Place, Holder]]:
        for ar, used in self._used.items():
            for place, holder in used.items():
                yield Place(ar, place), holder

    def free(self) -> Iterator[Place]:
        """The free places, in the order in which they are to be used. Take none while this is being read."""
        return chain(self._unused(), iter(self._freed))

    def _unused(self) -> Iterator[Place]:
        """Those that no position has passed yet."""
        for ar in list(self._open):
            self._advance(ar)
            if self._next[ar] >= self._ranges[ar].size:
                del self._open[ar]
                continue
            used = self._used[ar]
            for place in range(self._next[ar], self._ranges[ar].size):
                if place not in used:
                    yield Place(ar, place)

    def _advance(self, ar: int) -> None:
        """Move the position of a range past places in use. Each is passed once."""
        used, place, size = self._used[ar], self._next[ar], self._ranges[ar].size
        while place < size and place in used:
            place += 1
        self._next[ar] = place

    def take(self, place: Place, holder: Holder) -> None:
        """Give a free place to somebody."""
        used = self._used[place.ar]
        assert place.place not in used, "a place is given away once"
        used[place.place] = holder
        self.count += 1
        self._freed.pop(place, None)
        if place.place == self._next[place.ar]:
            self._next[place.ar] += 1

    def give_back(self, place: Place) -> None:
        """Let a place be free again, behind all others."""
        del self._used[place.ar][place.place]
        self.count -= 1
        if place.place < self._next[place.ar]:
            self._freed[place] = None

    def block(self, ar: int, size: int, start: int = 0) -> int | None:
        """The first place in a range, from a start on, from which so many in a row are free; None if there is none."""
        place = start
        for taken in [*sorted(spot for spot in self._used[ar] if spot >= start), self._ranges[ar].size]:
            if taken - place >= size:
                return place
            place = taken + 1
        return None
