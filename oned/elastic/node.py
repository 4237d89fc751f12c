"""The life of a node as data: from a state, at an event, to a state, and what is done outside on the way.

A change is written with its intent first, then `does` is done and read back, then the state is written. All that is
done may be done again; after a crash an open intent is done again. In `overdue` the limit of a state has passed.
"""

from dataclasses import dataclass
from enum import Enum


class NodeState(Enum):
    """Where a node is; the value is a sentence for people."""

    PLANNED = "it has a name, an address and a token"
    REGISTERED = "the batch system knows its name; jobs cannot start"
    STARTING = "its VM was ordered"
    JOINING = "its VM runs; it has not reported to the batch system"
    READY = "it takes jobs"
    DRAINING = "jobs that run end, no other starts"
    UNREGISTERED = "the batch system has forgotten it; its VM is being removed"
    GONE = "its VM is gone and its address is free"
    FAILED = "it did not come up"
    LOST = "it came up and is not heard of any more"
    QUARANTINED = "it is up and something is wrong with it; no job starts, a person should look"


PLANNED, REGISTERED, STARTING, JOINING, READY, DRAINING, UNREGISTERED, GONE, FAILED, LOST, QUARANTINED = NodeState

States = frozenset[NodeState]
COMING: States = frozenset((PLANNED, REGISTERED, STARTING, JOINING))
"""On their way, and counted as starting at once: they will have room for jobs."""
SERVING: States = COMING | {READY}
"""What counts for the least number of nodes of a class."""
EXISTING: States = frozenset(NodeState) - {GONE}
"""What counts for the most: each may have a VM that is paid for."""
LEAVING: States = frozenset((DRAINING, UNREGISTERED, FAILED))
"""On their way out."""

LIMITS = {
    PLANNED: 30.0,
    REGISTERED: 30.0,
    STARTING: 600.0,
    JOINING: 300.0,
    DRAINING: 86400.0,
    UNREGISTERED: 30.0,
}
"""Seconds that a node should take at most in a state; those of STARTING, JOINING and DRAINING are settings too."""

HOLD = 120.0
"""Seconds that an address stays taken after its node is gone, where nothing else is said: a name that gets another
address too early is refused, and so is, for a minute, one of a dead node that the master still has a connection to."""


@dataclass(frozen=True)
class Row:
    """One transition. `does` is what is done outside, "" for nothing."""

    start: States
    event: str
    to: NodeState
    does: str = ""


def _one(*states: NodeState) -> States:
    return frozenset(states)


# fmt: off
LIFE = (
    # from                      event              to            what is done
    Row(_one(PLANNED),          "register",        REGISTERED,   "register"),
    Row(_one(REGISTERED),       "start",           STARTING,     "start"),
    Row(_one(STARTING),         "running",         JOINING),
    Row(_one(STARTING, JOINING), "joined",         READY,        "enable"),
    # -- what did not come up; it may have been enabled all the same, by a call that was not answered
    Row(COMING,                 "failed",          FAILED,       "drain, keep console"),
    Row(COMING,                 "overdue",         FAILED,       "drain, keep console"),
    Row(_one(STARTING, JOINING), "vm gone",        FAILED,       "drain"),
    Row(COMING,                 "cancel",          FAILED,       "drain"),
    Row(_one(JOINING),          "unhealthy",       FAILED,       "drain, keep console"),
    # -- in service and out of it
    Row(_one(READY),            "drain",           DRAINING,     "drain"),
    Row(_one(STARTING, JOINING, LOST), "drain",    DRAINING,     "drain"),
    Row(_one(QUARANTINED, DRAINING), "drain",      DRAINING,     "drain"),
    Row(_one(DRAINING),         "undrain",         READY,        "enable"),
    Row(_one(READY, DRAINING),  "unhealthy",       QUARANTINED,  "drain"),
    Row(_one(QUARANTINED),      "healthy",         READY,        "enable"),
    Row(_one(READY, DRAINING, QUARANTINED), "taken back", DRAINING, "drain, start jobs again"),
    Row(_one(READY, DRAINING, QUARANTINED), "unheard", LOST,     "drain"),
    Row(_one(READY, DRAINING, QUARANTINED), "vm gone", LOST,     "drain"),
    Row(_one(LOST),             "heard",           READY,        "enable"),
    # -- the way out; jobs are let go only where nothing else can be done, or what may start again at a spot notice
    Row(_one(DRAINING),         "empty",           UNREGISTERED, "unregister"),
    Row(_one(DRAINING),         "overdue",         UNREGISTERED, "drain, release jobs, unregister"),
    # -- a machine that may still run, or report late, is ended before its name is nobody's, unless it serves after all
    Row(_one(LOST),             "remove",          UNREGISTERED, "drain, stop, release jobs, unregister"),
    Row(_one(FAILED),           "remove",          UNREGISTERED, "drain, stop, unregister"),
    Row(_one(UNREGISTERED),     "stop",            GONE,         "stop, free the address"),
    Row(_one(UNREGISTERED),     "vm gone",         GONE,         "free the address"),
)
# fmt: on
"""The rows. A pair of state and event is unique."""

_ROWS = {(state, row.event): row for row in LIFE for state in row.start}


class WrongTransition(ValueError):
    """An event that a node in this state cannot have; nothing has changed."""


def row(state: NodeState, event: str) -> Row:
    """The transition of a node in a state at an event. Raises WrongTransition."""
    found = _ROWS.get((state, event))
    if found is None:
        known = ", ".join(sorted(name for at, name in _ROWS if at is state)) or "nothing"
        raise WrongTransition(f'a node that is {state.name} cannot have the event "{event}"; it can have: {known}')
    return found
