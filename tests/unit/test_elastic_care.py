"""Plans in small worlds: what each node needs by itself, whatever waits."""

from dataclasses import replace

import pytest

from oned.elastic.node import (
    DRAINING,
    FAILED,
    JOINING,
    LOST,
    PLANNED,
    QUARANTINED,
    READY,
    STARTING,
    UNREGISTERED,
    NodeState,
)  # fmt: skip
from oned.elastic.plan import Verb
from oned.elastic.policy import Policies
from oned.elastic.reading import Host, Left, Seen
from oned.elastic.steps import event_of
from tests.unit.elastic_world import AT_ONCE, CLOUD, LOCAL, NOW, SITE, World, running, verbs


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


def test_the_time_to_join_counts_while_the_master_is_there_and_read() -> None:
    world = World(replace(SITE, patience=replace(SITE.patience, stop=600)))
    node = world.add("local", JOINING, since=NOW - 400, report="")
    del world.hosts[node]
    assert verbs(world.plan()) == [("remove", node, "never joined")]
    world.age = 101
    assert world.plan().steps == ()
    world.age, world.facts["master_since"] = 0, NOW - 5
    assert world.plan().steps == ()
    world.facts["master_since"] = NOW - 301
    assert verbs(world.plan()) == [("remove", node, "master away")]
    world.policies = replace(world.policies, patience=replace(world.policies.patience, grace=600))
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


@pytest.mark.parametrize("state", [READY, LOST])
def test_a_node_whose_machine_is_no_more_is_lost_though_its_host_is_still_heard(state: NodeState) -> None:
    world = World(SITE)
    node = world.add("cloud", state)
    world.hosts[node] = Host(node, 8)
    world.vms[node] = replace(world.vms[node], running=False, ended="Server.SpotInstanceTermination")
    made = world.plan()
    assert verbs(made) == [("remove", node, "lost")]
    if state is READY:
        assert made.steps[0].sentence == "its VM is gone: Server.SpotInstanceTermination"


def test_an_unhealthy_node_takes_no_more_jobs_and_waits_for_a_person() -> None:
    world = World(SITE)
    node = world.add("local", report="/home is not mounted")
    assert verbs(world.plan()) == [("quarantine", node, "unhealthy")]
    world.apply(world.plan().steps)
    assert world.plan().steps == ()
    assert "a person should look: /home is not mounted" in world.plan().explain_node(node)[0]
    world.nodes[node] = replace(world.nodes[node], report="ok")
    assert verbs(world.plan()) == [("enable", node, "healthy")]


NOTICE = 'EC2 takes it back: {"action": "terminate"}'


@pytest.mark.parametrize("state", [READY, QUARANTINED, DRAINING])
def test_a_node_that_ec2_takes_back_is_drained_at_once_and_once(state: NodeState) -> None:
    world = World(SITE)
    node = world.add("cloud", state, report=f"/home is not mounted; {NOTICE};", drained_by="idle")
    world.run(running("r", node))
    made = world.plan()
    assert verbs(made) == [("drain", node, "taken back")]
    assert event_of(made.steps[0], state, vm_gone=False) == "taken back"
    world.nodes[node] = replace(world.nodes[node], state=DRAINING, drained_by="taken back")
    assert world.plan().steps == ()


def test_a_replacement_of_a_node_that_ec2_takes_back_comes_with_the_same_plan() -> None:
    cloud = replace(CLOUD, least=1)
    world = World(replace(SITE, classes=(cloud,)))
    node = world.add("cloud", report=NOTICE)
    assert [(verb, rule) for verb, _, rule in verbs(world.plan())] == [("drain", "taken back"), ("up", "min")]
    world.hosts[node] = replace(world.hosts[node], heard=False, silent=301)
    assert verbs(world.plan())[0] == ("remove", node, "lost")


def test_a_node_that_ec2_takes_back_before_it_joined_is_given_up_and_its_class_is_not_blamed() -> None:
    world = World(SITE)
    world.add("cloud", JOINING, since=NOW - 10, report=NOTICE)
    (step,) = world.plan().steps
    assert (step.verb, step.rule) == (Verb.REMOVE, "taken back")
    assert event_of(step, JOINING, vm_gone=False) == "cancel", "an event that does not count as a failed start"


def put_aside(world: World, klass: str, **facts: object) -> str:
    return world.add(klass, QUARANTINED, report="/home is not mounted", **facts)


def test_an_unwell_node_goes_when_nobody_has_looked_in_time_and_its_jobs_have_ended() -> None:
    world = World(SITE)
    node = put_aside(world, "local", since=NOW - 43199)
    assert world.plan().steps == ()
    assert "it goes in 1 s, if no job runs on it (QUARANTINE_TIME)" in world.plan().explain_node(node)[0]
    world.nodes[node] = replace(world.nodes[node], since=NOW - 43201)
    world.run(running("r", node))
    assert world.plan().steps == ()
    assert "it goes as soon as no job runs on it" in world.plan().explain_node(node)[0]
    world.jobs, world.hosts[node] = [], Host(node, 4)
    assert verbs(world.plan()) == [("drain", node, "quarantine")]
    world.apply(world.plan().steps)
    world.age = -1
    assert verbs(world.plan()) == [("remove", node, "empty")]


def test_an_unwell_node_is_drained_at_its_age_and_kept_for_ever_only_where_that_is_said() -> None:
    kept = replace(LOCAL, aside=0)
    world = World(replace(SITE, classes=(kept,)))
    node = put_aside(world, "local", since=NOW - 10**7)
    assert world.plan().steps == ()
    assert "it does not go by itself" in world.plan().explain_node(node)[0]
    world.policies = replace(SITE, classes=(replace(kept, life=3700),))
    assert "it goes at MAX_LIFE" in world.plan().explain_node(node)[0]
    world.policies = replace(SITE, classes=(replace(kept, life=3500),))
    world.run(running("r", node))
    assert verbs(world.plan()) == [("drain", node, "max life")]


def test_an_unwell_node_with_jobs_that_is_silent_is_lost_with_them() -> None:
    world = World(SITE)
    node = put_aside(world, "local")
    world.hosts[node] = replace(world.hosts[node], heard=False, silent=301)
    assert world.plan().steps == ()
    world.run(running("r", node))
    assert verbs(world.plan()) == [("remove", node, "lost")]


def test_an_unwell_node_counts_for_the_most_and_another_comes_in_its_place_within_that() -> None:
    world = World(replace(SITE, classes=(replace(LOCAL, least=1, most=2),)))
    put_aside(world, "local")
    assert verbs(world.plan()) == [("up", "local", "min")]
    put_aside(world, "local")
    assert world.plan().steps == ()


def test_of_too_many_nodes_the_unwell_ones_go_first() -> None:
    world = World(replace(SITE, classes=(replace(LOCAL, most=2),), pace=replace(AT_ONCE, max_kill=25)))
    for _ in range(2):
        world.add("local")
    aside = [put_aside(world, "local") for _ in range(2)]
    assert verbs(world.plan()) == [("drain", node, "max") for node in aside]
    world.policies = Policies(pace=AT_ONCE)
    assert {node for _, node, _ in verbs(world.plan())} == set(world.nodes)


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


def test_a_vm_without_a_node_stays_while_jobs_run_on_its_host_or_it_was_not_seen_so_for_long() -> None:
    world = World(SITE)
    world.vms["busy"] = Seen(17, "of nobody", NOW - 9999, running=True, node="wn0000")
    world.vms["fresh"] = Seen(18, "of nobody else", NOW - 9999, running=True, since_strange=NOW - 299)
    world.hosts["wn0000"] = Host("wn0000", slots=4, used=1)
    assert world.plan().steps == ()
    assert "VM 17 has the mark of this cluster" in world.plan().notes[0]
    assert "Jobs run on wn0000" in world.plan().notes[0]


def test_nodes_that_are_heard_and_whose_vms_oned_lacks_are_put_aside_after_a_while_and_never_most_at_once() -> None:
    world = World(replace(SITE, classes=(replace(LOCAL, most=20),), pace=replace(AT_ONCE, max_kill=25)))
    for number in range(8):
        node = world.add("local", vm=number)
        world.vms[node] = replace(world.vms[node], apart="oned has no VM", since_apart=NOW - 299, unknown=True)
    assert world.plan().steps == ()
    assert "lacks the VMs of 8 nodes: wn0000: oned has no VM; " in world.plan().notes[0]
    assert "The batch system hears 8." in world.plan().notes[0]
    for node, seen in world.vms.items():
        world.vms[node] = replace(seen, since_apart=NOW - 301)
    assert [(verb, rule) for verb, _, rule in verbs(world.plan())] == [("quarantine", "vm apart")] * 2


def test_a_reading_that_lacks_most_vms_stops_nothing_for_a_minute() -> None:
    world = World(SITE)
    nodes = [world.add("local", idle=5000) for _ in range(3)]
    assert {verb for verb, _, _ in verbs(world.plan())} == {"drain"}
    for node in nodes[1:]:
        world.vms[node] = replace(world.vms[node], apart="oned has no VM", since_apart=NOW - 1)
    made = world.plan()
    assert made.steps == ()
    assert "of 3 nodes it lacks 2 VMs that oned does not call DONE. Nothing is stopped for 59 s" in made.notes[0]
    world.vms[nodes[2]] = replace(world.vms[nodes[2]], apart="", since_apart=0)
    assert {verb for verb, _, _ in verbs(world.plan())} == {"drain"}


def test_an_unregistered_node_tells_why_its_vm_is_still_there() -> None:
    world = World(SITE)
    node = world.add("local", UNREGISTERED, vm=7)
    world.vms[node] = replace(world.vms[node], trouble="VM 7 is CLEANUP_DELETE: EC2 is busy")
    (step,) = world.plan().steps
    assert step.sentence.endswith("its VM is still there: VM 7 is CLEANUP_DELETE: EC2 is busy")


def test_an_unregistered_node_keeps_its_name_while_its_vm_is_another_users() -> None:
    world = World(SITE)
    node = world.add("local", UNREGISTERED)
    world.vms[node] = replace(world.vms[node], apart="VM 0 belongs to kim")
    assert [(verb, rule) for verb, _, rule in verbs(world.plan())] == [("remove", "unregistered")]
    world.vms[node] = replace(world.vms[node], apart="oned has no VM 0", unknown=True)
    assert [(verb, rule) for verb, _, rule in verbs(world.plan())] == [("forget", "gone")]


def leave(world: World, number: int, *, heard: bool = False, age: float = 301, **facts: object) -> str:
    """A host that was a node and that no node has."""
    name = f"old{number}"
    world.hosts[name] = Host(name, 4, heard=heard)
    if facts:
        world.hosts[name] = replace(world.hosts[name], **facts)
    known = world.facts.get("left", ())
    world.facts["left"] = (*known, Left(name, "local", NOW - age))
    return name


def test_a_host_that_no_node_has_is_drained_and_removed_once_it_is_empty() -> None:
    world = World(SITE)
    young, name = leave(world, 1, age=299), leave(world, 2)
    assert verbs(world.plan()) == [("reap", name, "left over")]
    (told,) = world.plan().explain_node(name)
    assert told.startswith(f"{name}: reap, by the rule left over: the batch system has the host {name}, no node has it")
    world.hosts[name] = replace(world.hosts[name], enabled=False, used=1)
    assert verbs(world.plan()) == [("reap", name, "left over")]
    world.hosts[name] = replace(world.hosts[name], used=0)
    assert verbs(world.plan()) == [("reap", name, "left over, empty")]
    assert young in world.hosts


@pytest.mark.parametrize("why", ["heard", "another's", "many", "old reading", "young master", "MAX_KILL"])
def test_hosts_that_no_node_has_are_left_alone(why: str) -> None:
    world = World(SITE)
    names = [leave(world, number, heard=why == "heard") for number in range(4 if why == "many" else 3)]
    if why == "another's":
        world.facts["left"] = tuple(replace(one, kept="VM 7 has its address") for one in world.facts["left"])
    if why == "old reading":
        world.age = 130
    if why == "young master":
        world.facts["master_since"] = NOW - 5
    if why == "MAX_KILL":
        world.policies = replace(SITE, pace=replace(AT_ONCE, max_kill=0))
    made = world.plan()
    assert verbs(made) == []
    told = [note for note in made.notes if "onesge node reap" in note]
    assert bool(told) == (why in ("heard", "many"))
    assert not told or f"were nodes: {', '.join(names)}. Nothing is done" in told[0]
