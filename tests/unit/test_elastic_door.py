"""The port of reports is open to the world: who fills it with idle connections keeps no node out and ends nothing."""

import resource
import socket
import ssl
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from oned.elastic.daemon import allow_files
from oned.elastic.door import Bounds
from oned.elastic.report import ReportServer
from oned.elastic.tunnel import VpnSite
from oned.elastic.vpn import Vpn

BOUNDS = Bounds(most=8, each=4, seconds=60.0)


async def _body(request: Request) -> Response:
    return PlainTextResponse(await request.body())


@contextmanager
def served(bounds: Bounds, key: Path | None = None, certificate: Path | None = None) -> Iterator[int]:
    app = Starlette(routes=[Route("/", _body, methods=["POST"])])
    server = ReportServer(app, "", 0, key, certificate, bounds)
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


def asked(port: int, trusted: ssl.SSLContext | None = None) -> bytes:
    url = f"http{'s' if trusted else ''}://127.0.0.1:{port}/"
    with urllib.request.urlopen(url, b"hello", timeout=10, context=trusted) as answer:
        return bytes(answer.read())


@contextmanager
def knocking(port: int, addresses: list[str], said: bytes = b"") -> Iterator[list[socket.socket]]:
    """Connections from addresses, which say no more than that."""
    with ExitStack() as stack:
        made = [socket.create_connection(("127.0.0.1", port), 10, (address, 0)) for address in addresses]
        for one in made:
            stack.enter_context(one)
            one.sendall(said)
        yield made


def ended(one: socket.socket) -> bool:
    """Whether the server has ended a connection; it is given a moment."""
    one.settimeout(5)
    try:
        return one.recv(100) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def open_to(port: int) -> int:
    """Connections that this process has to those who came to a port."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


@pytest.mark.parametrize(
    "said", [b"", b"POST / HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx"]
)
def test_idle_connections_of_one_address_are_bounded_and_others_are_answered(said: bytes) -> None:
    with served(BOUNDS) as port, knocking(port, ["127.0.0.9"] * 40, said) as strangers:
        assert asked(port) == b"hello"
        assert ended(strangers[0]), "the oldest goes for the newest"
        assert ended(strangers[35])
        assert open_to(port) <= BOUNDS.each


def test_connections_of_many_addresses_are_bounded_and_whoever_comes_then_is_answered() -> None:
    with served(BOUNDS) as port, knocking(port, [f"127.0.1.{number}" for number in range(1, 41)]) as strangers:
        assert asked(port) == b"hello"
        assert ended(strangers[0])
        assert open_to(port) <= BOUNDS.most


def test_a_connection_lasts_only_so_long_whatever_it_says() -> None:
    begun = b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n"
    with served(replace(BOUNDS, seconds=0.3)) as port, knocking(port, ["127.0.0.1"], begun) as (slow,):
        until = time.monotonic() + 10
        with suppress(OSError):
            while time.monotonic() < until:
                slow.sendall(b"x")
                time.sleep(0.2)
        assert time.monotonic() < until, "it was ended while it spoke"


def test_strangers_who_begin_no_encryption_are_bounded_too(tmp_path: Path) -> None:
    vpn = Vpn(VpnSite(tmp_path, "127.0.0.1", IPv4Network("10.78.0.0/24")))
    vpn.make()
    trusted = ssl.create_default_context(cafile=str(vpn.authority.certificate))
    pair = tmp_path / "server.key", tmp_path / "server.crt"
    with served(BOUNDS, *pair) as port, knocking(port, ["127.0.0.9"] * 40) as strangers:
        assert asked(port, trusted) == b"hello"
        assert ended(strangers[0])
        assert open_to(port) <= BOUNDS.each


def test_the_service_may_have_more_files_than_systemd_gives_by_itself() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        allow_files(1500)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (min(1500, hard), hard)
        allow_files(1200)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(1500, hard), "it is never less"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
