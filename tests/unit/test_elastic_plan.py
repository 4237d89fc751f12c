"""Plans in small worlds: which nodes come and go, by which rule, and what is said of it."""

import json
from dataclasses import replace

import pytest

from oned.elastic.node import DRAINING, FAILED, JOINING, LOST, PLANNED, QUARANTINED, READY, STARTING, UNREGISTERED
from oned.elastic.plan import Plan, PlanUnreadable, Verb
from oned.elastic.policy import Billing, Caps, NodeClass, Policies, Quota, Window
from oned.elastic.reading import SPREAD, Failures, Host, Seen, Taken
from tests.unit.elastic_world import AT_ONCE, NOW, World, running, verbs, waiting

LOCAL = NodeClass("local", slots=4, memory=8192, wait=60, most=4)
CLOUD = NodeClass("cloud", slots=8, memory=32768, wait=60, cloud=True, price=0.5, billing=Billing.HOUR)
SITE = Policies((LOCAL, CLOUD), pace=AT_ONCE)


def ups(world: World) -> list[str]:
    """The classes of the nodes that are to be started."""
    return [step.klass for step in world.plan().steps if step.verb is Verb.UP]


# --- up ---


def test_nodes_come_for_what_does_not_fit_and_no_more() -> None:
    world = World(SITE, [waiting("1", tasks=9)])
    world.add("local")
    assert verbs(world.plan()) == [("up", "local", "demand")] * 2


def test_nodes_on_their_way_count() -> None:
    world = World(SITE, [waiting("1", tasks=8)])
    world.add("local", STARTING, since=NOW - 60)
    world.add("local", PLANNED, since=NOW - 1, vm=-1)
    assert world.plan().steps == ()


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
    world = World(SITE, [waiting("1", slots=4)])
    node = world.add("local")
    for ends, wanted in ((NOW + 100, []), (NOW + 121, ["local"]), (NOW - 5, ["local"]), (0.0, ["local"])):
        world.jobs[1:] = [running("r", node, 4, ends=ends)]
        world.hosts[node] = replace(world.hosts[node], used=4, free=8192)
        assert ups(world) == wanted, ends
    world.jobs[1:] = [running("r", node, 4, ends=NOW + 100)]
    world.policies = replace(SITE, look_ahead=False)
    assert ups(world) == ["local"]


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


# --- down ---


def test_an_idle_node_is_drained_and_when_it_is_empty_removed_and_forgotten() -> None:
    world = World(SITE)
    node = world.add("local", idle=600)
    assert verbs(world.plan()) == [("drain", node, "idle")]
    world.apply(world.plan().steps)
    world.age = -1
    assert verbs(world.plan()) == [("remove", node, "empty")]
    world.apply(world.plan().steps)
    assert verbs(world.plan()) == [("forget", node, "gone")]


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


def test_nothing_leaves_shortly_after_a_change() -> None:
    world = World(replace(SITE, pace=replace(AT_ONCE, cool_down=120)))
    node = world.add("local", idle=900)
    world.facts["changed"] = NOW - 100
    assert world.plan().steps == ()
    assert "20 s are left of COOL_DOWN_DOWN" in world.plan().explain_node(node)[0]
    world.facts["changed"] = NOW - 121
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


# --- each node by itself ---


def test_a_node_joins_when_it_reports_and_is_healthy() -> None:
    world = World(SITE)
    node = world.add("local", JOINING, since=NOW - 10, report="")
    assert world.plan().steps == ()
    world.nodes[node] = replace(world.nodes[node], report="ok")
    assert verbs(world.plan()) == [("enable", node, "joined")]
    world.hosts[node] = replace(world.hosts[node], heard=False)
    assert world.plan().steps == ()
    world.nodes[node] = replace(world.nodes[node], report="the clock is 9 s off")
    assert verbs(world.plan()) == [("remove", node, "unhealthy")]


@pytest.mark.parametrize(
    ("state", "age", "rule"),
    [(STARTING, 601, "never started"), (PLANNED, 601, "never started"), (JOINING, 301, "never joined")],
)
def test_what_does_not_come_up_is_removed(state: object, age: float, rule: str) -> None:
    world = World(SITE)
    node = world.add("local", state, since=NOW - age, report="")
    world.hosts.pop(node, None)
    assert verbs(world.plan()) == [("remove", node, rule)]
    world.nodes[node] = replace(world.nodes[node], since=NOW - age + 2)
    assert world.plan().steps == ()


def test_a_node_whose_vm_is_gone_is_lost_unless_the_reading_is_from_before_it() -> None:
    world = World(SITE)
    node = world.add("local", vm=0)
    del world.vms[node]
    assert verbs(world.plan()) == [("remove", node, "lost")]
    world.nodes[node] = replace(world.nodes[node], state=STARTING, since=NOW + 1)
    assert world.plan().steps == ()


def test_a_silent_node_is_lost_but_never_most_of_them_at_once_nor_after_a_start_of_the_master() -> None:
    world = World(replace(SITE, classes=(replace(LOCAL, most=20),), pace=replace(AT_ONCE, max_kill=25)))
    for _ in range(8):
        node = world.add("local")
        world.hosts[node] = replace(world.hosts[node], heard=False, silent=301)
    assert [rule for _, _, rule in verbs(world.plan())] == ["lost", "lost"]
    world.facts["master_since"] = NOW - 60
    assert world.plan().steps == ()


def test_a_lost_node_that_reports_again_serves_again() -> None:
    world = World(SITE)
    node = world.add("local", LOST)
    world.hosts[node] = Host(node, 4)
    assert verbs(world.plan()) == [("enable", node, "heard again")]


def test_an_unhealthy_node_takes_no_more_jobs_and_waits_for_a_person() -> None:
    world = World(SITE)
    node = world.add("local", report="/home is not mounted")
    assert verbs(world.plan()) == [("quarantine", node, "unhealthy")]
    world.apply(world.plan().steps)
    assert world.plan().steps == ()
    assert "a person should look: /home is not mounted" in world.plan().explain_node(node)[0]
    world.nodes[node] = replace(world.nodes[node], report="ok")
    assert verbs(world.plan()) == [("enable", node, "healthy")]


def test_a_job_leaves_a_drained_node_at_the_deadline_only_if_that_is_allowed() -> None:
    world = World(SITE)
    node = world.add("local", DRAINING, since=NOW - 86401)
    world.run(running("r", node, rerun=False))
    assert world.plan().steps == ()
    assert "job r cannot be started again, and DRAIN_KILL is NO" in world.plan().explain_node(node)[0]
    world.policies = replace(SITE, patience=replace(SITE.patience, kill=True))
    assert verbs(world.plan()) == [("remove", node, "deadline")]
    world.policies, world.jobs = SITE, [running("r", node)]
    assert verbs(world.plan()) == [("remove", node, "deadline")]
    world.nodes[node] = replace(world.nodes[node], since=NOW - 86300)
    assert world.plan().steps == ()


def test_failed_nodes_and_leftovers_are_cleaned() -> None:
    world = World(SITE)
    failed, left = world.add("local", FAILED), world.add("local", UNREGISTERED)
    assert verbs(world.plan()) == [("remove", failed, "failed"), ("remove", left, "unregistered")]


def test_vms_without_a_node_and_second_vms_of_a_node_are_reaped() -> None:
    world = World(SITE)
    node = world.add("local", vm=0)
    world.vms["double"] = Seen(17, world.nodes[node].token, NOW - 20, running=True)
    world.vms["young"] = Seen(18, "of nobody", NOW - 299, running=True)
    world.vms["orphan"] = Seen(19, "of nobody else", NOW - 301, running=True)
    assert [(step.verb, step.vm, step.rule) for step in world.plan().steps] == [
        (Verb.REAP, 17, "double"),
        (Verb.REAP, 19, "orphan"),
    ]


# --- readings, digest, forms ---


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


def test_spare_slots_are_free_beside_jobs_that_are_too_young_to_ask() -> None:
    world = World(replace(SITE, classes=(replace(LOCAL, spare=3),)), [waiting("1", waited=5, tasks=2)])
    made = world.plan()
    assert verbs(made) == [("up", "local", "spare")] * 2
    world.apply(made.steps)
    assert world.plan().steps == ()
