"""The daemon's events as they happen: one GET whose answer does not end."""

import base64
import json
import socket
from collections.abc import Iterator
from typing import Any, BinaryIO

from oned.client.client import Client
from oned.client.connection import ENDPOINT
from oned.client.failures import NotConfigured, ServerRefused, Unreachable

SILENCE = 30.0
"""Seconds without a sign of life after which the daemon counts as gone; it gives one every 5."""
_LONGEST_LINE = 1 << 16


def events(one: Client, kind: str, ids: list[int], after: int | None = None) -> Iterator[dict[str, Any]]:
    """Each event of these objects of a kind, of all when none is named, without an end.

    after  the last event that the caller knows; None begins with now
    A dictionary is an event (id, time, kind, oid, what, old, new), or a notice of the daemon: {"lost": why some are
    missing}, {"end": why no more come}. Raises NotConfigured, ServerRefused, Unreachable.
    """
    with _connected(one.endpoint) as connected:
        connected.sendall(_request(one, kind, ids, after))
        with connected.makefile("rb") as answer:
            try:
                yield from map(json.loads, filter(bytes.strip, _lines(one.endpoint, answer)))
            except TimeoutError:
                raise Unreachable(f"{one.endpoint} has been silent for {SILENCE:g} s") from None
            except OSError as error:
                raise Unreachable(f"the connection to {one.endpoint} broke: {error.strerror or error}") from None


def _connected(endpoint: str) -> socket.socket:
    try:
        return socket.create_connection(_address(endpoint)[:2], SILENCE)
    except OSError as error:
        raise Unreachable(f"cannot reach oned at {endpoint}: {error.strerror or error}. See `one status`") from None


def _address(endpoint: str) -> tuple[str, int, str]:
    """Host, port, and the path of the events beside that of the calls."""
    found = ENDPOINT.fullmatch(endpoint)
    if not found:
        raise NotConfigured(f"{endpoint!r} is not an endpoint such as http://localhost:2633/RPC2 (http only)")
    path = (found[3] or "/RPC2").rpartition("/")[0]
    return found[1].strip("[]"), int(found[2] or 80), f"{path}/events"


def _request(one: Client, kind: str, ids: list[int], after: int | None) -> bytes:
    host, port, path = _address(one.endpoint)
    asked = [f"kind={kind}"] + [f"id={','.join(map(str, ids))}"] * bool(ids)
    lines = [
        f"GET {path}?{'&'.join(asked)} HTTP/1.1",
        f"Host: {host}:{port}",
        "User-Agent: oned",
        "Accept: application/x-ndjson",
        f"Authorization: Basic {base64.b64encode(one.session.encode()).decode()}",
        *([] if after is None else [f"Last-Event-ID: {after}"]),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _lines(endpoint: str, answer: BinaryIO) -> Iterator[bytes]:
    """The lines of the answer's body."""
    status = answer.readline(_LONGEST_LINE).decode("latin-1").split(" ", 2)
    header = dict(_header(answer))
    if status[1:2] != ["200"]:
        raise ServerRefused(_sentence(endpoint, status, header, answer), 0)
    rest = b""
    for chunk in _chunks(answer):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole


def _header(answer: BinaryIO) -> Iterator[tuple[str, str]]:
    while line := answer.readline(_LONGEST_LINE).decode("latin-1").strip():
        name, _, value = line.partition(":")
        yield name.lower(), value.strip()


def _sentence(endpoint: str, status: list[str], header: dict[str, str], answer: BinaryIO) -> str:
    """Why there are no events, in the daemon's words where it has some."""
    length = header.get("content-length", "")
    said = answer.read(min(int(length), _LONGEST_LINE)).decode(errors="replace").strip() if length.isdigit() else ""
    return said or f"{endpoint} answered {' '.join(status).strip()!r}: is this the endpoint of oned?"


def _chunks(answer: BinaryIO) -> Iterator[bytes]:
    """The chunks of a body (RFC 9112, 7.1); a body that breaks off ends like one that ends."""
    while size := int(answer.readline(_LONGEST_LINE).strip() or b"0", 16):
        yield answer.read(size)
        answer.readline(_LONGEST_LINE)
