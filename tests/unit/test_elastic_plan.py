"""Plans in small worlds: which nodes come, by which rule, and what is said of it."""

from dataclasses import replace

import pytest

from oned.elastic.node import PLANNED, STARTING
from oned.elastic.policy import Caps, NodeClass, Quota, Window
from oned.elastic.reading import SPREAD, Addresses, Failures
from tests.unit.elastic_world import AT_ONCE, LOCAL, NOW, SITE, World, running, ups, verbs, waiting


def test_nodes_come_for_what_does_not_fit_and_no_more() -> None:
    world = World(SITE, [waiting("1", tasks=9)])
    world.add("local")
    assert verbs(world.plan()) == [("up", "local", "demand")] * 2


def test_nodes_on_their_way_count() -> None:
    world = World(SITE, [waiting("1", tasks=8)])
    world.add("local", STARTING, since=NOW - 60)
    world.add("local", PLANNED, since=NOW - 1, vm=-1)
    assert world.plan().steps == ()


def test_no_more_nodes_come_than_their_network_has_addresses_for() -> None:
    world = World(replace(SITE, classes=(LOCAL,)), [waiting("1", tasks=40)])
    node = world.add("local")
    world.facts["addresses"] = {"local": Addresses(7, 3)}
    assert ups(world) == ["local"] * 2
    assert "local: its network has 3 addresses for nodes, and all are taken" in world.plan().explain_job("1")[0]
    world.jobs = [waiting("2", slots=16, layout=4)]
    world.nodes[node] = replace(world.nodes[node], idle_since=NOW - 700)
    assert verbs(world.plan()) == [("drain", node, "idle")], "it is kept for nothing that can never run"
    assert "it needs 4 nodes, there can be 3 at most" in world.plan().explain_job("2")[0]


def test_classes_of_one_network_share_its_addresses() -> None:
    slim = replace(LOCAL, name="slim", slots=1)
    world = World(replace(SITE, classes=(LOCAL, slim)), [waiting("1", tasks=40)])
    world.facts["addresses"] = {name: Addresses(7, 3) for name in ("local", "slim")}
    assert len(ups(world)) == 3


def test_a_job_waits_a_little_before_a_node_is_started_for_it() -> None:
    world = World(SITE, [waiting("1", waited=59)])
    assert ups(world) == []
    assert "local: waited 59 of 60 s" in world.plan().explain_job("1")[0]
    world.jobs = [waiting("1", waited=60)]
    assert ups(world) == ["local"]


def test_a_node_is_opened_for_jobs_that_waited_and_the_others_share_it() -> None:
    world = World(SITE, [waiting("1", waited=100), waiting("2", waited=5, tasks=3), waiting("3", waited=5, tasks=9)])
    assert ups(world) == ["local"]


def test_our_own_hosts_come_first_and_a_cloud_after_burst_after() -> None:
    full = [waiting("1", waited=119, tasks=17)]
    world = World(SITE, full)
    assert ups(world) == ["local"] * 4
    world.jobs = [replace(full[0], submitted=NOW - 120)]
    assert ups(world) == ["local"] * 4 + ["cloud"]


def test_a_job_that_only_a_cloud_holds_does_not_wait_for_our_own_hosts() -> None:
    assert ups(World(SITE, [waiting("1", waited=61, slots=8)])) == ["cloud"]
    assert ups(World(SITE, [waiting("1", waited=61, cloud=True)])) == ["cloud"]
    assert ups(World(SITE, [waiting("1", tasks=99, cloud=False)])) == ["local"] * 4


def test_of_classes_that_cost_the_same_one_comes_with_room_for_the_wish_of_a_range_and_none_comes_for_it_alone() -> (
    None
):
    sizes = [NodeClass(f"of {slots}", slots=slots, wait=60, price=0.1) for slots in (2, 4, 8, 16)]
    world = World(replace(SITE, classes=tuple(sizes)), [waiting("1", slots=2, most=2)])
    assert ups(world) == ["of 2"]
    world.jobs = [waiting("1", slots=2, most=8)]
    made = world.plan()
    assert verbs(made) == [("up", "of 8", "demand")]
    assert "2 slots, on one node, up to 8 where they are free" in made.explain_job("1")[0]
    world.policies = replace(SITE, classes=(replace(sizes[0], most=9), replace(sizes[2], price=0.2)))
    assert ups(world) == ["of 2"], "room for the wish is not paid for"
    world.jobs = [waiting("1", slots=2, most=64, layout=SPREAD)]
    assert ups(world) == ["of 2"], "nor are there more nodes for it"


def test_an_impossible_job_asks_for_nothing_and_keeps_no_node() -> None:
    world = World(SITE, [waiting("1", slots=9)])
    idle = world.add("local", idle=700)
    made = world.plan()
    assert verbs(made) == [("drain", idle, "idle")]
    assert made.explain_job("1") == [
        "Job 1 wants 9 slots, on one node. It can never run: no class of nodes holds it: "
        "local has 4 slots, 9 are wanted on one node; cloud has 8 slots, 9 are wanted on one node."
    ]


def test_a_parallel_job_gets_all_its_nodes_or_none() -> None:
    three_of_four = waiting("1", slots=12, layout=3, cloud=False)
    assert ups(World(SITE, [three_of_four])) == ["local"] * 4
    world = World(SITE, [three_of_four])
    busy = world.add("local")
    world.run(running("r", busy, 2))
    assert ups(world) == []
    assert "1 wait on (local: has its MAX of 4 nodes)" in world.plan().explain_job("1")[0]


def test_a_job_that_may_be_anywhere_takes_what_is_left_everywhere() -> None:
    world = World(SITE, [waiting("1", slots=6, layout=SPREAD)])
    for number in range(3):
        world.run(running(f"r{number}", world.add("local"), 2))
    assert world.plan().steps == ()
    world.jobs[0] = waiting("1", slots=9, layout=SPREAD)
    assert ups(world) == ["local"]


def test_memory_is_full_before_slots_are() -> None:
    world = World(SITE, [waiting("1", tasks=2, memory=4096)])
    world.run(running("r", world.add("local"), 1, memory=4096))
    assert ups(world) == ["local"]


def test_a_job_that_ends_before_a_node_would_be_there_is_waited_for() -> None:
    world = World(SITE, [waiting("1", waited=100, slots=4)])
    node = world.add("local")
    for ends, wanted in ((NOW + 100, []), (NOW + 121, ["local"]), (NOW - 5, ["local"]), (0.0, ["local"])):
        world.jobs[1:] = [running("r", node, 4, ends=ends)]
        world.hosts[node] = replace(world.hosts[node], used=4, free=8192)
        assert ups(world) == wanted, ends
    world.jobs[1:] = [running("r", node, 4, ends=NOW + 100)]
    world.policies = replace(SITE, look_ahead=False)
    assert ups(world) == ["local"]


def test_who_has_waited_as_long_as_a_node_takes_to_come_waits_for_no_other_job_to_end() -> None:
    bound = LOCAL.wait + LOCAL.boot
    for waited, wanted in ((bound - 1, []), (bound, ["local"])):
        world = World(SITE, [waiting("1", waited=waited, slots=4), waiting("2", waited=70, slots=3)])
        for number in range(2):
            node = world.add("local")
            world.run(running(f"r{number}", node, 4, ends=NOW + 30))
        made = world.plan()
        assert [step.klass for step in made.steps] == wanted
        assert [served.where for served in made.served] == [
            (("new nodes" if wanted else "slots of jobs that end soon", 1),),
            (("slots of jobs that end soon", 1),),
        ]
    world.policies = replace(SITE, most=2)
    assert verbs(made := world.plan()) == []
    assert [served.unmet for served in made.served] == [0, 0]  # no node can come: so it does wait for those


def test_a_few_nodes_come_at_a_time() -> None:
    pace = replace(AT_ONCE, step_up=3, booting=4)
    world = World(replace(SITE, pace=pace, most=20, classes=(replace(LOCAL, most=20),)), [waiting("1", tasks=40)])
    for wanted in (3, 1, 0):
        made = world.plan()
        assert len(made.steps) == wanted
        world.apply(made.steps)
    assert made.notes == ("6 more nodes are wanted than are started now: STEP_UP is 3, BOOTING_MAX 4, 4 are starting",)


def test_spare_slots_are_free_beside_what_waits() -> None:
    world = World(replace(SITE, classes=(replace(LOCAL, spare=3),)), [waiting("1", tasks=4)])
    assert verbs(world.plan()) == [("up", "local", "demand"), ("up", "local", "spare")]


def test_the_least_number_is_kept_and_time_tables_change_it() -> None:
    night = Window("local", frozenset(range(7)), 7 * 60, 9 * 60, least=2)
    world = World(replace(SITE, windows=(night,)))
    assert verbs(world.plan()) == [("up", "local", "min")] * 2
    world.policies = replace(SITE, windows=(replace(night, end=8 * 60),), least=1)
    assert verbs(world.plan()) == [("up", "local", "min")]


def test_a_class_rests_after_failed_starts() -> None:
    world = World(SITE, [waiting("1")])
    world.facts["failures"] = {"local": Failures(3, NOW - 100)}
    assert ups(world) == ["cloud"]
    world.jobs = [waiting("1", cloud=False)]
    assert "local: rests for 500 s more after 3 failed starts in a row" in world.plan().explain_job("1")[0]
    world.facts["failures"] = {"local": Failures(2, NOW - 100)}
    assert ups(world) == ["local"]


def test_a_class_of_which_no_vm_can_be_made_is_told_and_the_next_one_serves() -> None:
    world = World(SITE, [waiting("1")])
    world.facts["unfit"] = {"local": "there is no template worker"}
    assert ups(world) == ["cloud"]
    world.jobs = [waiting("1", cloud=False)]
    made = world.plan()
    assert made.steps == ()
    assert made.notes == ("No node of class local can be started: there is no template worker.",)
    assert "local: there is no template worker" in made.explain_job("1")[0]


def test_a_class_that_rests_is_told_with_the_way_to_end_it() -> None:
    world = World(SITE)
    world.facts["failures"] = {"local": Failures(3, NOW - 100)}
    (note,) = world.plan().notes
    assert note.startswith("Class local rests until 08:08:20 after 3 failed starts in a row")
    assert note.endswith("onesge class resume local")


def test_a_cap_stops_what_costs_and_nothing_else() -> None:
    world = World(replace(SITE, caps=Caps(hour=1.2)), [waiting("1", tasks=40)])
    made = world.plan()
    assert ups(world) == ["local"] * 4 + ["cloud"] * 2
    assert (made.before.hour, made.after.hour) == (0.0, 1.0)
    assert "the cap of 1.2 per hour: 1.00 is bound, a node costs 0.5 an hour" in made.explain_job("1")[0]


def test_what_was_paid_today_counts_to_the_cap_of_the_day() -> None:
    policies = replace(SITE, caps=Caps(day=3.0))
    world = World(policies, [waiting("1", tasks=40, cloud=True)])
    world.facts["spent_day"] = 0.9
    node = world.add("cloud", paid_from=NOW - 5000)
    world.run(running("r", node, 8))
    made = world.plan()
    assert made.before.day == pytest.approx(0.9 + 1.0)
    assert len(made.steps) == 2


def test_a_strict_quota_is_never_passed_and_one_that_lends_when_nobody_else_wants_it() -> None:
    mine = Quota("mine", "project", frozenset({"p"}), nodes=1, lends=False)
    policies = replace(SITE, classes=(LOCAL,), quotas=(mine,))
    jobs = [waiting("1", tasks=40, project="p")]
    made = World(policies, jobs).plan()
    assert [(step.klass, step.owner) for step in made.steps] == [("local", "mine")]
    assert "local: mine has 1 of its quota of 1 nodes" in made.explain_job("1")[0]
    lending = replace(policies, quotas=(replace(mine, lends=True), Quota("theirs", "project", frozenset({"q"}))))
    assert len(World(lending, jobs).plan().steps) == 4
    both = World(lending, [*jobs, waiting("2", waited=100, tasks=8, project="q")]).plan()
    assert sorted(step.owner for step in both.steps) == ["mine", "mine", "theirs", "theirs"]


@pytest.mark.parametrize(
    ("cap", "told"),
    [({"slots": 3}, "one node of it is 4 slots, the whole quota of mine is 3"), ({"slots": 0}, "mine has 0 of its")],
)
def test_a_quota_that_is_less_than_a_node_is_told_as_such(cap: dict[str, int], told: str) -> None:
    mine = Quota("mine", "project", frozenset({"p"}), lends=False, **cap)
    made = World(replace(SITE, classes=(LOCAL,), quotas=(mine,)), [waiting("1", project="p")]).plan()
    assert made.steps == ()
    assert f"local: {told}" in made.explain_job("1")[0]


def test_spare_slots_are_free_beside_jobs_that_are_too_young_to_ask() -> None:
    world = World(replace(SITE, classes=(replace(LOCAL, spare=3),)), [waiting("1", waited=5, tasks=2)])
    made = world.plan()
    assert verbs(made) == [("up", "local", "spare")] * 2
    world.apply(made.steps)
    assert world.plan().steps == ()
