"""Limits: how they are written and merged; and the sums that count against them."""

import tracemalloc
from collections import defaultdict
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oned.document.object import View
from oned.errors import ActionError
from oned.ids import Kind
from oned.pool.charges import Charges, Holder, holders
from oned.pool.pool import Names, Pool
from oned.quota.blocks import BLOCKS, BY_NAME
from oned.quota.limits import Limits, xml
from oned.quota.usage import VMS, of_capacity, of_vm, running
from oned.store.body import decoded, encoded
from oned.template.parse import parse
from oned.template.template import Template
from oned.user.user import User
from oned.vm.states import DONE, POWEROFF, RUNNING, STOPPED
from oned.vm.vm import VM, Capacity

NOBODY = View(lambda _: "", lambda _: "", lambda _: "", lambda _: "", lambda *_: "")

LIMIT = st.one_of(st.integers(-2, 10**6), st.floats(0, 100, width=16)).map(float)


@st.composite
def vector(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    """A vector of a quota template."""
    block = draw(st.sampled_from(BLOCKS))
    keys = draw(st.sets(st.sampled_from(block.keys), min_size=1))
    values = {key: str(draw(LIMIT if key.endswith("CPU") else st.integers(-2, 10**6))) for key in keys}
    return block.name, {"ID": str(draw(st.integers(0, 3))), **values} if block.by_id else values


def written(vectors: list[tuple[str, dict[str, str]]]) -> str:
    return "\n".join(
        f"{name} = [ {', '.join(f'{key} = {value}' for key, value in keys.items())} ]" for name, keys in vectors
    )


@given(st.lists(vector(), max_size=6))
def test_the_last_limit_given_counts_and_is_stored_and_shown(vectors: list[tuple[str, dict[str, str]]]) -> None:
    limits = Limits()
    for one in vectors:
        limits = limits.merged(parse(written([one])))
    expected = {
        ((name, int(keys.get("ID", -1))), key): float(value)
        for name, keys in vectors for key, value in keys.items() if key != "ID"
    }  # fmt: skip
    for kept in (limits, Limits.restored(decoded(encoded(limits.saved())))):
        assert {place: kept.of(*place) for place in expected} == expected
    shown = ElementTree.fromstring(f"<Q>{xml(limits, {})}</Q>")
    assert [child.tag for child in shown] == [block.element for block in BLOCKS]
    for (where, key), value in expected.items():
        found = [item for item in shown.iter(where[0]) if item.findtext("ID", "-1") == str(where[1])]
        assert [float(item.findtext(key, "")) for item in found] == ([pytest.approx(value, abs=0.01)] if found else [])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("VMS = 3", "VMS is no quota. A quota template has DATASTORE"),
        ("CLUSTER = [ VMS = 3 ]", "CLUSTER is no quota"),
        ("VM = [ LEASES = 3 ]", "LEASES cannot be limited in VM: CPU, MEMORY"),
        ("IMAGE = [ RVMS = 3 ]", "A IMAGE quota needs the ID of the image"),
        ('NETWORK = [ ID = "x", LEASES = 3 ]', "needs the ID of the network"),
        ("VM = [ VMS = -3 ]", 'VM: VMS = "-3" is no limit'),
        ("VM = [ VMS = 1.5 ]", "is no limit. It is a number, -1 (the default) or -2 (unlimited)"),
        ("VM = [ CPU = nan ]", "is no limit"),
        ("VM = [ MEMORY = inf ]", "is no limit"),
        ("VM = [ VMS = many ]", "is no limit"),
    ],
)
def test_what_is_no_quota_is_refused_with_a_reason(text: str, why: str) -> None:
    with pytest.raises(ActionError) as refused:
        Limits().merged(parse(text))
    assert why in str(refused.value)


def vm(oid: int = 1, uid: int = 4, gid: int = 1, template: str = "CPU=1.5 MEMORY=512") -> VM:
    made = VM(oid, f"vm{oid}", (uid, gid), 0o600)
    made.template = parse(template)
    made.settle_capacity()
    made.state = RUNNING
    return made


def test_a_vm_counts_its_capacity_disks_leases_and_images() -> None:
    template = """CPU = 1.5 MEMORY = 512
        DISK = [ IMAGE_ID = 7, SIZE = 100 ] DISK = [ IMAGE_ID = 7, SIZE = 100, CLONE = NO ]
        DISK = [ TYPE = swap, SIZE = 20 ]
        NIC = [ NETWORK_ID = 3 ] NIC = [ NETWORK_ID = 3 ] NIC = [ BRIDGE = br0 ]"""
    assert of_vm(vm(template=template)) == {
        (VMS, "VMS"): 1, (VMS, "CPU"): 150, (VMS, "MEMORY"): 512, (VMS, "SYSTEM_DISK_SIZE"): 120,
        (VMS, "RUNNING_VMS"): 1, (VMS, "RUNNING_CPU"): 150, (VMS, "RUNNING_MEMORY"): 512,
        (("NETWORK", 3), "LEASES"): 2, (("IMAGE", 7), "RVMS"): 1,
    }  # fmt: skip


@pytest.mark.parametrize("state", [POWEROFF, STOPPED])
def test_a_vm_at_rest_counts_but_not_as_running(state: Any) -> None:
    resting = vm()
    resting.state = state
    assert {key for _, key in of_vm(resting)} == {"VMS", "CPU", "MEMORY", "SYSTEM_DISK_SIZE"}
    assert set(running(resting)) == {(VMS, "RUNNING_VMS"), (VMS, "RUNNING_CPU"), (VMS, "RUNNING_MEMORY")}


def test_a_vm_that_is_done_counts_nothing() -> None:
    ended = vm()
    ended.state = DONE
    assert of_vm(ended) == {}


def pools() -> tuple[Charges, Pool[VM]]:
    vms: Pool[VM] = Pool(Kind.VM, "VM_POOL", NOBODY, Names.FREE)
    users: Pool[User] = Pool(Kind.USER, "USER_POOL", NOBODY)
    for uid in range(4):
        users.admit(User(uid, f"user{uid}", 0 if uid == 0 else 1, ""))
    groups: Pool[Any] = Pool(Kind.GROUP, "GROUP_POOL", NOBODY)
    return Charges({Kind.VM: vms, Kind.USER: users, Kind.GROUP: groups}, {Kind.VM: of_vm}), vms


STEP = st.tuples(
    st.sampled_from(["new", "give", "resize", "end", "drop", "look"]), st.integers(0, 5), st.integers(0, 3)
)


SIZES = ("0", "7", "10000000000000000000000000", "1099511627775")


def act(charges: Charges, vms: Pool[VM], what: str, oid: int, number: int) -> None:
    """One thing that happens to a VM."""
    one = vms.peek(oid)
    if one is None:
        one = vm(oid, number, number % 2)
        vms.admit(one)
    elif what == "give":
        one.uid, one.gid = number, number % 2
    elif what == "resize":
        one.capacity = Capacity(1 + 33 * number, 1024 * 100 * number)
        one.template = Template([("DISK", {"TYPE": "SWAP", "SIZE": SIZES[number]})])
    elif what == "end":
        one.state = DONE
    elif what == "drop":
        vms.evict(one)
    charges.note(one)


def counted_anew(vms: Pool[VM], holder: Holder) -> dict[Any, int]:
    sums: dict[Any, int] = defaultdict(int)
    for one in vms:
        for key, amount in of_vm(one).items() if holder in holders(one.uid, one.gid) else ():
            sums[key] += amount
    return {key: amount for key, amount in sums.items() if amount}


@given(st.lists(STEP, max_size=30))
def test_the_sums_are_those_of_the_objects_whatever_happens_to_them(steps: list[tuple[str, int, int]]) -> None:
    charges, vms = pools()
    for what, oid, number in steps:
        act(charges, vms, what, oid, number)
        if what == "look":
            charges.settle()
    for holder in ((kind, oid) for kind in (Kind.USER, Kind.GROUP) for oid in range(4)):
        used = {key: amount for key, amount in charges.used(holder).items() if amount}
        assert used == counted_anew(vms, holder)


def test_what_many_vms_count_alike_is_kept_once() -> None:
    charges, vms = pools()
    for oid in range(1000):
        vms.admit(vm(oid, uid=1))
    charges.rebuild([])
    tracemalloc.start()
    charges.settle()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / len(vms) < 200
    assert charges.used((Kind.USER, 1))[VMS, "VMS"] == len(vms)


def test_a_limit_counts_for_each_holder_and_the_default_where_there_is_none() -> None:
    charges, vms = pools()
    vms.admit(vm(1, uid=2))
    charges.note(vm(1, uid=2))
    charges.rebuild([((Kind.USER, -1), Limits({VMS: {"VMS": 1}})), ((Kind.USER, 3), Limits({VMS: {"VMS": -2}}))])
    one_more = {(VMS, "VMS"): 1.0}
    assert charges.lack(holders(2, 1), one_more).startswith("user [2] limit of 1 reached for VMS quota in VM.")
    assert charges.lack(holders(3, 1), one_more) == ""
    assert charges.lack(holders(1, 1), one_more) == ""
    charges.limit((Kind.GROUP, 1), Limits({VMS: {"CPU": 2}}))
    wanted = of_capacity(Capacity(60, 0))
    assert charges.lack(holders(1, 1), wanted).startswith("group [1] limit of 2 reached for CPU quota in VM.")
    assert charges.lack(holders(0, 0), wanted) == ""


def test_blocks_are_declared_once_and_told_apart() -> None:
    assert len(BY_NAME) == len(BLOCKS)
    assert [block.name for block in BLOCKS if not block.by_id] == ["VM"]
