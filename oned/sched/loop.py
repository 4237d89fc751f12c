"""When a cycle starts: by the clock, and early when something happened."""

import logging
import threading
from datetime import datetime, timedelta

from apscheduler.schedulers.blocking import BlockingScheduler

from oned import clock
from oned.client.failures import ClientError
from oned.sched.cycle import Cycles

log = logging.getLogger(__name__)

GAP = 0.02
"""Seconds from an event to its cycle, so that events that come together share one."""

_DEFAULTS = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}


class Loop:
    """Runs cycles until it is stopped; never two at once.

    interval  seconds between cycles when nothing happens; VMs that are to move are looked for as often
    """

    def __init__(self, cycles: Cycles, interval: float) -> None:
        self._cycles, self._interval = cycles, interval
        self._scheduler = BlockingScheduler(job_defaults=_DEFAULTS)
        self._job = self._scheduler.add_job(self._cycle, "interval", seconds=interval, next_run_time=_after(0))
        self._guard = threading.Lock()
        self._running = self._poked = self._moves = self._stopping = False
        self._moved_at = -interval
        self._reachable = True
        self._idle = threading.Event()
        self._idle.set()

    def run(self) -> None:
        """Returns after `stop`, when the cycle that runs has ended."""
        self._scheduler.start()
        self._idle.wait()

    def stop(self) -> None:
        """For a signal handler or any thread."""
        if not self._stopping:
            self._stopping = True
            self._scheduler.shutdown(wait=False)

    def poke(self, moves: bool) -> None:
        """Starts a cycle soon; one that runs already is followed by another."""
        with self._guard:
            self._moves |= moves
            self._poked = True
            if not self._running:
                self._soon()

    def _soon(self) -> None:
        if not self._stopping:
            self._job.modify(next_run_time=_after(GAP))

    def _cycle(self) -> None:
        with self._guard:
            now = clock.monotonic()
            moves = self._moves or now - self._moved_at >= self._interval
            self._moved_at = now if moves else self._moved_at
            self._running, self._poked, self._moves = True, False, False
            self._idle.clear()
        try:
            self._run_one(moves)
        finally:
            with self._guard:
                self._running = False
                self._idle.set()
                if self._poked:
                    self._soon()

    def _run_one(self, moves: bool) -> None:
        """A border: whatever goes wrong in a cycle, the next one starts afresh."""
        try:
            self._cycles.run(moves, lambda: self._stopping)
        except ClientError as error:
            self._say(False, "Waiting for oned: %s", error)
            self._cycles.forget()
        except Exception:
            log.exception("The cycle failed")
        else:
            self._say(True, "oned answers")

    def _say(self, reachable: bool, text: str, *facts: object) -> None:
        """Once for each change."""
        if reachable is not self._reachable:
            self._reachable = reachable
            log.info(text, *facts)


def _after(seconds: float) -> datetime:
    return datetime.now().astimezone() + timedelta(seconds=seconds)
