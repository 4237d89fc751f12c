"""Questions that a VM template asks of whoever instantiates it: USER_INPUTS (OpenNebula 4.12 and later).

    USER_INPUTS = [
      DB_NAME = "M|text|Name of the data base",
      SIZE    = "O|list|How big|small,large|small",
      MEMORY  = "M|range|Memory in MiB|512..4096|1024" ]
    INPUTS_ORDER = "DB_NAME,SIZE"

A declaration is M (needed) or O, the type, the question, what may be chosen, and the default. The answer is an
attribute of that name, and CPU, MEMORY or VCPU may be asked for as well.
"""

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from oned.template.template import Template

USER_INPUTS, INPUTS_ORDER = "USER_INPUTS", "INPUTS_ORDER"
_WHOLE = re.compile(r"[+-]?[0-9]+")
_RANGE = re.compile(r"\s*(\S+?)\s*\.\.\s*(\S+)\s*")


class InputError(ValueError):
    """An answer is missing or none that the template allows, or the question cannot be read; the text says which."""


class Input(NamedTuple):
    """One question.

    kind     one of KINDS; a word that is none is taken as text
    options  what may be chosen, as it is written: "a,b,c" or "1..9"
    """

    name: str
    needed: bool
    kind: str
    question: str
    options: str = ""
    default: str = ""

    @property
    def choices(self) -> list[str]:
        """The words of a list."""
        return [word.strip() for word in self.options.split(",")]

    def check(self, value: str) -> None:
        """InputError unless the value is one that is allowed."""
        wanted = KINDS.get(self.kind, KINDS["text"])(self, value)
        if wanted:
            raise InputError(f"{self.name} must be {wanted}, not {value!r}{self._asked()}")

    def missing(self) -> InputError:
        """The error for an answer that is needed and was not given."""
        return InputError(f"{self.name} is needed{self._asked()}")

    def _asked(self) -> str:
        return f". It is: {self.question}" if self.question else ""


def declared(template: Template) -> list[Input]:
    """The questions of a template: those of INPUTS_ORDER first, then the others as they come. InputError."""
    found = {name: _declaration(name, text) for name, text in template.vector(USER_INPUTS).items()}
    order = [name.strip().upper() for name in template.get(INPUTS_ORDER).split(",")]
    first = [found[name] for name in dict.fromkeys(order) if name in found]
    return first + [item for name, item in found.items() if name not in order]


def _declaration(name: str, text: str) -> Input:
    needed, kind, question, options, *rest = [*(part.strip() for part in text.split("|", 4)), "", "", "", ""]
    if needed.upper() not in ("M", "O"):
        raise InputError(f"USER_INPUTS of the template: {name} begins with M or O and a bar, not with {text[:20]!r}")
    return Input(name, needed.upper() == "M", kind.lower(), question, options, rest[0])


def answers(template: Template, given: Template) -> dict[str, str]:
    """The attributes that the answers make of what is given: what was said, else what the template has or defaults to.

    Attributes that the template has already are not repeated. InputError for an answer that is missing or not allowed.
    """
    found = {}
    for item in declared(template):
        if item.name in given:
            found[item.name] = _given(item, given)
        elif item.name not in template and item.default:
            found[item.name] = item.default
        elif item.name not in template and item.needed:
            raise item.missing()
    return found


def _given(item: Input, given: Template) -> str:
    if given.vector(item.name):
        raise InputError(f"{item.name} is a text, not a vector")
    value = given.get(item.name)
    if value:
        item.check(value)
    elif item.needed:
        raise item.missing()
    return value


Check = Callable[[Input, str], str]
"""What a value must be, "" if it is that."""


def _anything(_item: Input, _value: str) -> str:
    return ""


def _base64(_item: Input, value: str) -> str:
    try:
        base64.b64decode("".join(value.split()), validate=True).decode()
    except (binascii.Error, ValueError):
        return "a text in base64"
    return ""


def _number(value: str, *, whole: bool) -> float | None:
    """The number, None for anything else."""
    if whole:
        return int(value) if _WHOLE.fullmatch(value) and len(value) < 20 else None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _numeric(*, whole: bool) -> Check:
    def check(_item: Input, value: str) -> str:
        return ("a whole number" if whole else "a number") if _number(value, whole=whole) is None else ""

    return check


def _ends(item: Input) -> tuple[float, float]:
    """The lowest and the highest number of a range."""
    found = _RANGE.fullmatch(item.options)
    low, high = (_number(end, whole=False) for end in found.groups()) if found else (None, None)
    if low is None or high is None:
        raise InputError(f"USER_INPUTS of the template: the range of {item.name} is LOW..HIGH, not {item.options!r}")
    return low, high


def _ranged(*, whole: bool) -> Check:
    def check(item: Input, value: str) -> str:
        low, high = _ends(item)
        number = _number(value, whole=whole)
        inside = number is not None and low <= number <= high
        return "" if inside else f"a {'whole ' if whole else ''}number from {item.options.replace('..', ' to ')}"

    return check


def _listed(item: Input, value: str) -> str:
    return "" if value in item.choices else f"one of {', '.join(item.choices)}"


def _several(item: Input, value: str) -> str:
    chosen = [word.strip() for word in value.split(",")]
    return "" if set(chosen) <= set(item.choices) else f"some of {', '.join(item.choices)}, with commas between them"


def _truth(_item: Input, value: str) -> str:
    return "" if value.upper() in ("YES", "NO") else "YES or NO"


def _fixed(item: Input, value: str) -> str:
    return "" if value == item.default else f"{item.default!r}, which is fixed"


KINDS: Mapping[str, Check] = {
    "text": _anything,
    "text64": _base64,
    "password": _anything,
    "number": _numeric(whole=True),
    "number-float": _numeric(whole=False),
    "range": _ranged(whole=True),
    "range-float": _ranged(whole=False),
    "list": _listed,
    "list-multiple": _several,
    "boolean": _truth,
    "fixed": _fixed,
}
"""Type of a question → the check of an answer."""
