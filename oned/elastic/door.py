"""A listening socket that strangers may knock at: it takes only so many connections, and each only for a while.

Where there are too many the oldest goes for the newest, first of those from the same address: who asks and gets an
answer is there for a moment only, and who is silent is the oldest soon. So nobody who is known is kept out by idle
connections, and the process never runs out of files by them.
"""

import contextlib
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Bounds:
    """What a door lets in.

    most, each  connections at once, and from one address
    seconds     that one lasts at most, from its first packet to the end of the answer: a node gives up earlier
    """

    most: int = 256
    each: int = 64
    seconds: float = 30.0


class _Guest(socket.socket):
    """A connection that says when it is closed."""

    closed: Callable[["_Guest"], None]
    peer: str
    since: float

    def close(self) -> None:
        self.closed(self)
        super().close()


class Door(socket.socket):
    """The listening socket, for a loop of asyncio. Raises OSError when nothing can listen there."""

    def __init__(self, host: str, port: int, bounds: Bounds = Bounds()) -> None:
        family, _, _, _, where = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        super().__init__(family, socket.SOCK_STREAM)
        self._bounds, self._inside = bounds, dict[_Guest, None]()
        try:
            self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.bind(where)
        except OSError:
            self.close()
            raise

    def accept(self) -> tuple[socket.socket, object]:
        """The next connection; the oldest ones go if there are too many with it."""
        descriptor, address = self._accept()  # type: ignore[attr-defined]
        guest = _Guest(self.family, self.type, self.proto, descriptor)
        guest.closed, guest.peer, guest.since = self._left, str(address[0]), time.monotonic()
        same = [one for one in self._inside if one.peer == guest.peer]
        if len(same) >= self._bounds.each:
            self._turn_out(same[0])
        elif len(self._inside) >= self._bounds.most:
            self._turn_out(next(iter(self._inside)))
        self._inside[guest] = None
        return guest, address

    def sweep(self, *, everybody: bool = False) -> None:
        """Turn out those that have been there for too long, or everybody. Called by the loop, so often as it likes."""
        before = time.monotonic() - self._bounds.seconds
        for guest in [one for one in self._inside if everybody or one.since < before]:
            self._turn_out(guest)

    def _left(self, guest: _Guest) -> None:
        self._inside.pop(guest, None)

    def _turn_out(self, guest: _Guest) -> None:
        """The loop reads the end of it, and closes it."""
        self._left(guest)
        with contextlib.suppress(OSError):
            guest.shutdown(socket.SHUT_RDWR)
