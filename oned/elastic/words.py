"""Times and amounts as people read them."""

import re

_SPAN = re.compile(r"\b\d+ [smhd]\b(?: \d+ [smhd]\b)?")


def span(seconds: float) -> str:
    """A length of time with its two largest units: 45 s, 3 m 20 s, 2 h 5 m, 3 d 4 h."""
    left = round(seconds)
    if left < 60:
        return f"{left} s"
    for large, small, size, part in (("m", "s", 60, 1), ("h", "m", 3600, 60), ("d", "h", 86400, 3600)):
        if large == "d" or left < size * (60 if large == "m" else 24):
            rest = left % size // part
            return f"{left // size} {large} {rest} {small}" if rest else f"{left // size} {large}"
    return ""


def hours(amount: float) -> str:
    """Hours: 0.25, 3.5, 1,204."""
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:.3g}"


def untimed(sentence: str) -> str:
    """A sentence without its lengths of time: the same while only time goes by."""
    return _SPAN.sub("…", sentence)
