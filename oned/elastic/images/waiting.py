"""Asking again and again until something has come about."""

import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from oned.elastic.images.aws import CloudError
from oned.elastic.images.bars import Bars

BUSY = ("RequestLimitExceeded", "Throttling", "ThrottlingException", "SlowDown", "InternalError", "Unavailable")
"""What EC2 says when it should be asked later."""
T = TypeVar("T")


class Patience(NamedTuple):
    """Seconds between the first two looks, twice as many each time up to `most`; in all, `limit`."""

    first: float = 2.0
    most: float = 30.0
    limit: float = 6 * 3600.0
    sleep: Callable[[float], None] = time.sleep

    def until(self, look: Callable[[], T | None], what: str) -> T:
        """What a look gives in the end. Raises CloudError when it takes too long, and what looks raise."""
        pause = waited = 0.0
        while True:
            try:
                if (found := look()) is not None:
                    return found
            except CloudError as error:
                if error.code not in BUSY:
                    raise
            if waited >= self.limit:
                raise CloudError(f"{what} has not come about in {waited:.0f} s. Run this again: it goes on")
            pause = min(self.most, pause * 2 or self.first)
            self.sleep(pause)
            waited += pause


class Watch(NamedTuple):
    """How somebody follows a work: the bars that tell him, and how long he waits."""

    bars: Bars
    patience: Patience = Patience()
