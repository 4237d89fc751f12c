"""A cheap load generator: processes that send prepared requests over raw sockets."""

import multiprocessing
import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import cycle
from multiprocessing.connection import Connection
from typing import NamedTuple

from oned.client.xmlrpc import Value, encode

OK = b"<boolean>1</boolean>"
"""What an answer of a method has that did not refuse."""
_PIECE = 1 << 18
_BEGINNING = 1024
_HEAD_END, _LENGTH = b"\r\n\r\n", b"content-length:"
_FORK = multiprocessing.get_context("fork")


class Load(NamedTuple):
    """What one process sends.

    requests  prepared, with headers
    clients   connections at once
    seconds   how long the requests are sent over and over; 0 sends each once
    keep      connections are kept; else each request has its own
    wanted    what must be near the beginning of a good answer
    """

    requests: Sequence[bytes]
    clients: int
    seconds: float = 0.0
    keep: bool = True
    wanted: bytes = OK


class Outcome(NamedTuple):
    """What came of it: begin and end by the monotonic clock, seconds of each call, refused calls."""

    began: float
    ended: float
    latencies: list[float]
    failed: int

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began

    @property
    def rate(self) -> float:
        """Calls in a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """Seconds that the given share of the calls took at most."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Sender:
    """Prepares requests for one endpoint, and sends loads to it."""

    def __init__(self, port: int, session: str) -> None:
        self.address = ("127.0.0.1", port)
        self._session = session

    def call(self, method: str, *arguments: Value, keep: bool = True) -> bytes:
        """A method's request."""
        body = encode(method, (self._session, *arguments))
        return self._head("POST", keep) + f"Content-Length: {len(body)}\r\n\r\n".encode() + body

    def nothing(self) -> bytes:
        """A request that HTTP alone answers."""
        return self._head("OPTIONS", True) + b"\r\n"

    def _head(self, verb: str, keep: bool) -> bytes:
        manner = "keep-alive" if keep else "close"
        return f"{verb} /RPC2 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: {manner}\r\n".encode()

    def halves(self, requests: Sequence[bytes], clients: int, seconds: float = 0.0, keep: bool = True) -> Outcome:
        """The outcome of one load on two processes. Raises RefusedLoad."""
        parts = [Load(requests[half::2] or requests, clients // 2, seconds, keep) for half in range(2)]
        return joined(self.together(parts))

    def together(self, loads: Sequence[Load]) -> list[Outcome]:
        """The outcomes of loads sent at the same time, each by a process of its own. Raises RefusedLoad."""
        pipes = [_FORK.Pipe(duplex=False) for _ in loads]
        workers = [
            _FORK.Process(target=_work, args=(self.address, load, pipe[1]))
            for load, pipe in zip(loads, pipes, strict=True)
        ]
        for worker in workers:
            worker.start()
        outcomes: list[Outcome] = [pipe[0].recv() for pipe in pipes]
        for worker in workers:
            worker.join()
        failed = sum(outcome.failed for outcome in outcomes)
        if failed:
            raise RefusedLoad(f"{failed} of {sum(len(one.latencies) for one in outcomes)} calls were refused")
        return outcomes


class RefusedLoad(Exception):
    """Calls of a load were refused: the figure would mean nothing."""


def joined(outcomes: Sequence[Outcome]) -> Outcome:
    """Loads that ran at the same time, as one."""
    return Outcome(
        min(outcome.began for outcome in outcomes),
        max(outcome.ended for outcome in outcomes),
        [seconds for outcome in outcomes for seconds in outcome.latencies],
        sum(outcome.failed for outcome in outcomes),
    )


def _work(address: tuple[str, int], load: Load, result: Connection) -> None:
    began = time.monotonic()
    source = cycle(load.requests) if load.seconds else iter(load.requests)
    traffic = _Traffic(address, load, source, began + load.seconds)
    traffic.run()
    result.send(Outcome(began, time.monotonic(), traffic.latencies, traffic.failed))


class _Line:
    """A connection with a request under way."""

    def __init__(self, wire: socket.socket) -> None:
        self.wire = wire
        self.begin()

    def begin(self) -> None:
        self.at = time.monotonic()
        self.head = b""
        self.missing = -1

    def is_answered(self, data: bytes) -> bool:
        """Take in a piece of the answer; whether it is whole now."""
        if len(self.head) < _BEGINNING:
            self.head += data
        if self.missing < 0:
            head, end, rest = self.head.partition(_HEAD_END)
            if end:
                self.missing = int(head.lower().partition(_LENGTH)[2].split(b"\r\n")[0]) - len(rest)
        else:
            self.missing -= len(data)
        return self.missing == 0


class _Traffic:
    """The connections of one process."""

    def __init__(self, address: tuple[str, int], load: Load, source: Iterator[bytes], end: float) -> None:
        self._address, self._load, self._source, self._end = address, load, source, end
        self._poller = selectors.DefaultSelector()
        self.latencies: list[float] = []
        self.failed = 0

    def run(self) -> None:
        """Send until the time is over or the requests are."""
        with closing(self._poller):
            for _ in range(self._load.clients):
                self._send(None)
            while self._poller.get_map():
                for key, _ in self._poller.select():
                    self._read(key.data)

    def _send(self, line: _Line | None) -> None:
        over = self._load.seconds and time.monotonic() >= self._end
        request = None if over else next(self._source, None)
        if line is not None and (request is None or not self._load.keep):
            self._poller.unregister(line.wire)
            line.wire.close()
            line = None
        if request is None:
            return
        line = line or self._connected()
        line.begin()
        line.wire.sendall(request)

    def _connected(self) -> _Line:
        wire = socket.create_connection(self._address)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = _Line(wire)
        self._poller.register(wire, selectors.EVENT_READ, line)
        return line

    def _read(self, line: _Line) -> None:
        data = line.wire.recv(_PIECE)
        if not data:
            raise ConnectionError("oned closed a connection in the middle of an answer")
        if line.is_answered(data):
            self.latencies.append(time.monotonic() - line.at)
            self.failed += self._load.wanted not in line.head[:_BEGINNING]
            self._send(line)
