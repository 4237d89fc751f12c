"""The log of calls: RPC_LOG and LOG_CALL_FORMAT of oned.conf (4.x and later)."""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from oned.user.user import User

SECRET = "****"
SECRET_ARGUMENTS = {"password", "token"}
LONGEST = 20
_CODE = re.compile(r"%(?:l(\d*)|([a-zA-Z%]))")


class Line(NamedTuple):
    """What is known of one call."""

    request: int
    method: str
    user: User
    group: str
    arguments: Sequence[tuple[str, Any]]
    address: str
    port: int


CODES: dict[str, Callable[[Line], object]] = {
    "i": lambda line: line.request,
    "m": lambda line: line.method,
    "u": lambda line: line.user.id,
    "U": lambda line: line.user.name,
    "g": lambda line: line.user.gid,
    "G": lambda line: line.group,
    "p": lambda line: SECRET,
    "a": lambda line: SECRET,
    "A": lambda line: line.address,
    "P": lambda line: line.port,
    "%": lambda line: "%",
}
"""Codes of LOG_CALL_FORMAT but %l, the arguments (%l100 cuts each at 100 characters)."""


def text(form: str, line: Line) -> str:
    """The line of a call. Secrets are never in it."""

    def fill(found: re.Match[str]) -> str:
        if found.group(2) is None:
            return _arguments(line.arguments, int(found.group(1) or LONGEST))
        code = CODES.get(found.group(2))
        return found.group() if code is None else str(code(line))

    return _CODE.sub(fill, form)


def _arguments(arguments: Sequence[tuple[str, Any]], longest: int) -> str:
    return ", ".join(SECRET if name in SECRET_ARGUMENTS else _cut(str(value), longest) for name, value in arguments)


def _cut(value: str, longest: int) -> str:
    value = " ".join(value.split())
    return f'"{value}"' if len(value) <= longest else f'"{value[:longest]}..."'
