"""Quotas and licences of the batch system are for what runs, or may: nothing else takes anything of them."""

from dataclasses import replace

import pytest

from oned.elastic.needs import Need, Per, Shared
from oned.elastic.policy import Caps, NodeClass, Policies, Window
from oned.elastic.reading import SPREAD, WHOLE, Job, Limit
from tests.unit.elastic_world import AT_ONCE, CLOUD, LOCAL, SITE, World, ups, waiting

FOUR = Limit("u/1", 4, each="owner")
LICENCE = Need("matlab", "1", per=Per.JOB)


def told(world: World, job: str) -> str:
    """What a person is told of a job."""
    return " ".join(world.plan().explain_job(job))


@pytest.mark.parametrize(
    "hopeless",
    [waiting("big", slots=4, memory=900 * 1024), waiting("big", slots=64), waiting("big", slots=4, host="elsewhere")],
)
def test_a_job_that_can_never_run_takes_nothing_of_a_quota(hopeless: Job) -> None:
    world = World(SITE, [hopeless, *(waiting(name, waited=500) for name in "ab")])
    world.facts["limits"] = (FOUR,)
    assert ups(world) == ["local"]
    assert "It can never run" in told(world, "big")
    assert "2 on new nodes" in told(world, "a")


def test_a_job_that_can_never_run_takes_no_licence() -> None:
    plain = replace(LOCAL, offers=(("matlab", "1"),))
    hopeless = waiting("big", slots=64, needs=(LICENCE,))
    world = World(Policies((plain,), pace=AT_ONCE), [hopeless, waiting("small", waited=500, needs=(LICENCE,))])
    world.facts["shared"] = (Shared("matlab", "1", "1"),)
    assert ups(world) == ["local"]


def test_a_job_that_waits_for_a_licence_takes_nothing_of_a_quota() -> None:
    world = World(SITE, [waiting("short", slots=4, needs=(LICENCE,)), waiting("free", waited=500)])
    world.facts["limits"], world.facts["shared"] = (FOUR,), (Shared("matlab", "9", "0"),)
    assert ups(world) == ["local"]
    assert "waiting for matlab" in told(world, "short")


def test_a_job_that_a_cap_holds_back_takes_nothing_of_a_quota_until_it_may_run() -> None:
    jobs = [waiting("cloud", slots=4, cloud=True), waiting("here", waited=500)]
    world = World(replace(SITE, caps=Caps(hour=0.4)), jobs)
    world.facts["limits"] = (FOUR,)
    assert ups(world) == ["local"]
    assert "cap" in told(world, "cloud").lower()
    world.policies = SITE
    assert ups(world) == ["cloud"]
    assert "over the batch system's quota u/1 of 4 slots" in told(world, "here")


def test_what_is_passed_on_is_not_given_twice() -> None:
    """Of an array of which two tasks have room, those two keep their part; the rest is for others, up to the quota."""
    jobs = [waiting("array", slots=4, tasks=3, cloud=False), waiting("next", waited=500, cloud=True, tasks=9)]
    world = World(replace(SITE, classes=(replace(LOCAL, most=2), CLOUD)), jobs)
    world.facts["limits"] = (replace(FOUR, slots=12),)
    made = world.plan()
    assert sorted(step.klass for step in made.steps) == ["cloud", "local", "local"]
    assert {served.jobs[0]: served.tasks - served.unmet for served in made.served} == {"array": 2, "next": 4}
    assert "over the batch system's quota u/1 of 12 slots" in told(world, "next")


def test_an_older_job_of_the_same_kind_gets_what_a_younger_one_cannot_use() -> None:
    """Young tasks have no node yet: the older one of their shape, over the quota so far, has."""
    capped = waiting("cloud", waited=900, slots=4, cloud=True, owner="ada")
    jobs = [capped, waiting("old", waited=500, owner="ada"), waiting("young", waited=5, owner="bob")]
    world = World(replace(SITE, caps=Caps(hour=0.4)), jobs)
    world.facts["limits"] = (FOUR,)
    assert ups(world) == ["local"]


def test_what_a_time_table_lets_run_later_is_not_called_impossible() -> None:
    night = Window("night", frozenset(range(7)), 20 * 60, 23 * 60, most=5)
    policies = Policies((NodeClass("night", slots=4, most=0),), windows=(night,), pace=AT_ONCE)
    said = told(World(policies, [waiting("1")]), "1")
    assert "never" not in said
    assert "has its MAX of 0 nodes" in said


@pytest.mark.parametrize(("layout", "impossible"), [(SPREAD, True), (WHOLE, True)])
def test_memory_counts_for_jobs_that_may_be_anywhere(layout: int, impossible: bool) -> None:
    small = NodeClass("small", slots=4, memory=8192, most=1)
    job = waiting("1", slots=4, memory=4000, layout=layout)
    assert ("It can never run" in told(World(Policies((small,)), [job]), "1")) is impossible
    two = replace(small, most=2)
    assert ("It can never run" in told(World(Policies((two,)), [job]), "1")) is (layout == WHOLE)
