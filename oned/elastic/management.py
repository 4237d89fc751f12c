"""OpenVPN's server while it runs: who is connected, and the end of connections. It speaks with one at a time."""

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

PATIENCE = 2.0
"""Seconds for an answer: the server gives it at once, or is speaking with somebody else."""


class Unanswered(Exception):
    """The server runs and does not answer: somebody else speaks with it, or it is stuck."""


@dataclass(frozen=True)
class Client:
    """A connection: the name in its certificate, its number, and since when (seconds of the epoch)."""

    name: str
    number: str
    since: int


def end_connections(path: Path, before: Mapping[str, float]) -> list[str]:
    """End the connections of nodes that began at a time at the latest; the names of those that had one.

    path    of the server's management socket; where no server runs nobody is connected
    before  by name. One that began later is of another certificate, which was looked at then
    The node is told, and dials again at once. Raises Unanswered.
    """
    try:
        with socket.socket(socket.AF_UNIX) as wire:
            wire.settimeout(PATIENCE)
            try:
                wire.connect(str(path))
            except (FileNotFoundError, ConnectionRefusedError):
                return []
            with wire.makefile("rw", encoding="utf-8", errors="replace") as talk:
                return list(_ended(talk, before))
    except OSError as error:
        why = "it speaks with somebody else" if isinstance(error, TimeoutError) else error.strerror or error
        raise Unanswered(f"OpenVPN's server does not answer at {path}: {why}") from error


def _ended(talk: IO[str], before: Mapping[str, float]) -> Iterator[str]:
    for client in [one for one in _clients(talk) if one.since <= before.get(one.name, 0.0)]:
        _say(talk, f"client-kill {client.number}")
        if next(_answers(talk)).startswith("SUCCESS"):
            yield client.name
    _say(talk, "quit")


def _clients(talk: IO[str]) -> list[Client]:
    _say(talk, "status 3")
    found, columns = list[Client](), [""]
    for line in _answers(talk):
        if line == "END":
            return found
        kind, *words = line.split("\t")
        if kind == "HEADER" and words[:1] == ["CLIENT_LIST"]:
            columns = words[1:]
        elif kind == "CLIENT_LIST":
            row = dict(zip(columns, words, strict=False))
            try:
                found.append(Client(row["Common Name"], row["Client ID"], int(row["Connected Since (time_t)"])))
            except (KeyError, ValueError):
                raise OSError("it tells of its clients in an unknown way; OpenVPN 2.4 or newer is needed") from None
    return found


def _say(talk: IO[str], words: str) -> None:
    talk.write(f"{words}\n")
    talk.flush()


def _answers(talk: IO[str]) -> Iterator[str]:
    """The lines of the server's answer, without what it tells by itself. ConnectionError at the end."""
    for line in talk:
        if not line.startswith(">"):
            yield line.rstrip("\r\n")
    raise ConnectionResetError("it has ended")
