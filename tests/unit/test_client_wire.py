"""The client over the real wire: calls, answers, faults, kept connections, silence."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from fakes_rpc import FakeDaemon, Refused

from oned.client.client import Client, Faulted, NotConfigured, ServerRefused, Unreachable, Unsendable
from oned.client.xmlrpc import decode, encode

ANSWER = b"<methodResponse><params><param><value>%s</value></param></params></methodResponse>"


@pytest.fixture
def daemon() -> Iterator[FakeDaemon]:
    with FakeDaemon() as daemon:
        yield daemon


@pytest.fixture
def one(daemon: FakeDaemon) -> Iterator[Client]:
    with Client(daemon.endpoint, "ada:secret", timeout=20) as one:
        yield one


def test_attributes_spell_the_method_and_the_session_comes_first(daemon: FakeDaemon, one: Client) -> None:
    daemon.methods["one.vm.info"] = lambda vm: f"<VM><ID>{vm}</ID></VM>"
    daemon.methods["oned.vm.explain"] = lambda vm: "<EXPLAIN/>"
    assert one.one.vm.info(7) == "<VM><ID>7</ID></VM>"
    assert one.call("one.vm.info", 8) == "<VM><ID>8</ID></VM>"
    assert one.oned.vm.explain(7) == "<EXPLAIN/>"
    assert daemon.sessions == ["ada:secret"] * 3


def test_system_methods_go_without_a_session(daemon: FakeDaemon) -> None:
    daemon.methods["system.listMethods"] = lambda *arguments: ["one.vm.info", list(arguments)]
    with Client(daemon.endpoint, timeout=20) as one:
        assert one.system.listMethods() == ["one.vm.info", []]


def test_every_type_arrives_as_it_was_sent(daemon: FakeDaemon, one: Client) -> None:
    received: list[object] = []
    daemon.methods["one.vm.update"] = lambda *arguments: received.extend(arguments) or 1
    sent = (1, True, "a < b & c > d ]]> ü € 𝄞\r\n\t", 1.5, [1, "x", []], {"k": [False]})
    one.call("one.vm.update", *sent)
    assert received == list(sent)


def test_refusal_carries_the_text_and_the_code(daemon: FakeDaemon, one: Client) -> None:
    def info(vm: int) -> str:
        raise Refused(f"Error getting virtual machine [{vm}].", 0x0400)

    daemon.methods["one.vm.info"] = info
    with pytest.raises(ServerRefused) as refused:
        one.one.vm.info(9)
    assert refused.value.text == "[one.vm.info] Error getting virtual machine [9]."
    assert refused.value.code == 0x0400


def test_unknown_method_is_a_fault(one: Client) -> None:
    with pytest.raises(Faulted, match=r"Method 'one\.nothing' not defined") as fault:
        one.one.nothing()
    assert fault.value.code == -506


def test_connection_is_kept_over_calls(daemon: FakeDaemon, one: Client) -> None:
    daemon.methods["one.system.version"] = lambda: "6.10.0"
    for _ in range(5):
        assert one.text("one.system.version") == "6.10.0"
    assert daemon.connections == 1


def test_text_that_xml_cannot_carry_is_not_sent(daemon: FakeDaemon, one: Client) -> None:
    with pytest.raises(Unsendable, match="0x0007"):
        one.one.vm.rename(1, "bell\x07")
    assert daemon.calls == []


def test_missing_daemon_is_named_with_what_to_do_next() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}/RPC2"
        with pytest.raises(Unreachable, match=r"cannot reach oned at http://127.0.0.1.*Connection refused.*one start"):
            Client(endpoint, "a:b", timeout=5).one.vm.info(1)


@pytest.mark.parametrize(
    "endpoint", ["https://localhost/RPC2", "localhost:2633", "http://", "http://h/a b", "ftp://h/"]
)
def test_endpoint_of_another_kind_is_refused(endpoint: str) -> None:
    with pytest.raises(NotConfigured, match="http only"):
        Client(endpoint, "a:b", timeout=5)


@contextmanager
def raw_server(*behaviours: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that treats its first connection by the first function, the next one by the second, and so on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for behaviour in behaviours:
                connection, _ = listener.accept()
                with connection:
                    behaviour(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/RPC2"
        thread.join(10)
        assert not thread.is_alive()


def request(connection: socket.socket) -> bytes:
    """A whole request."""
    received = b""
    while b"</methodCall>" not in received:
        received += connection.recv(65536)
    return received


def reply(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = "".join(f"{header}\r\n" for header in (f"Content-Length: {len(body)}", *headers))
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def good(payload: int) -> bytes:
    return ANSWER % (
        b"<array><data><value><boolean>1</boolean></value><value><i4>%d</i4></value><value><i4>0</i4></value>"
        b"</data></array>" % payload
    )


def answers(*pieces: bytes) -> Callable[[socket.socket], None]:
    """Read a request, send the pieces one by one, close."""

    def behave(connection: socket.socket) -> None:
        request(connection)
        for piece in pieces:
            connection.sendall(piece)

    return behave


def test_kept_connection_that_was_closed_is_opened_again_once() -> None:
    with raw_server(answers(reply(good(1))), answers(reply(good(2)))) as endpoint, Client(endpoint, "a:b", 10) as one:
        assert one.one.vm.allocate("A=1") == 1
        assert one.one.vm.allocate("A=1") == 2


def test_call_on_a_fresh_connection_is_not_repeated() -> None:
    seen = []

    def close_at_once(connection: socket.socket) -> None:
        seen.append(request(connection))

    with (
        raw_server(close_at_once) as endpoint,
        Client(endpoint, "a:b", 10) as one,
        pytest.raises(Unreachable, match="closed the connection without an answer"),
    ):
        one.one.vm.allocate("A=1")
    assert len(seen) == 1


def test_call_is_not_repeated_when_the_answer_had_begun() -> None:
    def half(connection: socket.socket) -> None:
        request(connection)
        connection.sendall(reply(good(1)))
        request(connection)
        connection.sendall(reply(good(2))[:-20])

    with raw_server(half) as endpoint, Client(endpoint, "a:b", 10) as one:
        assert one.one.vm.allocate("A=1") == 1
        with pytest.raises(Unreachable, match="in the middle of an answer"):
            one.one.vm.allocate("A=1")


def test_answer_in_small_pieces_after_100_continue_is_put_together() -> None:
    whole = b"HTTP/1.1 100 Continue\r\n\r\n" + reply(good(5), "Connection: close")
    pieces = [whole[place : place + 7] for place in range(0, len(whole), 7)]
    with raw_server(answers(*pieces), answers(reply(good(6)))) as endpoint, Client(endpoint, "a:b", 10) as one:
        assert one.one.vm.allocate("A=1") == 5
        assert one.one.vm.allocate("A=1") == 6


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (reply(b"gone", status="404 Not Found"), "404 Not Found.*is this the endpoint"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "without a Content-Length"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "is not HTTP"),
        (reply(b"<html>"), "not XML-RPC"),
        (reply(b"hello"), "not XML-RPC"),
        (reply(ANSWER % b"<i4>x</i4>"), "not XML-RPC"),
        (reply(ANSWER % b"<i4>3</i4>"), "not OpenNebula's"),
        (reply(b'<!DOCTYPE a [<!ENTITY b "c">]>' + good(1)), "DOCTYPE"),
    ],
)
def test_answer_of_something_else_is_told_apart(answer: bytes, message: str) -> None:
    with (
        raw_server(answers(answer)) as endpoint,
        Client(endpoint, "a:b", 10) as one,
        pytest.raises(Unreachable, match=message),
    ):
        one.one.vm.info(1)


def test_silence_ends_after_the_timeout() -> None:
    done = threading.Event()

    def silent(connection: socket.socket) -> None:
        request(connection)
        done.wait(20)

    with raw_server(silent) as endpoint, Client(endpoint, "a:b", timeout=0.2) as one:
        with pytest.raises(Unreachable, match=r"within 0\.2 s"):
            one.one.vm.info(1)
        done.set()


def test_large_answer_arrives_whole() -> None:
    text = b"x&lt;" * 2_000_000
    body = ANSWER % (
        b"<array><data><value><boolean>1</boolean></value><value><string>%s</string></value></data></array>" % text
    )
    with raw_server(answers(reply(body))) as endpoint, Client(endpoint, "a:b", 30) as one:
        assert one.text("one.vmpool.info", -2) == "x<" * 2_000_000


def test_old_answer_of_two_values_and_bare_text_are_understood() -> None:
    assert decode(ANSWER % b"bare <!-- c -->text") == "bare text"
    assert decode(ANSWER % b"<int>-4</int>") == -4
    assert decode(ANSWER % b"\n <double> 1.5 </double> ") == 1.5
    assert decode(ANSWER % b"<string/>") == ""
    assert decode(ANSWER % b"<base64>aGk=</base64>") == b"hi"


def test_call_is_written_as_xml_rpc() -> None:
    assert encode("one.vm.info", ["a:b", 7]) == (
        b'<?xml version="1.0" encoding="UTF-8"?><methodCall><methodName>one.vm.info</methodName><params>'
        b"<param><value><string>a:b</string></value></param><param><value><i4>7</i4></value></param>"
        b"</params></methodCall>"
    )
