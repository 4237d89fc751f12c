"""Resource quotas of Grid Engine: which rules count for whom, and what is not counted because nobody knows."""

from pathlib import Path

import pytest

from oned.elastic.demand import demand
from oned.elastic.policy import NodeClass, Policies
from oned.elastic.reading import Job, JobState, Limit
from oned.elastic.sge.limits import limits, lists_of, members

RECORDED = Path(__file__).parent / "elastic_sge/srqs.txt"
QUEUES = ("all.q", "big.q")
LISTS = {"staff": frozenset({"ada", "@teachers"}), "empty": frozenset[str]()}
SITE = Policies((NodeClass("one", most=99),), most=99)


def one_set(*rules: str) -> list[Limit]:
    """The limits of a set with these rules."""
    lines = "".join(f"   limit        {rule}\n" for rule in rules)
    return limits(f"{{\n   name         a\n   description  NONE\n   enabled      TRUE\n{lines}}}\n", QUEUES, LISTS)


def wanted(rules: list[Limit], *jobs: Job) -> int:
    """How many tasks ask for nodes."""
    return sum(want.tasks for want in demand(jobs, rules, SITE, 9.0).wants)


def nine(**facts: object) -> Job:
    return Job("1", tasks=9, **facts)  # type: ignore[arg-type]


def test_limits_are_those_in_force_for_users_and_projects() -> None:
    assert limits(RECORDED.read_text()) == [
        Limit("each/1", 60, each="owner", owners=frozenset(), set="each"),
        Limit("each/2", 3, frozenset({"labuser", "bob"}), frozenset({"cern"}), set="each"),
    ]
    assert limits("no resource quota set found\n") == []
    (but,) = one_set("users !ada,guest* to slots=4")
    assert (but.owners, but.projects) == ({"!ada", "guest*"}, set())
    (each,) = one_set("users * projects {*} to slots=4")
    assert (each.owners, each.projects, each.each) == (set(), {"*"}, "project")


@pytest.mark.parametrize(
    ("rule", "job", "tasks"),
    [
        ("users @staff to slots=2", nine(owner="ada"), 2),
        ("users @staff to slots=2", nine(owner="bob", group="teachers"), 2),
        ("users @staff to slots=2", nine(owner="bob", group="pupils"), 9),
        ("users !@staff to slots=2", nine(owner="ada"), 9),
        ("users !@staff to slots=2", nine(owner="bob"), 2),
        ("users @empty to slots=2", nine(owner="ada"), 9),
        ("pes smp to slots=2", nine(pe="smp"), 2),
        ("pes smp to slots=2", nine(pe="mpi"), 9),
        ("pes * to slots=2", nine(), 9),
        ("pes !* to slots=2", nine(), 2),
        ("queues * hosts * to slots=2", nine(), 2),
        ("queues all.q,big.q to slots=2", nine(), 2),
        ("queues big.q to slots=2", nine(queues=frozenset({"big.q@wn1", "big.q"})), 2),
        ("queues big.q to slots=2", nine(queues=frozenset({"all.q"})), 9),
        ("queues {big.q} to slots=2", nine(queues=frozenset({"big.q"})), 2),
        ("to mem_free=4G,slots=2", nine(), 2),
    ],
)
def test_a_rule_counts_whom_it_is_for_and_nobody_else(rule: str, job: Job, tasks: int) -> None:
    assert wanted(one_set(rule), job) == tasks


@pytest.mark.parametrize(
    "rule",
    [
        "queues big.q to slots=2",
        "queues {*} to slots=2",
        "hosts @cloud to slots=2",
        "hosts {*} to slots=$num_proc*2",
        "users {!ada,!bob} to slots=2",
        "to mem_free=4G",
    ],
)
def test_where_it_is_not_known_whether_or_how_much_a_rule_allows_neither_it_nor_those_after_it_count(rule: str) -> None:
    assert wanted(one_set(rule, "users * to slots=1"), nine(owner="cleo")) == 9
    assert wanted([*one_set(rule), Limit("other", 3)], nine(owner="cleo")) == 3, "those of other sets do"


def test_a_list_that_nobody_has_read_may_have_anybody_in_it() -> None:
    rules = one_set("users @unknown to slots=2", "users * to slots=1")
    assert wanted(rules, nine(owner="ada")) == 9


def test_a_job_that_takes_any_of_several_environments_may_be_in_the_one_that_is_meant() -> None:
    assert wanted(one_set("pes mpi_a to slots=2", "users * to slots=1"), nine(pe="mpi_*")) == 9


def test_limits_for_each_user_in_each_project_count_for_each_pair() -> None:
    rules = one_set("users {*} projects {*} to slots=2")
    jobs = [Job(f"{who} {what}", owner=who, project=what, tasks=9) for who in ("ada", "bob") for what in ("p", "q")]
    assert wanted(rules, *jobs) == 8


def test_jobs_that_run_have_their_slots_of_it() -> None:
    rules = one_set("pes {*} to slots=4")
    runs = Job("0", state=JobState.RUNNING, slots=3, pe="smp")
    assert wanted(rules, runs, nine(pe="smp"), Job("2", tasks=9, pe="mpi")) == 1 + 4


def test_the_lists_that_rules_name_and_their_members() -> None:
    text = (
        "{\n   name a\n   enabled TRUE\n   limit users {@staff},x to slots=1\n   limit users !@guests to slots=1\n}\n"
    )
    assert lists_of(text) == {"staff", "guests"}
    assert lists_of(text.replace("TRUE", "FALSE")) == frozenset()
    assert members("name    staff\ntype    ACL\nfshare  0\noticket 0\nentries ada,@teachers, \\\n        bob\n") == {
        "ada",
        "@teachers",
        "bob",
    }
    assert members("name    x\nentries NONE\n") == frozenset()
