"""A server in a thread of this process, and a client that sends exactly the bytes it is told to."""

import asyncio
import re
import socket
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import uvloop

from oned.wire.http import ASGI, Application, Limits, Peer, serve
from oned.wire.xmlrpc import Fault, Pieces, answer, decode, fault

CALL = b"<methodCall><methodName>echo</methodName><params><param><value>%b</value></param></params></methodCall>"
PATIENCE = 20.0


class Server:
    """Answers calls named echo with their argument; see _answer for the others."""

    def __init__(self, pages: ASGI | None = None, **limits: float) -> None:
        self.limits = Limits(**limits)  # type: ignore[arg-type]
        self.application = Application(self._answer, self.limits, pages)
        self.peers: list[Peer] = []
        self.answered: list[str] = []
        self.gate = threading.Event()
        self.port = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._stop: asyncio.Event
        self._loop: asyncio.AbstractEventLoop

    async def _answer(self, body: bytes, peer: Peer) -> Pieces:
        self.peers.append(peer)
        try:
            name, arguments = decode(body)
        except Fault as error:
            return fault(error)
        if name == "wait":
            await asyncio.to_thread(self.gate.wait, PATIENCE)
        if name == "forever":
            await asyncio.Event().wait()
        if name == "large":
            megabytes = int(str(arguments[0]))
            return answer(True, [b"0123456789abcdef" * 4096] * 16 * megabytes, 0)
        self.answered.append(name)
        return answer(True, str(arguments[0]), 0)

    def _run(self) -> None:
        uvloop.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        serving = asyncio.create_task(serve(self.application, "127.0.0.1", 0, self.limits, self._told_port))
        await self._stop.wait()
        serving.cancel()
        await asyncio.wait([serving])

    def _told_port(self, port: int) -> None:
        self.port = port
        self._ready.set()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gate.set()
        self.stop()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def wait_for_calls(self, count: int) -> None:
        """Returns when so many calls have reached the answer function."""
        end = time.monotonic() + PATIENCE
        while len(self.peers) < count:
            assert time.monotonic() < end
            time.sleep(0.01)

    def connect(self, receive_buffer: int = 0) -> "Client":
        return Client(self.port, receive_buffer)


@dataclass(frozen=True)
class Response:
    """An HTTP response as it came; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The string of an answer [true, string, 0]."""
        found = re.search(rb"<string>(.*)</string>", self.body, re.DOTALL)
        assert found is not None, self.body
        return found[1].decode()


class Client:
    """One connection."""

    def __init__(self, port: int, receive_buffer: int = 0) -> None:
        self._socket = socket.socket()
        if receive_buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(("127.0.0.1", port))
        self._read = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    @property
    def address(self) -> Peer:
        return Peer(*self._socket.getsockname())

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def finish_sending(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def call(self, argument: str = "hello", method: str = "echo") -> Response:
        self.send(request(argument, method))
        return self.response()

    def response(self) -> Response:
        """The next response; a body without Content-Length is an error."""
        head, self._read = self._until(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if status.split()[1] == "100":
            return Response(100, headers, b"")
        length = int(headers["content-length"])
        while len(self._read) < length:
            self._more()
        body, self._read = self._read[:length], self._read[length:]
        return Response(int(status.split()[1]), headers, body)

    def is_closed(self) -> bool:
        """Whether the server closes without another byte; waits for it."""
        assert self._read == b""
        try:
            return self._socket.recv(1) == b""
        except ConnectionError:
            return True

    def receive(self, size: int) -> bytes:
        return self._socket.recv(size)

    def _until(self, mark: bytes) -> tuple[bytes, bytes]:
        while mark not in self._read:
            self._more()
        head, _, rest = self._read.partition(mark)
        return head, rest

    def _more(self) -> None:
        data = self._socket.recv(1 << 20)
        assert data, f"closed after {self._read[:200]!r}"
        self._read += data


def body(argument: str = "hello", method: str = "echo") -> bytes:
    return (CALL % argument.encode()).replace(b"echo", method.encode())


def head(length: int, *lines: str, start: str = "POST /RPC2 HTTP/1.1") -> bytes:
    return "\r\n".join([start, "Host: localhost", f"Content-Length: {length}", *lines, "", ""]).encode()


def request(argument: str = "hello", method: str = "echo", *lines: str, start: str = "POST /RPC2 HTTP/1.1") -> bytes:
    sent = body(argument, method)
    return head(len(sent), *lines, start=start) + sent
