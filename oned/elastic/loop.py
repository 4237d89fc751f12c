"""When a cycle runs: by the clock, at the times of time tables, and early when something happened."""

import logging
import threading
from collections.abc import Callable, Collection
from typing import Any

from apscheduler.job import Job
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.exc import SQLAlchemyError

from oned import clock
from oned.elastic.cycle import Cycle
from oned.elastic.doubt import AGAIN, doubt
from oned.elastic.leader import Deposed, Lead
from oned.elastic.node import FAILED, JOINING, LOST, PLANNED, REGISTERED, UNREGISTERED
from oned.elastic.plan import Plan
from oned.elastic.policy import Policies, Window
from oned.elastic.reading import Node
from oned.elastic.records import Records
from oned.elastic.said import Said

log = logging.getLogger(__name__)

LOOK = 0.25
"""Seconds between two looks whether somebody has left something in the records."""
SOON = 0.2
"""Seconds from a change to the next cycle: what follows from it is done at once."""
QUICK = 1.0
"""Seconds between two cycles while a node is in a state that lasts only a moment, which nobody tells the end of.

Where a cycle takes longer than that it is as long as the cycle: half of the time at most goes into looking.
"""
PASSING = frozenset((PLANNED, REGISTERED, JOINING, FAILED, LOST, UNREGISTERED))
_DAY = 24 * 60
_DEFAULTS = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}


class Loop:
    """Runs cycles until it is stopped, never two at once, and only while this is the active loop.

    interval  seconds between cycles when nothing happens
    told      is given each plan, with what it took in seconds
    """

    def __init__(
        self, records: Records, cycle: Cycle, lead: Lead, interval: float, told: Callable[[Plan, float], None]
    ) -> None:
        self._records, self._cycle, self._lead, self.interval, self._told = records, cycle, lead, interval, told
        self._scheduler = BackgroundScheduler(job_defaults=_DEFAULTS, timezone="UTC")
        self._wake, self._stopping, self._asked = threading.Event(), threading.Event(), threading.Event()
        self._reread: Callable[[], None] = lambda: None
        self._boundaries: list[Job] = []
        self._said = Said(log)
        self._next = 0.0
        self._left: object = None
        self.vms: Collection[int] = frozenset()

    def times(self, policies: Policies, renew: float) -> None:
        """Wake at the times of time tables, and renew the claim to lead so often."""
        self._scheduler.add_job(self._renew, "interval", seconds=renew)
        self.windows(policies)

    def windows(self, policies: Policies) -> None:
        """Wake at the times of these time tables, and of no other ones."""
        for job in self._boundaries:
            job.remove()
        self._boundaries = [
            self._scheduler.add_job(self.poke, "cron", timezone=policies.zone, **when)
            for window in policies.windows
            for when in boundaries(window)
        ]

    def on_reread(self, do: Callable[[], None]) -> None:
        """What `reread` does, between two cycles."""
        self._reread = do

    def reread(self) -> None:
        """For a signal handler: have the settings read anew, and a cycle by them."""
        self._asked.set()

    def every(self, seconds: float, do: Callable[[], None]) -> None:
        """Call it so often beside the cycles, which do not wait for it; never twice at once."""
        self._scheduler.add_job(do, "interval", seconds=seconds)

    def poke(self) -> None:
        """Run a cycle soon. For any thread."""
        self._wake.set()

    def stop(self) -> None:
        """For a signal handler or any thread; a cycle that runs is ended first."""
        self._stopping.set()

    def run(self) -> None:
        """Returns after `stop`."""
        self._scheduler.start()
        try:
            while not self._stopping.is_set():
                if self._asked.is_set():
                    self._asked.clear()
                    self._reread()
                    self._wake.set()
                if self._wake.is_set() or clock.monotonic() >= self._next or self._somebody_left_word():
                    self._wake.clear()
                    self._next = clock.monotonic() + self._one()
                self._wait()
        finally:
            self._scheduler.shutdown(wait=False)

    def _wait(self) -> None:
        """A short while; a poke that comes within is seen after a moment, so that several share a cycle."""
        self._stopping.wait(min(LOOK, max(0.0, self._next - clock.monotonic())))

    def _somebody_left_word(self) -> bool:
        try:
            version = self._records.version()
        except SQLAlchemyError as error:
            self._unusable(error)
            return False
        changed, self._left = version != self._left, version
        return changed

    def _unusable(self, error: SQLAlchemyError) -> None:
        """Said once; it is tried again at the next look."""
        why = getattr(error, "orig", None) or error
        self._said.once("records", "The records cannot be used, this is tried again: %s", why)

    def _one(self) -> float:
        """One cycle; seconds until the next. A border: whatever goes wrong in a cycle, the next one starts afresh."""
        try:
            if not self._lead.take():
                holder = self._records.leader()
                self._said.once("lead", "Another service is active: %s. This one waits", holder and holder.holder)
                return min(self.interval, QUICK)
            self._said.well("lead", "This service is the active one")
            return self._cycled()
        except Deposed as deposed:
            log.warning("%s. This one waits", deposed)
        except SQLAlchemyError as error:
            self._unusable(error)
        except Exception:
            log.exception("The cycle failed")
        return self.interval

    def _cycled(self) -> float:
        begin, self._left = clock.monotonic(), self._records.version()
        made, changed = self._cycle.run()
        self._said.well("records", "The records can be used again")
        nodes = [record.node for record in self._records.nodes()]
        self.vms = frozenset(node.vm for node in nodes)
        took = clock.monotonic() - begin
        self._told(made, took)
        if changed:
            return SOON
        return min(self.interval, self._most(nodes, took))

    def _most(self, nodes: Collection[Node], took: float) -> float:
        """Seconds until the next cycle at most, by what is so."""
        if any(node.state in PASSING for node in nodes):
            return max(QUICK, took)
        reading = self._cycle.reading
        return AGAIN if reading and doubt(reading, clock.now()) else self.interval

    def _renew(self) -> None:
        """Keep leading while a cycle takes long; a follower does not try here."""
        try:
            self._lead.renew()
        except SQLAlchemyError as error:
            self._unusable(error)


def boundaries(window: Window) -> list[dict[str, Any]]:
    """When a time table begins and ends to hold, as arguments of a cron trigger."""
    over = window.end <= window.start
    ends = {(day + 1) % 7 for day in window.days} if over or window.end == _DAY else window.days
    return [_cron(window.days, window.start), _cron(frozenset(ends), window.end % _DAY)]


def _cron(days: Collection[int], minute: int) -> dict[str, Any]:
    return {"day_of_week": ",".join(map(str, sorted(days))), "hour": minute // 60, "minute": minute % 60, "second": 1}
