"""A step of a plan, or what a person orders, as the event that a node has."""

from collections.abc import Mapping

from oned.elastic.care import MASTER_AWAY, TAKEN_BACK
from oned.elastic.node import (
    COMING,
    DRAINING,
    FAILED,
    JOINING,
    LOST,
    QUARANTINED,
    READY,
    STARTING,
    UNREGISTERED,
    NodeState,
)
from oned.elastic.plan import Step, Verb
from oned.elastic.reading import Node
from oned.elastic.shrink import UNDRAINABLE

BY_HAND = "by hand"
"""The rule of what a person has ordered."""
STOP = ""
"""No event: the VM is stopped, and the node changes when it is gone."""

_ENABLED: Mapping[NodeState, str] = {STARTING: "joined", JOINING: "joined", QUARANTINED: "healthy", LOST: "heard"}
_FAILED: Mapping[str, str] = {"never started": "overdue", "never joined": "overdue", MASTER_AWAY: "overdue",
                              "vm gone": "vm gone", "unhealthy": "unhealthy", TAKEN_BACK: "cancel"}  # fmt: skip
_DRAINED: Mapping[str, str] = {"empty": "empty", "deadline": "overdue"}


def event_of(step: Step, state: NodeState, *, vm_gone: bool) -> str:
    """The event that a node in a state has by a step of a plan; STOP for none.

    vm_gone  its VM was there and is not any more
    """
    if step.verb is Verb.ENABLE:
        return _ENABLED.get(state, "joined")
    if step.verb is Verb.REMOVE:
        return _removed(step.rule, state, vm_gone=vm_gone)
    if step.verb is Verb.DRAIN and step.rule == TAKEN_BACK:
        return "taken back"
    return {Verb.UNDRAIN: "undrain", Verb.QUARANTINE: "unhealthy", Verb.DRAIN: "drain", Verb.FORGET: "vm gone"}[
        step.verb
    ]


def _removed(rule: str, state: NodeState, *, vm_gone: bool) -> str:
    if state in COMING:
        event = _FAILED.get(rule, "failed")
        return "failed" if event == "unhealthy" and state is not JOINING else event
    if state in (FAILED, LOST):
        return "remove"
    if state is UNREGISTERED:
        return STOP
    if state is DRAINING and rule in _DRAINED:
        return _DRAINED[rule]
    return "vm gone" if vm_gone else "unheard"


def ordered(verb: str, node: Node) -> str:
    """The event of an order for a node. Raises ValueError with why it cannot be.

    What a rule drains and may take back into service is drained anew, by hand: then it may not.
    """
    state = node.state
    found = _ORDERED.get((verb, state))
    if verb in ("drain", "remove") and state is DRAINING and node.drained_by in UNDRAINABLE:
        found = "drain"
    if found is None and verb in ("drain", "remove") and state in COMING:
        found = "cancel"
    if found is None:
        raise ValueError(_WHY.get((verb, state), f"a node that is {state.name} cannot be told to {verb}"))
    return found


_ORDERED: Mapping[tuple[str, NodeState], str] = {
    ("drain", READY): "drain",
    ("drain", QUARANTINED): "drain",
    ("undrain", DRAINING): "undrain",
    ("undrain", QUARANTINED): "healthy",
    ("remove", READY): "drain",
    ("remove", QUARANTINED): "drain",
    ("remove", LOST): "remove",
    ("remove", FAILED): "remove",
}
_WHY: Mapping[tuple[str, NodeState], str] = {
    ("remove", DRAINING): "it is being drained already, and goes when its jobs have ended",
    ("drain", DRAINING): "it is being drained already",
    ("undrain", READY): "it takes jobs already",
}
