"""What goes wrong in tests of the loop: it dies at a point, an answer is lost, somebody does not answer."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, event

from oned.client.client import Client, Value
from oned.client.failures import Unreachable
from oned.elastic.batch import Batch

CHANGES = ("one.vn.hold", "one.vn.release", "one.template.instantiate", "one.vm.action", "one.vm.recover")
"""What the service changes in oned."""
CALLS = ("register", "enable", "drain", "release", "remove")
"""What it changes in the batch system."""


class Killed(BaseException):
    """The process is no more: no handler of the service sees it, and nothing that was not committed is there."""


class Points:
    """Where the service may die: before and after each call that changes anything outside, and before each commit.

    It dies once at each; `passed` are the names of those.
    """

    def __init__(self) -> None:
        self.passed: list[str] = []
        self._last, self._commits = "the start", 0

    def __call__(self, name: str) -> None:
        """Die here, if it is the first time."""
        if name not in self.passed:
            self.passed.append(name)
            raise Killed(name)

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call with a point before and one after."""

        def called(*arguments: Any, **options: Any) -> Any:
            self(f"before {name}")
            answer = call(*arguments, **options)
            self._last, self._commits = name, 0
            self(f"after {name}")
            return answer

        return called

    def commits(self, engine: Engine) -> None:
        """Points before commits, by what was done last outside and how many there were since."""

        @event.listens_for(engine, "commit")
        def _before(_connection: object) -> None:
            self._commits += 1
            if self._commits <= 4:
                self(f"commit {self._commits} after {self._last}")


class MortalBatch:
    """A batch system whose caller may die."""

    def __init__(self, batch: Batch, points: Points) -> None:
        self._batch, self._points = batch, points

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._batch, name)
        return self._points.around(name, found) if name in CALLS else found


class MortalClient(Client):
    """A client of oned whose caller may die."""

    points: Points

    def call(self, method: str, *arguments: Value) -> Value:
        call = super().call
        return (self.points.around(method, call) if method in CHANGES else call)(method, *arguments)


class DeafClient(Client):
    """A client that does not get answers: those of some methods, though they were done; or it reaches nobody."""

    lost: tuple[str, ...] = ()
    away = False

    def call(self, method: str, *arguments: Value) -> Value:
        if self.away:
            raise Unreachable("cannot reach oned: Connection refused")
        answer = super().call(method, *arguments)
        if method in self.lost:
            raise Unreachable("no answer within 60 s")
        return answer
