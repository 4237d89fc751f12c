"""Writing the head and the body of an answer at once: one system call and one packet where uvicorn makes two."""

import asyncio
from typing import Any

LARGE = 64 * 1024
"""Bytes from which joining costs more than a second call."""


class Gathering:
    """A transport in front of a transport: what is written in one turn of the loop leaves together."""

    __slots__ = ("_held", "_loop", "_transport", "is_closing")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._held: list[bytes] = []
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Keep the data until the end of the turn, or send it with what is kept."""
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)
        if len(data) >= LARGE:
            self.flush()

    def flush(self) -> None:
        """Send what is kept."""
        held, self._held = self._held, []
        if not held or self.is_closing():
            return
        if len(held[-1]) < LARGE:
            held = [b"".join(held)]
        for data in held:
            self._transport.write(data)

    def close(self) -> None:
        """Send what is kept, then close."""
        self.flush()
        self._transport.close()

    def write_eof(self) -> None:
        """Send what is kept, then close the sending side."""
        self.flush()
        self._transport.write_eof()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
