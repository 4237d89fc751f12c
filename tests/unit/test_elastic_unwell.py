"""Unwell nodes that fill MAX while jobs wait."""

from dataclasses import replace

from oned.elastic.node import QUARANTINED
from oned.elastic.plan import Plan, Verb
from oned.elastic.policy import Policies, Quota
from tests.unit.elastic_world import AT_ONCE, CLOUD, LOCAL, NOW, World, running, verbs, waiting

ONE = replace(LOCAL, most=2, aside=43200)
SITE = Policies((ONE,), pace=AT_ONCE)


def full(policies: Policies, **job: object) -> World:
    """Two unwell nodes, as many as may be, the second one for longer; and a job that waits."""
    world = World(policies, [waiting("1", **job)])
    for since in (700, 800):
        world.add("local", QUARANTINED, report="no scratch", since=NOW - since)
    return world


def gone(world: World) -> Plan:
    """The plan once the nodes that go are gone."""
    made = world.plan()
    for _ in range(5):
        world.apply(step for step in made.steps if step.verb is not Verb.UP)
        world.nodes = {name: replace(node, since=min(node.since, NOW - 1)) for name, node in world.nodes.items()}
        made = world.plan()
    return made


def test_the_node_that_is_unwell_for_longest_makes_room_and_one_at_a_time() -> None:
    world = full(SITE)
    made = world.plan()
    assert verbs(made) == [("drain", "wn0001", "in the way")]
    assert "MAX of class local is reached, jobs wait for a node, and it is unwell for 800 s" in made.steps[0].sentence
    world.apply(made.steps)
    assert verbs(world.plan()) == []
    assert verbs(gone(world)) == [("up", "local", "demand")]
    assert list(world.nodes) == ["wn0000"]


def test_the_most_of_all_classes_counts_as_well() -> None:
    world = full(Policies((replace(ONE, most=9), replace(CLOUD, most=9)), most=2, pace=AT_ONCE), cloud=True)
    assert verbs(world.plan()) == [("drain", "wn0001", "in the way")]


def test_nobody_makes_room_for_jobs_that_may_have_no_node_or_with_jobs_or_shortly_after_it_was_put_aside() -> None:
    assert full(SITE, waited=30).plan().steps == ()
    strict = replace(SITE, quotas=(Quota("ada", "owner", frozenset(("ada",)), nodes=0, lends=False),))
    assert full(strict, owner="ada").plan().steps == ()
    world = full(SITE)
    world.run(running("r", "wn0001"))
    assert verbs(world.plan()) == [("drain", "wn0000", "in the way")]
    world.nodes["wn0000"] = replace(world.nodes["wn0000"], since=NOW - 500)
    assert world.plan().steps == ()
    world.age = 121
    world.nodes["wn0000"] = replace(world.nodes["wn0000"], since=NOW - 900)
    assert world.plan().steps == ()
