"""Which VM goes where, and why the others wait."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oned.sched.place import Left, Placements, Rules, place
from oned.sched.pools import Candidate, Host, Wish
from oned.sched.rights import HOST, INDIVIDUAL, MANAGE, Rights, Rule

GIB = 1 << 20


def host(number: int, cpu: int = 400, memory: int = 4 * GIB, running: int = 0, **attributes: str) -> Host:
    share = {"FREE_CPU": str(cpu), "RUNNING_VMS": str(running), "CURRENT_VMS": "", "NAME": f"h{number}"}
    return Host(number, f"h{number}", True, 0, cpu, memory, running, 1000, share | attributes)


def vm(
    number: int, requirements: str = "", rank: str = "", cpu: int = 100, memory: int = GIB, **wish: int
) -> Candidate:
    asked = Wish(requirements, rank, wish.get("uid", 0), wish.get("gid", 0), cpu, memory, wish.get("source", -1))
    return Candidate(number, asked)


def hosts_of(found: Placements) -> dict[int, int]:
    return {placement.vm.id: placement.host.id for placement in found.placed}


def reasons_of(found: Placements) -> list[list[tuple[str, int, str]]]:
    return [[(removed.name, removed.count, removed.detail) for removed in left.removed] for left in found.left]


def test_equal_vms_spread_with_striping() -> None:
    found = place([vm(number) for number in range(6)], [host(number) for number in range(3)], Rules(), Rights())
    assert hosts_of(found) == {0: 0, 1: 1, 2: 2, 3: 0, 4: 1, 5: 2}


def test_equal_vms_share_a_host_with_packing() -> None:
    found = place([vm(number) for number in range(5)], [host(0), host(1)], Rules(policy=0), Rights())
    assert hosts_of(found) == {0: 0, 1: 0, 2: 0, 3: 0, 4: 1}


def test_load_aware_policy_takes_the_host_with_most_free_cpu() -> None:
    found = place([vm(number) for number in range(3)], [host(0, cpu=200), host(1, cpu=400)], Rules(policy=2), Rights())
    assert hosts_of(found) == {0: 1, 1: 1, 2: 0}


def test_fixed_policy_takes_the_priority_of_the_host() -> None:
    found = place([vm(1)], [host(0, PRIORITY="1"), host(1, PRIORITY="7")], Rules(policy=4), Rights())
    assert hosts_of(found) == {1: 1}


def test_rank_of_the_vm_goes_before_the_policy() -> None:
    found = place(
        [vm(1, rank="CPUSPEED")], [host(0, CPUSPEED="1"), host(1, CPUSPEED="3", running=9)], Rules(), Rights()
    )
    assert hosts_of(found) == {1: 1}


def test_rank_sees_what_was_placed_before() -> None:
    hosts = [host(0, cpu=1000), host(1, cpu=900)]
    found = place([vm(number, rank="FREE_CPU * 2") for number in range(4)], hosts, Rules(), Rights())
    assert hosts_of(found) == {0: 0, 1: 0, 2: 1, 3: 0}


def test_requirement_on_running_vms_sees_what_was_placed_before() -> None:
    found = place([vm(number, "RUNNING_VMS < 1") for number in range(3)], [host(0), host(1)], Rules(policy=0), Rights())
    assert hosts_of(found) == {0: 0, 1: 1}
    assert reasons_of(found) == [[("REQUIREMENTS", 2, "do not meet SCHED_REQUIREMENTS")]]


def test_rank_that_is_no_expression_counts_as_nothing() -> None:
    assert hosts_of(place([vm(1, rank="((")], [host(4), host(2)], Rules(), Rights())) == {1: 2}


def test_equal_hosts_go_by_the_lowest_id() -> None:
    assert hosts_of(place([vm(1)], [host(7), host(3), host(5)], Rules(), Rights())) == {1: 3}


def test_priority_is_served_before_id() -> None:
    vms = [vm(1, cpu=400), replace(vm(2, cpu=400), priority=1.5), vm(0, cpu=400)]
    assert hosts_of(place(vms, [host(0), host(1)], Rules(), Rights())) == {2: 0, 0: 1}


def test_each_filter_says_how_many_hosts_it_took() -> None:
    hosts = [
        replace(host(0), up=False), replace(host(1), monitored=0), host(2), host(3, HYPERVISOR="xen"),
        host(4, cpu=40, HYPERVISOR="kvm"), host(5, memory=GIB // 2, HYPERVISOR="kvm"),
    ]  # fmt: skip
    found = place([vm(1, 'HYPERVISOR = "kvm"', source=2)], hosts, Rules(stale=100), Rights(), now=1050)
    assert reasons_of(found) == [
        [
            ("STATE", 1, "not enabled and monitored"),
            ("MONITORING", 1, "not heard of for more than 100 s"),
            ("SOURCE", 1, "the one it is to leave"),
            ("REQUIREMENTS", 1, "do not meet SCHED_REQUIREMENTS"),
            ("CPU", 1, "not enough free CPU (100 wanted, best 40)"),
            ("MEMORY", 1, "not enough free memory (1024 MB wanted, best 512)"),
        ]
    ]


def test_requirement_that_is_no_expression_says_where() -> None:
    found = place([vm(1, "HYPERVISOR =")], [host(0)], Rules(), Rights())
    assert reasons_of(found)[0][0][2].startswith("error in SCHED_REQUIREMENTS: syntax error")


def test_owner_without_a_rule_uses_no_host_and_with_one_that_host() -> None:
    rule = Rule(INDIVIDUAL | 100, HOST | INDIVIDUAL | 1, MANAGE)
    vms, hosts = [vm(1, uid=100, gid=100), vm(2, uid=101, gid=100)], [host(0), host(1)]
    found = place(vms, hosts, Rules(), Rights([rule]))
    assert hosts_of(found) == {1: 1}
    assert reasons_of(found) == [[("RIGHTS", 2, "the owner has no right to use (MANAGE)")]]


def test_max_host_and_max_dispatch_limit_a_cycle() -> None:
    vms, hosts = [vm(number) for number in range(5)], [host(0), host(1)]
    assert hosts_of(place(vms, hosts, Rules(policy=0, max_host=1), Rights())) == {0: 0, 1: 1}
    found = place(vms, hosts, Rules(max_dispatch=2), Rights())
    assert hosts_of(found) == {0: 0, 1: 1}
    assert [left.why for left in found.left] == ["MAX_DISPATCH = 2 VMs of this cycle are placed"] * 3


def test_placement_tells_rank_and_candidates() -> None:
    placed = place([vm(1)], [host(0, running=3), host(1, running=2), host(2, cpu=0)], Rules(), Rights()).placed[0]
    assert (placed.host.id, placed.rank, placed.candidates, placed.why) == (1, -2.0, 2, "policy striping")


def test_vm_without_memory_and_cpu_fits_a_full_host() -> None:
    assert hosts_of(place([vm(1, cpu=0, memory=0)], [host(0, cpu=-100, memory=0)], Rules(), Rights())) == {1: 0}


# --- properties ---

REQUIREMENTS = st.sampled_from(["", "ZONE = 1", "ZONE != 0 | RUNNING_VMS < 2", "RUNNING_VMS < 1"])
RANKS = st.sampled_from(["", "FREE_CPU", "- RUNNING_VMS * 50 + FREE_CPU", "ZONE"])
HOSTS = st.lists(
    st.builds(
        lambda cpu, memory, zone, running: (cpu, memory, zone, running),
        st.integers(-1, 5), st.integers(0, 5), st.integers(0, 2), st.integers(0, 3),
    ),
    max_size=6,
).map(
    lambda rows: [
        host(number, cpu * 100, memory * GIB, running, ZONE=str(zone))
        for number, (cpu, memory, zone, running) in enumerate(rows)
    ]
)  # fmt: skip
VMS = st.lists(
    st.builds(
        lambda requirements, rank, cpu, memory, source, priority: (requirements, rank, cpu, memory, source, priority),
        REQUIREMENTS, RANKS, st.integers(0, 3), st.integers(0, 3), st.integers(-1, 2), st.integers(0, 1),
    ),
    max_size=12,
).map(
    lambda rows: [
        replace(vm(number, requirements, rank, cpu * 100, memory * GIB, source=source), priority=float(priority))
        for number, (requirements, rank, cpu, memory, source, priority) in enumerate(rows)
    ]
)  # fmt: skip
RULES = st.builds(Rules, policy=st.integers(0, 2), max_host=st.integers(0, 2), max_dispatch=st.integers(0, 5))


@given(VMS, HOSTS, RULES)
def test_no_host_is_ever_overcommitted(vms: list[Candidate], hosts: list[Host], rules: Rules) -> None:
    found = place(vms, hosts, rules, Rights())
    for machine in hosts:
        here = [placement.vm.wish for placement in found.placed if placement.host.id == machine.id]
        assert sum(wish.cpu for wish in here) <= max(machine.free_cpu, 0)
        assert sum(wish.memory for wish in here) <= max(machine.free_memory, 0)
        assert not rules.max_host or len(here) <= rules.max_host
        assert machine.id not in [wish.source for wish in here]


@given(VMS, HOSTS, RULES, st.randoms(use_true_random=False))
def test_order_of_the_documents_does_not_matter(
    vms: list[Candidate], hosts: list[Host], rules: Rules, rng: object
) -> None:
    expected = place(vms, hosts, rules, Rights())
    vms, hosts = vms.copy(), hosts.copy()
    shuffle = getattr(rng, "shuffle")  # noqa: B009
    shuffle(vms)
    shuffle(hosts)
    assert place(vms, hosts, rules, Rights()) == expected


@given(VMS, HOSTS, RULES)
def test_every_vm_has_an_outcome_and_its_reasons_count_every_host(
    vms: list[Candidate], hosts: list[Host], rules: Rules
) -> None:
    found = place(vms, hosts, rules, Rights())
    assert Counter([p.vm.id for p in found.placed] + [left.vm.id for left in found.left]) == Counter(v.id for v in vms)
    assert all(_count(left) == len(hosts) for left in found.left if not left.why)


def _count(left: Left) -> int:
    return sum(removed.count for removed in left.removed)


@given(VMS, HOSTS, st.integers(0, 2))
def test_result_is_that_of_trying_every_pair(vms: list[Candidate], hosts: list[Host], policy: int) -> None:
    vms = [replace(one, wish=one.wish._replace(requirements="", rank="", source=-1)) for one in vms]
    cpu, memory = {h.id: h.free_cpu for h in hosts}, {h.id: h.free_memory for h in hosts}
    running, idle = {h.id: h.running for h in hosts}, {h.id: float(h.attributes["FREE_CPU"]) for h in hosts}
    score = {0: lambda h: running[h], 1: lambda h: -running[h], 2: lambda h: idle[h]}[policy]
    expected = {}
    for one in sorted(vms, key=lambda one: (-one.priority, one.id)):
        wish = one.wish
        fit = [h for h in cpu if (not wish.cpu or cpu[h] >= wish.cpu) and (not wish.memory or memory[h] >= wish.memory)]
        if fit:
            best = max(fit, key=lambda h: (score(h), -h))
            cpu[best] -= wish.cpu
            memory[best] -= wish.memory
            idle[best] -= wish.cpu
            running[best] += 1
            expected[one.id] = best
    assert hosts_of(place(vms, hosts, Rules(policy=policy), Rights())) == expected


@pytest.mark.parametrize("policy", [3, 99])
def test_policy_without_an_expression_ranks_all_hosts_alike(policy: int) -> None:
    assert hosts_of(place([vm(1)], [host(1), host(2)], Rules(policy=policy), Rights())) == {1: 1}


# --- public clouds ---


def burst(number: int, **wish: str) -> Candidate:
    """A VM whose template has a section for a cloud."""
    found = vm(number, **wish)  # type: ignore[arg-type]
    return replace(found, wish=found.wish._replace(cloud=True))


@pytest.mark.parametrize("policy", [0, 1, 2])
def test_hosts_of_ones_own_are_filled_before_a_public_cloud(policy: int) -> None:
    hosts = [host(0, cpu=900, PUBLIC_CLOUD="YES"), host(1, cpu=200, running=5), host(2, cpu=100, running=5)]
    found = place([burst(number) for number in range(5)], hosts, Rules(policy=policy), Rights())
    assert Counter(hosts_of(found).values()) == {1: 2, 2: 1, 0: 2}
    assert [hosts_of(found)[number] for number in (3, 4)] == [0, 0]


def test_a_rank_that_somebody_has_set_chooses_between_them() -> None:
    hosts = [host(0, PUBLIC_CLOUD="YES", SPEED="9"), host(1, SPEED="3")]
    assert hosts_of(place([burst(1, rank="SPEED")], hosts, Rules(), Rights())) == {1: 0}
    assert hosts_of(place([burst(1, rank="- COST * 1000")], hosts, Rules(policy=3, rank="SPEED"), Rights())) == {1: 0}
    assert hosts_of(place([burst(1)], hosts, Rules(policy=3, rank="SPEED"), Rights())) == {1: 0}
    costs = [host(0, PUBLIC_CLOUD="YES", COST="0.1"), host(1)]
    assert hosts_of(place([burst(1, rank="- COST * 1000")], costs, Rules(), Rights())) == {1: 1}
    assert hosts_of(place([burst(1, requirements='PUBLIC_CLOUD = "YES"')], costs, Rules(), Rights())) == {1: 0}


def test_a_vm_that_says_nothing_of_clouds_is_not_sent_to_one() -> None:
    found = place([vm(1), vm(2)], [host(0, PUBLIC_CLOUD="YES"), host(1, cpu=100)], Rules(), Rights())
    assert hosts_of(found) == {1: 1}
    assert reasons_of(found)[0][0] == (
        "CLOUD", 1, "in a public cloud, and its template has no section EC2 or PUBLIC_CLOUD"
    )  # fmt: skip
