"""What wakes the loop before its time: oned's events of our VMs, and what others leave in the records."""

import logging
import threading
from collections.abc import Callable, Collection
from typing import Any

from oned.client.client import Client
from oned.client.failures import ClientError
from oned.client.stream import events
from oned.elastic.said import Said

log = logging.getLogger(__name__)
PAUSE = 2.0
"""Seconds until a stream of events that broke is begun anew."""


class Watch:
    """A thread that hears oned's events and pokes when one is of a VM of ours.

    ours  the VMs that count
    """

    def __init__(self, one: Client, poke: Callable[[], None], ours: Callable[[], Collection[int]]) -> None:
        self._one, self._poke, self._ours = one, poke, ours
        self._stopping = threading.Event()
        self._said = Said(log)

    def start(self) -> None:
        threading.Thread(target=self._run, name="events", daemon=True).start()

    def stop(self) -> None:
        """Returns at once; the stream that is open is left alone."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._poke()  # what happened while nobody listened
                self._hear()
            except ClientError as error:
                self._said.once("events", "oned's events are not heard: %s", error)
            self._stopping.wait(PAUSE)

    def _hear(self) -> None:
        for event in events(self._one, "VM", []):
            self._said.well("events", "oned's events are heard again")
            if self._stopping.is_set():
                return
            if self._counts(event):
                self._poke()

    def _counts(self, event: dict[str, Any]) -> bool:
        return "lost" in event or (event.get("what") == "state" and event.get("oid") in self._ours())
