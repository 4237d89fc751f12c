"""Asks datastores how full they are, and takes in what their drivers answer."""

import logging

from oned import clock
from oned.command import Command, Intent, Mad
from oned.datastore.datastore import SYSTEM, Datastore
from oned.ids import Kind
from oned.mad import ds
from oned.mad.operations import Operations
from oned.pool.pools import Pools

log = logging.getLogger(__name__)


class StoreMonitor:
    """`round` is called by the timer; the answers come through `observed`.

    interval  seconds between two questions to one datastore; 0 is never
    """

    def __init__(self, operations: Operations, pools: Pools, interval: float) -> None:
        self._operations, self._pools, self._interval = operations, pools, interval
        operations.observers[Kind.DATASTORE] = self

    def round(self) -> None:
        """Ask all datastores of images and files that are due. System datastores are measured on their hosts."""
        now = clock.now()
        for datastore in self._pools.datastores if self._interval else ():
            if datastore.type != SYSTEM and not datastore.asking and now - datastore.monitored >= self._interval:
                self.ask(datastore)

    def ask(self, datastore: Datastore) -> None:
        """Send MONITOR now, if it has a driver that can tell."""
        if datastore.asking or datastore.type == SYSTEM:
            return
        driver = self._operations.drivers.find(Mad.DS, datastore.ds_mad)
        datastore.monitored = clock.now()
        if driver is None or driver.section.protocol == "classic":  # image drivers of 3.0 cannot tell
            return
        datastore.asking = True
        seconds = self._operations.lifecycle.site.deadline(Mad.DS, datastore.ds_mad, "MONITOR")
        arguments = {"datastore": str(datastore.id)}
        self._operations.observe(
            Command(
                Mad.DS, datastore.ds_mad, "MONITOR", Kind.DATASTORE, datastore.id, datastore.name, arguments, seconds
            )
        )

    def observed(self, intent: Intent, success: bool, info: str) -> None:
        """The answer of MONITOR."""
        datastore = self._pools.datastores.peek(intent.command.oid)
        if datastore is None:
            return
        datastore.asking = False
        room = ds.room(info) if success else None
        if room is None:
            log.error("Error monitoring datastore %s (%d): %s", datastore.name, datastore.id, info or "no reason given")
        elif (room.total, room.free, room.used) != (datastore.total_mb, datastore.free_mb, datastore.used_mb):
            datastore.total_mb, datastore.free_mb, datastore.used_mb = room.total, room.free, room.used
            unit = self._operations.unit()
            unit.touch(datastore)
            unit.commit()

    def forgotten(self, intent: Intent) -> None:
        """The question has no answer: it is due again."""
        datastore = self._pools.datastores.peek(intent.command.oid)
        if datastore is not None:
            datastore.asking, datastore.monitored = False, 0.0
