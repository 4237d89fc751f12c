r"""Variables in the values of a template: `$NAME`, `$NAME[ATTR]`, `$NAME[ATTR, KEY=VALUE]`.

    variable = "$" NAME [ "[" ATTR [ "," KEY "=" value ] "]" ]
    value    = "quoted" | letters and digits

`$FILE[KEY=VALUE, …]` is a form of its own, in attributes that hold nothing else.

A name ends at the first character that is no letter, digit or _, and what ends it stays. `\$` is no variable and stays
as it is (5.12). After a bare name a newline is dropped, and no letter or digit may follow it: classic engines read on
there, and what they refuse is refused here. Names are the same in any case, values of keys are compared exactly.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["LONGEST", "SubstitutionError", "Variable", "files", "parse", "substitute"]

LONGEST = 4 << 20
"""Characters of a value with its variables filled in: `$TEMPLATE` may be long, and may be written often."""

_NAME = r"[A-Za-z0-9_]+"
_TOKEN = re.compile(rf"\\\$|\$({_NAME})?")
_SELECTION = re.compile(
    rf'\[\s*({_NAME})\s*(?:,\s*({_NAME})\s*=\s*(?:"([^"]*)"|([A-Za-z0-9]+))\s*)?\]',
)
_NEWLINE = re.compile(r"\r?\n([A-Za-z0-9])?")
_KEY = rf'\s*({_NAME})\s*=\s*(?:"([^"]*)"|([A-Za-z0-9]+))\s*'
_FILE = re.compile(rf"\s*\$FILE\[({_KEY}(?:,{_KEY})*)\]\s*", re.IGNORECASE)


class SubstitutionError(ValueError):
    """A value that is no text with variables, or grows too long; the message says where and what to write."""


@dataclass(frozen=True)
class Variable:
    """What stands in place of a value. Names are upper case, empty where they are not given.

    attribute   of the vector or object that the name means
    key, value  choose among several: that whose key has the value
    """

    name: str
    attribute: str = ""
    key: str = ""
    value: str = ""


LookUp = Callable[[Variable], str]
"""The text of a variable; empty for one that is not known."""


def parse(text: str) -> list[str | Variable]:
    """The pieces of a value in their order. Errors: SubstitutionError."""
    return list(_pieces(text))


def substitute(text: str, look_up: LookUp) -> str:
    """The value with its variables filled in, once: what comes in is not looked at again. Errors: SubstitutionError."""
    if "$" not in text:
        return text
    parts: list[str] = []
    length = 0
    for piece in _pieces(text):
        part = piece if isinstance(piece, str) else look_up(piece)
        length += len(part)
        if length > LONGEST:
            raise SubstitutionError(f"it is longer than {LONGEST >> 20} MiB with its variables. Use fewer of them")
        parts.append(part)
    return "".join(parts)


def files(text: str) -> list[dict[str, str]]:
    """What each `$FILE[KEY=VALUE, …]` of a text names; there may be blanks between them. Errors: SubstitutionError."""
    named = []
    at = 0
    while at < len(text):
        found = _FILE.match(text, at)
        if not found:
            raise SubstitutionError(f'it is $FILE[IMAGE="name"] or $FILE[IMAGE_ID=n], not "{text[at : at + 40]}"')
        pairs = re.findall(_KEY, found[1])
        named.append({key.upper(): quoted or bare for key, quoted, bare in pairs})
        at = found.end()
    return named


def _pieces(text: str) -> Iterator[str | Variable]:
    at = 0
    while found := _TOKEN.search(text, at):
        start, end = found.span()
        if found[0] == "\\$":
            yield text[at:end]
            at = end
            continue
        yield text[at:start]
        if not found[1]:
            raise _mistake(text, start, 'a name is missing after "$"')
        variable, at = _variable(text, found[1].upper(), start, end)
        yield variable
    yield text[at:]


def _variable(text: str, name: str, start: int, end: int) -> tuple[Variable, int]:
    """The variable whose name ends at `end`, and the place behind it."""
    if text.startswith("[", end):
        found = _SELECTION.match(text, end)
        if not found:
            raise _mistake(text, start, "the brackets hold neither ATTRIBUTE nor ATTRIBUTE, KEY=VALUE")
        attribute, key, quoted, bare = found.groups(default="")
        return Variable(name, attribute.upper(), key.upper(), quoted or bare), found.end()
    newline = _NEWLINE.match(text, end)
    if newline and newline[1]:
        raise _mistake(text, start, "a line ends directly after the variable, and the next begins with a name")
    return Variable(name), newline.end() if newline else end


def _mistake(text: str, start: int, what: str) -> SubstitutionError:
    shown = text[start : start + 40].split("\n", maxsplit=1)[0]
    place = f' at character {start + 1}, "{shown}"'
    return SubstitutionError(f"{what}{place}. Write \\$ for a dollar sign that is no variable")
