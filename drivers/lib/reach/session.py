"""A command that runs somewhere: what both ways to a host, pipes and ssh, have in common."""

from typing import Protocol

PIECE = 1 << 16
"""Bytes that are read or written at once."""


class Session(Protocol):
    """A running command. Only `wait`, `send` and `status` wait, and not longer than they are told."""

    def wait(self, seconds: float, *, writing: bool) -> None:
        """Until there is something to receive or, if so wanted, room to send; at most so long."""

    def receive(self) -> tuple[bytes, bytes]:
        """What has come on the two outputs; nothing if nothing has."""

    def send(self, data: bytes) -> int:
        """How much of the data went into the command's input; all of it if the command does not read any more."""

    def end_input(self) -> None:
        """The command reads the end of its input."""

    @property
    def ended(self) -> bool:
        """Whether both outputs are closed and received."""

    @property
    def lingers(self) -> bool:
        """Whether the command itself has ended: what holds its outputs open was started by it."""

    @property
    def lost(self) -> str:
        """Why the command cannot be heard of any more; empty as long as it can."""

    def status(self, seconds: float) -> int | None:
        """Its exit status, minus the signal's number if one killed it (255 by ssh); None if it does not end in time."""

    def kill(self) -> None:
        """End the command and its process group."""

    def close(self) -> None:
        """Let go of it; what it started may go on."""
