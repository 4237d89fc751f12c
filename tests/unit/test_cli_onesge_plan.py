"""A plan for people, and how two plans differ."""

import pytest

from oned.cli.onesge.plan_views import differences, show_plan, waited
from oned.elastic.plan import Plan
from oned.elastic.policy import NodeClass, Policies
from oned.elastic.reading import JobState
from tests.unit.elastic_world import World, running, waiting

POLICIES = Policies(classes=(NodeClass("local", slots=2, price=0.25, most=3, idle=60),))


@pytest.fixture
def world() -> World:
    made = World(POLICIES, [waiting("7", 3700, slots=2, tasks=3), waiting("8", slots=64),
                            waiting("9", state=JobState.HELD)])  # fmt: skip
    made.run(running("1", made.add("local"), slots=2))
    return made


def test_a_plan_says_what_waits_what_is_done_and_what_it_costs(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    show_plan(world.plan())
    text = capsys.readouterr().out
    assert (
        "  3 tasks of 2 slots, on one node: job 7, the oldest waits 1 h 1 min\n      2 on new nodes (2 of local)"
        in text
    )
    assert "      1 wait on: " in text
    assert "  1 task of 64 slots, on one node: job 8, the oldest waits 16 min 40 s\n      can never run: " in text
    assert "NOT COUNTED\n  job 9: held" in text
    assert "  up a node of class local           demand: " in text
    assert "(+0.25 an hour)" in text
    assert "  wn0000 local READY                 stays, state: it takes jobs" in text
    assert "an hour         0.25 ->      0.75" in text


def test_tasks_that_have_room_on_nodes_which_come_for_others_are_told_as_such(
    capsys: pytest.CaptureFixture[str],
) -> None:
    large = Policies(classes=(NodeClass("local", slots=4),))
    show_plan(World(large, [waiting("7", slots=3), waiting("8")]).plan())
    text = capsys.readouterr().out
    assert "1 on new nodes (1 of local)" in text
    assert "1 on new nodes (that come for others)" in text
    assert "()" not in text


def test_nodes_that_stay_are_counted_where_they_are_many(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    show_plan(world.plan(), whole=False)
    text = capsys.readouterr().out
    assert "  1 READY stay as they are" in text
    assert "wn0000" not in text


def test_an_empty_plan_says_that_nothing_is_to_be_done(capsys: pytest.CaptureFixture[str]) -> None:
    show_plan(World(POLICIES).plan())
    assert "STEPS\n  nothing is to be done" in capsys.readouterr().out


def test_two_plans_differ_in_steps_nodes_and_demand(world: World) -> None:
    old = world.plan()
    world.jobs = [job for job in world.jobs if job.id != "7"]
    world.add("local", idle=900)
    new = world.plan()
    assert old.digest != new.digest
    assert differences(old, new) == [
        "no longer planned: up a node of class local (demand)",
        "no longer planned: up a node of class local (demand)",
        "planned now: drain wn0001 (idle)",
        "node wn0001 is new, it is READY",
        "0 tasks of 2 slots, on one node wait, 3 did",
    ]


def test_what_no_step_shows_is_told_as_such_and_the_same_plan_does_not_differ(world: World) -> None:
    old = world.plan()
    assert Plan.of(old.json()).digest == old.digest
    assert differences(old, world.plan()) == ["jobs, VMs or settings are others; no step or node shows it"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-3, "0 s"), (0.4, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (3725, "1 h 2 min"), (90061, "1 d 1 h")],
)
def test_times_have_their_two_largest_units(seconds: float, words: str) -> None:
    assert waited(seconds) == words
