"""The dialects of datastore drivers (DS): a base64 document (3.4 and later), or plain words (3.0 to 3.2)."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from oned.command import Command
from oned.ids import Kind
from oned.mad.contract import Source, Unspeakable, Writer
from oned.mad.line import NOTHING, as_in_6
from oned.mad.values import pairs

VERBS = frozenset(("CP", "CLONE", "MKFS", "RM", "STAT", "MONITOR"))
CLASSIC: Mapping[str, tuple[str, ...]] = {"CP": ("path",), "MKFS": ("format", "size"), "RM": ("source",)}
"""Verb → the arguments behind the image's id, as the image drivers of 3.0 and 3.2 want them."""

DEFAULT = "xml"


@dataclass(frozen=True)
class Made:
    """What a driver made: where it is, and as far as the driver says its size (MiB, 0 if not) and format."""

    source: str
    size: int = 0
    format: str = ""


@dataclass(frozen=True)
class Room:
    """How full a datastore is, MiB."""

    total: int
    free: int
    used: int


def xml(command: Command, source: Source) -> str:
    """`VERB <id> <base64 of DS_DRIVER_ACTION_DATA>`: the image, if there is one, and its datastore."""
    if command.verb not in VERBS:
        raise Unspeakable(f"a datastore driver has no request {command.verb}")
    image = command.arguments.get("image", "")
    if command.kind is Kind.IMAGE and not image:
        image = source.document(Kind.IMAGE, command.oid)
    store = source.document(Kind.DATASTORE, int(command.arguments["datastore"]))
    document = f"<DS_DRIVER_ACTION_DATA>{image}{store}</DS_DRIVER_ACTION_DATA>"
    return f"{command.verb} {command.oid} {base64.b64encode(document.encode()).decode()}"


def classic(command: Command, _: Source) -> str:
    """`CP <id> <path>`, `MKFS <id> <format> <MB>`, `RM <id> <source>`. Raises Unspeakable."""
    if command.verb not in CLASSIC:
        raise Unspeakable(f"the classic dialect of datastore drivers has no request {command.verb}")
    words = [command.arguments.get(name) or NOTHING for name in CLASSIC[command.verb]]
    if broken := [word for word in words if len(word.split()) != 1]:
        raise Unspeakable(f'the classic dialect cannot carry the blanks in "{broken[0]}"')
    return " ".join([command.verb, str(command.oid), *words])


def xml6(command: Command, source: Source) -> str:
    """As xml, with two blanks before the id. Raises Unspeakable."""
    return as_in_6(xml(command, source))


DIALECTS: dict[str, Writer] = {"xml": xml, "xml6": xml6, "classic": classic}
"""PROTOCOL → the writer of its requests."""


def made(info: str) -> Made:
    """The answer of CP, CLONE and MKFS: a source; behind it a size (to 3.2), or a format (since 6.0), or both."""
    source, *rest = info.split() or [""]
    size = next((int(word) for word in rest if word.isdecimal()), 0)
    return Made(source, size, next((word for word in rest if not word.isdecimal()), ""))


def size(info: str) -> int:
    """The MiB in the answer of STAT; 0 if there are none."""
    word = next(iter(info.split()), "")
    return int(word) if word.isdecimal() else 0


def room(info: str) -> Room | None:
    """The answer of MONITOR: TOTAL_MB, FREE_MB and USED_MB, in base64 or plain; None if one is missing."""
    found = dict(pairs(_plain(info)))
    try:
        total, free, used = (int(float(found[name])) for name in ("TOTAL_MB", "FREE_MB", "USED_MB"))
    except (KeyError, ValueError, OverflowError):
        return None
    return Room(total, free, used)


def _plain(info: str) -> str:
    try:
        return base64.b64decode(info.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return info
