"""One run of a hook: made with the change that it is for, completed by the driver's answer."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from oned import clock
from oned.ids import Kind
from oned.store.body import decoded, encoded

WAITING, RUNNING, DONE, FAILED, LOST = "waiting", "running", "done", "failed", "lost"
ENDED = (DONE, FAILED, LOST)
"""waiting: on disk, and not told to the driver; lost: it was told to, and nobody knows what became of it."""

SUCCESS_CODE, ERROR_CODE = 0, 255
TAIL = 4096
"""Characters kept of each output: the last ones."""


@dataclass
class Execution:
    """A run of the hook of that name for an object.

    at       when the event was, epoch seconds
    event    the event's word, as the hook declares it
    command  the program and its own words; arguments  those of ARGUMENTS, filled in
    stdin    with ARGUMENTS_STDIN the object's document; else the words that are too long to be arguments
    host     where it runs; empty for the front-end
    timeout  seconds
    retries  attempts beyond the first; attempt  the current one, from 1
    rc       exit code; -1 without one
    seconds  how long the last attempt took
    """

    id: int
    hook: str
    at: int
    kind: str
    oid: int
    event: str
    command: list[str]
    arguments: list[str]
    stdin: str = ""
    host: str = ""
    timeout: float = 300.0
    retries: int = 0
    repeats: bool = False
    state: str = WAITING
    attempt: int = 1
    rc: int = -1
    output: str = ""
    errors: str = ""
    seconds: float = 0.0
    began: float = 0.0

    @property
    def object(self) -> tuple[str, int]:
        """What it is for: runs for one object come one after the other."""
        return self.kind, self.oid

    @property
    def argv(self) -> list[str]:
        return [*self.command, *self.arguments]

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED

    @property
    def code(self) -> int:
        """The exit code as the log of hooks has it: 255 stands for a run that gave none."""
        return self.rc if self.rc >= 0 else ERROR_CODE

    def begin(self) -> None:
        """It is about to be told to the driver."""
        self.state, self.began = RUNNING, clock.now()

    def end(self, state: str, rc: int, output: str, errors: str) -> None:
        """It has ended, or this attempt of it."""
        self.state, self.rc = state, rc
        self.output, self.errors = output[-TAIL:], errors[-TAIL:]
        self.seconds = round(max(0.0, clock.now() - self.began), 3) if self.began else 0.0

    def again(self, oid: int) -> "Execution":
        """A new run of the same command with the same arguments."""
        return replace(self, id=oid, at=clock.stamp(), state=WAITING, attempt=1, rc=-1, output="", errors="",
                       seconds=0.0, began=0.0)  # fmt: skip

    def row(self) -> dict[str, Any]:
        """The row of the table hook_log."""
        body = asdict(self)
        return {"id": body.pop("id"), "hook": body.pop("hook"), "at": body.pop("at"), "body": encoded(body)}

    @classmethod
    def restored(cls, row: Any) -> Self:
        """The run of a row. What a row of an earlier release lacks keeps its default."""
        return cls(id=row.id, hook=row.hook, at=row.at, **decoded(row.body))


def kind_of(execution: Execution) -> Kind:
    """The kind of the object it is for."""
    return Kind[execution.kind]
