"""What jobs ask for by name: which nodes have it, what is left of it, and what no node has."""

from dataclasses import replace

import pytest
from hypothesis import given as random_values
from hypothesis import settings
from hypothesis import strategies as st

from oned.elastic.demand import Kind, Shape, demand, impossible
from oned.elastic.known import known, made_by, proofs, remembered
from oned.elastic.needs import MANY, Given, Need, Per, Place, Shared, amount, lacking, places, suits, times
from oned.elastic.node import COMING, READY
from oned.elastic.plan import Plan, Verb
from oned.elastic.policy import NodeClass, Policies
from oned.elastic.reading import Host, Job, Proof
from tests.unit.elastic_world import AT_ONCE, NOW, World, running, ups, verbs, waiting

GPU = Need("gpu", "1", per=Per.SLOT)
PLAIN = NodeClass("plain", slots=4, wait=0, most=3)
WITH_GPU = NodeClass("gpu", slots=4, wait=0, most=3, offers=(("gpu", "2"),))


@pytest.mark.parametrize(
    ("text", "number"),
    [("2", 2), ("1.5G", 1.5 * 2**30), ("10k", 10_000), ("1:00:00", 3600), ("TRUE", 1), ("false", 0), ("v100", None),
     ("INFINITY", float("inf")), ("2.000000", 2), ("", None)],
)  # fmt: skip
def test_values_are_numbers_sizes_times_and_truths(text: str, number: float | None) -> None:
    assert amount(text) == number


@pytest.mark.parametrize(
    ("pattern", "suited"),
    [("v100", True), ("v*", True), ("a100|v100", True), ("!v100", False), ("v*&!v2*", True), ("a*", False),
     ("V100", True), ("(a|b)", True)],
)  # fmt: skip
def test_words_are_patterns_as_grid_engine_has_them(pattern: str, suited: bool) -> None:
    assert suits(pattern, "v100") is suited


def test_a_need_is_compared_by_its_relation_and_taken_for_each_slot_or_once() -> None:
    assert lacking([GPU], [{"gpu": "2"}], 2) == ""
    assert lacking([GPU], [{"gpu": "2"}], 3) == "has gpu=2, 1 is wanted for each of 3 slots"
    assert lacking([replace(GPU, per=Per.JOB)], [{"gpu": "2"}], 3) == ""
    assert lacking([GPU], [{}], 1) == "has no gpu"
    assert lacking([replace(GPU, optional=True)], [{}], 1) == ""
    assert (times(2, 1), times(0.3, 0.1), times(-1, 1), times(float("inf"), 1)) == (2, 3, 0, MANY)
    assert lacking([Need("load", "3", ">=")], [{"load": "2"}], 1) == ""
    assert lacking([Need("n", "2", "==")], [{"n": "4"}], 1) == "has n=4, 2 is wanted"
    assert lacking([Need("h_rt", "7200")], [{}, {"h_rt": "1:00:00"}], 1) == "has h_rt=1:00:00, 7200 is wanted"


def test_a_value_of_a_host_counts_before_that_of_its_group_and_that_before_the_general_one() -> None:
    given = [Given("all.q", "h_rt", where, (("h_rt", value),)) for where, value in (("", "1"), ("@a", "2"), ("n", "3"))]
    assert places({"all.q", "@b"}, given) == (Place("all.q", (("h_rt", "1"),)),)
    assert places({"all.q", "@a"}, given) == (Place("all.q", (("h_rt", "2"),)),)
    assert places({"all.q", "all.q@n", "@a"}, given) == (Place("all.q", (("h_rt", "3"),)),)


def test_no_node_comes_for_what_no_class_has_and_a_class_that_has_it_gets_the_job() -> None:
    without = World(Policies((PLAIN,), pace=AT_ONCE), [waiting(needs=(GPU,))])
    assert ups(without) == []
    (told,) = without.plan().explain_job("1")
    assert told == (
        "Job 1 wants 1 slot, gpu=1. It can never run: no class of nodes holds it: plain has no gpu."
    )  # fmt: skip
    both = World(Policies((PLAIN, WITH_GPU), pace=AT_ONCE), [waiting(needs=(GPU,), tasks=3)])
    assert ups(both) == ["gpu", "gpu"]
    assert Plan.of(both.plan().json()) == both.plan()
    four = waiting(needs=(replace(GPU, wanted="4"),))
    assert "gpu has gpu=2, 4 is wanted" in World(both.policies, [four]).plan().explain_job("1")[0]


def test_an_idle_node_that_does_not_have_it_is_not_kept_for_it() -> None:
    world = World(Policies((PLAIN,), pace=AT_ONCE), [waiting(needs=(GPU,))])
    node = world.add("plain", idle=4000)
    assert verbs(world.plan()) == [("drain", node, "idle")]


def test_what_running_jobs_have_is_not_there_for_others_until_they_end() -> None:
    policies = Policies((WITH_GPU,), pace=AT_ONCE, look_ahead=True)
    for offers, left in (((), 0), ((("gpu", "2.000000"),), 0), ((("gpu", "0.000000"),), 1)):
        world = World(policies, [waiting(needs=(GPU,))])
        node = world.add("gpu")
        world.hosts[node] = replace(world.hosts[node], offers=offers)
        world.run(running("r", node, 2 if not left else 1, needs=(GPU,)))
        assert ups(world) == ["gpu"]
    world.jobs = [waiting(waited=50, needs=(GPU,)), replace(world.jobs[-1], ends=NOW + 10)]
    assert ups(world) == []


def test_a_limit_of_the_queue_counts_and_another_queue_of_the_class_may_have_more() -> None:
    given = (Given("short.q", "h_rt", "", (("h_rt", "1:00:00"),)),)
    job = waiting(needs=(Need("h_rt", "7200", optional=True),))
    short = replace(PLAIN, queues=frozenset({"short.q", "@all"}))
    world = World(Policies((short,), pace=AT_ONCE), [job])
    world.facts["given"] = given
    assert "plain has h_rt=1:00:00, 7200 is wanted in short.q" in world.plan().explain_job("1")[0]
    world.policies = Policies((replace(short, queues=frozenset({"short.q", "long.q"})),), pace=AT_ONCE)
    assert ups(world) == ["plain"]
    world.jobs = [replace(job, queues=frozenset({"short.q"}))]
    assert ups(world) == []


def test_a_licence_that_is_taken_brings_no_node_and_says_so() -> None:
    job = waiting(needs=(replace(GPU, name="matlab"),), tasks=5)
    world = World(Policies((PLAIN,), pace=AT_ONCE), [job, waiting("2", waited=50, needs=job.needs)])
    for left, count in (("0", 0), ("2", 1), ("5", 2)):
        world.facts["shared"] = (Shared("matlab", "9", left),)
        assert len(ups(world)) == count
    (told,) = world.plan().explain_job("2")
    assert told == (
        "Job 2 asks for no node: it is waiting for matlab: 0 of 9 are left for it, 1 are wanted (licence taken)."
    )  # fmt: skip
    world.jobs = [waiting(needs=(replace(GPU, name="matlab", wanted="10"),))]
    assert (
        "It can never run: no class of nodes holds it: plain has matlab=9, 10 is wanted."
        in world.plan().explain_job("1")[0]
    )
    assert ups(world) == []


def test_a_host_by_name_is_waited_for_if_it_is_there_and_never_started() -> None:
    world = World(Policies((PLAIN,), pace=AT_ONCE), [waiting(host="wn0000"), waiting("2", host="wn7*")])
    node = world.add("plain", idle=4000)
    made = world.plan()
    assert made.steps == ()
    assert made.served[0].nodes == (node,)
    assert "plain is not started for the name wn7*" in made.explain_job("2")[0]
    world.run(running("r", node, 4))
    assert ups(world) == []
    assert "can never run" not in world.plan().explain_job("1")[0]


def test_a_node_that_takes_only_jobs_which_ask_for_it_gets_no_others() -> None:
    world = World(Policies((WITH_GPU,), pace=AT_ONCE), [waiting(), waiting("2", needs=(GPU,))])
    world.facts["forced"] = frozenset({"gpu"})
    assert "gpu takes only jobs that ask for gpu" in world.plan().explain_job("1")[0]
    assert ups(world) == ["gpu"]


def test_what_every_job_takes_is_no_reason_not_to_start_a_node() -> None:
    implied = replace(GPU, optional=True, implied=True)
    assert Shape(needs=(implied,)).words() == "1 slot"
    assert impossible(Shape(needs=(implied,)), Policies((PLAIN,)), ()) == ""
    assert Shape(needs=(implied,), slots=3).misfit(Kind(4, offers=(("gpu", "2"),))) != ""


# --- what nodes really have ---


def test_nodes_count_with_the_memory_that_they_have_shown_to_have() -> None:
    klass = NodeClass("c", slots=4, memory=8000, wait=0, most=3)
    world = World(Policies((klass,), pace=AT_ONCE), [waiting(memory=7500)])
    assert ups(world) == ["c"]
    node = world.add("c", idle=4000)
    world.hosts[node] = replace(world.hosts[node], memory=7200, free=7200)
    said = "c has 7200 MiB, not the 8000 of its MEMORY, 7500 are wanted on one node"
    assert said in world.plan().explain_job("1")[0]
    assert verbs(world.plan()) == [("drain", node, "idle")]
    world.facts["proofs"] = proofs(world.hosts.values(), world.nodes.values())
    world.nodes.clear()
    world.hosts.clear()
    assert said in world.plan().explain_job("1")[0]
    assert ups(world) == []


def test_what_is_remembered_is_of_nodes_made_by_the_same_settings() -> None:
    old, new = Proof(7000, "lx", (("mem_free", "6.9G"), ("p", "2"))), Proof(7100, "", (("mem_free", "6.91G"),))
    assert remembered(old, new) == Proof(7100, "lx", (("mem_free", "6.9G"), ("p", "2")))
    assert remembered(old, Proof(offers=(("p", "4"),))).offers == (("mem_free", "6.9G"), ("p", "4"))
    assert made_by(PLAIN) != made_by(replace(PLAIN, memory=1)) != made_by(replace(PLAIN, template="x"))


def test_what_hosts_report_by_themselves_is_known_once_one_has() -> None:
    job = waiting(needs=(Need("num_proc", "2", optional=True),))
    world = World(Policies((PLAIN,), pace=AT_ONCE), [job])
    assert ups(world) == ["plain"]
    world.facts["proofs"] = {"plain": Proof(offers=(("num_proc", "1.000000"),))}
    assert "plain has num_proc=1.000000, 2 is wanted" in world.plan().explain_job("1")[0]
    world.facts["shared"] = (Shared("site", "", "TRUE"),)
    (klass,) = known(world.policies, world.reading()).classes
    assert klass.offers == (("num_proc", "1.000000"), ("site", "TRUE"))


NEEDS = st.lists(
    st.builds(
        Need,
        st.sampled_from(("gpu", "fpga", "mem_free")),
        st.sampled_from(("1", "2", "7")),
        per=st.sampled_from(Per),
        optional=st.booleans(),
    ),
    max_size=2,
    unique_by=lambda need: need.name,
).map(tuple)
JOBS = st.builds(
    Job,
    st.integers(0, 99).map(str),
    submitted=st.just(NOW - 900),
    tasks=st.integers(1, 4),
    slots=st.integers(1, 4),
    memory=st.sampled_from((0, 500, 900, 950, 1000, 1900, 3800)),
    needs=NEEDS,
)
CLASSES = st.lists(
    st.builds(
        NodeClass,
        st.sampled_from("abc"),
        slots=st.integers(1, 4),
        memory=st.sampled_from((0, 1000, 4000)),
        offers=st.sampled_from(((), (("gpu", "2"),), (("fpga", "1"), ("gpu", "4")))),
        wait=st.just(0.0),
        most=st.integers(1, 3),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda klass: klass.name,
).map(tuple)


@random_values(CLASSES, st.lists(JOBS, max_size=4, unique_by=lambda job: job.id))
@settings(max_examples=60, deadline=None)
def test_nodes_that_have_less_than_was_promised_are_not_started_without_end(
    classes: tuple[NodeClass, ...], jobs: list[Job]
) -> None:
    world = World(Policies(classes, most=6, pace=AT_ONCE), jobs)
    late = 0
    for cycle in range(16):
        steps = world.plan().steps
        late += sum(step.verb is Verb.UP for step in steps) if cycle > 9 else 0
        world.apply(steps)
        come_up(world)
    assert late == 0


def come_up(world: World) -> None:
    """Nodes that come are there, have nine tenths of their memory, and have been idle for long; others go on."""
    for name, node in list(world.nodes.items()):
        if node.state in COMING:
            made = world.add(node.klass, READY, idle=4000, created=node.created)
            host = world.hosts[made]
            less = host.memory * 9 // 10
            world.hosts[made] = replace(host, memory=less, free=less, shown=(("mem_free", "1"),))
            del world.nodes[name]
        elif node.state is not READY:
            world.nodes[name] = replace(node, since=NOW - 10)
    before = world.facts.get("proofs", {})
    assert isinstance(before, dict)
    for klass, proof in proofs(world.hosts.values(), world.nodes.values()).items():
        before = {**before, klass: remembered(before.get(klass, Proof()), proof)}
    world.facts["proofs"] = before


def test_demand_of_what_has_no_needs_is_as_cheap_as_before() -> None:
    found = demand([waiting(str(number)) for number in range(3)], (), Policies((PLAIN,)), NOW)
    assert [want.shape.counted for want in found.wants] == [()]


def test_hosts_that_are_not_ours_have_what_the_batch_system_tells_and_the_jobs_there_have() -> None:
    world = World(Policies((PLAIN,), pace=AT_ONCE), [waiting(needs=(replace(GPU, wanted="2"),))])
    world.hosts["old"] = Host("old", 4, 1, offers=(("gpu", "1.000000"),))
    world.jobs.append(running("r", "old", needs=(GPU,)))
    assert "can never run" not in world.plan().explain_job("1")[0], "it has two, of which a job has one"
    assert (ups(world), world.plan().served[0].unmet) == ([], 1)
    world.hosts["old"] = replace(world.hosts["old"], used=0, offers=(("gpu", "2.000000"),))
    del world.jobs[1]
    assert world.plan().served[0].nodes == ("old",)
