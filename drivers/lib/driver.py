"""A driver program: `Driver` reads the lines, runs an action for each in a thread, and answers.

    driver = Driver("vmm_kvm", VMM, threads=15)

    @driver.action("DEPLOY", repeatable=True)
    def deploy(request: VMRequest, task: Task) -> str:
        ...

    def main() -> None:
        driver.run()

What an action returns is the text of its SUCCESS; `raise ActionFailed("no such bridge")` makes it a FAILURE.
share/doc/drivers.md has the protocol from the driver's side.
"""

import argparse
import logging
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Generic, NoReturn, TypeVar

from oned.drivers.lib.line import LONGEST_TEXT, Voice, one_line, read_lines
from oned.drivers.lib.request import Dialect
from oned.drivers.lib.task import ActionFailed, Cancelled, Task
from oned.drivers.lib.workers import Job, Workers

log = logging.getLogger(__name__)

GRACE = 2.0
"""Seconds that running actions have to end after FINALIZE or end of file."""

R = TypeVar("R")
_VERB, _ID = re.compile(rb"[A-Z_]+"), re.compile(rb"-?\d+")


class CannotStart(Exception):
    """The driver cannot work here; the text says what to install or to set."""


@dataclass(frozen=True)
class Action(Generic[R]):
    """A verb the driver knows.

    repeatable   the daemon may send it again when it does not know whether the first one was done
    alongside    runs beside other actions of the same object instead of after them
    """

    verb: str
    do: Callable[[R, Task], str]
    repeatable: bool
    alongside: bool


class Driver(Generic[R]):
    """The program around the actions. `options` takes more command line options before `run`."""

    def __init__(self, name: str, dialect: Dialect[R], threads: int) -> None:
        self.name = name
        self.options = argparse.ArgumentParser(prog=name, exit_on_error=False, add_help=False)
        self.options.add_argument("-t", "--threads", type=int, default=threads)
        self._dialect = dialect
        self._actions: dict[str, Action[R]] = {}
        self._prepare: Callable[[argparse.Namespace], None] = lambda arguments: None

    def action(
        self, verb: str, *, repeatable: bool = False, alongside: bool = False
    ) -> Callable[[Callable[[R, Task], str]], Callable[[R, Task], str]]:
        """Declare the function as what is done for the verb."""

        def declare(do: Callable[[R, Task], str]) -> Callable[[R, Task], str]:
            self._actions[verb] = Action(verb, do, repeatable, alongside)
            return do

        return declare

    def prepare(self, function: Callable[[argparse.Namespace], None]) -> Callable[[argparse.Namespace], None]:
        """Declare what is done with the options before INIT is answered; CannotStart makes that a FAILURE."""
        self._prepare = function
        return function

    def run(self) -> NoReturn:
        """Serve standard input until FINALIZE, its end or SIGTERM; then end all children and exit with status 0."""
        _set_signals()
        voice = Voice(_own_output())
        _set_log()
        arguments, problem = self._start(sys.argv[1:])
        workers = Workers(arguments.threads)
        status = 1
        try:
            self._serve(voice, workers, problem)
            status = 0
        except _Leave:
            status = 0
        except Exception:
            log.exception("%s ends, which is a bug", self.name)
        _end(workers, status)

    def _start(self, argv: list[str]) -> tuple[argparse.Namespace, str]:
        """The options, and why the driver cannot start, if so. The daemon gives all arguments as one word."""
        arguments, problem = argparse.Namespace(threads=1), ""
        try:
            arguments, rest = self.options.parse_known_args(" ".join(argv).split())
            log.info("%s: options not used: %s", self.name, rest)
            self._prepare(arguments)
        except (CannotStart, argparse.ArgumentError) as error:
            problem = one_line(str(error))
        return arguments, problem

    def _serve(self, voice: Voice, workers: Workers, problem: str) -> None:
        for line in read_lines(0):
            verb, oid, rest = _split(line)
            if verb == "FINALIZE":
                return
            if verb == "INIT":
                voice.line(*(("INIT FAILURE", problem) if problem else ("INIT SUCCESS", self._declaration())))
            elif oid is None:
                self._complain(voice, line)
            elif verb == "DRIVER_CANCEL":
                _cancel(voice, workers, oid)
            else:
                self._accept(Task(verb, oid, voice), rest, workers)

    def _declaration(self) -> str:
        repeats = ",".join(action.verb for action in self._actions.values() if action.repeatable)
        return f"PROTOCOL={self._dialect.name} REPEATS={repeats}"

    @staticmethod
    def _complain(voice: Voice, line: bytes) -> None:
        if line.strip():
            voice.line("LOG E - Line without verb and id ignored:", one_line(line[:80].decode("utf-8", "replace")))

    def _accept(self, task: Task, rest: bytes, workers: Workers) -> None:
        action = self._actions.get(task.verb)
        if action is None:
            task.voice.line(task.verb, "FAILURE", task.oid, "not supported by this driver")
            return
        key = None if action.alongside else task.oid
        workers.add(Job(task, key, lambda: self._perform(action, task, rest)))

    def _perform(self, action: Action[R], task: Task, rest: bytes) -> None:
        """Do the action and answer it, unless it was cancelled. The border of what a driver's code may raise."""
        try:
            request = self._dialect.read(task.verb, task.oid, rest.decode("utf-8", "replace").split())
            answer = ("SUCCESS", action.do(request, task))
        except Cancelled:
            return
        except ActionFailed as error:
            answer = ("FAILURE", str(error)[:LONGEST_TEXT])
        except Exception as error:
            log.exception("%s %s", task.verb, task.oid)
            answer = ("FAILURE", f"{type(error).__name__}: {error}"[:LONGEST_TEXT])
        if not task.cancelled:
            result, text = answer
            task.voice.line(task.verb, result, task.oid, one_line(text) or "-", torn=task.torn)


def _split(line: bytes) -> tuple[str, int | None, bytes]:
    """Verb, id and the rest of a request line; 6.x has an empty word, that is one more blank, before the id."""
    verb, oid, rest = (*line.split(None, 2), b"", b"", b"")[:3]
    is_request = _VERB.fullmatch(verb) and _ID.fullmatch(oid)
    return verb.decode("utf-8", "replace"), int(oid) if is_request else None, rest


def _cancel(voice: Voice, workers: Workers, oid: int) -> None:
    """Cancel what is done for the object, and say so when it has ended; the lines are read on meanwhile."""

    def confirm() -> None:
        for task in running:
            task.ended.wait()
        voice.line("LOG I", oid, "Driver command for", oid, "cancelled")

    running = workers.cancel(oid)
    if running:
        threading.Thread(target=confirm, daemon=True).start()
    else:
        confirm()


def _set_signals() -> None:
    """The daemon's children may inherit a blocked mask; Ctrl-C at the daemon's terminal is the daemon's alone."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    signal.signal(signal.SIGTERM, _leave)
    if not sys.stdin.isatty():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Leave(BaseException):
    """SIGTERM has come."""


def _leave(number: int, frame: FrameType | None) -> None:
    raise _Leave


def _own_output() -> int:
    """The descriptor of the pipe to the daemon. Whatever else prints on standard output goes to the log instead."""
    own = os.dup(1)
    os.dup2(2, 1)
    return own


def _set_log() -> None:
    level = logging.DEBUG if os.environ.get("ONE_MAD_DEBUG") not in (None, "", "0") else logging.WARNING
    logging.basicConfig(stream=sys.stderr, level=level, format="%(asctime)s %(levelname)s %(message)s")


def _end(workers: Workers, status: int) -> NoReturn:
    """Cancel everything, wait GRACE seconds for it to end, and leave; a hung action does not hold the process."""
    end = time.monotonic() + GRACE
    for task in workers.cancel():
        task.ended.wait(max(0.0, end - time.monotonic()))
    os._exit(status)
