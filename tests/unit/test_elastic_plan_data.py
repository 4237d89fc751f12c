"""A plan as data: old readings, digest, JSON, and what it says of jobs and nodes."""

import json
from dataclasses import replace

import pytest

from oned.elastic.needs import Need
from oned.elastic.node import DRAINING, FAILED, JOINING, LOST, QUARANTINED, READY
from oned.elastic.plan import Plan, PlanUnreadable
from oned.elastic.planner import plan
from oned.elastic.reading import Taken
from tests.unit.elastic_world import NOW, SITE, World, running, waiting


def test_old_readings_stop_nothing_and_older_ones_start_nothing_either() -> None:
    world = World(SITE, [waiting("1", slots=8, cloud=True)])
    world.add("local", idle=900)
    world.add("local", FAILED)
    for age, wanted in ((120, {"up", "drain", "remove"}), (121, {"up"}), (600, {"up"}), (601, set())):
        world.age = age
        made = world.plan()
        assert {step.verb.value for step in made.steps} == wanted, age
    assert any("is 601 s old: nothing is started and nothing is stopped" in note for note in made.notes)


@pytest.mark.parametrize("part", ["jobs", "hosts", "vms"])
def test_one_old_reading_is_enough(part: str) -> None:
    world = World(SITE)
    world.add("local", idle=900)
    world.facts[part] = Taken(NOW - 121, getattr(world.reading(), part).items)
    assert world.plan().steps == ()


def test_a_digest_is_of_what_counts_and_not_of_clocks() -> None:
    world = World(SITE, [waiting("1")])
    node = world.add("local")
    digest = world.plan().digest
    world.age = 5
    assert world.plan().digest == digest
    world.run(running("r", node))
    assert world.plan().digest != digest


@pytest.mark.parametrize(
    "changed",
    [{"owner": "B"}, {"project": "pb"}, {"arch": "lx-arm64"}, {"queues": frozenset(("q",))}, {"cloud": True},
     {"needs": (Need("gpu", "1", optional=True),)}],
)  # fmt: skip
def test_a_plan_is_another_one_when_a_job_wants_something_else(changed: dict[str, object]) -> None:
    digest = World(SITE, [waiting("1")]).plan().digest
    assert World(SITE, [waiting("1", **changed)]).plan().digest != digest


def test_a_plan_is_the_same_while_only_time_goes_by() -> None:
    world = World(SITE)
    world.add("local", idle=900)
    made = world.plan()
    later = replace(
        world.reading(),
        **{part: Taken(NOW + 9, getattr(world.reading(), part).items) for part in ("jobs", "hosts", "vms")},
    )
    again = plan(later, SITE, NOW + 9)
    assert made.steps[0].sentence != again.steps[0].sentence
    assert made.digest == again.digest


def test_a_plan_is_the_same_after_json(tmp_path: object) -> None:
    jobs = [waiting("1", tasks=40, queues=frozenset()), waiting("2", slots=99), waiting("3", starts=NOW + 5)]
    world = World(SITE, jobs)
    world.add("local", idle=900)
    world.add("local", QUARANTINED, report="bad")
    made = world.plan()
    assert Plan.of(made.json()) == made
    assert Plan.of(json.dumps(json.loads(made.json())).encode()) == made
    assert {step["verb"] for step in json.loads(made.json())["steps"]} == {"up"}


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"null", b'{"at": "x"}'])
def test_what_is_no_plan_is_refused(text: bytes) -> None:
    with pytest.raises(PlanUnreadable, match="this is no plan"):
        Plan.of(text)


def test_every_job_and_node_is_explained() -> None:
    jobs = [waiting("1", tasks=40), waiting("2", slots=99), waiting("3", starts=NOW + 5)]
    world = World(SITE, jobs)
    nodes = [world.add("local", state) for state in (READY, DRAINING, JOINING, LOST, FAILED)]
    made = world.plan()
    assert all(len(made.explain_job(job.id)) == 1 for job in jobs)
    assert all(made.explain_node(node) for node in nodes)
    assert made.explain_job("99") == made.explain_node("none") == []
