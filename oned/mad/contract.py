"""What the core hands to the drivers' end of the engine, and what it is told by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from oned.command import Command, Intent, Mad
from oned.ids import Kind

if TYPE_CHECKING:
    from oned.mad.driver import Driver


class Source(Protocol):
    """The core's side: asked in the event loop when a line is about to leave, so a retry sees the newest state."""

    def document(self, kind: Kind, oid: int) -> str:
        """The XML of the object, as one.vm.info gives it."""

    def files(self, command: Command) -> dict[str, str]:
        """Absolute path → text of the files that must lie there before the line leaves."""


class Listener(Protocol):
    """Told in the event loop; what it raises is logged and does not hurt the driver."""

    def answered(self, intent: Intent, success: bool, info: str) -> None:
        """The driver answered, or the deadline passed: success is False then. Info is "" with nothing to tell."""

    def logged(self, mad: Mad, oid: int, severity: str, text: str) -> None:
        """A LOG line about a host (of an information driver) or a VM. Severity is I, E, D, or - if it is not said."""

    def lost(self, driver: Driver, intents: list[Intent]) -> None:
        """The process died with these commands open. It restarts by itself; they are not sent again by themselves."""


Writer = Callable[[Command, Source], str]
"""The request line of a command, without its line end. Raises Unspeakable."""


class Unspeakable(ValueError):
    """A command that the driver's dialect has no line for. The text says why."""
