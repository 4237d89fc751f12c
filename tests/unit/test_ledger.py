"""The sums of the hosts: after any walk through the life cycle they equal a fresh count, and none is negative."""

import asyncio
import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oned import clock
from oned.datastore.datastore import Datastore
from oned.host.host import Host
from oned.ids import Kind
from oned.mad.operations import Operations
from oned.pool.pools import Pools
from oned.store.database import Database, sqlite_engine
from oned.store.events import Events
from oned.store.schema import upgrade
from oned.vm.fire import ROWS, Cause, Lifecycle, find
from oned.vm.machine import Site
from oned.vm.row import Placement
from oned.vm.states import DONE, HOLDS_ROOM, PENDING, RUNNING
from oned.vm.vm import VM, Capacity

HOSTS, STORES, VMS, STEPS = 3, 2, 4, 60
SITE = Site("/var/vms", "front", lambda mad, driver, verb: 60.0)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    loop = asyncio.new_event_loop()
    engine = sqlite_engine(tmp_path_factory.mktemp("ledger") / "one.db")
    upgrade(engine)
    database = Database(engine, loop)
    yield database
    database.close()
    loop.close()


class Walk:
    """VMs that go where the dice say."""

    def __init__(self, database: Database, seed: int) -> None:
        self.dice = random.Random(seed)
        self.pools = Pools()
        for oid in range(STORES):
            self.pools.datastores.admit(Datastore(oid, f"ds{oid}", "dummy", f"/ds/{oid}"))
        self.operations = Operations(database, self.pools, Events(0))
        self.lifecycle = Lifecycle(SITE, self.pools.followed)
        for hid in range(HOSTS):
            self.pools.hosts.admit(Host(hid, f"h{hid}", "dummy", "dummy"))
        for oid in range(VMS):
            self.pools.vms.admit(self._vm(oid))

    def _vm(self, oid: int) -> VM:
        vm = VM(oid, f"one-{oid}", (0, 0), 0o600)
        vm.template.set("CPU", str(self.dice.choice([0.5, 1, 2])))
        vm.template.set("MEMORY", str(self.dice.randint(1, 64)))
        vm.template.add("DISK", {"TYPE": "FS", "SIZE": str(self.dice.randint(1, 64)), "FORMAT": "raw"})
        vm.settle_capacity()
        vm.state = PENDING
        return vm

    def step(self) -> None:
        vm = self.dice.choice(list(self.pools.vms))
        events = sorted({event for state, event in ROWS if state is vm.state and find(vm, event)})
        weighed = [event for event in events if not event.startswith(("delete", "terminate"))] * 3 + events
        event = self.dice.choice(weighed or events)
        for intent in self.operations.open_for(Kind.VM, vm.id):
            self.operations.closed(intent)
        hid = self.dice.randrange(HOSTS)
        store = self.dice.randrange(STORES)
        place = Placement(hid, f"h{hid}", 0, "dummy", "dummy", store, f"/ds/{store}")
        self.lifecycle.fire(self.operations.unit(), vm, event, Cause(placement=place))

    def rooms(self) -> list[tuple[int, int, set[int], set[int]]]:
        stores = self.pools.datastores
        return [(one.files.total, one.coming.total, set(one.files), set(one.coming)) for one in stores]

    def sums(self) -> list[tuple[int, int, set[int]]]:
        return [(host.cpu_usage, host.mem_usage, set(host.vms)) for host in self.pools.hosts]


@given(seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_after_any_walk_the_sums_equal_a_fresh_count_and_none_is_negative(database: Database, seed: int) -> None:
    walk = Walk(database, seed)
    for _ in range(STEPS):
        walk.step()
        kept = walk.sums()
        assert all(cpu >= 0 and memory >= 0 for cpu, memory, _ in kept)
        walk.pools.ledger.rebuild(walk.pools.vms)
        assert kept == walk.sums()


@given(seed=st.integers(0, 2**32))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_after_any_walk_datastores_hold_what_a_fresh_count_finds(database: Database, seed: int) -> None:
    walk = Walk(database, seed)
    with pytest.MonkeyPatch.context() as patch:
        for step in range(STEPS):
            patch.setattr(clock, "now", lambda step=step: 1000.0 + step)
            walk.step()
            if walk.dice.random() < 0.2:
                store = walk.dice.choice(list(walk.pools.datastores))
                walk.pools.rooms.measured(store, clock.now() - walk.dice.randrange(2))
            kept = walk.rooms()
            walk.pools.rooms.rebuild()
            assert kept == walk.rooms()


def test_the_walks_come_around_in_the_life_cycle(database: Database) -> None:
    walk, seen = Walk(database, 1), set()
    for _ in range(4000):
        walk.step()
        seen |= {vm.state for vm in walk.pools.vms}
        if all(vm.state is DONE for vm in walk.pools.vms):
            walk = Walk(database, walk.dice.randrange(2**32))
    assert len(seen & HOLDS_ROOM) > 30


def test_a_vm_that_ends_gives_its_room_back(database: Database) -> None:
    walk = Walk(database, 2)
    vm = walk.pools.vms.get(0)
    place = Placement(1, "h1", 0, "dummy", "dummy", 0, "/ds/0")
    walk.lifecycle.fire(walk.operations.unit(), vm, "deploy", Cause(placement=place))
    assert walk.sums()[1] == (vm.capacity.cpu, vm.capacity.memory, {0})
    walk.lifecycle.fire(walk.operations.unit(), vm, "delete-db", Cause())
    assert walk.sums() == [(0, 0, set())] * HOSTS


def test_a_moving_vm_counts_on_both_hosts_until_it_has_moved(database: Database) -> None:
    walk = Walk(database, 3)
    vm = walk.pools.vms.get(0)
    for event, hid in (("deploy", 0), ("transfer done", 0), ("deploy done", 0), ("migrate live", 1)):
        place = Placement(hid, f"h{hid}", 0, "dummy", "dummy", 0, "/ds/0")
        walk.lifecycle.fire(walk.operations.unit(), vm, event, Cause(placement=place))
    assert vm.holds() == (0, 1)
    walk.lifecycle.fire(walk.operations.unit(), vm, "migrate done", Cause())
    assert (vm.state, vm.holds()) == (RUNNING, (1,))
    assert [vms for _, _, vms in walk.sums()] == [set(), {0}, set()]


def test_a_host_says_what_it_lacks() -> None:
    host = Host(0, "h0", "dummy", "dummy")
    host.monitored = {"TOTALCPU": "100", "TOTALMEMORY": "1000"}
    assert host.lacks(Capacity(100, 1000)) is None
    assert host.lacks(Capacity(101, 1)) == ("CPU", 101, 100)
    host.mem_usage = 900
    assert host.lacks(Capacity(1, 101)) == ("memory", 101, 100)
