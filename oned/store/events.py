"""What has changed, told after the commit to whoever waits: the scheduler, `--wait`, watchers, later hooks."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from oned import clock
from oned.document.element import tag, wrap
from oned.ids import Kind

BLOCK = 100_000
"""Event numbers are reserved on disk in blocks, so that none is used twice over restarts."""
RESERVED_EVERY = 10_000
"""Events between two reservations: one that cannot be stored is made up for by the next, nine times."""
KEPT = 10_000
"""Events kept for those who ask late; who asks for older ones is told from the oldest on."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing about one object: WHAT went from OLD to NEW."""

    kind: Kind
    oid: int
    what: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Event:
    """A change with its number (rising by one, never used twice) and time."""

    number: int
    at: int
    change: Change

    def xml(self) -> str:
        change = self.change
        rows = (
            ("ID", self.number), ("TIME", self.at), ("KIND", change.kind.name), ("OID", change.oid),
            ("WHAT", change.what), ("OLD", change.old), ("NEW", change.new),
        )  # fmt: skip
        return wrap("EVENT", "".join(tag(name, value) for name, value in rows))


class Events:
    """The last events, and those who wait for the next one.

    first    the number before the first one
    closed   whether the daemon ends
    kept     how many are kept for those who ask late
    reserve  stores that the numbers up to this one are used; called at the start, and again long before they run out
    """

    def __init__(self, first: int, reserve: Callable[[int], None] = lambda _: None, kept: int = KEPT) -> None:
        self.last = first
        self._reserve = reserve
        reserve(first + BLOCK)
        self._kept: deque[Event] = deque(maxlen=kept)
        self._news = asyncio.Event()
        self.closed = False

    def close(self) -> None:
        """Let nobody wait any more: the daemon ends."""
        self.closed = True
        self._news.set()

    @property
    def oldest(self) -> int:
        """The number of the oldest event that is kept; that of the next one while none is."""
        return self._kept[0].number if self._kept else self.last + 1

    def publish(self, change: Change) -> Event:
        """Number the change and wake who waits."""
        self.last += 1
        if self.last % RESERVED_EVERY == 0:
            self._reserve(self.last + BLOCK)
        event = Event(self.last, clock.stamp(), change)
        self._kept.append(event)
        self._news.set()
        self._news = asyncio.Event()
        return event

    def after(self, number: int) -> list[Event]:
        """The events with a higher number, oldest first."""
        newer = self.last - number
        if newer <= 0:
            return []
        kept = list(self._kept)
        return kept[-newer:] if newer < len(kept) else kept

    async def wait(self, number: int, seconds: float) -> list[Event]:
        """The events after a number: at once if there are any, else when one comes or the time is over.

        A number that no event has had yet is not waited for: who knows it heard it of another data base.
        """
        if number == self.last and not self.closed:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), seconds)
        return self.after(number)
