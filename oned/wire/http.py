"""The server: /RPC2 for calls, and pages of any ASGI application beside it.

Application is an ASGI application; serve runs it under uvicorn. Neither knows what a call means: that is the business
of the function that answers a body.
"""

import asyncio
import contextlib
import functools
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import uvicorn

from oned.wire.connection import Connection
from oned.wire.limits import Limits, room_for_connections
from oned.wire.xmlrpc import Pieces

__all__ = ["Application", "Limits", "Peer", "serve"]

PATH = "/RPC2"
PIECE = 256 * 1024
"""Bytes written at once; between two pieces of an answer other calls have their turn."""
_BACKLOG = 1024
_LAST_ANSWERS = 2.0
"""Seconds in which answers begun may end when the server stops; calls that wait for events are then cut short."""

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
ASGI = Callable[[Any, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Peer:
    """The client's end of a connection."""

    address: str
    port: int


Answer = Callable[[bytes, Peer], Awaitable[Pieces]]
"""Body of a call to the pieces of its answer."""

_Headers = Sequence[tuple[bytes, bytes]]
_ALLOW: _Headers = ((b"allow", b"POST"),)


class Application:
    """Calls on /RPC2 go to answer, everything else to pages, or is not found."""

    def __init__(self, answer: Answer, limits: Limits, pages: ASGI | None = None) -> None:
        self._answer = answer
        self._limits = limits
        self._pages = pages or _not_found
        self._turns = asyncio.Semaphore(limits.at_once)
        self._waiting = 0

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["path"] != PATH:
            await self._pages(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await _say(send, 200, "", [*_ALLOW, *_close_if_it_waits(scope)])
        elif scope["method"] != "POST":
            await _say(send, 405, f"{PATH} takes POST only.", [*_ALLOW, *_close_if_it_waits(scope)])
        else:
            await self._call(scope, receive, send)

    async def _call(self, scope: Any, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            described = [(b"accept-encoding", b"identity"), *_close_if_it_waits(scope)]
            await _say(send, 415, "The body of a call cannot be compressed.", described)
        else:
            body = await _body(receive)
            if body is not None:
                await self._in_turn(body, Peer(*(scope["client"] or ("", 0))), send)

    async def _in_turn(self, body: bytes, peer: Peer, send: Send) -> None:
        if self._turns.locked() and self._waiting >= self._limits.waiting:
            await _say(send, 503, "Too many calls at once. Try again in a moment.", [(b"retry-after", b"1")])
            return
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        try:
            pieces = await self._answer(body, peer)
        except asyncio.CancelledError:
            await _say(send, 503, "The server stops.", [(b"connection", b"close")])
            return
        finally:
            self._turns.release()
        await _send_answer(send, pieces)


async def serve(application: ASGI, address: str, port: int, limits: Limits, ready: Callable[[int], None]) -> None:
    """Serve until cancelled; answers begun are then ended.

    ready is told the port once calls are taken: the system's choice when port is 0. Raises OSError when the address
    cannot be used. Raises this process's limit of open files as far as the connections need it.
    """
    limits = replace(limits, connections=room_for_connections(limits.connections))
    listener = _listen(address, port)
    config = uvicorn.Config(
        application,
        http=cast("type[asyncio.Protocol]", functools.partial(Connection, limits)),
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=cast("int", limits.keepalive_timeout),
        timeout_graceful_shutdown=cast("int", 2 * _LAST_ANSWERS),
    )
    server = _Server(config, lambda: ready(listener.getsockname()[1]))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        server.should_exit = True
        await running
        raise


class _Server(uvicorn.Server):
    """A server that says when it is ready and leaves signals to the process it runs in."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        cut = asyncio.get_running_loop().call_later(_LAST_ANSWERS, self._cut_short)
        await super().shutdown(sockets)
        cut.cancel()

    def _cut_short(self) -> None:
        for task in self.server_state.tasks:
            task.cancel()


def _listen(address: str, port: int) -> socket.socket:
    family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
    listener = socket.create_server((address, port), family=family, backlog=_BACKLOG)
    listener.setblocking(False)
    return listener


async def _body(receive: Receive) -> bytes | None:
    """The whole body of a request; None when the client has gone or was given up."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message["body"])
        if not message["more_body"]:
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def _send_answer(send: Send, pieces: Pieces) -> None:
    length = sum(map(len, pieces))
    headers = [(b"content-type", b"text/xml; charset=utf-8"), (b"content-length", b"%d" % length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if length <= PIECE:
        await send({"type": "http.response.body", "body": b"".join(pieces)})
        return
    for piece in _portions(pieces):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body"})


def _portions(pieces: Sequence[bytes]) -> Iterator[bytes]:
    """The same bytes in portions of PIECE bytes at most."""
    gathered: list[bytes] = []
    room = PIECE
    for piece in pieces:
        for start in range(0, len(piece), PIECE):
            part = piece[start : start + PIECE]
            if len(part) > room:
                yield b"".join(gathered)
                gathered, room = [], PIECE
            gathered.append(part)
            room -= len(part)
    yield b"".join(gathered)


async def _say(send: Send, status: int, text: str, headers: _Headers = ()) -> None:
    """A short answer that is not XML-RPC."""
    body = f"{text}\n".encode() if text else b""
    described = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": [*described, *headers]})
    await send({"type": "http.response.body", "body": body})


async def _not_found(scope: Any, receive: Receive, send: Send) -> None:
    text = f"There is nothing at {scope['path']}; calls go to {PATH}."
    await _say(send, 404, text, _close_if_it_waits(scope))


def _close_if_it_waits(scope: Any) -> _Headers:
    """For an answer before the body was read. A body that comes is read and forgotten; a client that waits for 100
    Continue may send it or not, so that nobody knows where its next request begins.
    """
    waits = any(name == b"expect" for name, _ in scope["headers"])
    return [(b"connection", b"close")] if waits else []
