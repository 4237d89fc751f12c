"""Hears from the daemon what makes a new cycle worth while."""

import logging
import threading
from collections.abc import Callable
from typing import NamedTuple

from lxml import etree

from oned.client.client import Client
from oned.client.failures import ClientError, Faulted
from oned.sched.pools import document

log = logging.getLogger(__name__)

LONGEST_WAIT = 25
"""Seconds that one question for events may take."""

PAUSE = 2.0
"""Seconds after a question that failed."""

_NOW = -1
_FREE = frozenset({"DONE", "STOPPED", "UNDEPLOYED"})
_SAME = frozenset({"MONITORED", "MONITORING_MONITORED"})


class Event(NamedTuple):
    """A change of one object, as the daemon tells it."""

    kind: str
    what: str
    old: str
    new: str

    @property
    def brings_work(self) -> bool:
        """A VM is to be placed now."""
        return self.kind == "VM" and self.new == "PENDING"

    @property
    def brings_room(self) -> bool:
        """VMs that found no host may find one now."""
        if self.kind == "HOST":
            if self.what == "cluster":
                return True
            return self.new in _SAME and self.old not in _SAME
        return (self.kind == "VM" and self.new in _FREE) or (self.kind == "NET" and self.new == "READY")

    @property
    def brings_moves(self) -> bool:
        """A VM is to leave its host."""
        return self.kind == "VM" and self.what.upper() == "RESCHED"


def read(text: str) -> tuple[int, list[Event]]:
    """The number of the last event, and the events, of an EVENTS document."""
    root = document(text)
    events = [
        Event(*(element.findtext(name) or "" for name in ("KIND", "WHAT", "OLD", "NEW")))
        for element in root.iterfind("EVENT")
    ]
    return int(root.findtext("LAST") or 0), events


class Watch:
    """A thread that asks for events and pokes: `poke(moves)`, moves telling that a VM is to leave its host.

    waiting  says whether VMs wait for room
    pause    seconds after a question that failed
    """

    def __init__(
        self, client: Client, poke: Callable[[bool], None], waiting: Callable[[], bool], pause: float = PAUSE
    ) -> None:
        self._client, self._poke, self._waiting, self._seconds = client, poke, waiting, pause
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns at once; a question that is open is left alone."""
        self._stopping.set()

    def _run(self) -> None:
        after = _NOW
        while not self._stopping.is_set():
            try:
                after = self._ask(after)
            except Faulted as fault:
                log.warning("The daemon tells no events, cycles start by the clock only: %s", fault)
                return
            except ClientError:
                after = self._pause()
            except (etree.XMLSyntaxError, ValueError) as error:
                log.warning("The daemon's events cannot be read, they are asked for again: %s", error)
                after = self._pause()

    def _pause(self) -> int:
        """Waits a little; the number to begin anew with."""
        self._stopping.wait(self._seconds)
        return _NOW

    def _ask(self, after: int) -> int:
        last, events = read(self._client.text("oned.events.wait", after, LONGEST_WAIT))
        moves = any(event.brings_moves for event in events)
        work = moves or any(event.brings_work for event in events)
        room = self._waiting() and any(event.brings_room for event in events)
        if after == _NOW or last < after:
            self._poke(True)
        elif work or room:
            self._poke(moves)
        return last
