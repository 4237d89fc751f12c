"""Times, sizes and shares as the lists show them."""

import re
import time

_SIZE = re.compile(r"\s*(-?\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", re.IGNORECASE)
_SUFFIXES = "KMGT"


def size(kib: float, *, raw: bool = False) -> str:
    """A size in KiB with the largest unit that keeps it at 1 or more: 524288 is 512M; raw is the number alone."""
    if raw:
        return f"{kib:.0f}"
    unit = 0
    while abs(kib) >= 1024 and unit < len(_SUFFIXES) - 1:
        kib /= 1024
        unit += 1
    return f"{kib:.0f}{_SUFFIXES[unit]}" if kib == int(kib) or unit == 0 else f"{kib:.1f}{_SUFFIXES[unit]}"


def mebibytes(text: str) -> int:
    """A size such as 512, 512M or 2G in MiB; without a unit it is MiB. Raises ValueError."""
    found = _SIZE.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a size such as 512M or 2G")
    power = _SUFFIXES.index(found[2].upper() or "M") - 1
    return int(float(found[1]) * 1024.0**power)


def quantity(text: str) -> float | None:
    """The number that a cell begins with, with its unit counted in, K as 1; None when it does not begin with one."""
    found = re.match(r"\s*(-?\d+(?:\.\d+)?)([KMGT](?![a-z]))?", text)
    if not found:
        return None
    return float(found[1]) * (1024.0 ** _SUFFIXES.index(found[2]) if found[2] else 1)


def share(used: float, total: float, *, memory: bool = False, raw: bool = False) -> str:
    """`100 / 800 (12%)`, of memory in KiB `512M / 15.6G (3%)`; - when there is no total."""
    if total <= 0:
        return "-"
    percent = int(100 * used / total)
    if memory:
        return f"{size(used, raw=raw)} / {size(total, raw=raw)} ({percent}%)"
    return f"{used:.0f} / {total:.0f} ({percent}%)"


def duration(seconds: float) -> str:
    """`  0d 02h31`: days, hours and minutes, 10 characters wide; from 1000 days on without the minutes."""
    minutes = max(int(seconds), 0) // 60
    days, hours = minutes // 1440, minutes // 60 % 24
    return f"{days:3d}d {hours:02d}h{minutes % 60:02d}" if days < 1000 else f"{days}d {hours:02d}h"


def moment(stamp: int) -> str:
    """A time in seconds since the epoch as `MM/DD HH:MM:SS`, local; - when it is not set."""
    return time.strftime("%m/%d %H:%M:%S", time.localtime(stamp)) if stamp > 0 else "-"


def age(since: int, until: int = 0) -> str:
    """How long it took, or takes until now; - when it has not begun."""
    return duration((until or time.time()) - since) if since > 0 else "-"
