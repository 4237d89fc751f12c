"""One action that a driver was asked for: its log, its child processes, its cancellation."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence

from oned.drivers.lib import actions
from oned.drivers.lib.line import LONGEST_TEXT, Voice, one_line


class ActionFailed(Exception):
    """The action did not work; the text is one sentence for the owner of the VM."""


class Cancelled(Exception):
    """The daemon wants no answer any more; the action ends where it is."""


class Task:
    """What an action is given beside its request."""

    def __init__(self, verb: str, oid: int, voice: Voice) -> None:
        self.verb = verb
        self.oid = oid
        self.torn = 0.0
        """Seconds to pause in the middle of the answer; simulated drivers test the daemon with it."""
        self.ended = threading.Event()
        self.voice = voice
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._at_cancel: list[Callable[[], None]] = []

    def after_cancel(self) -> "Task":
        """The same action with time to clean up, whether it was cancelled or not."""
        return Task(self.verb, self.oid, self.voice)

    # -- what goes to the log of the VM ---------------------------------------------------------------------------
    def info(self, text: str) -> None:
        self._log("I", text)

    def error(self, text: str) -> None:
        self._log("E", text)

    def debug(self, text: str) -> None:
        self._log("D", text)

    def _log(self, severity: str, text: str) -> None:
        for line in filter(None, map(one_line, text.splitlines())):
            self.voice.line("LOG", severity, self.oid, line[:LONGEST_TEXT])

    # -- time and cancellation ------------------------------------------------------------------------------------
    @property
    def cancelled(self) -> bool:
        return self._stop.is_set()

    def check(self) -> None:
        """Raise Cancelled if the daemon has cancelled the action."""
        if self._stop.is_set():
            raise Cancelled

    def sleep(self, seconds: float | None) -> None:
        """Let seconds pass (None: for ever); raises Cancelled as soon as the action is cancelled."""
        if self._stop.wait(seconds):
            raise Cancelled

    def cancel(self) -> None:
        """End the action: wake it if it sleeps, end its child processes, call what it asked for."""
        with self._lock:
            self._stop.set()
            callbacks = list(self._at_cancel)
        for callback in callbacks:
            callback()

    @contextlib.contextmanager
    def at_cancel(self, callback: Callable[[], None]) -> Iterator[None]:
        """Within the block, a cancellation calls `callback` from another thread, at most once."""
        with self._lock:
            if self._stop.is_set():
                raise Cancelled
            self._at_cancel.append(callback)
        try:
            yield
        finally:
            with self._lock:
                self._at_cancel.remove(callback)

    # -- child processes ------------------------------------------------------------------------------------------
    def run(self, argv: Sequence[str], deadline: float, environment: dict[str, str] | None = None) -> str:
        """The standard output of a command that ends with status 0; never through a shell.

        deadline   seconds after which its process group is killed
        Errors: ActionFailed with the last line of its standard error; Cancelled.
        """
        self.check()
        child = actions.Child(argv, environment)
        with child, self.at_cancel(child.kill):
            finished = child.finish(deadline)
        self.check()
        if finished.problem:
            raise ActionFailed(finished.problem)
        return finished.output
