"""How long an operation may take, in seconds; a driver's TIMEOUT in oned.conf overrides it verb by verb."""

from collections.abc import Mapping

from oned.command import Mad

DEFAULTS: dict[str, float] = {
    "DEPLOY": 300,
    "SHUTDOWN": 600,
    "CANCEL": 60,
    "REBOOT": 60,
    "RESET": 60,
    "SAVE": 1800,
    "RESTORE": 1800,
    "MIGRATE": 3600,
    "POLL": 60,
    "MONITOR": 60,
    "TRANSFER": 4 * 3600,
    "CP": 4 * 3600,
    "CLONE": 4 * 3600,
    "MKFS": 4 * 3600,
    "RM": 600,
    "STAT": 60,
}
OTHERS = 300.0
"""Attach, detach, snapshots and whatever is not listed."""

Timeouts = Mapping[tuple[Mad, str], Mapping[str, float]]


def of(timeouts: Timeouts, mad: Mad, driver: str, verb: str) -> float:
    """The seconds of a verb of a driver."""
    return timeouts.get((mad, driver), {}).get(verb, DEFAULTS.get(verb, OTHERS))
