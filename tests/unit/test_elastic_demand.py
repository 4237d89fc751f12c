"""Jobs to shapes: what asks for nodes and what does not; Grid Engine's words."""

import pytest

from oned.elastic.demand import Kind, Shape, demand, impossible
from oned.elastic.policy import NodeClass, Policies, Quota
from oned.elastic.reading import SPREAD, WHOLE, Job, JobState, Limit
from oned.elastic.sge.words import NotUnderstood, job_state, layout, mebibytes, slot_range, tasks
from tests.unit.elastic_world import NOW, running, waiting

ONE = Policies((NodeClass("small", slots=4, memory=8192, arch="lx-amd64", queues=frozenset({"all.q", "@local"})),))


@pytest.mark.parametrize(
    ("letters", "state"),
    [
        ("qw", JobState.WAITING), ("Rq", JobState.WAITING), ("hqw", JobState.HELD), ("hRwq", JobState.HELD),
        ("Eqw", JobState.FAILED), ("Ehqw", JobState.FAILED), ("r", JobState.RUNNING), ("t", JobState.RUNNING),
        ("Rr", JobState.RUNNING), ("s", JobState.RUNNING), ("hr", JobState.HELD), ("dr", JobState.ENDING),
        ("dqw", JobState.ENDING),
    ],
)  # fmt: skip
def test_states_by_their_letters(letters: str, state: JobState) -> None:
    assert job_state(letters) is state


def test_layouts_by_the_rule_of_the_parallel_environment() -> None:
    assert [layout(rule, 8) for rule in ("$pe_slots", "$fill_up", "$round_robin", "2", "8")] == [
        WHOLE, SPREAD, SPREAD, 2, WHOLE,
    ]  # fmt: skip
    assert layout("$fill_up", 1) == WHOLE
    for wrong in ("0", "-2", "$any", ""):
        with pytest.raises(NotUnderstood):
            layout(wrong, 8)


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 1), ("3", 1), ("1-9:2", 5), ("1,4,7-9:1", 5), ("1-50000:1", 50_000), ("1-10:3", 4), ("5-5", 1)],
)
def test_tasks_of_an_array_are_a_number(text: str, count: int) -> None:
    assert tasks(text) == count


def test_ranges_of_slots() -> None:
    assert [slot_range(text) for text in ("4", "2-8", "2-", "-8", "2,6-8", "4-16:4")] == [
        (4, 4), (2, 8), (2, 9_999_999), (1, 8), (2, 8), (4, 16),
    ]  # fmt: skip
    for wrong in ("", "a", "1-2-3", "-"):
        with pytest.raises(NotUnderstood):
            slot_range(wrong)


def test_sizes_have_small_letters_for_powers_of_1000() -> None:
    sizes = [mebibytes(text) for text in ("23.5G", "1024M", "512k", "1048576", "2g", "-", "", "0.0")]
    assert sizes == [24064, 1024, 0, 1, 1907, 0, 0, 0]
    with pytest.raises(NotUnderstood):
        mebibytes("much")


def test_only_jobs_that_could_start_now_ask() -> None:
    jobs = [
        waiting("1"),
        waiting("2", state=JobState.HELD),
        waiting("3", state=JobState.FAILED),
        waiting("4", starts=NOW + 10),
        waiting("5", starts=NOW - 10),
        running("6", "n"),
        waiting("7", state=JobState.ENDING),
    ]
    found = demand(jobs, (), ONE, NOW)
    assert [want.jobs for want in found.wants] == [["1", "5"]]
    assert {kept.jobs: kept.reason.split(":")[0] for kept in found.kept} == {
        ("2",): "held", ("3",): "in error state", ("4",): "for later", ("7",): "being deleted",
    }  # fmt: skip


def test_equal_jobs_are_one_shape_and_arrays_a_number() -> None:
    jobs = [waiting("1", waited=50), waiting("2", waited=90, tasks=50_000), waiting("3", slots=2, most=8)]
    two, one = demand(jobs, (), ONE, NOW).wants
    assert (two.shape.slots, two.tasks) == (2, 1)
    assert (one.tasks, one.jobs) == (50_001, ["2", "1"])
    assert [NOW - one.since(number) for number in (0, 49_999, 50_000)] == [90, 90, 50]


def test_the_hardest_to_place_comes_first() -> None:
    jobs = [waiting("a"), waiting("b", slots=8, layout=SPREAD), waiting("c", slots=3), waiting("d", slots=4, layout=2)]
    assert [want.jobs[0] for want in demand(jobs, (), ONE, NOW).wants] == ["c", "d", "b", "a"]


def test_quotas_of_the_batch_system_keep_what_is_over_them() -> None:
    jobs = [
        running("r", "n", slots=3, owner="ada"),
        waiting("old", waited=90, slots=2, tasks=9, owner="ada"),
        waiting("new", waited=10, slots=2, owner="ada"),
        waiting("bob", slots=2, owner="bob"),
    ]
    found = demand(jobs, [Limit("each", 8, each="owner")], ONE, NOW)
    assert {(job, want.tasks) for want in found.wants for job in want.jobs} == {("bob", 3), ("old", 3)}
    (kept,) = found.kept
    assert kept.jobs == ("old", "new")
    assert kept.reason == "over the batch system's quota each of 8 slots"


def test_a_quota_is_for_whom_it_names() -> None:
    jobs = [waiting("1", owner="ada", project="p"), waiting("2", owner="bob", project="p"), waiting("3", owner="ada")]
    limits = [Limit("none", 0, owners=frozenset({"ada"}), projects=frozenset({"p"}))]
    assert [kept.jobs for kept in demand(jobs, limits, ONE, NOW).kept] == [("1",)]


def test_a_quota_may_leave_some_out_and_name_several_by_a_pattern() -> None:
    jobs = [waiting(name, owner=name) for name in ("ada", "bob", "guest1", "guest2")]
    cases = {
        ("!ada",): {"bob", "guest1", "guest2"},
        ("guest*",): {"guest1", "guest2"},
        ("guest*", "!guest2"): {"guest1"},
        ("ada", "guest?"): {"ada", "guest1", "guest2"},
    }
    for owners, kept in cases.items():
        limits = [Limit("none", 0, owners=frozenset(owners))]
        assert {job for over in demand(jobs, limits, ONE, NOW).kept for job in over.jobs} == kept


@pytest.mark.parametrize(("projects", "kept"), [("*", "with"), ("!*", "without"), ("!other", "without with")])
def test_a_star_is_for_jobs_with_a_project_and_its_opposite_for_those_without(projects: str, kept: str) -> None:
    jobs = [waiting("with", project="cern"), waiting("without")]
    found = demand(jobs, [Limit("none", 0, projects=frozenset({projects}))], ONE, NOW).kept
    assert {job for over in found for job in over.jobs} == set(kept.split())


def test_jobs_of_two_organisations_are_two_shapes() -> None:
    policies = Policies(quotas=(Quota("vo", "project", frozenset({"p"})),))
    wants = demand([waiting("1", project="p"), waiting("2")], (), policies, NOW).wants
    assert {want.shape.owner for want in wants} == {"vo", ""}


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (Job("1", slots=64), "small has 4 slots, 64 are wanted on one node"),
        (Job("1", slots=4, memory=4096), "small has 8192 MiB, 16384 are wanted on one node"),
        (Job("1", arch="sol-sparc64"), "small is lx-amd64, not sol-sparc64"),
        (Job("1", queues=frozenset({"big.q"})), "small is not in big.q"),
        (Job("1", cloud=True), "small is not in a cloud"),
        (Job("1", slots=6, layout=4), "6 slots cannot be divided into 4 on each node"),
        (Job("1", slots=80, layout=2), "it needs 40 nodes, there can be 10 at most"),
        (Job("1", slots=41, layout=SPREAD), "it needs 41 slots, there can be 40 at most"),
    ],
)
def test_what_can_never_run_is_told_with_the_reason(job: Job, said: str) -> None:
    (want,) = demand([job], (), ONE, NOW).wants
    assert said in impossible(want.shape, ONE, ())


@pytest.mark.parametrize(
    "job",
    [
        Job("1", slots=4), Job("1", slots=4, memory=2048), Job("1", arch="lx-*|sol-*"),
        Job("1", queues=frozenset({"*.q"})),
        Job("1", cloud=False), Job("1", slots=40, layout=4), Job("1", slots=40, layout=SPREAD),
    ],
)  # fmt: skip
def test_what_could_run_is_not_impossible(job: Job) -> None:
    (want,) = demand([job], (), ONE, NOW).wants
    assert impossible(want.shape, ONE, ()) == ""


def test_a_host_that_is_not_ours_may_hold_what_no_class_holds() -> None:
    assert impossible(Shape(64), ONE, [Kind(64)]) == ""
    assert impossible(Shape(64), Policies(), []).endswith("there is none with a MAX above 0")


def test_of_a_set_of_limits_the_first_that_covers_a_job_counts() -> None:
    limits = [
        Limit("boss", 50, owners=frozenset({"ada"}), set="s"),
        Limit("rest", 2, each="owner", set="s"),
        Limit("all", 40),
    ]
    jobs = [waiting("1", owner="ada", tasks=45), waiting("2", owner="bob", tasks=45)]
    (want,) = demand(jobs, limits, ONE, NOW).wants
    assert want.tasks == 40
    assert demand(jobs[1:], limits, ONE, NOW).wants[0].tasks == 2
