"""Template text to Template: the classic text form of OpenNebula 1.4 to 6.x, or XML.

    template  = { attribute }
    attribute = NAME "=" ( value | "[" [ pair { "," pair } ] "]" | end of line )
    pair      = NAME "=" value
    value     = "quoted, with \\" for a quote" | bare

Between tokens blanks, newlines, comments (`#` to the end of the line) and characters that start no token are skipped.
A value that begins with a quote must end with one; classic parsers take a lone quote for a letter.
One form is ours: `"C:\\Program Files"\\""` is the text `C:\\Program Files\\`. The classic grammar cannot quote a value
that ends in a backslash, because `\\"` is a quote inside the value. Classic parsers skip the extra characters.
"""

import re
from sys import intern
from xml.parsers import expat

from oned.template.template import Template, Value

__all__ = ["NAME", "Template", "TemplateError", "Value", "parse"]

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
"""A name that can be an XML element. The classic grammar lets names begin with a digit, and its lists then break."""

UNLISTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that XML 1.0 cannot carry, not even escaped."""

_SKIPPED = r"[^A-Za-z0-9_=,\]#]*+(?:#[^\n]*+[^A-Za-z0-9_=,\]#]*+)*+"
_QUOTED = r'"([^"\\]*+(?:\\"?[^"\\]*+)*)"(?:(\\+)"")?'
_PAIR = re.compile(
    rf"{_SKIPPED}([A-Za-z0-9_]++){_SKIPPED}=[ \t]*+"
    rf"(?:{_QUOTED}|(\[)|((?!\x22)[^=# \t\r\n,\[\]]++)|(\r?\n|(?=#)|\r?\Z))"
)
_CLOSE = re.compile(rf"{_SKIPPED}\]")
_SEPARATOR = re.compile(rf"{_SKIPPED}([,\]])")
_NAME_AND_EQUALS = re.compile(rf"{_SKIPPED}[A-Za-z0-9_]++({_SKIPPED}=[ \t]*+)?")
_TOKEN = re.compile(rf"{_SKIPPED}([A-Za-z0-9_]++|[=,\]]|\Z)")
_DEPTH = 32


class TemplateError(ValueError):
    """The text is not a template; the message says where and what was expected."""


def parse(text: str) -> Template:
    """The attributes of a template in text form, or in XML when its very first character is "<".

    Names and keys become upper case. Of a key repeated inside one vector the first counts. Raises TemplateError, also
    for what could not be shown as XML later: control characters, names that begin with a digit, and "]]>".
    """
    bad = UNLISTABLE.search(text)
    if bad:
        raise TemplateError(f"character {ord(bad[0]):#06x} cannot be stored{_place(text, bad.start(), bad.end())}")
    if text.startswith("<"):
        return _Reader().read(text)
    return _parse_text(text)


def _parse_text(text: str) -> Template:
    template = Template()
    at = 0
    while found := _PAIR.match(text, at):
        at = found.end()
        if found[4]:
            vector, at = _parse_vector(text, at)
            template.add(_checked(text, found), vector)
        else:
            template.add(_checked(text, found), _value(text, found))
    if _SEPARATOR.match(text, at) or not _at_end(text, at):
        raise _unexpected(text, at, "a name")
    return template


def _parse_vector(text: str, at: int) -> tuple[dict[str, str], int]:
    """The pairs up to the closing bracket, and the place after it. "at" is just behind the opening one."""
    vector: dict[str, str] = {}
    closed = _CLOSE.match(text, at)
    if closed:
        return vector, closed.end()
    while True:
        found = _PAIR.match(text, at)
        if not found or found[4] or found[6] is not None:
            raise _unexpected(text, at, "a name", value_too=True)
        vector.setdefault(_checked(text, found), _value(text, found))
        separator = _SEPARATOR.match(text, found.end())
        if not separator:
            raise _unexpected(text, found.end(), '"," or "]"')
        at = separator.end()
        if separator[1] == "]":
            return vector, at


def _checked(text: str, found: re.Match[str]) -> str:
    """The name of a pair in upper case."""
    name = found[1]
    if name[0].isdigit():
        raise TemplateError(
            f"a name cannot begin with a digit: {name}{_place(text, *found.span(1))}. Begin it with a letter or _"
        )
    return intern(name.upper())


def _value(text: str, found: re.Match[str]) -> str:
    """The value of a pair that is not a vector."""
    _, quoted, backslashes, _, bare, _ = found.groups()
    value = bare or ""
    if quoted is not None:
        value = quoted.replace('\\"', '"') + (backslashes or "")
    if "]]>" in value:
        raise TemplateError(f'a value cannot contain "]]>"{_place(text, found.start(1), found.end())}')
    return value


def _at_end(text: str, at: int) -> bool:
    found = _TOKEN.match(text, at)
    return found is not None and not found[1]


def _unexpected(text: str, at: int, expected: str, *, value_too: bool = False) -> TemplateError:
    """The error for what stands at a place where a pair or a separator was expected."""
    name = _NAME_AND_EQUALS.match(text, at) if expected == "a name" else None
    if name is None:
        found = _TOKEN.match(text, at)
        start, end = found.span(1) if found else (at, at + 1)
    elif name[1] is None:
        expected = '"="'
        found = _TOKEN.match(text, name.end())
        start, end = found.span(1) if found else (name.end(), name.end() + 1)
    elif text.startswith('"', name.end()):
        start, end = name.end(), name.end() + 1
        return TemplateError(f"syntax error, unexpected $end: the quote is not closed{_place(text, start, end)}")
    else:
        expected = "a value" if value_too else 'a value or "["'
        start, end = name.end(), name.end() + 1
    shown = text[start:end]
    token = "$end" if start >= len(text) else "end of line" if shown in "\r\n" else f'"{shown[:40]}"'
    return TemplateError(f"syntax error, unexpected {token}, expecting {expected}{_place(text, start, end)}")


def _place(text: str, start: int, end: int) -> str:
    """Where a token stands, lines and columns counted from 1."""
    line = text.count("\n", 0, start) + 1
    column = start - text.rfind("\n", 0, start)
    return f" at line {line}, columns {column}:{column + max(end - start, 1)}"


class _Reader:
    """Reads the XML form: a child with text only is a single attribute, one with children a vector.

    Deeper elements and the attributes of elements are ignored. A DOCTYPE is refused, so there are no entities.
    """

    def __init__(self) -> None:
        self._template = Template()
        self._depth = 0
        self._text: list[str] = []
        self._vector: dict[str, str] | None = None
        self._parser = expat.ParserCreate("utf-8")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype

    def read(self, text: str) -> Template:
        """The whole document's attributes; the root's name is free."""
        try:
            self._parser.Parse(text.encode(), True)
        except expat.ExpatError as error:
            raise TemplateError(f"XML Template malformed. {str(error).capitalize()}") from None
        return self._template

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEPTH:
            raise TemplateError(f"XML Template malformed. Elements are nested more than {_DEPTH} deep")
        if self._depth in (2, 3):
            self._text = []
            self._check(name)
        if self._depth == 2:
            self._vector = None
        if self._depth == 3 and self._vector is None:
            self._vector = {}

    def _characters(self, text: str) -> None:
        if self._depth in (2, 3):
            self._text.append(text)

    def _end(self, name: str) -> None:
        if self._depth == 3 and self._vector is not None:
            self._vector.setdefault(name.upper(), self._value())
        if self._depth == 2:
            self._template.add(name, self._value() if self._vector is None else self._vector)
        self._depth -= 1

    def _value(self) -> str:
        value = "".join(self._text)
        if "]]>" in value:
            raise TemplateError('a value cannot contain "]]>"')
        return value

    def _check(self, name: str) -> None:
        if not NAME.match(name):
            line = self._parser.CurrentLineNumber
            raise TemplateError(f"XML Template malformed. A name has letters, digits and _ only: {name} at line {line}")

    @staticmethod
    def _refuse_doctype(*_declaration: object) -> None:
        raise TemplateError("XML Template malformed. A DOCTYPE is not allowed")
