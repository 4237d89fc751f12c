"""The dialects of information drivers (IM): how many words follow MONITOR, and the forms of the answer."""

import base64
import binascii
import re
from collections.abc import Mapping

from oned.command import Command
from oned.host.wilds import Domain, domain
from oned.mad.contract import Source, Unspeakable, Writer
from oned.mad.line import NOTHING
from oned.mad.values import pairs

WORDS: Mapping[str, tuple[str, ...]] = {
    "2": (),  # up to 1.4
    "3": ("update",),  # 2.0 to 4.2
    "4": ("datastore_location", "update"),  # 4.4 to 5.10
}
"""Dialect → the arguments that follow `MONITOR <id> <host>`. A driver drops a request of another length silently."""

DEFAULT = "3"

_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_MISSING = {"update": "0"}


Room = tuple[int, int, int]
"""MiB free, in all, used."""


class NoInformation(ValueError):
    """An answer without one readable value: as good as a failure."""


def dialect(words: tuple[str, ...]) -> Writer:
    """The writer of request lines with these arguments after the host."""

    def request(command: Command, _: Source) -> str:
        if command.verb != "MONITOR":
            raise Unspeakable(f"an information driver has no request {command.verb}")
        tail = [command.arguments.get(word) or _MISSING.get(word, NOTHING) for word in words]
        return " ".join([command.verb, str(command.oid), command.host, *tail])

    return request


DIALECTS: dict[str, Writer] = {name: dialect(words) for name, words in WORDS.items()}


def values(info: str) -> dict[str, str]:
    """The values of a MONITOR answer by upper-case name; the last of one name counts, vectors are left out.

    Raises NoInformation.
    """
    found = {name: value for name, value in pairs(_plain(info)) if not value.startswith("[")}
    if not found:
        raise NoInformation(f'no NAME=VALUE in the monitor information "{info[:80]}"')
    return found


def stores(info: str) -> dict[str, Room]:
    """The datastores on the host's own disk: id → MiB free, in all, used; what is not whole is left out (4.4)."""
    found = {}
    for name, value in pairs(_plain(info)):
        told = dict(pairs(value[1:-1])) if name == "DS" and value.startswith("[") else {}
        numbers = [told.get(key, "") for key in ("FREE_MB", "TOTAL_MB", "USED_MB")]
        if told.get("ID", "").isdecimal() and all(number.isdecimal() for number in numbers):
            free, total, used = map(int, numbers)
            found[told["ID"]] = (free, total, used)
    return found


def location(values: Mapping[str, str]) -> Room | None:
    """The disk below the directory of all datastores, of a host that tells of it (4.4)."""
    numbers = [values.get(f"DS_LOCATION_{word}_MB", "") for word in ("FREE", "TOTAL", "USED")]
    if not all(number.isdecimal() for number in numbers):
        return None
    free, total, used = map(int, numbers)
    return free, total, used


def domains(info: str) -> list[Domain] | None:
    """The domains of a host that tells of all it has: VM_POLL = YES, and a vector VM for each. None if it does not."""
    found = list(pairs(_plain(info)))
    if ("VM_POLL", "YES") not in found:
        return None
    return [domain(dict(pairs(value[1:-1]))) for name, value in found if name == "VM" and value.startswith("[")]


def _plain(info: str) -> str:
    """The text behind the base64 form of 4.4 and later; any other text as it is."""
    packed = info.strip()
    if len(packed) % 4 or not _BASE64.fullmatch(packed):
        return info
    try:
        text = base64.b64decode(packed, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return info
    return text if "=" in text else info
