"""A certificate that is revoked keeps nobody connected, not even while OpenVPN speaks with somebody else."""

import logging
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Network
from pathlib import Path
from typing import IO

import pytest

from oned.elastic.management import Unanswered, end_connections
from oned.elastic.tunnel import VpnSite
from oned.elastic.vpn import Vpn

HEAD = "HEADER\tCLIENT_LIST\tCommon Name\tReal Address\tConnected Since (time_t)\tUsername\tClient ID"


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Server:
    """OpenVPN's management socket: it speaks with one at a time, and tells things by itself."""

    def __init__(self, path: Path) -> None:
        self.clients: dict[int, tuple[str, int]] = {}
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen(8)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                wire, _ = self._socket.accept()
            except OSError:
                return
            with suppress(OSError), wire, wire.makefile("rw") as talk:
                self._speak(talk)

    def _speak(self, talk: IO[str]) -> None:
        talk.write(">INFO:OpenVPN Management Interface Version 5 -- type 'help' for more info\n")
        talk.flush()
        for line in talk:
            if line == "quit\n":
                return
            talk.write(self._answer(line.split()))
            talk.flush()

    def _answer(self, words: list[str]) -> str:
        if words == ["status", "3"]:
            rows = [
                f"CLIENT_LIST\t{name}\t203.0.113.9:1\t{since}\tUNDEF\t{number}"
                for number, (name, since) in self.clients.items()
            ]
            return "\n".join(["TITLE\tOpenVPN", HEAD, ">CLIENT:ESTABLISHED,9", *rows, "ROUTING_TABLE\tx", "END", ""])
        assert words[0] == "client-kill"
        found = self.clients.pop(int(words[1]), None)
        return "SUCCESS: client-kill command succeeded\n" if found else "ERROR: client-kill command failed\n"

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vpn(clock: Clock) -> Iterator[Vpn]:
    with tempfile.TemporaryDirectory(prefix="vpn") as directory:  # the name of a socket may not be long
        made = Vpn(VpnSite(Path(directory), "vpn.example.org", IPv4Network("10.78.0.0/24")), clock)
        made.make()
        yield made


@pytest.fixture
def server(vpn: Vpn) -> Iterator[Server]:
    made = Server(vpn.site.directory / "management")
    yield made
    made.close()


@contextmanager
def speaking(vpn: Vpn) -> Iterator[None]:
    """Somebody else speaks with the server."""
    with socket.socket(socket.AF_UNIX) as wire:
        wire.connect(str(vpn.site.directory / "management"))
        assert wire.recv(5) == b">INFO"
        yield


def joined(vpn: Vpn, name: str, token: str) -> None:
    vpn.redeem(vpn.invite(name, token), "203.0.113.9")


def test_who_is_connected_with_a_certificate_that_is_revoked_is_cut_off_and_nobody_else(
    vpn: Vpn, server: Server, clock: Clock
) -> None:
    for number in (1, 2):
        joined(vpn, f"ec2-0{number}", f"token-{number}")
    server.clients = {7: ("ec2-01", int(clock.now) - 60), 8: ("ec2-02", int(clock.now) - 60)}
    vpn.revoke("ec2-01")
    assert server.clients.keys() == {8}


def test_a_revocation_is_in_force_later_where_the_server_speaks_with_another_and_is_not_forgotten(
    vpn: Vpn, server: Server, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("oned.elastic.management.PATIENCE", 0.2)
    caplog.set_level(logging.INFO)
    joined(vpn, "ec2-01", "token-1")
    server.clients = {7: ("ec2-01", int(clock.now) - 60)}
    with speaking(vpn):
        assert [one.name for one in vpn.revoke("ec2-01")] == ["ec2-01"]
        assert vpn.enforce() == ["ec2-01"]
    assert server.clients
    assert "not known whether ec2-01 are still in the tunnel: OpenVPN's server does not answer" in caplog.text
    another = Vpn(vpn.site, clock)
    assert another.enforce() == []
    assert not server.clients, "a process that begins anew knows of it by the files"
    assert "ec2-01 was in the tunnel with a certificate that is revoked: it is cut off" in caplog.text


def test_the_successor_of_that_name_is_left_alone(vpn: Vpn, server: Server, clock: Clock) -> None:
    joined(vpn, "ec2-01", "token-1")
    vpn.revoke("ec2-01")
    clock.now += 5
    joined(vpn, "ec2-01", "token-2")
    server.clients = {9: ("ec2-01", int(clock.now))}
    vpn.enforce()
    assert server.clients, "it came after the certificate of that name was revoked, with its own"


def test_who_was_about_to_come_when_it_was_revoked_is_cut_off_too_and_then_it_is_over(
    vpn: Vpn, server: Server, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined(vpn, "ec2-01", "token-1")
    vpn.revoke("ec2-01")
    server.clients = {7: ("ec2-01", int(clock.now) - 1)}
    clock.now += 61
    vpn.enforce()
    assert not server.clients
    monkeypatch.setattr("oned.elastic.vpn.end_connections", lambda *_: pytest.fail("nothing is left to be done"))
    (vpn.site.directory / "issued/damaged.json").write_text("{")
    assert vpn.enforce() == []
    monkeypatch.setattr(Vpn, "_read", lambda *_: pytest.fail("and nothing is read again"))
    assert vpn.enforce() == []


def test_a_name_that_is_invited_anew_leaves_no_valid_certificate_of_another_node(
    vpn: Vpn, server: Server, clock: Clock
) -> None:
    joined(vpn, "wn01", "token-1")
    joined(vpn, "wn02", "token-2")
    server.clients = {7: ("wn01", int(clock.now) - 60), 8: ("wn02", int(clock.now) - 60)}
    clock.now += 10
    join = vpn.invite("wn01", "token-3")
    valid = [(one.name, one.token) for one in vpn.certificates() if not one.revoked]
    assert valid == [("wn02", "token-2"), ("wn01", "token-3")]
    assert server.clients.keys() == {8}
    assert vpn.misused("token-1") == "its certificate was revoked"
    assert vpn.redeem(join, "203.0.113.10")
    assert vpn.invite("wn01", "token-3") == join
    assert vpn.misused("token-3") == ""


def test_a_server_that_tells_of_no_numbers_is_told_of(
    vpn: Vpn, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "HEAD", "HEADER\tCLIENT_LIST\tCommon Name")
    server.clients = {7: ("ec2-01", 1)}
    with pytest.raises(Unanswered, match=r"OpenVPN 2\.4 or newer is needed"):
        end_connections(vpn.site.directory / "management", {"ec2-01": 2.0})


def test_where_no_server_runs_nobody_is_connected(vpn: Vpn, server: Server) -> None:
    path = vpn.site.directory / "management"
    server.close()
    assert end_connections(path, {"ec2-01": 1.0}) == []
    path.unlink()
    assert end_connections(path, {"ec2-01": 1.0}) == []
    with pytest.raises(Unanswered, match="does not answer at"):
        end_connections(vpn.site.directory / ("x" * 200), {"ec2-01": 1.0})
