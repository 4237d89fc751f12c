"""The ports of consoles: each VM of a host that shows its screen has its own."""

from collections.abc import Container, Mapping

LAST = 65535
SERVED = ("vnc", "spice")
"""Types of GRAPHICS that listen on a port."""


def usual(vid: int, base: int) -> int:
    """The port of a VM, if nothing says another: the first one plus its id."""
    return base + vid % (LAST - base)


def port_of(vid: int, graphics: Mapping[str, str], base: int) -> int | None:
    """The port that a VM listens on; None for one that listens on none."""
    if graphics.get("TYPE", "").lower() not in SERVED:
        return None
    given = graphics.get("PORT", "")
    return int(given) if given.isdecimal() else usual(vid, base)


def free(vid: int, base: int, taken: Container[int | None]) -> int:
    """The usual port of a VM, or the next one that is not taken; the usual one when all are."""
    first = usual(vid, base)
    ports = (base + (first - base + step) % (LAST - base) for step in range(LAST - base))
    return next((port for port in ports if port not in taken), first)
