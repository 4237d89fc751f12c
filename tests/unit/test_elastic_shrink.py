"""Plans in small worlds: which nodes go by choice, in which order, and what keeps them."""

from dataclasses import replace

import pytest

from oned.elastic.node import DRAINING
from oned.elastic.plan import Verb
from oned.elastic.policy import Billing, Policies
from oned.elastic.replay import Options, Replay, wishes
from tests.unit.elastic_replays import job, site
from tests.unit.elastic_world import AT_ONCE, CLOUD, LOCAL, NOW, SITE, World, coming, running, verbs, waiting


def test_an_idle_node_is_drained_and_when_it_is_empty_removed_and_forgotten() -> None:
    world = World(SITE)
    node = world.add("local", idle=600)
    assert verbs(world.plan()) == [("drain", node, "idle")]
    world.apply(world.plan().steps)
    world.age = -1
    assert verbs(world.plan()) == [("remove", node, "empty")]
    world.apply(world.plan().steps)
    assert verbs(world.plan()) == [("forget", node, "gone")]


def test_a_node_is_idle_no_longer_than_is_known() -> None:
    """A master that is away may have given it a job just before."""
    world = World(SITE)
    node = world.add("local", idle=620)
    world.age = 30
    assert verbs(world.plan()) == []
    world.age = 20
    assert verbs(world.plan()) == [("drain", node, "idle")]


def test_a_node_is_seen_without_a_job_twice_before_it_goes_at_once() -> None:
    at_once = replace(SITE, classes=tuple(replace(klass, idle=0.0) for klass in SITE.classes))
    world = World(at_once)
    node = world.add("local", idle=5)
    world.age = 5
    assert verbs(world.plan()) == []
    world.age = 4
    assert verbs(world.plan()) == [("drain", node, "idle")]


def test_a_drained_node_is_not_empty_before_it_was_looked_at_again() -> None:
    world = World(SITE)
    world.add("local", DRAINING, since=NOW)
    assert world.plan().steps == ()


def test_a_node_that_waiting_jobs_can_use_stays_and_one_they_cannot_use_goes() -> None:
    world = World(SITE, [waiting("1", waited=1, slots=8, layout=8)])
    small, large = world.add("local", idle=900), world.add("cloud", idle=900, paid_from=NOW - 3500)
    assert verbs(world.plan()) == [("drain", small, "idle")]
    assert "8 slots" in world.plan().explain_node(large)[1]


def test_a_paid_hour_is_used_up() -> None:
    world = World(SITE)
    node = world.add("cloud", idle=900, paid_from=NOW - 3600 - 3299)
    assert verbs(world.plan()) == []
    assert "it is idle, but paid for 301 s more" in world.plan().explain_node(node)[0]
    world.nodes[node] = replace(world.nodes[node], paid_from=NOW - 3600 - 3301)
    assert verbs(world.plan()) == [("drain", node, "idle")]


def test_the_order_is_cloud_first_then_nearest_to_its_paid_hour_then_oldest() -> None:
    world = World(replace(SITE, pace=replace(AT_ONCE, max_kill=1)))
    world.add("local", idle=900, created=5)
    old = world.add("local", idle=900, created=1)
    cloud = world.add("cloud", idle=900, paid_from=NOW - 3400)
    near = world.add("cloud", idle=900, paid_from=NOW - 3500)
    gone = []
    for _ in range(3):
        ((_, node, _),) = [step for step in verbs(world.plan()) if step[0] == "drain"]
        gone.append(node)
        world.apply([step for step in world.plan().steps if step.verb is Verb.DRAIN])
    assert gone == [near, cloud, old]


def test_a_share_of_the_nodes_leaves_at_once() -> None:
    world = World(replace(SITE, classes=(replace(LOCAL, most=20),), pace=replace(AT_ONCE, max_kill=25)))
    for _ in range(8):
        world.add("local", idle=900)
    assert len(world.plan().steps) == 2
    world.policies = replace(world.policies, pace=replace(AT_ONCE, max_kill=0))
    assert world.plan().steps == ()


def test_the_least_number_and_the_spare_slots_stay() -> None:
    world = World(replace(SITE, classes=(replace(LOCAL, least=1, spare=7),)))
    for _ in range(4):
        world.add("local", idle=900)
    assert len(world.plan().steps) == 2
    world.policies = replace(SITE, least=3)
    assert len(world.plan().steps) == 1
    assert "there are to be 3 nodes at least" in str(world.plan().fates)


def test_nothing_leaves_shortly_after_another_has_whatever_has_come() -> None:
    world = World(replace(SITE, pace=replace(AT_ONCE, cool_down=120)))
    node = world.add("local", idle=900)
    world.facts |= {"last_down": NOW - 100, "last_up": NOW - 300}
    assert world.plan().steps == ()
    assert "20 s are left of COOL_DOWN_DOWN" in world.plan().explain_node(node)[0]
    world.facts |= {"last_down": NOW - 121, "last_up": NOW - 1}
    assert len(world.plan().steps) == 1


def test_nodes_above_the_most_are_drained_with_their_jobs_left_to_end() -> None:
    world = World(replace(SITE, classes=(replace(LOCAL, most=2),)))
    nodes = [world.add("local") for _ in range(4)]
    for node, jobs in zip(nodes, (2, 1, 3, 2), strict=True):
        for number in range(jobs):
            world.run(running(f"{node}.{number}", node))
    assert verbs(world.plan()) == [("drain", nodes[0], "max"), ("drain", nodes[1], "max")]
    world.apply(world.plan().steps)
    assert world.plan().steps == ()


def test_nodes_of_a_class_that_is_no_more_in_the_settings_leave() -> None:
    world = World(Policies(pace=AT_ONCE))
    node = world.add("local")
    world.run(running("r", node))
    assert verbs(world.plan()) == [("drain", node, "max")]


def test_an_old_node_is_renewed_after_another_one_has_come() -> None:
    world = World(replace(SITE, classes=(replace(LOCAL, life=1000, least=1),)))
    old = world.add("local")
    world.run(running("r", old))
    assert verbs(world.plan()) == [("up", "local", "min")]
    world.add("local", paid_from=NOW - 10)
    assert verbs(world.plan()) == [("drain", old, "max life")]


def test_a_node_that_was_to_leave_serves_again_when_jobs_come() -> None:
    world = World(SITE, [waiting("1", waited=1)])
    idle = world.add("local", DRAINING, since=NOW - 10, drained_by="idle")
    by_hand = world.add("local", DRAINING, since=NOW - 10, drained_by="hand")
    assert verbs(world.plan()) == [("undrain", idle, "demand"), ("remove", by_hand, "empty")]


@pytest.mark.parametrize(
    ("least", "most", "total"),
    [(2, 2, 9), (2, 3, 2)],
)
def test_where_no_other_may_come_first_an_old_node_goes_first_one_at_a_time(least: int, most: int, total: int) -> None:
    klass = replace(CLOUD, least=least, most=most, life=7200.0, billing=Billing.SECOND)
    world = World(replace(SITE, classes=(klass,), most=total))
    other, old = (world.add("cloud", paid_from=NOW - 9000) for _ in range(2))
    made = world.plan()
    assert verbs(made) == [("drain", other, "max life")]
    world.apply(made.steps)
    assert [step for step in verbs(world.plan()) if step[0] in ("drain", "up")] == []
    world.age = -1
    for _ in range(3):  # it is removed, and forgotten
        world.apply(world.plan().steps)
    assert (other in world.nodes, coming(world)) == (False, 1)
    assert old not in {step.node for step in world.plan().steps}


def test_where_another_may_come_first_it_does() -> None:
    klass = replace(CLOUD, least=2, most=3, life=7200.0)
    world = World(replace(SITE, classes=(klass,)))
    for _ in range(2):
        world.add("cloud", paid_from=NOW - 9000)
    assert verbs(world.plan()) == [("up", "cloud", "min")]


def test_no_node_gets_much_older_than_it_may_where_the_number_is_fixed() -> None:
    text = "MAX = 4\nNODE_CLASS = [ NAME = cloud, CLOUD = YES, SLOTS = 4, MIN = 2, MAX = 2, MAX_LIFE = 7200 ]"
    ages = []
    records = [job(str(number), number / 2, 60) for number in range(48)]
    Replay(
        wishes(records, {}),
        site(text),
        Options(),
        lambda replay: ages.extend(replay.now - node.created for node in replay.nodes.values()),
    ).run()
    assert max(ages) < 7200 + 3600
