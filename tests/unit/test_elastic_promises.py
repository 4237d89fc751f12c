"""What holds for every plan, whatever waits and runs: by random worlds."""

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from oned.elastic.cost import Budget
from oned.elastic.demand import demand, kind_of
from oned.elastic.growth import Growth
from oned.elastic.node import (
    COMING,
    DRAINING,
    EXISTING,
    FAILED,
    JOINING,
    LOST,
    QUARANTINED,
    READY,
    STARTING,
    UNREGISTERED,
)  # fmt: skip
from oned.elastic.packing import Packing, Room, empty
from oned.elastic.plan import STOPS, Plan, Verb
from oned.elastic.policy import Billing, Caps, NodeClass, Pace, Policies, Quota
from oned.elastic.reading import SPREAD, WHOLE, Job, JobState
from tests.unit.elastic_world import AT_ONCE, NOW, World, running

QUEUES = (frozenset[str](), frozenset({"all.q"}), frozenset({"big.q"}), frozenset({"all.q", "big.q"}))
STATES = (READY,) * 6 + (DRAINING, STARTING, JOINING, FAILED, LOST, QUARANTINED, UNREGISTERED)


@st.composite
def node_classes(draw: st.DrawFn) -> tuple[NodeClass, ...]:
    made = []
    for number in range(draw(st.integers(1, 3))):
        least = draw(st.integers(0, 2))
        made.append(
            NodeClass(
                f"c{number}",
                slots=draw(st.integers(1, 8)),
                memory=draw(st.sampled_from((0, 2048, 8192))),
                queues=draw(st.sampled_from(QUEUES)),
                cloud=draw(st.booleans()),
                least=least,
                most=draw(st.integers(least, 5)),
                spare=draw(st.sampled_from((0, 0, 0, 3))),
                wait=draw(st.sampled_from((0.0, 60.0))),
                price=draw(st.sampled_from((0.0, 0.1, 0.7))),
                billing=draw(st.sampled_from(Billing)),
                life=draw(st.sampled_from((0.0, 0.0, 3000.0))),
                aside=draw(st.sampled_from((0.0, 1000.0))),
            )
        )
    return tuple(made)


@st.composite
def jobs(draw: st.DrawFn, number: int) -> Job:
    piece = draw(st.integers(1, 6))
    layout = draw(st.sampled_from((WHOLE, WHOLE, SPREAD, piece)))
    slots = piece * draw(st.integers(1, 3)) if layout == piece else piece
    return Job(
        f"j{number}",
        project=draw(st.sampled_from(("p", "q", ""))),
        state=draw(st.sampled_from((JobState.WAITING,) * 5 + (JobState.HELD, JobState.FAILED))),
        submitted=NOW - draw(st.sampled_from((1.0, 90.0, 900.0))),
        tasks=draw(st.integers(1, 12)),
        slots=slots,
        layout=layout,
        memory=draw(st.sampled_from((0, 0, 512, 2048))),
        queues=draw(st.sampled_from(QUEUES)),
        cloud=draw(st.sampled_from((None, None, None, True, False))),
        starts=NOW + draw(st.sampled_from((-5.0, -5.0, -5.0, 5.0))),
    )


@st.composite
def worlds(draw: st.DrawFn, pace: Pace = AT_ONCE, quotas: bool = True) -> World:
    classes = draw(node_classes())
    quota = Quota("vo", "project", frozenset({"p"}), nodes=draw(st.integers(0, 3)), lends=draw(st.booleans()))
    policies = Policies(
        classes,
        least=draw(st.integers(0, 2)),
        most=draw(st.integers(2, 9)),
        quotas=(quota,) if quotas and draw(st.booleans()) else (),
        caps=draw(st.sampled_from((Caps(), Caps(hour=0.5), Caps(hour=2.0, day=3.0)))),
        pace=pace,
        look_ahead=draw(st.booleans()),
    )
    world = World(policies, [draw(jobs(number)) for number in range(draw(st.integers(0, 5)))])
    for number in range(draw(st.integers(0, 7))):
        _add_node(draw, world, number)
    return world


def _add_node(draw: st.DrawFn, world: World, number: int) -> None:
    klass = draw(st.sampled_from(world.policies.classes))
    state = draw(st.sampled_from(STATES))
    age = draw(st.sampled_from((20.0, 3000.0)))
    node = world.add(klass.name, state, idle=draw(st.sampled_from((0, 5, 4000))), since=NOW - age, vm=number)
    world.nodes[node] = replace(world.nodes[node], drained_by="idle" if state is DRAINING else "")
    if state is QUARANTINED:
        world.nodes[node] = replace(world.nodes[node], report=draw(st.sampled_from(("ok", "unwell"))))
    if node in world.hosts and state in (READY, DRAINING) and draw(st.booleans()):
        slots = draw(st.integers(1, klass.slots))
        ends = NOW + draw(st.sampled_from((-10.0, 50.0, 5000.0)))
        world.run(running(f"r{number}", node, slots, ends=ends, rerun=draw(st.booleans())))
    if node in world.hosts and draw(st.integers(0, 5)) == 0:
        world.hosts[node] = replace(world.hosts[node], heard=False, silent=draw(st.sampled_from((20.0, 900.0))))


def existing(world: World) -> Counter[str]:
    return Counter(node.klass for node in world.nodes.values() if node.state in EXISTING)


def ready(world: World) -> Counter[str]:
    return Counter(node.klass for node in world.nodes.values() if node.state is READY)


@given(worlds())
@settings(max_examples=100, deadline=None)
def test_a_plan_keeps_within_every_limit(world: World) -> None:
    made = world.plan()
    no_cap_is_passed(world, made)
    no_strict_quota_is_passed(world, made)
    the_least_numbers_stay(world, made)
    a_node_with_jobs_is_removed_only_when_it_is_lost(world, made)
    every_task_is_accounted_for(world, made)
    no_most_is_passed(world, made)


def no_cap_is_passed(world: World, made: Plan) -> None:
    for name in ("hour", "day", "month"):
        cap, before, after = (getattr(one, name) for one in (world.policies.caps, made.before, made.after))
        assert after <= max(cap, before) + 1e-6


def no_strict_quota_is_passed(world: World, made: Plan) -> None:
    owned = Counter(step.owner for step in made.steps if step.verb is Verb.UP)
    for quota in world.policies.quotas:
        assert quota.lends or owned[quota.name] <= quota.nodes


def the_least_numbers_stay(world: World, made: Plan) -> None:
    steps = [step for step in made.steps if not step.node or may_serve(world, step.node)]
    would_be = Counter(
        step.klass
        for step in steps
        if step.verb in (Verb.ENABLE, Verb.DRAIN) and world.nodes[step.node].state is not READY
    )
    before = ready(world) + would_be
    drained = Counter(step.klass for step in steps if step.verb is Verb.DRAIN)
    first = Counter(  # of those that are too old one goes where no other may come before
        {
            step.klass
            for step in steps
            if step.rule == "max life" and world.policies.tight(world.policies.klass(step.klass))
        }
    )
    for klass in world.policies.classes:
        name = klass.name
        assert drained[name] == 0 or before[name] - drained[name] >= klass.least - first[name]
    assert not drained or before.total() - drained.total() >= world.policies.least - min(1, first.total())


def may_serve(world: World, node: str) -> bool:
    """Whether it serves, or would if it were let: its end then counts against the least number."""
    if world.nodes[node].state is QUARANTINED and not (node in world.hosts and world.hosts[node].heard):
        return False
    return world.nodes[node].report == "ok"


def a_node_with_jobs_is_removed_only_when_it_is_lost(world: World, made: Plan) -> None:
    busy = {part.node for job in world.jobs for part in job.parts}
    for step in made.steps:
        if step.node in busy and step.verb is Verb.REMOVE:
            assert step.rule == "lost"
            assert not world.hosts[step.node].heard


def every_task_is_accounted_for(world: World, made: Plan) -> None:
    for served in made.served:
        assert served.tasks == served.unmet + sum(tasks for _, tasks in served.where)
        assert served.unmet == 0 or served.reason
    told = {job for served in made.served for job in served.jobs} | {job for kept in made.kept for job in kept.jobs}
    assert told == {job.id for job in world.jobs if job.state is not JobState.RUNNING}


def no_most_is_passed(world: World, made: Plan) -> None:
    before = existing(world)
    world.apply([step for step in made.steps if step.verb is Verb.UP])
    for klass in world.policies.classes:
        assert existing(world)[klass.name] <= max(klass.most, before[klass.name])
    assert existing(world).total() <= max(world.policies.most, before.total())


@given(worlds(replace(AT_ONCE, max_kill=25)))
@settings(max_examples=50, deadline=None)
def test_a_share_of_the_nodes_begins_to_leave_in_a_cycle_at_most(world: World) -> None:
    leaving = [
        step
        for step in world.plan().steps
        if (step.verb is Verb.DRAIN or step.rule == "lost") and world.nodes[step.node].state in (READY, LOST)
    ]
    lost = sum(node.state is LOST for node in world.nodes.values())
    assert len([step for step in leaving if world.nodes[step.node].state is READY]) <= max(1, ready(world).total() // 4)
    assert len(leaving) <= max(1, ready(world).total() // 4) + lost


@given(worlds(), st.floats(121, 5000))
@settings(max_examples=50, deadline=None)
def test_an_old_reading_stops_nothing_and_an_older_one_changes_nothing(world: World, age: float) -> None:
    world.age = age
    steps = world.plan().steps
    assert not [step for step in steps if step.verb in STOPS]
    assert age <= 600 or steps == ()


@given(worlds(quotas=False))
@settings(max_examples=200, deadline=None)
def test_a_plan_that_was_carried_out_asks_for_no_more_nodes(world: World) -> None:
    # A node that is to leave but stays until others have come still serves: its tasks ask when it goes.
    assume(not [fate for fate in world.plan().fates if fate.rule in ("max", "max life") and fate.verb is None])
    carried_out_it_asks_for_no_more(world)


def carried_out_it_asks_for_no_more(world: World) -> None:
    first = world.plan()
    world.apply([step for step in first.steps if step.verb not in (Verb.REMOVE, Verb.FORGET)])  # these make room
    again = world.plan()
    assert [step for step in again.steps if step.verb in (Verb.UP, Verb.UNDRAIN, Verb.ENABLE)] == []
    back = {step.node for step in first.steps if step.verb in (Verb.UNDRAIN, Verb.ENABLE)}
    assert [step for step in again.steps if step.node in back and step.rule == "idle"] == []


def test_a_young_job_does_not_take_the_node_that_an_older_one_waits_for() -> None:
    cloud = NodeClass("cloud", slots=1, cloud=True, wait=0, most=2)
    full = NodeClass("full", slots=1, wait=0, most=0)
    young = Job("young", submitted=NOW - 1, queues=frozenset({"all.q"}))
    world = World(Policies((cloud, full), pace=AT_ONCE), [young, Job("old", submitted=NOW - 1, cloud=True)])
    assert "cloud: our own hosts first, waited 1 of 120 s" in world.plan().explain_job("young")[0]
    carried_out_it_asks_for_no_more(world)
    assert len(world.nodes) == 1


def test_nothing_is_promised_to_a_node_that_is_drained_whatever_waits() -> None:
    classes = (NodeClass("more", wait=0, most=2, life=3000), NodeClass("gone", most=0))
    for klass, state, first in (("gone", READY, "drain"), ("more", READY, "drain"), ("more", QUARANTINED, "drain")):
        world = World(Policies(classes, pace=AT_ONCE), [Job("1", submitted=NOW - 200)])
        node = world.add(klass, state)
        made = world.plan()
        assert [(step.verb.value, step.node) for step in made.steps] == [(first, node), ("up", "")]
        carried_out_it_asks_for_no_more(world)


def test_a_node_that_was_put_aside_and_goes_is_none_of_the_ready_ones_that_may_leave() -> None:
    classes = (NodeClass("gone", most=0), NodeClass("more", wait=0, most=1))
    world = World(Policies(classes, pace=AT_ONCE), [Job("1", submitted=NOW - 200)])
    world.add("gone", QUARANTINED)
    world.add("gone", READY)
    assert [step.verb.value for step in world.plan().steps] == ["drain", "drain", "up"]
    carried_out_it_asks_for_no_more(world)


def test_a_node_that_serves_again_has_room_when_its_jobs_end_soon() -> None:
    classes = (NodeClass("two", slots=2, wait=0, most=1), NodeClass("one", wait=0, most=1))
    jobs = [Job("1", submitted=NOW - 100), Job("2", submitted=NOW - 100, slots=2)]
    world = World(Policies(classes, pace=AT_ONCE), jobs)
    node = world.add("two", DRAINING, drained_by="idle")
    world.run(running("r", node, ends=NOW + 50))
    carried_out_it_asks_for_no_more(world)
    assert len(world.nodes) == 2


def test_young_jobs_share_the_spare_nodes_as_if_all_of_them_had_been_there_at_first() -> None:
    jobs = [Job("on two", submitted=NOW - 1, slots=2, layout=1), Job("single", submitted=NOW - 1, tasks=4)]
    world = World(Policies((NodeClass("four", slots=4, spare=3, most=3),), most=3, pace=AT_ONCE), jobs)
    carried_out_it_asks_for_no_more(world)
    assert len(world.nodes) == 3


def test_spare_slots_of_one_class_are_looked_at_again_when_another_one_has_grown() -> None:
    classes = (
        NodeClass("local", slots=5, wait=0, most=1),
        NodeClass("cloud", slots=2, cloud=True, wait=0, spare=3, most=3),
        NodeClass("small", slots=1, spare=3, wait=0, most=1),
    )
    jobs = [Job("wide", submitted=NOW - 1, slots=5, layout=SPREAD, tasks=2)]
    carried_out_it_asks_for_no_more(World(Policies(classes, most=6, pace=AT_ONCE), jobs))


def test_a_node_that_is_too_old_and_waits_for_another_does_not_let_an_idle_one_go() -> None:
    classes = (NodeClass("one", most=1), NodeClass("old", least=1, most=2, life=3000))
    world = World(Policies(classes, least=1, most=2, pace=AT_ONCE))
    world.add("one", READY, idle=4000)
    world.add("old", QUARANTINED)
    assert [step.verb.value for step in world.plan().steps] == ["enable"]
    carried_out_it_asks_for_no_more(world)


def test_a_lost_node_whose_removal_is_put_off_does_not_count_for_the_least() -> None:
    world = World(Policies((NodeClass("a", least=2),), least=2, pace=replace(AT_ONCE, max_kill=25)))
    for _ in range(2):
        node = world.add("a")
        world.hosts[node] = replace(world.hosts[node], heard=False, silent=900)
    assert [step.verb.value for step in world.plan().steps] == ["remove", "up", "up"]


@given(worlds(Pace(step_up=2, booting=3, cool_down=0)))
@settings(max_examples=60, deadline=None)
def test_plans_come_to_rest(world: World) -> None:
    for _ in range(25):
        made = world.plan()
        if not made.steps:
            return
        world.apply(made.steps)
        for name, node in world.nodes.items():
            if node.state in COMING:  # it comes up before the next plan
                kind = world.policies.klass(node.klass)
                world.add(node.klass, READY, idle=1, owner=node.owner, created=node.created)
                del world.nodes[name]
                world.vms.pop(name, None)
                world.hosts.pop(name, None)
                assert kind.name == node.klass
                break
    pytest.fail(f"after 25 cycles it still wants {made.steps}")


@given(worlds())
@settings(max_examples=50, deadline=None)
def test_what_can_never_run_asks_for_nothing(world: World) -> None:
    made = world.plan()
    assert Plan.of(made.json()) == made
    hopeless = {job for served in made.served if served.impossible for job in served.jobs}
    world.jobs = [job for job in world.jobs if job.id not in hopeless]
    assert [step for step in world.plan().steps if step.verb is Verb.UP] == [
        step for step in made.steps if step.verb is Verb.UP
    ]


@given(worlds())
@settings(max_examples=100, deadline=None)
def test_packing_never_fills_a_node_over_its_brim(world: World) -> None:
    policies, reading = world.policies, world.reading()
    bins = [
        empty(kind_of(klass), f"{klass.name} {number}", klass.name, Room.FREE)
        for klass in policies.classes
        for number in range(2)
    ]
    packing = Packing(bins, Growth(policies, reading, Budget(policies, reading, NOW), NOW), NOW, look_ahead=True)
    placed = packing.pack(demand(world.jobs, (), policies, NOW))
    for bin in packing.bins:
        assert bin.free >= 0
        assert bin.memory >= 0
        assert bin.taken == bin.kind.slots - bin.free
    slots = sum(one.want.shape.slots * (one.want.tasks - one.unmet) for one in placed)
    assert slots == sum(bin.taken for bin in packing.bins)


def test_the_order_of_what_was_read_changes_nothing() -> None:
    policies = Policies((NodeClass("a", slots=4, most=9),), most=9, pace=AT_ONCE)
    world = World(policies, [Job(str(number), submitted=NOW - 99, slots=1 + number % 4) for number in range(20)])
    for number in range(6):
        world.add("a", idle=900 if number % 2 else 0)
    steps = world.plan().steps
    random.Random(7).shuffle(world.jobs)
    assert world.plan().steps == steps
