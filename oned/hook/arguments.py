"""ARGUMENTS of a hook: words as a shell would cut them, with variables in them.

The text is cut first and the variables are filled in after that, so whatever a value holds, blanks, quotes or a
semicolon, it stays inside the word where its variable stands.
"""

import re
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

NONE_GIVEN = ("-",)
"""The words of a hook without ARGUMENTS, as every release of OpenNebula up to 5.8 passes them."""

BY_STDIN = "-"
"""The word in the place of one that is too long, and comes on standard input."""
LONGEST = 128 * 1024 - 1
"""Bytes of a word that Linux hands to a program (execve(2), MAX_ARG_STRLEN)."""
ROOM = 1024 * 1024
"""Bytes of all words; the environment needs room beside them."""

_VARIABLE = re.compile(
    r"""\$(?:(?P<vm>\d+)\.(?P<context>\w+)
      |(?P<name>[A-Za-z_]\w*)
       (?:\[\s*(?P<key>\w+)\s*(?:,\s*(?P<test>\w+)\s*=\s*(?P<quote>["'])(?P<wanted>.*?)(?P=quote)\s*)?\])?
      )(?:\$\$)?""",
    re.VERBOSE | re.ASCII,
)
_PLACE = re.compile("\0([0-9]+)\0")


@dataclass(frozen=True)
class Variable:
    """A `$…` of the text: $NAME, $NAME[KEY], $NAME[KEY, TEST="wanted"], or $7.NAME (vm 7, NAME of its CONTEXT)."""

    name: str
    key: str = ""
    test: str = ""
    wanted: str = ""
    vm: int = -1


@dataclass(frozen=True)
class Arguments:
    """The words, each a sequence of literal pieces and variables."""

    text: str
    words: tuple[tuple[str | Variable, ...], ...]

    @classmethod
    def read(cls, text: str) -> Self:
        """The words of a text. ValueError for quotes that do not close."""
        found: list[Variable] = []

        def marked(match: re.Match[str]) -> str:
            found.append(_variable(match))
            return f"\0{len(found) - 1}\0"

        words = shlex.split(_VARIABLE.sub(marked, text.replace("\0", "")))
        return cls(text, tuple(tuple(_pieces(word, found)) for word in words))

    def filled(self, value: Callable[[Variable], str]) -> tuple[str, ...]:
        """The words with the values of the variables in their places. No argument can hold a NUL: it is left out."""
        words = ("".join(piece if isinstance(piece, str) else value(piece) for piece in word) for word in self.words)
        return tuple(word.replace("\0", "") for word in words) or NONE_GIVEN

    @property
    def is_long(self) -> bool:
        """Whether a whole document is among the words."""
        return any(variable.name == "TEMPLATE" and not variable.key for variable in self.variables)

    @property
    def variables(self) -> list[Variable]:
        """The variables, in their order."""
        return [piece for word in self.words for piece in word if isinstance(piece, Variable)]


def fitting(words: Iterable[str]) -> tuple[list[str], list[str]]:
    """The words that a program can be given, `-` in the place of each that is too long; and those that are."""
    given: list[str] = []
    long: list[str] = []
    room = ROOM
    for word in words:
        size = len(word.encode()) + 1
        fits = size <= min(LONGEST + 1, room)
        given.append(word if fits else BY_STDIN)
        if fits:
            room -= size
        else:
            long.append(word)
    return given, long


def _variable(match: re.Match[str]) -> Variable:
    if match["vm"]:
        return Variable(match["context"].upper(), vm=int(match["vm"]))
    key, test, wanted = ((match[name] or "") for name in ("key", "test", "wanted"))
    return Variable(match["name"].upper(), key.upper(), test.upper(), wanted)


def _pieces(word: str, found: list[Variable]) -> list[str | Variable]:
    parts = _PLACE.split(word)
    pieces = [found[int(part)] if place % 2 else part for place, part in enumerate(parts)]
    return [piece for piece in pieces if piece != ""]
