"""Nodes call back: how they are, and once for what they need to join. A small HTTP(S) server of the service's own.

    POST /join    one-time token → configuration, key and certificate of the VPN, once
    POST /report  the node's token, KEY=VALUE lines → "ok", what is wrong with it, or "again": report once more at once
    GET  /hosts   the node's token → lines for its hosts file

Tokens come as `Authorization: Bearer TOKEN`; they are never logged.
"""

import asyncio
import logging
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from oned.elastic.context import CLOCK_SKEW
from oned.elastic.door import Bounds, Door

log = logging.getLogger(__name__)

OK = "ok"
AGAIN = "again: this report was long on its way, or the clock is behind"
IN_A_ROW = 3
"""Reports that come late before it is the clock that is behind."""
LONGEST = 16384
"""Bytes of a report."""
_WAITING = 64
"""Connections that are taken at a time."""
_MEMORY_SHARE = 0.85
"""Of the memory promised, a guest sees so much at least: the kernel keeps some."""


@dataclass(frozen=True)
class Promise:
    """What a node should be.

    memory  MiB, 0 is not checked
    shared  a directory that has to be mounted, "" for none
    free    MiB that have to be free for jobs
    """

    name: str
    address: str
    memory: int = 0
    shared: str = ""
    free: int = 0


class JoinRefused(Exception):
    """A one-time token that opens nothing; the text says why, and names no token."""


class NoAnswer(Exception):
    """The service cannot tell at present; whoever asks should ask later."""


class Desk(Protocol):
    """What the server asks the service. Called from threads. All may raise NoAnswer."""

    def promise(self, token: str) -> Promise | None:
        """What the node with this token should be; None when there is no such node any more."""

    def heard(self, token: str, report: str) -> None:
        """The node has reported: "ok", or what is wrong."""

    def hosts(self) -> str:
        """Lines for the hosts file of a node."""

    def join(self, token: str, peer: str) -> str:
        """The configuration for a one-time token, which is used up by that. Raises JoinRefused."""

    def misused(self, token: str) -> str:
        """What is wrong with how the node of this token joined, "" for nothing: its one-time token came twice."""


def verdict(said: Mapping[str, str], promise: Promise, now: float) -> str:
    """ "ok", or what is wrong with a node, by what it said of itself at that time.

    said  name, clock (s of the epoch), address, memory and free in MiB, shared (the mounted directory), wrong (what the
          node itself found, of its boot order)
    """
    checks = (
        said.get("wrong", ""),
        _differs("it is called", said.get("name"), promise.name),
        _differs("its address is", said.get("address"), promise.address),
        _skew(said.get("clock", ""), now),
        _less("memory", said.get("memory", ""), int(promise.memory * _MEMORY_SHARE)),
        _less("free space for jobs", said.get("free", ""), promise.free),
        f"{promise.shared} is not mounted" if promise.shared and said.get("shared") != promise.shared else "",
    )
    return "; ".join(filter(None, checks)) or OK


def _differs(what: str, said: str | None, wanted: str) -> str:
    return "" if said == wanted else f"{what} {said or 'nothing'}, not {wanted}"


def _skew(clock: str, now: float) -> str:
    try:
        skew = float(clock) - now
    except ValueError:
        return "it does not tell the time"
    if abs(skew) <= CLOCK_SKEW:
        return ""
    return f"its clock is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}; {CLOCK_SKEW:g} are allowed"


class Lateness:
    """Which clocks may be behind only in appearance: a report that was long on its way looks like that.

    One alone does not tell which it is, on a machine that is busy; of several in a row one would have been in time.
    """

    def __init__(self) -> None:
        self._late: Counter[str] = Counter()

    def unsure(self, token: str, said: Mapping[str, str], now: float) -> bool:
        """Whether the node has to report once more before anything is said about it."""
        try:
            late = float(said.get("clock", "")) < now - CLOCK_SKEW
        except ValueError:
            late = False
        if not late:
            self._late.pop(token, None)
            return False
        self._late[token] += 1
        return self._late[token] < IN_A_ROW


def _less(what: str, said: str, wanted: int) -> str:
    if not wanted:
        return ""
    try:
        has = float(said)
    except ValueError:
        return f"it does not tell its {what}"
    return "" if has >= wanted else f"{what} is {has:.0f} MiB, less than {wanted}"


def lines(text: str) -> dict[str, str]:
    """KEY=VALUE lines, keys in small letters; others are passed over. Values are cut at 400 characters.

    What would move a terminal's cursor, or colour what people read, is told as a question mark.
    """
    pairs = (line.partition("=") for line in text.splitlines())
    return {key.strip().lower(): _shown(value.strip()[:400]) for key, equals, value in pairs if equals}


def _shown(text: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in text)


def application(desk: Desk, clock: Callable[[], float] = time.time) -> Starlette:
    """The ASGI application."""
    lateness = Lateness()

    async def join(request: Request) -> Response:
        peer = request.client.host if request.client else "?"
        try:
            return PlainTextResponse(await run_in_threadpool(desk.join, _token(request), peer))
        except JoinRefused as refused:
            log.warning("%s asks to join and is refused: %s", peer, refused)
            return PlainTextResponse(f"{refused}\n", 403)

    async def report(request: Request) -> Response:
        token, now = _token(request), clock()
        if (promise := await run_in_threadpool(desk.promise, token)) is None:
            return _stranger(request)
        said = lines((await _body(request)).decode(errors="replace"))
        if lateness.unsure(token, said, now):
            return PlainTextResponse(AGAIN + "\n")
        found = [verdict(said, promise, now), await run_in_threadpool(desk.misused, token)]
        told = "; ".join(text for text in found if text and (text != OK or not found[1]))
        await run_in_threadpool(desk.heard, token, told)
        return PlainTextResponse(told + "\n")

    async def hosts(request: Request) -> Response:
        if await run_in_threadpool(desk.promise, _token(request)) is None:
            return _stranger(request)
        return PlainTextResponse(await run_in_threadpool(desk.hosts))

    routes = [
        Route("/join", join, methods=["POST"]),
        Route("/report", report, methods=["POST"]),
        Route("/hosts", hosts),
    ]
    return Starlette(routes=routes, exception_handlers={NoAnswer: _later})


async def _later(_request: Request, _none: Exception) -> Response:
    return PlainTextResponse("The service cannot tell at present. Ask again later.\n", 503, {"Retry-After": "60"})


def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _stranger(request: Request) -> Response:
    log.warning("%s has a token of no node", request.client.host if request.client else "?")
    return PlainTextResponse("There is no node with this token. It may have been removed.\n", 403)


async def _body(request: Request) -> bytes:
    """The beginning of the body, as much as a report may have."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST:
            return body[:LONGEST]
    return body


class ReportServer:
    """The application on a port, in a thread of its own, from start to stop. How many may knock there says Bounds.

    key, certificate  for HTTPS; None for plain HTTP
    """

    def __init__(
        self,
        app: Starlette,
        host: str,
        port: int,
        key: Path | None = None,
        certificate: Path | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        # The loop is asyncio's: it takes connections by `accept`, which is the door's.
        config = uvicorn.Config(
            app, host, port, loop="asyncio", ws="none", lifespan="off", log_level="warning", access_log=False,
            timeout_keep_alive=5, timeout_graceful_shutdown=2, backlog=_WAITING,
            ssl_keyfile=key, ssl_certfile=certificate,
        )  # fmt: skip
        self._server = _Server(config)
        self._bounds = bounds or Bounds()
        self._thread = threading.Thread(target=self._serve, name="report", daemon=True)
        self._failed = ""

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.servers[0].sockets[0].getsockname()[1])

    def start(self) -> None:
        """Returns once it listens. Raises OSError when it cannot."""
        config = self._server.config
        try:
            self._server.door = Door(config.host, config.port, self._bounds)
        except OSError as error:
            where = f"{config.host} port {config.port}"
            raise OSError(f"nothing can listen on {where}; another program may: {error.strerror}") from error
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise OSError(self._failed or "the server for the nodes' reports does not start")
            time.sleep(0.01)

    def stop(self) -> None:
        """Returns when it has ended."""
        self._server.should_exit = True
        self._thread.join(10)

    def _serve(self) -> None:
        try:
            self._server.run([self._server.door])
        except (SystemExit, OSError) as error:
            self._failed = f"the server for the nodes' reports does not start: {error}"


_LAST = 0.05
"""Seconds in which the loop sees the end of the connections that were turned out last."""


class _Server(uvicorn.Server):
    """A server that turns out who stays for too long."""

    door: Door

    async def on_tick(self, counter: int) -> bool:
        self.door.sweep()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Whoever takes no leave, as a machine that was switched off, is turned out before the loop ends."""
        await super().shutdown(sockets)
        self.door.sweep(everybody=True)
        await asyncio.sleep(_LAST)
