"""One driver of oned.conf: keeps its process running, gives it commands in turn, and tells how they ended."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from pathlib import Path

from oned import clock
from oned.command import Command, Intent
from oned.mad import dialect, line, vmm
from oned.mad.contract import Listener, Source
from oned.mad.files import Files
from oned.mad.line import Answer, Greeting, Log
from oned.mad.process import GRACE, DriverProcess, Launch, StartFailed, check, ending
from oned.mad.section import DriverSection
from oned.mad.turns import Load, Turns

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds between a death and the next start: doubled at each, back to the first after a life of the longest."""
LONG = ("TRANSFER", "CP", "CLONE", "MKFS")
"""Verbs that may take as long as they tell of their progress: each log line pushes their deadline on."""


class Driver:
    """Commands go in by `send`, the listener hears of each exactly once, unless it was abandoned."""

    def __init__(self, section: DriverSection, launch: Launch, source: Source, listener: Listener) -> None:
        self.section = section
        self._log = logging.getLogger(f"{__name__}.{section.mad.name}")
        self._launch, self._source, self._listener = launch, source, listener
        self._turns = Turns(section.per_host, section.threads)
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._process: DriverProcess | None = None
        self._write_line = dialect.writer(section, Greeting(False, ""))
        self._greeting = Greeting(False, "")
        self._reason, self._down_since = "it has not been started", clock.monotonic()
        self._files = Files()
        self._preparing: set[asyncio.Task[None]] = set()
        self._life: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()
        self._stopping = False

    @property
    def is_up(self) -> bool:
        """True when a process has answered INIT and lives."""
        return self._process is not None

    @property
    def load(self) -> Load:
        """How many commands wait for their turn, are open, and are late."""
        return self._turns.load

    @property
    def dialect(self) -> str:
        """The name of the dialect that it is spoken to in."""
        return dialect.chosen(self.section, self._greeting)

    @property
    def repeats(self) -> frozenset[str]:
        """The verbs that the driver says may be sent again when nobody knows whether they were done."""
        return self._greeting.repeats

    def late(self, oid: int) -> list[Command]:
        """The commands of an object that were given up, and that it may still be at."""
        return self._turns.late(oid)

    def send(self, intent: Intent) -> None:
        """Queues the command; its line leaves when its turn comes. Starts the driver if need be. Never blocks."""
        self.wake()
        self._turns.add(intent)
        self._arm(intent)
        self._give()

    def abandon(self, intent: Intent) -> None:
        """Forgets the command: the listener hears nothing more of it, the driver is told to drop it."""
        self._disarm(intent)
        if self._turns.withdraw(intent) or not self._turns.is_open(intent):
            return
        self._turns.give_up(intent)
        self._cancel(intent.command.oid)
        self._give()

    def wake(self) -> None:
        """Starts it, and from then on again whenever it dies, in the background. Once is enough."""
        if self._life is None and not self._stopping:
            self._down_since = clock.monotonic()
            self._life = asyncio.create_task(self._live(), name=f"driver {self.section.label}")

    async def start(self) -> None:
        """Returns after the first attempt; whether it worked says `is_up`. Restarts go on in the background."""
        self.wake()
        await self._tried.wait()

    def check(self) -> None:
        """Logs why its program cannot be run, if so, without running it."""
        try:
            check(self._launch.executable)
        except StartFailed as failure:
            self._cannot_start(failure)

    async def stop(self, grace: float = GRACE) -> None:
        """Ends the process; answers that come meanwhile still count, what stays open is not reported."""
        self._stopping = True
        if self._process:
            await self._process.stop(grace)
        elif self._life:
            self._life.cancel()
        if self._life:
            await asyncio.gather(self._life, return_exceptions=True)
        for timer in self._timers.values():
            timer.cancel()

    # --- the process ---

    async def _live(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopping:
            born = clock.monotonic()
            try:
                await self._one_life()
            except (StartFailed, OSError) as failure:
                self._cannot_start(failure)
            finally:
                self._tried.set()
            if clock.monotonic() - born > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            if not self._stopping:
                await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _one_life(self) -> None:
        """From the start of a process to its end. Raises StartFailed."""
        process = await DriverProcess.start(self._launch)
        self._process, self._greeting = process, process.greeting
        self._write_line = dialect.writer(self.section, process.greeting)
        self._log.info("Driver %s is up", self.section.label)
        self._tried.set()
        self._give()
        async for text in process.lines():
            self._hear(text)
        self._process, self._down_since = None, clock.monotonic()
        status = await process.end()
        if not self._stopping:
            self._mourn(status)

    def _cannot_start(self, failure: Exception) -> None:
        self._reason = str(failure)
        self._log.error("Driver %s could not be started: %s", self.section.label, failure)

    def _mourn(self, status: int) -> None:
        how, lost = ending(status), self._turns.clear()
        self._reason = f"it died ({how}) and is being restarted"
        self._log.error("Driver %s died (%s) with %d commands open", self.section.label, how, len(lost))
        for intent in lost:
            self._disarm(intent)
        if lost:
            self._tell(partial(self._listener.lost, self, lost))

    # --- from the driver ---

    def _hear(self, text: str) -> None:
        message = line.read(text)
        self._log.debug("Message received: %.2000s", text)
        if isinstance(message, Answer):
            self._end(message)
        elif isinstance(message, Log):
            self._note(message)

    def _end(self, answer: Answer) -> None:
        intent = self._turns.close(answer.action, answer.oid)
        if intent is None:
            self._log.debug("Ignored: no open command of %s for this answer", self.section.label)
        else:
            info = vmm.result(answer.action, answer.info) if answer.success else answer.info
            self._report(intent, answer.success, info)
        self._give()

    def _note(self, message: Log) -> None:
        if message.oid is None:
            self._log.info("%s: %s", self.section.label, message.text)
            return
        for verb in LONG:
            if at_work := self._turns.opened(verb, message.oid):
                self._arm(at_work)
        self._tell(partial(self._listener.logged, self.section.mad, message.oid, message.severity, message.text))
        if message.cancelled is not None:
            self._turns.forgive(message.cancelled)
            self._give()

    def _report(self, intent: Intent, success: bool, info: str) -> None:
        self._disarm(intent)
        self._tell(partial(self._listener.answered, intent, success, info))

    def _tell(self, news: partial[None]) -> None:
        """A border: an error of the listener is logged and must not look like the driver's death."""
        try:
            news()
        except Exception:
            self._log.exception("Message of driver %s could not be handled", self.section.label)

    # --- to the driver ---

    def _give(self) -> None:
        """Sends what has its turn."""
        while self._process and not self._stopping and (intent := self._turns.next()):
            self._arm(intent)
            self._prepare(intent)

    def _prepare(self, intent: Intent) -> None:
        """A border: a command that cannot be written down fails, with the reason."""
        try:
            wanted = self._source.files(intent.command)
        except Exception as error:
            self._log.exception("The files of %s could not be made", intent.command)
            self._refuse_soon(intent, str(error))
            return
        if not wanted:
            self._write(intent)
            return
        task = asyncio.create_task(self._write_after(intent, {Path(path): text for path, text in wanted.items()}))
        self._preparing.add(task)
        task.add_done_callback(self._preparing.discard)

    async def _write_after(self, intent: Intent, wanted: dict[Path, str]) -> None:
        process = self._process
        try:
            await self._files.write(wanted)
        except (OSError, ValueError) as error:
            reason = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else f"its files: {error}"
            self._refuse(intent, f"Could not write {reason}")
            return
        if process is self._process:
            self._write(intent)

    def _write(self, intent: Intent) -> None:
        """Writes the line, unless the command was given up while its files were written. A border, as above."""
        if not self._turns.is_open(intent):
            self._turns.drop(intent)
            self._give()
            return
        assert self._process, "lines are written to a running process only"
        try:
            text = self._write_line(intent.command, self._source)
        except Exception as error:
            self._log.exception("No line for %s", intent.command)
            self._refuse_soon(intent, str(error))
        else:
            self._process.write(text)

    def _refuse_soon(self, intent: Intent, reason: str) -> None:
        """Not at once: the one who sends does not expect the answer before `send` returns."""
        asyncio.get_running_loop().call_soon(self._refuse, intent, reason)

    def _refuse(self, intent: Intent, reason: str) -> None:
        if self._turns.is_open(intent):
            self._turns.drop(intent)
            self._report(intent, False, reason)
        self._give()

    def _cancel(self, oid: int) -> None:
        if self._process:
            self._process.write(f"DRIVER_CANCEL {oid}")

    # --- deadlines ---

    def _limit(self, intent: Intent) -> float:
        return self.section.timeouts.get(intent.command.verb, intent.command.deadline)

    def _arm(self, intent: Intent, seconds: float | None = None) -> None:
        self._disarm(intent)
        wait = self._limit(intent) if seconds is None else seconds
        self._timers[intent.id] = asyncio.get_running_loop().call_later(wait, self._overdue, intent)

    def _disarm(self, intent: Intent) -> None:
        timer = self._timers.pop(intent.id, None)
        if timer:
            timer.cancel()

    def _overdue(self, intent: Intent) -> None:
        """Time in the queue counts only while nothing can be sent: the driver is down, or a late command is first."""
        limit, down = self._limit(intent), clock.monotonic() - self._down_since
        if self._turns.is_open(intent):
            self._miss(intent)
        elif self._process is None and down < limit:
            self._arm(intent, limit - down)
        elif self._process is None:
            self._never_sent(intent, f"driver {self.section.label}: {self._reason}")
        elif (earlier := self._turns.blocker(intent)) is not None and self._turns.is_late(earlier):
            what = "an earlier one" if earlier.command.verb == intent.command.verb else f"{earlier.command.verb} there"
            self._never_sent(intent, f"the driver has not answered {what} yet")
        else:
            self._arm(intent)

    def _miss(self, intent: Intent) -> None:
        """The driver is told to drop the command, unless that could hit another one of the same object."""
        command = intent.command
        self._turns.give_up(intent)
        if not self._turns.has_open(command.oid):
            self._cancel(command.oid)
        seconds = f"{self._limit(intent):g} s"
        self._report(intent, False, f"{command.verb} on {command.place} did not answer within {seconds}")
        self._give()

    def _never_sent(self, intent: Intent, reason: str) -> None:
        command = intent.command
        self._turns.withdraw(intent)
        self._report(intent, False, f"{command.verb} on {command.place} was not sent: {reason}")
