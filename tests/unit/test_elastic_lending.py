"""Nodes that are lent come back: drained when tasks wait that are within another's quota, and never to and fro."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from oned.elastic.node import COMING, DRAINING, READY, UNREGISTERED
from oned.elastic.plan import Plan, Verb
from oned.elastic.policy import NodeClass, Pace, Policies, Quota
from oned.elastic.reading import Job
from tests.unit.elastic_world import AT_ONCE, NOW, World, running, verbs

BIRDS = Quota("birds", "project", frozenset({"birds"}), nodes=2)
FISH = Quota("fish", "project", frozenset({"fish"}), nodes=2)
ONE = NodeClass("one", wait=60, most=4)


def lent(fish: Quota = FISH, birds: Quota = BIRDS, *, most: int = 4, pace: Pace = AT_ONCE) -> World:
    """A cluster that is full: the birds' jobs run on all of four nodes, two are theirs."""
    world = World(Policies((replace(ONE, most=most),), quotas=(birds, fish), most=4, pace=pace))
    for number in range(4):
        node = world.add("one", owner="birds", created=NOW - 5000 + number)
        world.run(running(f"b{number}", node, project="birds"))
    return world


def waits(world: World, project: str, tasks: int, waited: float = 1000) -> None:
    world.jobs.append(Job(f"{project} {len(world.jobs)}", project=project, submitted=NOW - waited, tasks=tasks))


def test_nodes_that_were_lent_are_drained_when_tasks_of_another_wait_within_its_quota() -> None:
    world = lent()
    waits(world, "birds", 50)
    assert world.plan().steps == ()
    waits(world, "fish", 9)
    made = world.plan()
    assert verbs(made) == [("drain", "wn0000", "lent"), ("drain", "wn0001", "lent")]
    assert made.steps[0].sentence == (
        "birds has 4 nodes, its quota is 2, and tasks of fish wait that are within theirs: it is taken back"
    )
    world.apply(made.steps)
    assert world.plan().steps == (), "its jobs are left to end, and no third one goes"


def test_when_it_is_empty_a_node_comes_for_those_that_wait() -> None:
    world = lent()
    waits(world, "birds", 50)
    waits(world, "fish", 1)
    world.apply(world.plan().steps)
    world.jobs = [job for job in world.jobs if job.id != "b0"]
    world.hosts["wn0000"] = replace(world.hosts["wn0000"], used=0)
    world.age = -1
    assert verbs(world.plan()) == [("remove", "wn0000", "empty")]
    world.apply(world.plan().steps)
    del world.nodes["wn0000"]
    made = world.plan()
    assert [(step.verb, step.owner) for step in made.steps] == [(Verb.UP, "fish")]


def test_nothing_is_taken_back_for_tasks_that_are_young_or_over_their_own_quota_or_of_nobody() -> None:
    world = lent()
    waits(world, "fish", 9, waited=59)
    assert world.plan().steps == ()
    world = lent(fish=replace(FISH, nodes=0))
    waits(world, "fish", 9)
    assert world.plan().steps == ()
    world = lent(fish=Quota("fish", "project", frozenset({"fish"})))
    waits(world, "fish", 9)
    assert world.plan().steps == (), "who has no share of his own has lent nothing"
    world = lent()
    waits(world, "nobody", 9)
    assert world.plan().steps == ()


def test_nothing_is_taken_back_that_is_the_borrowers_own_or_that_makes_no_room() -> None:
    world = lent(birds=replace(BIRDS, nodes=4))
    waits(world, "fish", 9)
    assert world.plan().steps == ()
    other = NodeClass("other", wait=60, most=0)
    world = lent()
    world.policies = replace(world.policies, classes=(*world.policies.classes, other))
    world.jobs.append(Job("1", project="fish", submitted=NOW - 900, slots=1, queues=frozenset({"other.q"})))
    world.policies = replace(
        world.policies,
        classes=(replace(ONE, queues=frozenset({"all.q"})), replace(other, queues=frozenset({"other.q"}))),
    )
    assert world.plan().steps == ()


def test_a_full_class_gets_room_from_its_own_nodes_only() -> None:
    fast = NodeClass("fast", wait=60, most=1, queues=frozenset({"fast.q"}))
    world = World(Policies((replace(ONE, queues=frozenset({"all.q"})), fast), quotas=(BIRDS, FISH), pace=AT_ONCE))
    for klass in ("one", "one", "fast"):
        node = world.add(klass, owner="birds")
        world.run(running(f"on {node}", node, project="birds"))
    world.jobs.append(Job("1", project="fish", submitted=NOW - 900, queues=frozenset({"fast.q"})))
    assert verbs(world.plan()) == [("drain", "wn0002", "lent")]


def test_what_is_taken_back_keeps_to_the_share_that_may_leave_and_to_the_rest_after_a_change() -> None:
    world = lent(pace=replace(AT_ONCE, max_kill=25))
    waits(world, "fish", 9)
    assert len(world.plan().steps) == 1
    world.policies = replace(world.policies, pace=replace(AT_ONCE, cool_down=120))
    world.facts["last_down"] = NOW - 20
    made = world.plan()
    assert made.steps == ()
    assert "by the rule lent: birds has 4 nodes" in made.explain_node("wn0000")[0]
    assert "100 s are left of COOL_DOWN_DOWN" in made.explain_node("wn0000")[0]


def test_a_node_that_leaves_already_is_room_enough() -> None:
    world = lent()
    world.nodes["wn0003"] = replace(world.nodes["wn0003"], state=DRAINING, drained_by="by hand")
    waits(world, "fish", 1)
    assert world.plan().steps == ()


def test_of_quotas_on_slots_and_money_nodes_are_taken_back_too() -> None:
    for share in ({"slots": 2}, {"cost": 0.2}):
        world = lent(replace(FISH, nodes=1 << 31, **share), replace(BIRDS, nodes=1 << 31, **share))
        world.policies = replace(world.policies, classes=(replace(ONE, price=0.1),))
        waits(world, "fish", 9)
        assert [step.rule for step in world.plan().steps] == ["lent", "lent"]


@given(
    st.lists(st.tuples(st.sampled_from(("birds", "fish", "")), st.integers(1, 9)), max_size=4),
    st.integers(0, 4), st.integers(0, 4), st.sampled_from((25, 100)), st.randoms(use_true_random=False),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_what_is_taken_back_is_never_more_than_was_lent(jobs, birds, fish, kill, rng) -> None:  # type: ignore[no-untyped-def]
    world = lent(replace(FISH, nodes=fish), replace(BIRDS, nodes=birds), pace=replace(AT_ONCE, max_kill=kill))
    for project, tasks in jobs:
        waits(world, project, tasks)
    taken = Counter[str]()
    for _ in range(30):
        made = world.plan()
        before = Counter(node.owner for node in world.nodes.values() if node.state is READY)
        back = [step for step in made.steps if step.rule == "lent"]
        taken.update(world.nodes[step.node].owner for step in back)
        for owner, share in (("birds", birds), ("fish", fish)):
            gone = sum(world.nodes[step.node].owner == owner for step in back)
            assert not gone or before[owner] - gone >= share
        life_goes_on(world, made, rng)
    assert taken["birds"] <= max(0, 4 - birds), "with the same jobs waiting, nothing goes to and fro"
    assert taken["fish"] == 0


def life_goes_on(world: World, made: Plan, rng: object) -> None:
    """Steps are carried out, nodes come up and are filled by whoever waits, jobs on drained nodes end some time."""
    world.apply(made.steps)
    world.age = -1
    for name, node in list(world.nodes.items()):
        if node.state is UNREGISTERED:
            del world.nodes[name]
        elif node.state is DRAINING and rng.random() < 0.5:  # type: ignore[attr-defined]
            world.jobs = [job for job in world.jobs if not any(part.node == name for part in job.parts)]
            world.hosts[name] = replace(world.hosts[name], used=0)
        elif node.state in COMING:
            del world.nodes[name]
            fresh = world.add(node.klass, owner=node.owner, created=node.created)
            world.run(running(f"on {fresh}", fresh, project="birds"))
