"""REQUIREMENTS and RANK: expressions over attributes, compiled to functions.

    requirement = term { ("&" | "|") term }            from the left, both bind alike; empty is true
    term        = "!" term | "(" requirement ")" | NAME operator value
    operator    = "=" "==" "!=" ">" "<" ">=" "<=" with numbers; "=" "==" "!=" with strings; "@>" for "in the list"
    value       = INTEGER | FLOAT | NAME | "quoted"

    rank        = product { ("+" | "-") product }       empty is 0
    product     = factor { ("*" | "/") factor }
    factor      = NAME | INTEGER | FLOAT | "-" product | "(" rank ")"

NAME is a letter with letters, digits and _ behind it, or any quoted string. Characters that start no token are skipped,
as in OpenNebula. `>=`, `<=`, `==` and a minus without a blank (`FREECPU-5`) are ours. A missing attribute makes every
comparison false.
"""

import math
import operator
import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

Lookup = Callable[[str], str | None]
"""The text of an attribute, None when it is missing."""

Test = Callable[[Lookup], bool]
Number = Callable[[Lookup], float]

_TOKEN = re.compile(
    r'(?P<float>\d++\.\d++)|(?P<integer>\d++)|(?P<name>[A-Za-z]\w*+)|"(?P<quoted>[^"]*+)"'
    r"|(?P<compare>@>|![ \t\r\n]*+=|[<>=]=|[<>=])|(?P<sign>[-+*/&|!()])",
    re.ASCII,
)
_WHOLE = re.compile(r"\s*([+-]?\d{1,400})")
_DECIMAL = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)")
_NUMERIC: dict[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
_DEPTH = 64
_DIGITS = 400
_VMS_OF_A_HOST = "CURRENT_VMS"
"""Its text is a list of ids; equal to a number means that the VM of that id is on the host (OpenNebula 4.4)."""


class ExpressionError(ValueError):
    """The text is not an expression; the message says where and what was expected."""


class _Token(NamedTuple):
    kind: str
    text: str
    start: int


def requirement(text: str) -> Test:
    """A function that says whether the attributes it looks up fulfil the expression.

    Strings are shell patterns, case counts. A comparison with an integer takes the leading integer of the attribute
    ("4.5" is 4), one with a float the leading number. Raises ExpressionError.
    """
    parser = _Requirement(text)
    return parser.whole() if parser.more() else _always


def rank(text: str) -> Number:
    """A function that gives the rank of the attributes it looks up: a whole number, cut at the very end.

    A missing or non-numeric attribute counts as 0, and so does a quotient by 0. Raises ExpressionError.
    """
    parser = _Rank(text)
    if not parser.more():
        return _nothing
    value = parser.whole()

    def whole(lookup: Lookup) -> float:
        result = value(lookup)
        return float(math.trunc(result)) if math.isfinite(result) else 0.0

    return whole


def _always(_lookup: Lookup) -> bool:
    return True


def _nothing(_lookup: Lookup) -> float:
    return 0.0


class _Parser:
    """The tokens of an expression and the place reached in them."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = [_token(found) for found in _TOKEN.finditer(text)]
        self._tokens.append(_Token("end", "", len(text)))
        self._at = 0
        self._depth = 0

    def more(self) -> bool:
        return self._tokens[self._at].kind != "end"

    def peek(self) -> _Token:
        return self._tokens[self._at]

    def take(self) -> _Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def takes(self, signs: str) -> str:
        """The sign that comes next, taken, if it is one of these; else nothing."""
        kind, text, _ = self._tokens[self._at]
        if kind != "sign" or text not in signs:
            return ""
        self._at += 1
        return text

    def close(self) -> None:
        if not self.takes(")"):
            raise self.unexpected(self.peek(), '")"')
        self._depth -= 1

    def deeper(self, token: _Token) -> None:
        self._depth += 1
        if self._depth > _DEPTH:
            raise ExpressionError(f"expression nested more than {_DEPTH} deep at column {token.start + 1}")

    def end(self, expected: str) -> None:
        if self.more():
            raise self.unexpected(self.peek(), expected)

    def number(self, token: _Token) -> float:
        if len(token.text) > _DIGITS:
            raise ExpressionError(f"number of more than {_DIGITS} digits at column {token.start + 1}")
        return float(token.text) if token.kind == "float" else int(token.text)

    def unexpected(self, token: _Token, expected: str) -> ExpressionError:
        shown = "$end" if token.kind == "end" else f'"{token.text[:40]}"'
        line = self._text.count("\n", 0, token.start) + 1
        column = token.start - self._text.rfind("\n", 0, token.start)
        place = f"line {line}, columns {column}:{column + max(len(token.text), 1)}"
        return ExpressionError(f"syntax error, unexpected {shown}, expecting {expected} at {place}")


def _token(found: re.Match[str]) -> _Token:
    kind = found.lastgroup or ""
    text = found[kind]
    return _Token(kind, "!=" if kind == "compare" and text[0] == "!" else text, found.start())


class _Requirement(_Parser):
    def whole(self) -> Test:
        test = self._chain()
        self.end('"&", "|" or the end')
        return test

    def _chain(self) -> Test:
        first = self._term()
        rest: list[tuple[bool, Test]] = []
        while sign := self.takes("&|"):
            rest.append((sign == "&", self._term()))
        return _from_left(first, tuple(rest)) if rest else first

    def _term(self) -> Test:
        negated = False
        while self.takes("!"):
            negated = not negated
        test = self._plain_term()
        return (lambda lookup: not test(lookup)) if negated else test

    def _plain_term(self) -> Test:
        token = self.take()
        if token.kind == "sign" and token.text == "(":
            self.deeper(token)
            test = self._chain()
            self.close()
            return test
        if token.kind in ("name", "quoted"):
            return self._comparison(token.text)
        raise self.unexpected(token, 'a name, "!" or "("')

    def _comparison(self, name: str) -> Test:
        sign = self.take()
        if sign.kind != "compare":
            raise self.unexpected(sign, "a comparison")
        minus = -1 if self.takes("-") else 1
        value = self.take()
        if value.kind in ("integer", "float"):
            return _numeric(name, sign.text, minus * self.number(value))
        if value.kind not in ("name", "quoted") or minus < 0:
            raise self.unexpected(value, "a number" if minus < 0 else "a value")
        if sign.text in (">", "<", ">=", "<="):
            raise self.unexpected(value, "a number")
        return _textual(name, sign.text, value.text)


def _from_left(first: Test, rest: tuple[tuple[bool, Test], ...]) -> Test:
    """`first & a | b …`: an "and" only matters while the value is true, an "or" while it is false."""

    def test(lookup: Lookup) -> bool:
        value = first(lookup)
        for conjunction, term in rest:
            if value is conjunction:
                value = term(lookup)
        return value

    return test


def _numeric(name: str, sign: str, wanted: float) -> Test:
    if sign == "@>" or name == _VMS_OF_A_HOST:
        return _listed(name, f"{wanted:g}" if isinstance(wanted, float) else str(wanted), among=sign != "!=")
    compare = _NUMERIC[sign]
    leading = _leading_float if isinstance(wanted, float) else _leading_int

    def test(lookup: Lookup) -> bool:
        text = lookup(name)
        return text is not None and compare(leading(text), wanted)

    return test


def _textual(name: str, sign: str, pattern: str) -> Test:
    if sign == "@>":
        return _listed(name, pattern, among=True)
    equal = sign != "!="
    if not _WILD.search(pattern):

        def same(lookup: Lookup) -> bool:
            text = lookup(name)
            return text is not None and (text == pattern) is equal

        return same
    matches = _wildcard(pattern)

    def alike(lookup: Lookup) -> bool:
        text = lookup(name)
        return text is not None and (matches(text) is not None) is equal

    return alike


def _listed(name: str, wanted: str, *, among: bool) -> Test:
    def test(lookup: Lookup) -> bool:
        text = lookup(name)
        return text is not None and (wanted in [item.strip() for item in text.split(",")]) is among

    return test


def _leading_int(text: str) -> int:
    found = _WHOLE.match(text)
    return int(found[1]) if found else 0


def _leading_float(text: str) -> float:
    found = _DECIMAL.match(text)
    return float(found[1]) if found else 0.0


_WILD = re.compile(r"[*?\[\\]")
_PIECE = re.compile(r"\*+|\?|\\(?P<literal>.)|\[(?P<negated>[!^]?)(?P<members>\]?[^\]]*)\]|.", re.DOTALL)
_MEMBER = re.compile(r"(.)-(.)|(.)", re.DOTALL)


@lru_cache(maxsize=1024)
def _wildcard(pattern: str) -> Callable[[str], re.Match[str] | None]:
    """A matcher for a shell pattern: `*`, `?`, `[a-z]`, `[!a-z]` and a backslash before a plain character.

    What stands between two stars is searched once (an atomic group), so no pattern takes exponential time.
    """
    chunks = [""]
    for piece in _PIECE.finditer(pattern):
        if piece[0][0] == "*":
            chunks.append("")
        else:
            chunks[-1] += _one_character(piece)
    first, last = chunks[0], chunks[-1]
    if len(chunks) == 1:
        return re.compile(f"{first}\\Z", re.DOTALL).match
    middle = "".join(f"(?>.*?{chunk})" for chunk in chunks[1:-1])
    return re.compile(f"{first}{middle}.*{last}\\Z", re.DOTALL).match


def _one_character(piece: re.Match[str]) -> str:
    """The regular expression for a piece of a pattern that stands for one character."""
    if piece["members"] is not None:
        return _set(piece["members"], negated=bool(piece["negated"]))
    if piece["literal"] is not None:
        return re.escape(piece["literal"])
    return "." if piece[0] == "?" else re.escape(piece[0])


def _set(members: str, *, negated: bool) -> str:
    """The regular expression for a set of characters; a range that runs backwards holds none."""
    parts = []
    for low, high, single in _MEMBER.findall(members):
        if single:
            parts.append(re.escape(single))
        elif low <= high:
            parts.append(f"{re.escape(low)}-{re.escape(high)}")
    if not parts:
        return "." if negated else "(?!)"
    return f"[{'^' if negated else ''}{''.join(parts)}]"


class _Rank(_Parser):
    def whole(self) -> Number:
        number = self._sum()
        self.end('"+", "-", "*", "/" or the end')
        return number

    def _sum(self) -> Number:
        return self._series("+-", self._product)

    def _product(self) -> Number:
        return self._series("*/", self._factor)

    def _series(self, signs: str, operand: Callable[[], Number]) -> Number:
        first = operand()
        rest: list[tuple[Callable[[float, float], float], Number]] = []
        while sign := self.takes(signs):
            rest.append((_ARITHMETIC[sign], operand()))
        return _calculated(first, tuple(rest)) if rest else first

    def _factor(self) -> Number:
        token = self.take()
        if token.kind in ("name", "quoted"):
            return _attribute(token.text)
        if token.kind in ("integer", "float"):
            value = float(self.number(token))
            return lambda _lookup: value
        if token.kind == "sign" and token.text in "-(":
            return self._nested(token)
        raise self.unexpected(token, 'a name, a number, "-" or "("')

    def _nested(self, token: _Token) -> Number:
        self.deeper(token)
        if token.text == "(":
            inner = self._sum()
            self.close()
            return inner
        negated = self._product()
        self._depth -= 1
        return lambda lookup: -negated(lookup)


def _attribute(name: str) -> Number:
    def value(lookup: Lookup) -> float:
        text = lookup(name)
        return 0.0 if text is None else _leading_float(text)

    return value


def _calculated(first: Number, rest: tuple[tuple[Callable[[float, float], float], Number], ...]) -> Number:
    def value(lookup: Lookup) -> float:
        result = first(lookup)
        for calculate, operand in rest:
            result = calculate(result, operand(lookup))
        return result

    return value


def _quotient(dividend: float, divisor: float) -> float:
    return dividend / divisor if divisor else 0.0


_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _quotient,
}
