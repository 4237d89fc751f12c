"""From the life cycle to the drivers and back: open intents, and what their answers do.

An answer closes its intent and fires the life cycle in one unit. Answers that match no open intent never arrive
here: oned.mad.driver drops them.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from oned import clock
from oned.command import BOOTS, END, Command, Intent, Mad
from oned.document.object import PoolObject
from oned.ids import Kind
from oned.mad import vmm
from oned.mad.driver import Driver
from oned.mad.marks import ask_again, ended, mark
from oned.mad.paid import PaidEnds
from oned.mad.set import DriverSet
from oned.pool.pools import Pools, retire
from oned.store.database import Database
from oned.store.events import Change, Events
from oned.store.unit import Unit
from oned.vm.fire import Cause, Lifecycle, find
from oned.vm.history import LEFT
from oned.vm.machine import poll
from oned.vm.row import NEW, Row
from oned.vm.states import CLEANUP, DONE, EPILOG, WAITS_FOR_DRIVER
from oned.vm.vm import VM

log = logging.getLogger(__name__)
UNSURE = ("deploy failed", "restore failed")
"""What is a failure to the life cycle, though the driver may be at it still."""
LOOK = 1.0
"""Seconds between two looks whether a command that was given up has ended."""
SPEAKS_OF = {Mad.IM: "Host", Mad.DS: "Image"}
"""Drivers whose log lines are about something else than VMs."""


Outcome = Callable[[Unit, Intent, bool, str], None]
"""What an answer does to its object: in the unit that closes the intent."""

Follower = Callable[[Unit, VM, Row, Cause], None]
"""What follows from a transition: in the unit that makes it."""


class Observer(Protocol):
    """Who hears the answers to questions about objects of a kind."""

    def observed(self, intent: Intent, success: bool, info: str) -> None:
        """The answer, or that there was none in time."""

    def forgotten(self, intent: Intent) -> None:
        """The question will have no answer."""


class Operations:
    """The desk of the units and the listener of the drivers.

    outcomes   what the answers do, by the kind of the object
    observers  who hears the answers of POLL and MONITOR, by the kind of the object
    preparing  what is called with each unit that has news, before its rows are taken (the hooks)
    touching   what is called with each object that a unit takes in (the start of the drivers that it names)
    undecided  what is called with a MIGRATE whose answer was lost: who answers it
    followers  what follows in the same unit from each transition of a VM
    """

    def __init__(self, database: Database, pools: Pools, events: Events) -> None:
        self._database, self._pools, self._events = database, pools, events
        self._last = 0
        self._open: dict[int, Intent] = {}
        self._by_object: dict[tuple[Kind, int], dict[int, Intent]] = {}
        self._boots: dict[int, Intent] = {}
        self._asked: dict[int, asyncio.Future[tuple[bool, str]]] = {}
        self._unheard: list[tuple[Intent, bool, str]] = []
        self.lifecycle: Lifecycle
        self.drivers: DriverSet
        self.outcomes: dict[Kind, Outcome] = {Kind.VM: self._advance}
        self.observers: dict[Kind, Observer] = {}
        self.preparing: Callable[[Unit], None] = lambda _: None
        self.touching: Callable[[PoolObject], None] = lambda _: None
        self.undecided: Callable[[Intent], None] = lambda intent: self.answered(intent, False, "its answer was lost")
        self.followers: list[Follower] = []
        self._paid = PaidEnds(pools)

    # --- the desk ---

    def unit(self) -> Unit:
        """A new unit of work."""
        return Unit(self._database, self)

    def opened(self, command: Command) -> Intent:
        intent = self._intent(command)
        self._keep(intent)
        return intent

    def closed(self, intent: Intent) -> None:
        if self._open.pop(intent.id, None) is not None:
            key = intent.command.kind, intent.command.oid
            del self._by_object[key][intent.id]
            if not self._by_object[key]:
                del self._by_object[key]

    def open_for(self, kind: Kind, oid: int) -> list[Intent]:
        """The open intents of one object, oldest first."""
        return list(self._by_object.get((kind, oid), {}).values())

    def send(self, intent: Intent) -> None:
        """Give the command to its driver; without one it has failed."""
        command = intent.command
        driver = self.drivers.find(command.mad, command.driver)
        if driver is None:
            reason = f"There is no driver {command.driver} in {command.mad.value} of oned.conf"
            self.answered(intent, False, reason)
        else:
            driver.send(intent)

    def abandon(self, intent: Intent) -> None:
        driver = self.drivers.find(intent.command.mad, intent.command.driver)
        if driver is not None:
            driver.abandon(intent)

    def publish(self, change: Change) -> None:
        self._events.publish(change)

    def touched(self, item: PoolObject) -> None:
        self._pools.charges.note(item)
        self.touching(item)

    def prepare(self, unit: Unit) -> None:
        self.preparing(unit)

    def observe(self, command: Command) -> None:
        """Ask a driver something that changes nothing."""
        self.send(self._intent(command))

    async def ask(self, command: Command) -> tuple[bool, str]:
        """The answer to a question: whether it succeeded, and its information. Nothing is kept of it."""
        intent = self._intent(command)
        answer: asyncio.Future[tuple[bool, str]] = asyncio.get_running_loop().create_future()
        self._asked[intent.id] = answer
        self.send(intent)
        return await answer

    def ask_about(self, boot: Intent, question: Command) -> None:
        """Let the answer to a POLL be the answer to a boot that may have been done."""
        intent = self._intent(question)
        self._boots[intent.id] = boot
        self.send(intent)

    def _keep(self, intent: Intent) -> None:
        self._open[intent.id] = intent
        self._by_object.setdefault((intent.command.kind, intent.command.oid), {})[intent.id] = intent

    def _intent(self, command: Command) -> Intent:
        self._last += 1
        return Intent(self._last, command, 1, clock.now())

    def is_open(self, intent: Intent) -> bool:
        """Whether nothing has closed the intent yet."""
        return intent.id in self._open

    def late(self, vm: int) -> list[Command]:
        """The commands of a VM that were given up, and that hypervisor drivers may still be at."""
        drivers = (driver for driver in self.drivers if driver.section.mad is Mad.VMM)
        return [command for driver in drivers for command in driver.late(vm)]

    def is_ending(self, vm: VM, hostname: str) -> bool:
        """Whether a domain of the VM is being ended on a host, or may be by a command that was given up."""
        return any(command.ends_on == hostname for command in self._at_work(vm))

    def _at_work(self, vm: VM) -> list[Command]:
        return [intent.command for intent in self.open_for(Kind.VM, vm.id)] + self.late(vm.id)

    @property
    def open_intents(self) -> list[Intent]:
        return list(self._open.values())

    def restore(self, intents: list[Intent]) -> None:
        """Take over the intents that are on disk, in place of all that were known."""
        self._open, self._by_object = {}, {}
        for intent in intents:
            self._keep(intent)
        self._last = max(self._last, *self._open, 0)

    def hear(self) -> None:
        """Take in the answers that came while nothing could be stored."""
        waiting, self._unheard = self._unheard, []
        for answer in waiting:
            self.answered(*answer)

    # --- the listener ---

    def answered(self, intent: Intent, success: bool, info: str) -> None:
        """A driver's answer, or a missed deadline. It is kept until what it changes is on disk."""
        if intent.command.observes:
            self._observed(intent, success, info)
        elif self._database.failing:
            self._hear_later(intent, success, info)
        elif self.is_open(intent) and not success and self._paid.is_owed(intent):
            self._send_later(intent, info)
        elif self.is_open(intent) and success and self._is_needed_again(intent):
            told = "CANCEL is sent to %s again when what was given up there has ended, for that may start it still"
            log.warning(told, intent.command.host, extra={"vm": intent.command.oid})
            self._end_again(intent, clock.monotonic() + intent.command.deadline)
        elif self.is_open(intent):
            self._close(intent, success, info)

    def _is_needed_again(self, intent: Intent) -> bool:
        """Whether a removal would go on to the VM's files while a domain may yet come up on them."""
        vm = self._pools.vms.peek(intent.command.oid) if intent.command.ends_on else None
        return vm is not None and vm.state in CLEANUP | EPILOG and self._is_outrun(intent.command)

    def _is_outrun(self, command: Command) -> bool:
        """Whether a boot that was given up may still make a domain where this has ended one."""
        host = command.ends_on
        return bool(host) and any(late.boots_on == host for late in self.late(command.oid))

    def _end_again(self, intent: Intent, limit: float) -> None:
        """Send it when the boot has ended; a boot that goes on for too long is one that could not be ended."""
        if not self.is_open(intent):
            return
        if not self._is_needed_again(intent):
            self.send(intent)
        elif clock.monotonic() < limit:
            asyncio.get_running_loop().call_later(LOOK, self._end_again, intent, limit)
        else:
            self.answered(intent, False, f"what was given up on {intent.command.host} has not ended")

    def _send_later(self, intent: Intent, why: str) -> None:
        unit = self.unit()
        pause = self._paid.note(unit, intent, why)
        unit.commit()
        asyncio.get_running_loop().call_later(pause, self._send_again, intent)

    def _send_again(self, intent: Intent) -> None:
        if self.is_open(intent):
            self.send(intent)
        else:
            self._paid.forget(intent)

    def _close(self, intent: Intent, success: bool, info: str) -> None:
        if success:
            self._paid.confirm(intent)
        unit = self.unit()
        unit.close(intent)
        if intent.command.kind in self.outcomes:
            self.outcomes[intent.command.kind](unit, intent, success, info)

        def committed(done: "asyncio.Future[None]") -> None:
            if done.exception() is not None:
                self._hear_later(intent, success, info)

        unit.commit().add_done_callback(committed)

    def _hear_later(self, intent: Intent, success: bool, info: str) -> None:
        log.warning("The answer to %s of %s %d waits until changes can be stored", *_words(intent))
        self._unheard.append((intent, success, info))

    def _observed(self, intent: Intent, success: bool, info: str) -> None:
        boot, asked = self._boots.pop(intent.id, None), self._asked.pop(intent.id, None)
        if asked is not None:
            if not asked.done():
                asked.set_result((success, info))
        elif boot is None:
            self.observers[intent.command.kind].observed(intent, success, info)
        elif success and vmm.poll(info).state in "ap":
            self.answered(boot, True, "")
        else:
            self.answered(boot, False, f"Its answer was lost, and the domain was not found: {info or 'no answer'}")

    def _unanswered(self, intent: Intent) -> None:
        """A question died with its driver: it says nothing about the object, and is asked again by the monitor."""
        if intent.id in self._boots or intent.id in self._asked:
            self._observed(intent, False, "the driver died")
        else:
            self.observers[intent.command.kind].forgotten(intent)

    def _advance(self, unit: Unit, intent: Intent, success: bool, info: str) -> None:
        """What the answer does to a VM: the event of its life cycle."""
        vm = self._pools.vms.peek(intent.command.oid)
        if vm is None:
            return
        ended(unit, vm, intent.command, success=success and not self._is_outrun(intent.command))
        event = f"{intent.command.verb.lower()} {'done' if success else 'failed'}"
        if not success:
            heard = logging.getLogger(f"{__name__}.{intent.command.mad.name}")
            heard.error("%s: %s", intent.command.verb, info or "no reason given", extra={"vm": vm.id})
        if find(vm, event) is not None:
            self.fire(unit, vm, event, Cause(info=info))
        elif vm.state in WAITS_FOR_DRIVER:
            log.error("%s of %s %d ended in state %s, which does not wait for it", *_words(intent), vm.state)

    def fire(self, unit: Unit, vm: VM, event: str, cause: Cause) -> None:
        """Fire the life cycle; a VM that is DONE gives back what it holds, and leaves the memory after the commit."""
        unsure = event in UNSURE and self._is_booting(vm)
        row = self.lifecycle.fire(unit, vm, event, cause)
        if unsure:
            mark(unit, vm, vm.record.hid, LEFT)
        if row.opens is NEW:
            ask_again(unit, vm)
        for follow in self.followers:
            follow(unit, vm, row, cause)
        if vm.state is DONE:
            self._pools.release(unit, vm)
            retire(self._pools, unit, vm)

    def _is_booting(self, vm: VM) -> bool:
        """Whether a domain of the VM may be made yet where it is."""
        return any(command.boots_on == vm.record.hostname for command in self._at_work(vm))

    def logged(self, mad: Mad, oid: int, severity: str, text: str) -> None:
        """A driver's LOG line goes to the VM's log, or for hosts and images to the daemon's."""
        level = {"E": logging.ERROR, "D": logging.DEBUG}.get(severity, logging.INFO)
        heard = logging.getLogger(f"{__name__}.{mad.name}")
        if mad in SPEAKS_OF:
            heard.log(level, "%s %d: %s", SPEAKS_OF[mad], oid, text)
        else:
            heard.log(level, "%s", text, extra={"vm": oid})

    def lost(self, driver: Driver, intents: list[Intent]) -> None:
        """A driver died with these commands open."""
        for intent in intents:
            if intent.command.observes:
                self._unanswered(intent)
            else:
                self.take_up(intent, f"Driver {driver.section.label} died before it answered, and cannot repeat it")

    def take_up(self, intent: Intent, why: str) -> None:
        """What becomes of a command whose answer was lost, with its driver or with an earlier oned.

        What may be repeated is sent again, a boot of a known domain is asked about; anything else has failed, and
        `why` is the reason.
        """
        vm = self._pools.vms.peek(intent.command.oid) if intent.command.kind is Kind.VM else None
        driver = self.drivers.find(intent.command.mad, intent.command.driver)
        if driver is not None and may_repeat(driver, intent):
            log.info("%s of %s %d is sent again: its answer was lost", *_words(intent))
            driver.send(intent)
        elif driver is not None and vm is not None and vm.deploy_id and intent.command.verb in BOOTS:
            log.info("VM %d is asked about: the answer to %s was lost", intent.command.oid, intent.command.verb)
            if intent.command.verb == "MIGRATE":
                self.undecided(intent)
            else:
                self.ask_about(intent, poll(vm, self.lifecycle.site))
        else:
            self.answered(intent, False, why)


def may_repeat(driver: Driver, intent: Intent) -> bool:
    """Whether the command may be sent again when nobody knows if it was done: ending what has ended harms nobody."""
    return intent.command.mad is Mad.TM or intent.command.verb in (*driver.repeats, END)


def _words(intent: Intent) -> tuple[str, str, int]:
    return intent.command.verb, intent.command.kind.name, intent.command.oid
