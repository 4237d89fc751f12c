"""HTTP POST over one kept-alive socket."""

import re
import socket

from oned.client.failures import NotConfigured, Unreachable

ENDPOINT = re.compile(r"http://(\[[^\]/]+\]|[^:/?#@\[\]]+)(?::(\d{1,5}))?(/[^#\s]*)?", re.IGNORECASE)
_PIECE = 1 << 18
_LARGEST_HEADER = 1 << 16


class _Stale(Exception):
    """The server had closed the kept connection before it answered anything."""


class Connection:
    """A connection to an endpoint, opened at the first call and kept; not for several threads at once."""

    def __init__(self, endpoint: str, timeout: float) -> None:
        found = ENDPOINT.fullmatch(endpoint)
        if not found:
            raise NotConfigured(f"{endpoint!r} is not an endpoint such as http://localhost:2633/RPC2 (http only)")
        self.endpoint = endpoint
        self._address = (found[1].strip("[]"), int(found[2] or 80))
        path = found[3] or "/RPC2"
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: {found[1]}:{self._address[1]}\r\nUser-Agent: oned\r\n"
            "Content-Type: text/xml; charset=utf-8\r\nContent-Length: "
        )
        self._timeout = timeout
        self._socket: socket.socket | None = None

    def post(self, body: bytes) -> bytes:
        """The body of the answer. Raises Unreachable."""
        request = f"{self._head}{len(body)}\r\n\r\n".encode() + body
        kept = self._socket is not None
        try:
            return self._exchange(request)
        except _Stale:
            self.close()
            if not kept:
                raise Unreachable(f"{self.endpoint} closed the connection without an answer. See its log") from None
        try:
            return self._exchange(request)
        except _Stale:
            self.close()
            raise Unreachable(f"{self.endpoint} closes every connection without an answer. See its log") from None

    def close(self) -> None:
        """Close the socket; the next call opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, request: bytes) -> bytes:
        connected = self._connect()
        try:
            return self._answer(connected, request)
        except TimeoutError:
            self.close()
            raise Unreachable(
                f"no answer from {self.endpoint} within {self._timeout:g} s. It may be busy; "
                "set ONE_XMLRPC_TIMEOUT to wait longer"
            ) from None
        except OSError as error:
            self.close()
            raise Unreachable(f"the connection to {self.endpoint} broke: {error.strerror or error}") from None
        except Unreachable:
            self.close()
            raise

    def _connect(self) -> socket.socket:
        if self._socket is None:
            try:
                self._socket = socket.create_connection(self._address, self._timeout)
            except (OSError, UnicodeError) as error:
                reason = getattr(error, "strerror", None) or str(error)
                raise Unreachable(
                    f"cannot reach oned at {self.endpoint}: {reason}. Start it with `one start`, "
                    "or name another endpoint with --endpoint or ONE_XMLRPC"
                ) from None
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket

    def _answer(self, connected: socket.socket, request: bytes) -> bytes:
        try:
            connected.sendall(request)
            received = connected.recv(_PIECE)
        except (BrokenPipeError, ConnectionResetError):
            raise _Stale from None
        if not received:
            raise _Stale
        status, headers, start = self._header(connected, received)
        while status.split(" ")[1:2] == ["100"]:
            status, headers, start = self._header(connected, start)
        body = self._body(connected, start, headers)
        if headers.get("connection", "").lower() == "close" or status.startswith("HTTP/1.0"):
            self.close()
        if status.split(" ")[1:2] != ["200"]:
            raise Unreachable(f"{self.endpoint} answered {status!r}: is this the endpoint of oned?")
        return body

    def _header(self, connected: socket.socket, received: bytes) -> tuple[str, dict[str, str], bytes]:
        """The status line, the headers with their names in lower case, and what came behind them."""
        while b"\r\n\r\n" not in received:
            piece = connected.recv(_PIECE) if len(received) < _LARGEST_HEADER else b""
            if not piece:
                raise Unreachable(f"the answer of {self.endpoint} is not HTTP")
            received += piece
        head, _, rest = received.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return status, {name.strip().lower(): value.strip() for name, _, value in pairs}, rest

    def _body(self, connected: socket.socket, start: bytes, headers: dict[str, str]) -> bytes:
        length = headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            raise Unreachable(f"{self.endpoint} answered without a Content-Length: is this the endpoint of oned?")
        pieces, missing = [start], int(length) - len(start)
        while missing > 0:
            piece = connected.recv(min(missing, _PIECE))
            if not piece:
                raise Unreachable(f"{self.endpoint} closed the connection in the middle of an answer")
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)
