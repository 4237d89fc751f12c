"""Machines that cost money: a VM in a public cloud is not removed before the cloud has confirmed the machine's end.

An own hypervisor that does not answer may be broken for good, and a removal goes on without it. A cloud that is busy,
or that refuses a key, has the machine still, and somebody pays for it. So a CANCEL that has failed there stays open, on
disk as every command, and is sent again. Who knows better says so: `onevm recover --failure` goes on without the cloud.
"""

import logging
import time

from oned import clock
from oned.command import Intent, Mad
from oned.ids import Kind
from oned.pool.pools import Pools
from oned.store.unit import Unit
from oned.vm.history import Record
from oned.vm.states import CLEANUP, EPILOG
from oned.vm.vm import VM

log = logging.getLogger(__name__)
FIRST, LONGEST = 2.0, 60.0
"""Seconds before a CANCEL is sent again, doubled each time."""
HINT = "It is asked for again. onevm recover --failure goes on without it, and who pays for the machine ends it by hand"


class PaidEnds:
    """Which failures are no end of a removal, and when the command is sent again."""

    def __init__(self, pools: Pools) -> None:
        self._pools = pools
        self._pauses: dict[int, float] = {}

    def is_owed(self, intent: Intent) -> bool:
        """Whether the machine that could not be ended is one of a public cloud, and its VM would go on to DONE."""
        command = intent.command
        if command.kind is not Kind.VM or command.mad is not Mad.VMM or command.verb != "CANCEL":
            return False
        vm = self._pools.vms.peek(command.oid)
        return vm is not None and vm.state in CLEANUP | EPILOG and self._costs(_stay(vm, intent))

    def _costs(self, stay: Record | None) -> bool:
        host = self._pools.hosts.peek(stay.hid) if stay else None
        return host is not None and host.monitored.get("PUBLIC_CLOUD", "").upper() == "YES"

    def note(self, unit: Unit, intent: Intent, why: str) -> float:
        """Let the VM tell why it is not removed yet; the seconds until it is asked for again."""
        vm = self._pools.vms.peek(intent.command.oid)
        assert vm is not None, "its end is owed"
        pause = self._pauses.get(intent.id, FIRST)
        self._pauses[intent.id] = min(2 * pause, LONGEST)
        told = f"its end is not confirmed: {why or 'no reason given'}"
        log.error("CANCEL: %s. It is sent again in %.0f s", told, pause, extra={"vm": vm.id})
        vm.user_template.set("ERROR", f"{time.ctime(clock.now())}: CANCEL: {told}. {HINT}")
        unit.touch(vm)
        return pause

    def forget(self, intent: Intent) -> None:
        """The command is not open any more."""
        self._pauses.pop(intent.id, None)

    def confirm(self, intent: Intent) -> None:
        """The command was done: what the VM told of it is no more so."""
        self.forget(intent)
        if self.is_owed(intent) and (vm := self._pools.vms.peek(intent.command.oid)):
            vm.user_template.remove("ERROR")


def _stay(vm: VM, intent: Intent) -> Record | None:
    """The stay that the command is for."""
    number = intent.command.arguments.get("seq", "")
    return next((record for record in vm.history if str(record.seq) == number), None)
