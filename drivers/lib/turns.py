"""Who may: at most so many at a time for a name, others wait until one has ended."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator

from oned.drivers.lib.task import Task

STEP = 0.2
"""Seconds after which whoever waits looks whether it has been cancelled."""
PATIENCE = 600.0
"""Seconds between two log lines of one that waits: the daemon pushes its deadline on with each."""


class Turns:
    """So many at a time for each name."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._turn = threading.Condition()
        self._taken: Counter[str] = Counter()

    @contextlib.contextmanager
    def taken(self, names: Iterable[str], task: Task, what: str) -> Iterator[None]:
        """Within the block each of the names has one more. Errors: Cancelled, while it waits."""
        wanted, said = set(names), time.monotonic()
        with self._turn:
            while any(self._taken[name] >= self._most for name in wanted):
                self._turn.wait(STEP)
                task.check()
                if time.monotonic() - said > PATIENCE:
                    said = time.monotonic()
                    task.info(f"Waits for {what}")
            self._taken.update(wanted)
        try:
            yield
        finally:
            with self._turn:
                self._taken.subtract(wanted)
                self._turn.notify_all()
