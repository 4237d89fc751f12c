"""The only source of time: tests set it, everything else reads it."""

import time

now = time.time
"""Wall clock, seconds since the epoch: for display and for stored times."""

monotonic = time.monotonic
"""Monotonic seconds: for deadlines and back-off."""


def stamp() -> int:
    """The wall clock in whole seconds, as the documents carry it."""
    return int(now())
