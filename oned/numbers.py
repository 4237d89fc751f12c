"""Numbers as users write them: ASCII digits, and no more than what holds them: int() also takes `1_0` and `٩`."""

import re

MOST_MIB = 1 << 40
"""Sizes are below so many MiB: more than any file system holds, and in bytes what 64 bits hold."""
MOST = 1 << 31
"""Where nothing else is said, numbers are below this, as in the 32 bits of the wire."""
_DECIMAL = re.compile(r"(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE][+-]?[0-9]{1,2})?")
_LONGEST = 20


def whole(text: str, below: int = MOST) -> int:
    """A whole number of ASCII digits; -1 for anything else, and for one that is not below that."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST else -1
    return number if number < below else -1


def mib(text: str) -> int:
    """A size, MiB; -1 for what is none."""
    return whole(text, MOST_MIB)


def decimal(text: str) -> float:
    """A number with or without a fraction; -1 for anything else, and for one that is not below MOST."""
    number = float(text) if _DECIMAL.fullmatch(text) else -1.0
    return number if number < MOST else -1.0
