"""VMs of nodes that the engine's list lacks and does not call gone: when that is not believed, and what is said.

A VM that was given to another user, an older data base, a wrong filter: the machines may run on, and jobs on them.
"""

from collections.abc import Iterable, Iterator, Sequence

from oned.elastic.care import View
from oned.elastic.reading import Reading

SECONDS = 60.0
"""So long a reading that lacks most nodes is not believed: it is read again meanwhile."""
AGAIN = 20.0
"""Seconds until the next reading while one is not believed: there are two at least before it is."""
_SHOWN = 5


def doubt(reading: Reading, now: float) -> str:
    """Why the reading of VMs is not believed: it lacks most nodes, and did not a moment ago. "" when it is."""
    tokens = {node.token for node in reading.nodes if node.vm >= 0}
    apart = {seen.token: seen.since_apart for seen in reading.vms.items if seen.apart and seen.token in tokens}
    young = [since for since in apart.values() if now - since < SECONDS]
    before = len(tokens) - len(apart) + len(young)
    if 2 * len(young) <= before:
        return ""
    rest = max(young) + SECONDS - now
    return (
        f"The reading of VMs is implausible: of {before} nodes it lacks {len(young)} VMs that oned does not call DONE. "
        f"Nothing is stopped for {rest:.0f} s, unless the next readings have them again."
    )


def notes(views: Iterable[View]) -> Iterator[str]:
    """What people are told of such VMs; nothing when there is none."""
    apart = [view for view in views if view.apart]
    if apart:
        heard = [view for view in apart if view.heard]
        yield f"oned's list lacks the VMs of {len(apart)} nodes: {_words(apart)}. The batch system hears {len(heard)}."


def _words(views: Sequence[View]) -> str:
    some = "; ".join(f"{view.node.name}: {view.apart}" for view in views[:_SHOWN])
    return some if len(views) <= _SHOWN else f"{some}; …"
