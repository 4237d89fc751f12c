"""NAME=VALUE text as drivers print it, in the forms of every era."""

import re
from collections.abc import Iterator

_PAIR = re.compile(
    r"""(?<![\w.])(?P<name>[A-Za-z_][\w.]*)[ \t]*=
        (?: "(?P<quoted>(?:\\.|[^"\\])*)" | (?P<vector>\[(?:[^\[\]"]++|"(?:[^"\\\n]++|\\.)*+")*+\]|\[[^\[\]]*\])
          | (?P<bare>[^\s,]*) )""",
    re.VERBOSE,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def pairs(text: str) -> Iterator[tuple[str, str]]:
    """The upper-case names and the values, in order.

    Pairs are parted by commas, blanks or line ends. A value in quotes may hold any of them; one in brackets
    ("[ID=0, SIZE=255]") comes as it is written, and ends at the bracket that is in no quotes. Words that are no pair
    are passed over.
    """
    for found in _PAIR.finditer(text):
        quoted, plain = found["quoted"], found["vector"] or found["bare"]
        yield found["name"].upper(), plain if quoted is None else _ESCAPED.sub(r"\1", quoted)
