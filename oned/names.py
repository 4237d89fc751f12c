"""What the name of an object may be (OpenNebula 4.0 and later, for every kind)."""

import re

from oned.errors import InternalError

LONGEST_NAME = 128
FORBIDDEN = "&|:\\\";/'#{}$<>"
_BLANK = re.compile(r"[\x00-\x1f\x7f]")


def numbered(name: str, number: int) -> str:
    """NAME-7: a name of its own for one of several, cut where it would be too long."""
    end = f"-{number}"
    return name.encode()[: LONGEST_NAME - len(end)].decode(errors="ignore") + end


def check_name(name: str) -> str:
    """The name, without blanks around it. InternalError with the rule it breaks."""
    name = name.strip()
    if not name:
        raise InternalError(detail="Invalid NAME, it cannot be empty")
    if len(name.encode()) > LONGEST_NAME:
        raise InternalError(detail=f"Invalid NAME, max length is {LONGEST_NAME} chars")
    bad = next((char for char in name if char in FORBIDDEN or _BLANK.match(char)), None)
    if bad is not None:
        shown = bad if bad.isprintable() else repr(bad)[1:-1]
        detail = f"Invalid NAME, char '{shown}' is not allowed. Leave out control characters and {' '.join(FORBIDDEN)}"
        raise InternalError(detail=detail)
    return name
