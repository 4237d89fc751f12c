"""One client's connection: uvicorn's HTTP protocol, with limits on time and size.

What it adds: a deadline for the header and the body of a request and for reading the answer, a limit on the body that
is checked before it is read, limits on connections and on requests over one of them, and refusals that a client which
is still sending gets to see.
"""

import asyncio
import http
import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, cast

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from oned.wire.gathering import Gathering
from oned.wire.limits import Limits

HEAD_LIMIT = 64 * 1024
"""Bytes of a request line and its header that came in more than one part."""
SLOWEST = 8 * 1024
"""Bytes per second at which a body has to come, on average, once its grace is over."""
WITH_BODY = (b"POST", b"PUT", b"PATCH")
LINGER = 2.0
"""Seconds in which a client that is still sending can read why it was refused."""

REASONS: Mapping[int, str] = {
    400: "This is not an HTTP request.",
    408: "The request did not come in time.",
    411: "A call needs Content-Length.",
    413: "The request is larger than MESSAGE_SIZE.",
    431: "The header of the request is too large.",
    503: "Too many connections. Try again in a moment.",
}
_REFUSAL = (
    b"HTTP/1.1 %d %b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
)
_UPGRADE = re.compile(rb"(?<=\n)upgrade(?=[ \t]*:)", re.IGNORECASE)


class Phase(Enum):
    """What the connection waits for."""

    REQUEST = auto()
    HEAD = auto()
    BODY = auto()


class Connection(HttpToolsProtocol):
    """A connection that gives up on slow and oversized clients. Of its one timer the base class cancels each run."""

    def __init__(
        self,
        limits: Limits,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits
        self._phase = Phase.REQUEST
        self._since = self.loop.time()
        self._received = 0
        self._waited_for = (0, Phase.REQUEST)
        self._body_size = 0
        self._unanswered = 0
        self._served = 0
        self._refusal = 0
        self._stalled: asyncio.TimerHandle | None = None
        self._outgoing: Gathering

    @property
    def idle_since(self) -> float | None:
        """Loop time from which on nothing happened; None while a request is being received or answered."""
        return self._since if self._phase is Phase.REQUEST and not self._unanswered else None

    # --- The transport's side

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._outgoing = Gathering(transport, self.loop)
        super().connection_made(cast("asyncio.Transport", self._outgoing))
        if len(self.connections) > self._limits.connections:
            self._make_room()
        if not self._refusal:
            self._watch()

    def data_received(self, data: bytes) -> None:
        if self._refusal:
            return
        if b"pgrade" in data and self._phase is not Phase.BODY:
            data = _without_upgrade(data)
        super().data_received(data)
        if self._phase is not Phase.REQUEST:
            self._measure(len(data))
        if not self._refusal and not self.transport.is_closing():
            self._watch()

    def eof_received(self) -> bool:  # type: ignore[override]
        """A client may close its sending side and still read the answer."""
        if self._unanswered and self._phase is Phase.REQUEST:
            self.cycle.keep_alive = False
            return True
        self._outgoing.flush()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self.resume_writing()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(self._limits.timeout, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    # --- The parser's side

    def on_message_begin(self) -> None:
        self._phase = Phase.HEAD
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if not self._refusal and not self._has_length():
            self._refuse(411)
        if self._refusal:
            return
        super().on_headers_complete()
        self._phase = Phase.BODY
        self._body_size = 0
        self._unanswered += 1
        self._served += 1
        if self._served == self._limits.keepalive_requests:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        if self._refusal:
            return
        self._body_size += len(body)
        if self._body_size > self._limits.message_size:
            self._refuse(413)
            return
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._refusal:
            return
        self._phase = Phase.REQUEST
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._unanswered -= 1
        self._since = self.loop.time()
        super().on_response_complete()
        if self.transport.is_closing():
            self._abort_after(self._limits.timeout)
        elif self._refusal and not self._unanswered:
            self._send_refusal()
        elif self._phase is not Phase.REQUEST:
            self._watch()

    def send_400_response(self, msg: str) -> None:
        """What the base class calls when the parser gives up."""
        self._refuse(400)

    # --- Deadlines

    def _measure(self, size: int) -> None:
        """Note that so many bytes came and the request is still incomplete; refuse it if it is or will be too large."""
        waited_for = (self._served, self._phase)
        if waited_for != self._waited_for:
            self._waited_for, self._since, self._received = waited_for, self.loop.time(), 0
        self._received += size
        if self._phase is Phase.HEAD and self._received > HEAD_LIMIT:
            self._refuse(431)
        if self._phase is Phase.BODY and self._announced_length() > self._limits.message_size:
            self._refuse(413)

    def _deadline(self) -> float | None:
        """Loop time at which the client has had time enough; None while it waits for us."""
        limits = self._limits
        if self._phase is Phase.BODY and self._unanswered <= 1:
            return self._since + limits.timeout + self._received / SLOWEST
        if self._unanswered:
            return None
        return self._since + (limits.timeout if self._phase is Phase.HEAD else limits.keepalive_timeout)

    def _watch(self) -> None:
        """Set the timer for what the connection waits for now."""
        self._unset_keepalive_if_required()
        deadline = self._deadline()
        if deadline is not None:
            self.timeout_keep_alive_task = self.loop.call_at(deadline, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """The timer: an idle connection is closed, a slow request refused."""
        if self._phase is Phase.REQUEST:
            self.close()
        else:
            self._refuse(408)

    # --- The end

    def close(self) -> None:
        """Close when the client has read what was sent, or has had time to."""
        self.transport.close()
        self._abort_after(self._limits.timeout)

    def _abort_after(self, seconds: float) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.transport.abort)

    def _refuse(self, status: int) -> None:
        """Take nothing more from this client; say why as soon as what it asked before is answered."""
        if self._refusal:
            return
        self._refusal = status
        if self._phase is Phase.BODY:
            self._give_up_request()
        if not self._unanswered and not self.transport.is_closing():
            self._send_refusal()

    def _give_up_request(self) -> None:
        """Forget the request whose body is being received."""
        if self.cycle.response_complete:
            self.close()
            return
        self._unanswered -= 1
        self.cycle.disconnected = True
        self.cycle.waiting_for_100_continue = False
        self.cycle.message_event.set()
        if self.pipeline:
            self.pipeline.popleft()
        if self.cycle.response_started:
            self.close()

    def _send_refusal(self) -> None:
        status, text = http.HTTPStatus(self._refusal), REASONS[self._refusal].encode() + b"\n"
        self.transport.write(_REFUSAL % (status, status.phrase.encode(), len(text), text))
        self.transport.write_eof()
        self.flow.resume_reading()
        self._abort_after(LINGER)

    def _has_length(self) -> bool:
        """Whether it is known where the request ends. What follows a head without a length may be anything."""
        names = {name for name, _ in self.headers}
        return self.parser.get_method() not in WITH_BODY or bool(names & {b"content-length", b"transfer-encoding"})

    def _announced_length(self) -> int:
        return next((int(value) for name, value in self.headers if name == b"content-length"), 0)

    def _make_room(self) -> None:
        """Close the connection that is idle longest, or refuse this one."""
        others = (other for other in self.connections if isinstance(other, Connection) and other is not self)
        idle = {other: other.idle_since for other in others if other.idle_since is not None}
        if idle:
            min(idle, key=lambda other: idle[other] or 0.0).close()
        else:
            self._refuse(503)


def _without_upgrade(data: bytes) -> bytes:
    """The same bytes with the Upgrade header of the head renamed.

    A server may ignore Upgrade, and this one does: java.net.http offers HTTP/2 with every call. The parser does not: it
    drops the body of such a request.
    """
    end = data.find(b"\r\n\r\n")
    head = data if end < 0 else data[:end]
    return _UPGRADE.sub(b"ignored", head) + data[len(head) :]
