"""What is served, in whatever form clients send it."""

import xmlrpc.client
from collections.abc import Callable
from typing import Any

import pytest

from tests.wire.server import Client, Server, body, head, request


def test_a_call_is_answered_with_type_and_length(client: Client) -> None:
    response = client.call("hello")
    assert response.status == 200
    assert response.text == "hello"
    assert response.headers["content-type"] == "text/xml; charset=utf-8"
    assert "transfer-encoding" not in response.headers


def test_the_answer_function_is_told_who_calls(server: Server, client: Client) -> None:
    client.call()
    assert server.peers == [client.address]


def test_pythons_own_client_is_served_again_and_again(server: Server) -> None:
    with xmlrpc.client.ServerProxy(f"http://127.0.0.1:{server.port}/RPC2") as proxy:
        assert [proxy.echo(f"é{n}") for n in range(3)] == [[True, f"é{n}", 0] for n in range(3)]


@pytest.mark.parametrize(
    "target", ["/RPC2", "/RPC2?x", "/RPC2?a=b&c", "http://localhost:2633/RPC2", "http://localhost/RPC2?x", "/%52PC2"]
)
def test_the_path_is_understood(client: Client, target: str) -> None:
    client.send(request(start=f"POST {target} HTTP/1.1"))
    assert client.response().text == "hello"


@pytest.mark.parametrize("target", ["/", "/RPC", "/RPC2/", "/rpc2", "/index.html", "http://localhost/"])
def test_another_path_is_not_found(client: Client, target: str) -> None:
    client.send(request(start=f"POST {target} HTTP/1.1"))
    assert client.response().status == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_another_method_is_not_allowed(client: Client, method: str) -> None:
    client.send(request(start=f"{method} /RPC2 HTTP/1.1"))
    response = client.response()
    assert (response.status, response.headers["allow"]) == (405, "POST")
    assert client.call("still here").text == "still here"


def test_a_head_request_is_refused_without_a_body(client: Client) -> None:
    client.send(b"HEAD /RPC2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    everything = b""
    while data := client.receive(4096):
        everything += data
    assert everything.startswith(b"HTTP/1.1 405 ")
    assert everything.endswith(b"\r\n\r\n")


def test_options_says_what_is_allowed(client: Client) -> None:
    client.send(b"OPTIONS /RPC2 HTTP/1.1\r\nHost: x\r\n\r\n")
    response = client.response()
    assert (response.status, response.headers["allow"], response.body) == (200, "POST", b"")


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("Content-Type: text/xml",),
        ('CONTENT-TYPE: text/xml; charset="UTF-8"',),
        ("content-type: application/xml",),
        ("Content-Type: nonsense", "Cookie: a=b", "X-Unknown: 1", "User-Agent: Ruby", "Accept-Encoding: gzip"),
        ("Upgrade: h2c", "Connection: Upgrade"),
    ],
)
def test_other_headers_do_no_harm(client: Client, lines: tuple[str, ...]) -> None:
    client.send(request("hello", "echo", *lines))
    response = client.response()
    assert response.text == "hello"
    assert "content-encoding" not in response.headers


def test_a_compressed_body_is_refused_in_words(client: Client) -> None:
    client.send(request("hello", "echo", "Content-Encoding: gzip"))
    assert client.response().status == 415


@pytest.mark.parametrize("lines", [["Connection: close"], []])
def test_a_connection_is_kept_unless_the_client_says_no(client: Client, lines: list[str]) -> None:
    client.send(request("hello", "echo", *lines))
    response = client.response()
    if lines:
        assert response.headers["connection"] == "close"
        assert client.is_closed()
    else:
        assert client.call("again").text == "again"


def test_a_client_of_http_1_0_gets_its_answer_and_the_end(client: Client) -> None:
    client.send(request(start="POST /RPC2 HTTP/1.0"))
    response = client.response()
    assert response.text == "hello"
    assert response.headers["connection"] == "close"
    assert client.is_closed()


def test_pipelined_calls_are_answered_in_order(client: Client) -> None:
    client.send(b"".join(request(str(n)) for n in range(20)))
    assert [client.response().text for _ in range(20)] == [str(n) for n in range(20)]


def test_a_call_that_comes_byte_by_byte_is_answered(client: Client) -> None:
    for byte in request("slowly"):
        client.send(bytes([byte]))
    assert client.response().text == "slowly"


def test_a_client_that_stops_sending_still_gets_its_answer(client: Client) -> None:
    client.send(request("hello"))
    client.finish_sending()
    assert client.response().text == "hello"
    assert client.is_closed()


def test_expect_100_continue_is_answered_before_the_body(client: Client) -> None:
    sent = body("large" * 1000)
    client.send(head(len(sent), "Expect: 100-continue"))
    assert client.response().status == 100
    client.send(sent)
    assert client.response().text == "large" * 1000


def test_expect_100_continue_with_the_body_at_once_is_served(client: Client) -> None:
    client.send(request("hello", "echo", "Expect: 100-continue"))
    response = client.response()
    if response.status == 100:
        response = client.response()
    assert response.text == "hello"


CHUNKED = b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunks(data: bytes, size: int) -> bytes:
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def test_a_chunked_request_is_served_and_the_connection_goes_on(client: Client) -> None:
    client.send(CHUNKED + chunks(body("in chunks"), 7))
    assert client.response().text == "in chunks"
    assert client.call("next").text == "next"


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"PATCH"])
@pytest.mark.parametrize("path", [b"/RPC2", b"/"])
@pytest.mark.parametrize("sent", [b"", body("hello"), request("hello")])
def test_a_call_without_a_length_is_refused_once_and_the_connection_ends(
    server: Server, client: Client, method: bytes, path: bytes, sent: bytes
) -> None:
    client.send(method + b" " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n" + sent)
    refused = client.response()
    assert (refused.status, refused.headers["connection"]) == (411, "close")
    assert client.is_closed()
    assert server.answered == []


def test_a_call_before_one_without_a_length_is_answered_first(client: Client) -> None:
    client.send(request("first") + b"POST /RPC2 HTTP/1.1\r\nHost: x\r\n\r\n<methodCall/>")
    assert client.response().text == "first"
    assert client.response().status == 411
    assert client.is_closed()


EARLY = [
    ("POST /nothing HTTP/1.1", (), 404), ("PUT /RPC2 HTTP/1.1", (), 405), ("OPTIONS /RPC2 HTTP/1.1", (), 200),
    ("POST /RPC2 HTTP/1.1", ("Content-Encoding: gzip",), 415),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "lines", "status"), EARLY)
def test_the_body_of_what_is_answered_early_is_no_request(
    client: Client, asked: str, lines: tuple[str, ...], status: int
) -> None:
    smuggled = request("smuggled")
    client.send(head(len(smuggled), *lines, start=asked))
    assert client.response().status == status
    client.send(smuggled)
    assert client.call("next").text == "next"


@pytest.mark.parametrize(("asked", "lines", "status"), EARLY)
def test_who_waits_for_leave_to_send_a_body_and_gets_none_is_told_to_come_again(
    client: Client, asked: str, lines: tuple[str, ...], status: int
) -> None:
    client.send(head(100, "Expect: 100-continue", *lines, start=asked))
    refused = client.response()
    assert (refused.status, refused.headers["connection"]) == (status, "close")
    assert client.is_closed()


@pytest.mark.parametrize(
    "smuggled",
    [
        b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /RPC2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
    ],
)
def test_a_request_whose_end_is_disputable_is_refused_and_nothing_after_it_is_read(
    server: Server, client: Client, smuggled: bytes
) -> None:
    client.send(smuggled + b"0\r\n\r\n" + request("smuggled"))
    assert client.response().status == 400
    assert client.is_closed()
    assert server.answered == []


@pytest.mark.parametrize(
    "noise",
    [
        b"hello\r\n\r\n",
        b"POST RPC2 HTTP/1.1\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT localhost:22 HTTP/1.1\r\n\r\n",
        b"POST /RPC2 HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /RPC2 HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST /RPC2 HTTP/1.1\r\nno colon here\r\n\r\n",
        bytes(range(256)),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_not_http_is_refused_and_others_are_served(server: Server, client: Client, noise: bytes) -> None:
    client.send(noise)
    response = client.response()
    assert response.status in (400, 404)
    with server.connect() as other:
        assert other.call().text == "hello"


def test_a_bad_request_behind_good_ones_is_refused_after_their_answers(client: Client) -> None:
    client.send(request("1") + request("2") + b"nonsense\r\n\r\n")
    assert [client.response().text for _ in range(2)] == ["1", "2"]
    assert client.response().status == 400
    assert client.is_closed()


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"hello",
        b"<methodCall>",
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><methodCall/>',
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><methodCall/>',
        b"<methodCall><methodName>echo</methodName><params><param>" + b"<value><array><data>" * 5000,
    ],
)
def test_what_is_no_call_is_a_fault_and_the_connection_goes_on(client: Client, wrong: bytes) -> None:
    client.send(head(len(wrong)) + wrong)
    response = client.response()
    assert response.status == 200
    with pytest.raises(xmlrpc.client.Fault) as raised:
        xmlrpc.client.loads(response.body)
    assert raised.value.faultCode == -503
    assert client.call("next").text == "next"


async def greeting(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"hi"})


def test_pages_get_every_other_path(start: Callable[..., Server]) -> None:
    server = start(pages=greeting)
    with server.connect() as client:
        client.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.response().body == b"hi"
        assert client.call().text == "hello"
