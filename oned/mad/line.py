"""Lines from a driver, cut out of its output and read: `ACTION RESULT ID INFO`, `LOG severity ID text`, `INIT …`.

Nothing here raises on foreign input: what is not a message reads as None.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

LONGEST_LINE = 64 * 1024 * 1024
"""Bytes; a base64 document is one line. What is longer is dropped up to its line end."""

NOTHING = "-"
"""The word that fills an empty field."""

_WORDS = re.compile(r"[ \t]+")
_NUMBER = re.compile(r"([0-9]{1,18})(?![0-9])[ \t]*(.*)", re.DOTALL)
_CANCELLED = re.compile(r"Driver command for ([0-9]{1,18}) cancelled")
_NOT_TEXT = dict.fromkeys((*range(0x09), *range(0x0A, 0x20), 0x7F, 0xFFFE, 0xFFFF), "\ufffd")


def as_in_6(request: str) -> str:
    """The request as 6.x writes it: with an empty word, that is two blanks, before the id."""
    verb, _, rest = request.partition(" ")
    return f"{verb}  {rest}"


@dataclass(frozen=True)
class Answer:
    """The end of a command; info is "" when the driver has nothing to tell."""

    action: str
    success: bool
    oid: int
    info: str


@dataclass(frozen=True)
class Log:
    """Something to write down; oid is None when the line names no object."""

    severity: str
    oid: int | None
    text: str

    @property
    def cancelled(self) -> int | None:
        """The object whose command was dropped because of DRIVER_CANCEL; None for any other text."""
        found = _CANCELLED.search(self.text)
        return int(found[1]) if found else None


@dataclass(frozen=True)
class Greeting:
    """The answer to INIT. Words are its NAME=VALUE pairs (PROTOCOL, REPEATS); reason is what a refusal says."""

    success: bool
    reason: str
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def protocol(self) -> str:
        return self.words.get("PROTOCOL", "").lower()

    @property
    def repeats(self) -> frozenset[str]:
        """The verbs that may be sent again when nobody knows whether they were done."""
        return frozenset(verb.upper() for verb in self.words.get("REPEATS", "").split(",") if verb)


def text(raw: bytes) -> str:
    """The line as text that any document can carry: no line end, no control characters, no broken UTF-8."""
    return raw.rstrip(b"\r\n").decode("utf-8", "replace").translate(_NOT_TEXT).strip(" \t")


def read(line: str) -> Answer | Log | None:
    """The message in the text of a line; None for anything that is none."""
    words = _WORDS.split(line, maxsplit=2)
    if len(words) < 3:
        return None
    action, result, rest = words
    number = _NUMBER.match(rest)
    if action == "LOG":
        return Log(result, int(number[1]), number[2]) if number else Log(result, None, rest)
    if number is None:
        return None
    info = "" if set(number[2]) <= {NOTHING, " ", "\t"} else number[2]
    return Answer(action, result == "SUCCESS", int(number[1]), info)


def greeting(line: str) -> Greeting | None:
    """The answer to INIT in the text of a line; None when it is something else."""
    words = _WORDS.split(line)
    if words[0] != "INIT" or len(words) < 2:
        return None
    pairs = (word.partition("=") for word in words[2:] if "=" in word)
    return Greeting(
        success=words[1] != "FAILURE",
        reason=" ".join(word for word in words[2:] if word != NOTHING),
        words={name.upper(): value for name, _, value in pairs},
    )


class Lines:
    """Cuts a stream of bytes into lines. A half line waits for its rest, however long that takes."""

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._begun = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are whole now, without their line ends; over-long ones are left out."""
        *ends, rest = data.split(b"\n")
        whole = []
        for end in ends:
            self._append(end)
            if not self._skipping:
                whole.append(bytes(self._begun))
            self._begun.clear()
            self._skipping = False
        self._append(rest)
        return whole

    def _append(self, piece: bytes) -> None:
        self._skipping = self._skipping or len(self._begun) + len(piece) > self._longest
        if self._skipping:
            self._begun.clear()
        else:
            self._begun += piece
