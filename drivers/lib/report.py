"""The attributes of a host as the answer of MONITOR."""

import base64
import re
from collections.abc import Mapping, Sequence

_PLAIN = re.compile(r"[\w.:/%+-]+")
_SPECIAL = re.compile(r'["\\]')
_UNSAFE = re.compile(r'[,"\x00-\x1f]+')


def report(attributes: Mapping[str, str], encoded: bool, vectors: Sequence[str] = ()) -> str:
    """NAME=VALUE words with commas between; one a line and in base64 for the daemons of 4.4 to 5.10.

    A comma would end the value even inside quotes, so a value has neither commas nor quotes; one with blanks is quoted.

    vectors   words of the form NAME=[…], which go out as they are; empty ones are left out
    """
    words = [f"{name}={_value(value)}" for name, value in attributes.items()]
    words += filter(None, vectors)
    return base64.b64encode("\n".join(words).encode()).decode() if encoded else ",".join(words)


def quoted(text: str) -> str:
    """A value of a vector in quotes, whatever is in it but control characters."""
    return '"' + _SPECIAL.sub(r"\\\g<0>", text) + '"'


def _value(value: str) -> str:
    text = _UNSAFE.sub(" ", value).strip()
    return text if _PLAIN.fullmatch(text) else f'"{text}"'
