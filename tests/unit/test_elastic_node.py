"""The life of a node: the table and what it promises."""

from dataclasses import replace

import pytest

from oned.elastic.node import (
    COMING,
    EXISTING,
    GONE,
    LIFE,
    LIMITS,
    PLANNED,
    READY,
    STARTING,
    NodeState,
    WrongTransition,
    row,
)
from oned.elastic.policy import NodeClass, Policies
from tests.unit.elastic_world import NOW, World


def test_a_pair_of_state_and_event_is_unique() -> None:
    pairs = [(state, one.event) for one in LIFE for state in one.start]
    assert len(pairs) == len(set(pairs))


def test_every_state_is_reached_and_all_but_the_last_lead_to_it() -> None:
    leads: dict[NodeState, set[NodeState]] = {}
    for one in LIFE:
        for state in one.start:
            leads.setdefault(state, set()).add(one.to)
    reached = {PLANNED}
    while more := {to for state in reached for to in leads.get(state, ())} - reached:
        reached |= more
    assert reached == set(NodeState)
    for state in EXISTING:
        ends = {state}
        while more := {to for one in ends for to in leads.get(one, ())} - ends:
            ends |= more
        assert GONE in ends, state
    assert GONE not in leads


def test_every_state_on_the_way_has_a_limit_and_a_row_for_it() -> None:
    assert set(LIMITS) >= COMING
    for state in COMING:
        assert row(state, "overdue").to is NodeState.FAILED


def test_a_node_that_is_up_goes_only_by_drain_or_when_it_is_lost() -> None:
    ways = {one.event: one.to for one in LIFE if READY in one.start}
    assert set(ways) == {"drain", "taken back", "unhealthy", "unheard", "vm gone"}
    assert NodeState.UNREGISTERED not in ways.values()


def test_jobs_are_let_go_only_at_the_deadline_and_from_lost_nodes() -> None:
    rows = {(state, one.event) for one in LIFE if "release jobs" in one.does for state in one.start}
    assert rows == {(NodeState.DRAINING, "overdue"), (NodeState.LOST, "remove")}


def test_a_wrong_event_says_what_is_possible() -> None:
    with pytest.raises(WrongTransition, match='GONE cannot have the event "drain"; it can have: nothing'):
        row(GONE, "drain")
    with pytest.raises(WrongTransition, match="it can have: drain, taken back, unhealthy, unheard, vm gone"):
        row(READY, "joined")


def test_a_node_whose_vm_could_not_start_is_given_up_at_once() -> None:
    world = World(Policies(classes=(NodeClass("local"),)))
    node = world.add("local", STARTING, since=NOW - 5, report="")
    assert world.plan().steps == ()
    world.vms[node] = replace(world.vms[node], running=False, failed="BOOT_FAILURE: no capacity")
    (step,) = world.plan().steps
    assert (step.verb.value, step.rule, step.sentence) == (
        "remove", "vm failed", "its VM did not start: BOOT_FAILURE: no capacity",
    )  # fmt: skip
