"""Rebalancing: an even pool stays as it is, moves make it more even, and nothing ever goes back and forth."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from oned.sched.pools import Candidate, Guest, Host, Wish
from oned.sched.rebalance import Balance, Moment, Shift, rebalance
from oned.sched.rights import Rights

CORES, MEMORY = 1000, 1 << 20
NOW = 10_000.0


def pool(*hosts: tuple[int, ...], **attributes: str) -> tuple[list[Host], list[Guest]]:
    """Hosts of ten cores with VMs that take so many hundredths of a core each."""
    found, guests = [], []
    for number, vms in enumerate(hosts):
        share = {"MAX_CPU": str(CORES), "MAX_MEM": str(MEMORY), "VM_MAD": "kvm", "CURRENT_VMS": ""} | attributes
        free = CORES - sum(vms)
        found.append(Host(number, f"h{number}", True, 0, free, MEMORY, len(vms), int(NOW), share))
        for cpu in vms:
            wish = Wish("", "", 0, 0, cpu, 1, number)
            guests.append(Guest(Candidate(len(guests), wish, running=True), 0.0))
    return found, guests


def loads(hosts: list[Host], guests: list[Guest]) -> list[float]:
    """The loads, highest first, percent."""
    taken = {host.id: 0 for host in hosts}
    for guest in guests:
        taken[guest.vm.wish.source] += guest.vm.wish.cpu
    return sorted((100 * cpu / CORES for cpu in taken.values()), reverse=True)


def changed(guest: Guest, **wish: Any) -> Guest:
    return replace(guest, vm=replace(guest.vm, wish=guest.vm.wish._replace(**wish)))


def after(hosts: list[Host], guests: list[Guest], shifts: list[Shift]) -> tuple[list[Host], list[Guest]]:
    """The pool once the moves are done."""
    goes = {shift.guest.vm.id: shift.target.id for shift in shifts}
    there = [changed(guest, source=goes.get(guest.vm.id, guest.vm.wish.source)) for guest in guests]
    taken = {host.id: sum(guest.vm.wish.cpu for guest in there if guest.vm.wish.source == host.id) for host in hosts}
    return [replace(host, free_cpu=CORES - taken[host.id]) for host in hosts], there


def moves(shifts: list[Shift]) -> list[tuple[int, int, int]]:
    return [(shift.guest.vm.id, shift.source.id, shift.target.id) for shift in shifts]


def run(hosts: list[Host], guests: list[Guest], balance: Balance, cooling: tuple[int, ...] = ()) -> list[Shift]:
    return rebalance(hosts, guests, Rights(), balance, Moment(NOW, 0, cooling))


def test_a_vm_goes_from_the_most_loaded_host_to_the_least() -> None:
    hosts, guests = pool((300, 300, 300), (300,), ())
    (shift,) = run(hosts, guests, Balance())
    assert moves([shift]) == [(0, 0, 2)]
    assert shift.why == "rebalancing, to h2 (0 % taken) from h0 (90 %): more than THRESHOLD = 20 apart"


def test_the_batch_is_what_moves_in_a_cycle_and_ends_when_it_is_even() -> None:
    hosts, guests = pool((100,) * 8, (), ())
    assert len(run(hosts, guests, Balance(batch=2))) == 2
    shifts = run(hosts, guests, Balance(batch=100))
    assert loads(*after(hosts, guests, shifts)) == [40.0, 20.0, 20.0]


def test_a_host_of_another_hypervisor_or_one_that_is_off_gets_nothing() -> None:
    hosts, guests = pool((300, 300), (), ())
    other = replace(hosts[1], attributes={**hosts[1].attributes, "VM_MAD": "xen"})
    assert run([hosts[0], other, replace(hosts[2], up=False)], guests, Balance()) == []


def test_requirements_hold_for_moves_too() -> None:
    hosts, guests = pool((300, 300), ())
    bound = [changed(guest, requirements="ID = 0") for guest in guests]
    assert run(hosts, bound, Balance()) == []


def test_a_large_vm_that_would_only_turn_the_loads_round_stays() -> None:
    hosts, guests = pool((800,), ())
    assert run(hosts, guests, Balance()) == []


def test_vms_and_hosts_that_just_moved_are_left_alone() -> None:
    hosts, guests = pool((300, 300), ())
    assert run(hosts, [replace(guest, since=NOW - 599) for guest in guests], Balance(cooldown=600)) == []
    assert len(run(hosts, [replace(guest, since=NOW - 600) for guest in guests], Balance(cooldown=600))) == 1
    assert run(hosts, guests, Balance(), cooling=(0,)) == []
    assert run(hosts, guests, Balance(), cooling=(1,)) == []


def measured(*hosts: tuple[int, ...]) -> tuple[list[Host], list[Guest]]:
    """Hosts whose VMs were promised a core each, and use so many hundredths."""
    found, guests = pool(*((100,) * len(vms) for vms in hosts))
    uses = iter(cpu for vms in hosts for cpu in vms)
    there = [
        replace(host, attributes={**host.attributes, "USED_CPU": str(sum(vms)), "USED_MEM": "0"})
        for host, vms in zip(found, hosts, strict=True)
    ]
    return there, [replace(guest, used=(next(uses), 0)) for guest in guests]


def test_what_is_used_counts_instead_of_what_was_promised_when_it_is_so_set() -> None:
    hosts, guests = measured((400, 300, 10), (5, 5, 5))
    assert run(hosts, guests, Balance()) == []
    (shift,) = run(hosts, guests, Balance(by_use=True))
    assert moves([shift]) == [(1, 0, 1)]
    assert shift.why == "rebalancing, to h1 (2 % used) from h0 (71 %): more than THRESHOLD = 20 apart"


def test_a_move_by_use_goes_only_where_what_was_promised_fits() -> None:
    hosts, guests = measured((400, 300), (5,))
    full = [hosts[0], replace(hosts[1], free_cpu=99)]
    assert run(full, guests, Balance(by_use=True)) == []


def test_vms_that_use_nothing_do_not_move_by_use() -> None:
    hosts, guests = measured((0, 0, 0, 0, 0, 0), ())
    assert run(hosts, guests, Balance(by_use=True)) == []
    assert len(run(hosts, guests, Balance())) == 1


HOSTS = st.lists(st.integers(10, 400), max_size=6).filter(lambda vms: sum(vms) <= CORES)
POOLS = st.lists(HOSTS, min_size=2, max_size=6)


@given(POOLS, st.integers(5, 60))
def test_a_pool_within_the_threshold_stays_as_it_is(vms: list[list[int]], threshold: int) -> None:
    hosts, guests = pool(*map(tuple, vms))
    shifts = run(hosts, guests, Balance(threshold, batch=100))
    found = loads(hosts, guests)
    if found[0] - found[-1] <= threshold:
        assert shifts == []


@given(POOLS, st.integers(5, 60), st.integers(1, 5))
def test_moves_never_widen_the_spread_and_lower_the_loads_in_order(
    vms: list[list[int]], threshold: int, batch: int
) -> None:
    hosts, guests = pool(*map(tuple, vms))
    before = loads(hosts, guests)
    shifts = run(hosts, guests, Balance(threshold, batch))
    now = loads(*after(hosts, guests, shifts))
    assert now[0] - now[-1] <= before[0] - before[-1]
    assert now < before if shifts else now == before
    if len(vms) == 2 and shifts:
        assert now[0] - now[-1] < before[0] - before[-1]


@given(POOLS, st.integers(5, 60))
def test_it_comes_to_rest_and_no_move_is_ever_taken_back_at_once(vms: list[list[int]], threshold: int) -> None:
    hosts, guests = pool(*map(tuple, vms))
    last: list[tuple[int, int, int]] = []
    for _ in range(200):
        shifts = run(hosts, guests, Balance(threshold))
        if not shifts:
            return
        assert [(vm, target, source) for vm, source, target in last] != moves(shifts)
        last = moves(shifts)
        hosts, guests = after(hosts, guests, shifts)
    raise AssertionError("it never came to rest")
