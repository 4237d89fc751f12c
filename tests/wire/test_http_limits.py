"""Slow, oversized and too many clients: each gets its due and holds nobody else up."""

import asyncio
import contextlib
import resource
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from oned.wire.http import serve
from tests.needs import need
from tests.wire.server import PATIENCE, Client, Server, body, head, request

Start = Callable[..., Server]
SOON = 0.3
"""Seconds: a time limit of a test's server."""
CHUNKED = b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def assert_others_are_served(server: Server) -> None:
    with server.connect() as other:
        assert other.call("other").text == "other"


# --- Slow clients


@pytest.mark.parametrize("sent", [b"P", b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Le"])
def test_a_header_that_does_not_end_is_given_up(start: Start, sent: bytes) -> None:
    server = start(timeout=SOON)
    with server.connect() as slow:
        slow.send(sent)
        assert_others_are_served(server)
        assert slow.response().status == 408
        assert slow.is_closed()


@pytest.mark.parametrize("sent", [b"", b"<methodCall>"])
def test_a_body_that_does_not_end_is_given_up(start: Start, sent: bytes) -> None:
    server = start(timeout=SOON)
    with server.connect() as slow:
        slow.send(head(1000) + sent)
        assert_others_are_served(server)
        assert slow.response().status == 408
        assert slow.is_closed()
    assert server.answered == ["echo"]


def drip(client: Client, data: bytes, stop: threading.Event) -> None:
    """Sends a byte now and then until told to stop or the server closes."""
    for byte in data:
        if stop.wait(SOON / 6):
            return
        try:
            client.send(bytes([byte]))
        except OSError:
            return


@pytest.mark.parametrize(
    ("begun", "dripped"),
    [(b"", b"POST /RPC2 HTTP/1.1\r\nX: " + b"x" * 500), (head(10_000), b"x" * 500), (CHUNKED, b"1\r\nx\r\n" * 100)],
)
def test_a_request_that_drips_in_is_given_up(start: Start, begun: bytes, dripped: bytes) -> None:
    server, stop = start(timeout=SOON), threading.Event()
    with server.connect() as slow, ThreadPoolExecutor() as threads:
        slow.send(begun)
        dripping = threads.submit(drip, slow, dripped, stop)
        assert slow.response().status == 408
        stop.set()
        dripping.result()


def test_an_idle_connection_is_closed_without_a_word(start: Start) -> None:
    server = start(keepalive_timeout=SOON)
    with server.connect() as never_used, server.connect() as used:
        assert used.call().status == 200
        assert never_used.is_closed()
        assert used.is_closed()


def test_empty_lines_do_not_keep_a_connection_open(start: Start) -> None:
    server, stop = start(keepalive_timeout=SOON), threading.Event()
    with server.connect() as idle, ThreadPoolExecutor() as threads:
        dripping = threads.submit(drip, idle, b"\r\n" * 500, stop)
        assert idle.is_closed()
        stop.set()
        dripping.result()


def test_a_call_that_takes_longer_than_every_limit_is_answered(start: Start) -> None:
    server = start(timeout=SOON, keepalive_timeout=SOON)
    with server.connect() as patient:
        patient.send(request("at last", "wait"))
        with server.connect() as clock:
            assert clock.is_closed()
        server.gate.set()
        assert patient.response().text == "at last"


def test_a_client_that_stops_reading_is_dropped(start: Start) -> None:
    server = start(timeout=SOON, keepalive_timeout=4 * SOON)
    with server.connect(receive_buffer=4096) as stuck:
        stuck.send(request("64", "large"))
        assert_others_are_served(server)
        with server.connect() as clock:
            assert clock.is_closed()
        received = 0
        with contextlib.suppress(ConnectionResetError):
            while data := stuck.receive(1 << 20):
                received += len(data)
        assert 0 < received < 64 << 20


# --- Oversized requests


def test_a_body_over_the_limit_is_refused_before_it_is_sent(start: Start) -> None:
    server = start(message_size=1000)
    with server.connect() as client:
        client.send(head(1 << 40, "Expect: 100-continue"))
        assert client.response().status == 413
        assert client.is_closed()
    assert_others_are_served(server)


def test_a_client_that_sends_an_oversized_body_gets_to_see_why(start: Start) -> None:
    server = start(message_size=1000)
    with server.connect() as client:
        client.send(head(8 << 20) + b"x" * (8 << 20))
        assert client.response().status == 413


def test_chunks_over_the_limit_are_refused(start: Start) -> None:
    server = start(message_size=1000)
    with server.connect() as client:
        client.send(CHUNKED + b"400\r\n" + b"x" * 1024 + b"\r\n")
        assert client.response().status == 413
        assert client.is_closed()
    assert server.answered == []


def test_a_body_just_at_the_limit_is_served(start: Start) -> None:
    server = start(message_size=len(body("fits")))
    with server.connect() as client:
        assert client.call("fits").text == "fits"


def test_a_body_of_many_megabytes_is_served(client: Client) -> None:
    text = "x" * (8 << 20)
    assert client.call(text).text == text


def test_a_header_without_end_is_refused(server: Server, client: Client) -> None:
    client.send(b"POST /RPC2 HTTP/1.1\r\n")
    for _ in range(200):
        client.send(b"X-Header: " + b"x" * 1000 + b"\r\n")
    assert client.response().status == 431
    assert client.is_closed()
    assert_others_are_served(server)


# --- Many clients


def test_a_thousand_idle_connections_hold_nobody_up(server: Server) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need(hard >= 3000, f"this process may open {hard} files only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 3000), hard))
    with ExitStack() as connections:
        idle = [connections.enter_context(server.connect()) for _ in range(1000)]
        for client in idle[:10]:
            client.send(b"POST /RPC2 HTTP/1.1\r\nHost: half sent")
        assert_others_are_served(server)
        assert idle[500].call("awake").text == "awake"


def test_calls_beyond_the_limit_wait_for_their_turn(start: Start) -> None:
    server = start(at_once=1, waiting=10)
    with server.connect() as first, server.connect() as second:
        first.send(request("first", "wait"))
        server.wait_for_calls(1)
        second.send(request("second"))
        server.gate.set()
        assert first.response().text == "first"
        assert second.response().text == "second"
    assert server.answered == ["wait", "echo"]


def test_calls_beyond_those_that_may_wait_are_refused_quickly(start: Start) -> None:
    server = start(at_once=1, waiting=0)
    with server.connect() as first, server.connect() as second:
        first.send(request("first", "wait"))
        server.wait_for_calls(1)
        refused = second.call("second")
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        server.gate.set()
        assert first.response().text == "first"
        assert second.call("third").text == "third"


def test_the_connection_idle_longest_makes_room_for_a_new_one(start: Start) -> None:
    server = start(connections=2)
    with server.connect() as older, server.connect() as newer:
        assert older.call().status == 200
        time.sleep(0.05)  # the loop's clock ticks in milliseconds
        assert newer.call().status == 200
        with server.connect() as newest:
            assert newest.call("newest").text == "newest"
            assert older.is_closed()
            assert newer.call("newer").text == "newer"


def test_a_connection_beyond_the_limit_is_refused_when_none_is_idle(start: Start) -> None:
    server = start(connections=1)
    with server.connect() as busy:
        busy.send(request("busy", "wait"))
        server.wait_for_calls(1)
        with server.connect() as refused:
            assert refused.response().status == 503
            assert refused.is_closed()
        server.gate.set()
        assert busy.response().text == "busy"


def test_the_last_call_over_a_connection_says_so(start: Start) -> None:
    server = start(keepalive_requests=3)
    with server.connect() as client:
        answers = [client.call(str(n)) for n in range(3)]
        assert [answer.headers.get("connection") for answer in answers] == [None, None, "close"]
        assert client.is_closed()


# --- Large answers


def test_small_calls_go_on_while_a_large_answer_is_written(server: Server) -> None:
    with server.connect(receive_buffer=4096) as large, server.connect() as small:
        large.send(request("32", "large"))
        beginning = large.receive(4096)
        assert beginning.startswith(b"HTTP/1.1 200")
        assert [small.call(str(n)).text for n in range(50)] == [str(n) for n in range(50)]
        received = len(beginning)
        while received < 32 << 20:
            data = large.receive(1 << 20)
            assert data
            received += len(data)


def test_a_large_answer_arrives_whole_and_the_connection_goes_on(client: Client) -> None:
    answered = client.call("8", "large")
    assert answered.text == "0123456789abcdef" * (8 << 16)
    assert client.call("next").text == "next"


# --- The end


def test_a_server_that_stops_ends_the_answers_it_began_and_closes_idle_connections(start: Start) -> None:
    server = start()
    with server.connect() as idle, server.connect() as busy, ThreadPoolExecutor() as threads:
        idle.call()
        busy.send(request("busy", "wait"))
        server.wait_for_calls(2)
        stopping = threads.submit(server.stop)
        assert idle.is_closed()
        server.gate.set()
        answer = busy.response()
        assert (answer.text, answer.headers["connection"]) == ("busy", "close")
        stopping.result(PATIENCE)


def test_a_server_that_stops_cuts_calls_short_that_wait_on_and_on(start: Start) -> None:
    server = start()
    with server.connect() as waiting:
        waiting.send(request("never", "forever"))
        server.wait_for_calls(1)
        server.stop()
        cut = waiting.response()
        assert (cut.status, cut.headers["connection"]) == (503, "close")


def test_an_address_in_use_is_an_error_of_the_caller(server: Server) -> None:
    with pytest.raises(OSError, match="in use"):
        asyncio.run(serve(server.application, "127.0.0.1", server.port, server.limits, lambda port: None))
