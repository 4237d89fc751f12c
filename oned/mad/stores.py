"""Asks datastores how full they are, and takes in what their drivers answer."""

import logging

from oned import clock
from oned.command import Command, Intent, Mad
from oned.datastore.datastore import SYSTEM, Datastore
from oned.ids import Kind
from oned.image.room import is_calm
from oned.mad import ds
from oned.mad.driver import Driver
from oned.mad.operations import Operations
from oned.pool.pools import Pools

log = logging.getLogger(__name__)
SOON = 5.0
"""Seconds between two questions at least where files of VMs were still being made at the last."""
DIRECTORIES = "fs"
"""The driver that measures a system datastore for whose TM_MAD there is none of that name: it is a directory."""


class StoreMonitor:
    """`round` is called by the timer; the answers come through `observed`.

    interval  seconds between two questions to one datastore; 0 is never
    """

    def __init__(self, operations: Operations, pools: Pools, interval: float) -> None:
        self._operations, self._pools, self._interval = operations, pools, interval
        operations.observers[Kind.DATASTORE] = self

    def round(self) -> None:
        """Ask all datastores that are due, or in which files of VMs are whole by now.

        Of those that hosts do not share the hosts tell in their monitoring.
        """
        now = clock.now()
        for datastore in self._pools.datastores if self._interval else ():
            since = now - datastore.monitored
            soon = since >= SOON and self._pools.rooms.has_settled(datastore, now)
            if not datastore.asking and (since >= self._interval or soon):
                self.ask(datastore)

    def ask(self, datastore: Datastore) -> None:
        """Send MONITOR now, if it has a driver that can tell."""
        if datastore.asking:  # what it tells then may be from before what is the reason to ask
            datastore.monitored = 0.0
            return
        driver = self._driver(datastore)
        datastore.monitored = clock.now()
        if driver is None or driver.section.protocol == "classic":  # image drivers of 3.0 cannot tell
            return
        datastore.asking = True
        name = driver.section.name or datastore.ds_mad
        seconds = self._operations.lifecycle.site.deadline(Mad.DS, name, "MONITOR")
        arguments = {"datastore": str(datastore.id)}
        self._operations.observe(
            Command(Mad.DS, name, "MONITOR", Kind.DATASTORE, datastore.id, datastore.name, arguments, seconds)
        )

    def _driver(self, datastore: Datastore) -> Driver | None:
        """Who can tell how full it is. A system datastore has no driver of its own: its TM_MAD says what it is."""
        find = self._operations.drivers.find
        if datastore.type != SYSTEM:
            return find(Mad.DS, datastore.ds_mad)
        if not datastore.is_shared:
            return None
        return find(Mad.DS, datastore.tm_mad) or find(Mad.DS, DIRECTORIES)

    def observed(self, intent: Intent, success: bool, info: str) -> None:
        """The answer of MONITOR."""
        datastore = self._pools.datastores.peek(intent.command.oid)
        if datastore is None:
            return
        datastore.asking = False
        room = ds.room(info) if success else None
        if room is None:
            log.error("Error monitoring datastore %s (%d): %s", datastore.name, datastore.id, info or "no reason given")
        else:
            datastore.total_mb, datastore.free_mb, datastore.used_mb = room.total, room.free, room.used
            self._pools.rooms.measured(datastore, intent.opened)
            if is_calm(datastore, filter(None, map(self._pools.images.peek, datastore.images)), intent.opened):
                datastore.calm_mb, datastore.calm = room.free, intent.opened
            unit = self._operations.unit()
            unit.touch(datastore)
            unit.commit()

    def forgotten(self, intent: Intent) -> None:
        """The question has no answer: it is due again."""
        datastore = self._pools.datastores.peek(intent.command.oid)
        if datastore is not None:
            datastore.asking, datastore.monitored = False, 0.0
