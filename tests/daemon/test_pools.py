"""Lists: filters, ranges, states, order, and the forms of each era."""

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from oned.client.client import Client
from oned.client.documents import parse
from oned.client.xmlrpc import Value
from tests.daemon.process import ADMIN, SIMULATED, Daemon, refusal, until

TEMPLATE = "CPU = 0.1\nMEMORY = 1"
ANY, NOT_DONE, PENDING, HOLD, ACTIVE, DONE = -2, -1, 1, 2, 3, 6


@dataclass
class World:
    """A daemon with VMs of oneadmin, ann (group users) and bob (group users): pending, held, running, ended."""

    daemon: Daemon
    ann: Client
    bob: Client
    mine: int
    held: int
    running: int
    done: int
    anns: int
    bobs: int

    def listed(self, *arguments: Value, caller: Client | None = None, method: str = "one.vmpool.info") -> list[int]:
        """Ids, in the order of the answer."""
        return [vm.int("ID") for vm in parse((caller or self.daemon.admin).text(method, *arguments)).all("VM")]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Daemon(tmp_path_factory.mktemp("pools"), SIMULATED) as daemon:
        host = daemon.monitored("alpha")
        people = {}
        for name in ("ann", "bob"):
            daemon.one.user.allocate(name, "secret")
            people[name] = daemon.client(f"{name}:secret")
        mine, held = daemon.allocate(), daemon.allocate(hold=True)
        running, done = daemon.allocate(), daemon.allocate()
        daemon.one.vm.deploy(running, host)
        daemon.reaches(running, "RUNNING")
        daemon.one.vm.action("terminate", done)
        anns, bobs = (people[name].number("one.vm.allocate", TEMPLATE) for name in ("ann", "bob"))
        yield World(daemon, people["ann"], people["bob"], mine, held, running, done, anns, bobs)


def test_the_newest_comes_first_and_what_has_ended_is_left_out(world: World) -> None:
    assert world.listed(-2, -1, -1, NOT_DONE) == [world.bobs, world.anns, world.running, world.held, world.mine]


@pytest.mark.parametrize(("state", "names"), [
    (ANY, "bobs anns done running held mine"), (NOT_DONE, "bobs anns running held mine"),
    (PENDING, "bobs anns mine"), (HOLD, "held"), (ACTIVE, "running"), (DONE, "done"), (4, ""), (7, ""), (8, ""),
])  # fmt: skip
def test_a_state_is_asked_for_by_its_number(world: World, state: int, names: str) -> None:
    assert world.listed(-2, -1, -1, state) == [getattr(world, name) for name in names.split()]


@pytest.mark.parametrize(("caller", "pool_filter", "names"), [
    ("admin", -4, "running held mine"), ("admin", -3, "running held mine"), ("admin", -1, "running held mine"),
    ("admin", 0, "running held mine"), ("ann", -4, "anns"), ("ann", -3, "anns"), ("ann", -2, "anns"),
    ("ann", -1, "anns"), ("ann", 0, ""),
])  # fmt: skip
def test_a_filter_shows_the_vms_of_the_right_owners(world: World, caller: str, pool_filter: int, names: str) -> None:
    client = world.daemon.admin if caller == "admin" else world.ann
    found = world.listed(pool_filter, -1, -1, NOT_DONE, caller=client)
    assert found == [getattr(world, name) for name in names.split()]


def test_a_filter_by_owner_shows_the_vms_of_that_owner(world: World) -> None:
    owner = world.daemon.vm(world.bobs).int("UID")
    assert world.listed(owner, -1, -1, NOT_DONE) == [world.bobs]
    assert world.listed(owner, -1, -1, NOT_DONE, caller=world.ann) == []


@pytest.mark.parametrize(("start", "end", "ids"), [
    (2, -1, [5, 4, 2]), (0, 2, [2, 1, 0]), (4, 4, [4]), (3, 3, []), (0, -2, [5, 4]), (2, -2, [2, 1]), (90, -5, []),
    (-1, 3, [5, 4, 2, 1, 0]),
])  # fmt: skip
def test_ranges_are_of_ids_and_pages_of_rows(world: World, start: int, end: int, ids: list[int]) -> None:
    assert world.listed(-2, start, end, NOT_DONE) == ids


def test_the_forms_of_1_4_to_2_2_are_understood(world: World) -> None:
    everything = world.listed(-2, -1, -1, NOT_DONE)
    assert world.listed(-2) == world.listed(-2, True) == world.listed(-3) == everything
    assert world.listed(-1) == [world.running, world.held, world.mine]
    assert world.listed(-2, True, -1) == everything
    assert world.listed(-2, True, DONE) == [world.done]


def test_vms_in_the_forms_of_1_4_to_2_2_have_usernames(world: World) -> None:
    def owners(*arguments: Value) -> list[list[str]]:
        pool = parse(world.daemon.admin.text("one.vmpool.info", *arguments))
        return [[child.name for child in vm][1:5] for vm in pool.all("VM")]

    assert owners(-2)[0] == owners(-2, True, -1)[0] == ["UID", "USERNAME", "GID", "UNAME"]
    assert owners(-2, False)[0] == owners(-2, -1, -1, -1)[0] == ["UID", "GID", "UNAME", "GNAME"]
    pool = parse(world.daemon.admin.text("one.vmpool.info", -2))
    assert all(vm.text("USERNAME") == vm.text("UNAME") for vm in pool.all("VM"))


def test_extended_lists_and_sets_of_ids_have_the_same_bodies(world: World) -> None:
    whole = world.daemon.admin.text("one.vmpool.info", -2, -1, -1, NOT_DONE)
    assert world.daemon.admin.text("one.vmpool.infoextended", -2, -1, -1, NOT_DONE) == whole
    assert world.listed(f"{world.mine},{world.done},999", True, method="one.vmpool.infoset") == [world.done, world.mine]
    assert world.listed(f"{world.mine},{world.bobs}", method="one.vmpool.infoset", caller=world.bob) == [world.bobs]


def test_a_list_has_the_last_record_of_each_vm(world: World) -> None:
    [vm] = parse(world.daemon.admin.text("one.vmpool.info", -2, -1, -1, ACTIVE)).all("VM")
    assert [record.text("HOSTNAME") for record in vm.all("HISTORY_RECORDS/HISTORY")] == ["alpha"]
    [ended] = parse(world.daemon.admin.text("one.vmpool.info", -2, -1, -1, DONE)).all("VM")
    assert ended.all("HISTORY_RECORDS/HISTORY") == []


@pytest.mark.parametrize(("arguments", "text"), [
    ((-5, -1, -1, -1), "Incorrect filter_flag"), ((-2, -1, -1, -3), "Incorrect filter_flag, state"),
    ((-2, -1, -1, 12), "Incorrect filter_flag, state"),
])  # fmt: skip
def test_filters_that_are_none_are_refused(world: World, arguments: tuple[Value, ...], text: str) -> None:
    told, code = refusal(world.daemon.admin.call, "one.vmpool.info", *arguments)
    assert (told.startswith(f"[one.vmpool.info] {text}"), code) == (True, 4096)


def test_a_search_is_refused_unless_empty(world: World) -> None:
    assert world.listed(-2, -1, -1, HOLD, "") == [world.held]
    told, code = refusal(world.daemon.admin.call, "one.vmpool.info", -2, -1, -1, -1, "NAME=web")
    assert told.startswith("[one.vmpool.info] JSON query search is not supported by the SQL backend")
    assert code == 8192


def test_monitoring_of_the_pool_is_told(world: World) -> None:
    assert world.daemon.admin.text("one.vmpool.monitoring", -2).startswith("<MONITORING_DATA>")
    assert world.daemon.admin.text("one.vmpool.monitoring", -2, -1).startswith("<MONITORING_DATA>")


@pytest.mark.parametrize(("seconds", "values"), [(-1, "1 2 3"), (0, "3"), (3600, "2 3")])
def test_monitoring_of_the_pool_is_all_the_last_or_of_a_time(world: World, seconds: int, values: str) -> None:
    now = int(time.time())
    rows = [(world.held, at, f"NETRX={value}\n") for value, at in ((1, now - 7200), (2, now - 60), (3, now - 30))]
    with sqlite3.connect(world.daemon.database) as base:
        base.executemany("INSERT OR IGNORE INTO vm_monitoring (oid, at, body) VALUES (?, ?, ?)", rows)
        base.execute(
            "DELETE FROM vm_monitoring WHERE oid = ? AND at NOT IN (?, ?, ?)", (world.held, *(row[1] for row in rows))
        )
    found = parse(world.daemon.admin.text("one.vmpool.monitoring", -2, seconds)).all("MONITORING")
    assert [row.text("NETRX") for row in found if row.int("ID") == world.held] == values.split()
    assert (
        parse(world.daemon.admin.text("one.vmpool.monitoring", world.daemon.vm(world.anns).int("UID"))).all(
            "MONITORING"
        )
        == []
    )


def test_many_that_have_ended_are_all_listed_in_order(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Daemon(tmp_path_factory.mktemp("ended"), SIMULATED) as daemon:
        made = [daemon.allocate() for _ in range(120)]
        for vm in made[::2] + made[1:60:2]:
            daemon.one.vm.action("terminate", vm)
        for state, wanted in ((ANY, made), (DONE, sorted({*made[::2], *made[1:60:2]})), (NOT_DONE, made[61::2])):
            listed = parse(daemon.admin.text("one.vmpool.info", -2, -1, -1, state)).all("VM")
            assert [vm.int("ID") for vm in listed] == wanted[::-1]
        asked = f"{made[0]},{made[119]},{10**30},-1,{made[59]}"
        listed = parse(daemon.admin.text("one.vmpool.infoset", asked)).all("VM")
        assert [vm.int("ID") for vm in listed] == [made[119], made[59], made[0]]


def test_the_order_is_a_setting(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Daemon(tmp_path_factory.mktemp("ascending"), 'API_LIST_ORDER = "ASC"\n' + SIMULATED) as daemon:
        made = [daemon.allocate() for _ in range(3)]
        daemon.one.vm.action("terminate", made[1])
        listed = parse(daemon.admin.text("one.vmpool.info", -2, -1, -1, ANY)).all("VM")
        assert [vm.int("ID") for vm in listed] == made


def test_what_has_ended_is_left_out_after_a_restart_and_found_when_asked_for(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with Daemon(tmp_path_factory.mktemp("ended"), SIMULATED) as daemon:
        kept, ended = daemon.allocate(), daemon.allocate()
        daemon.one.vm.action("terminate", ended)
        daemon.stop()
        daemon.restart()
        for state, wanted in ((NOT_DONE, [kept]), (DONE, [ended]), (ANY, [ended, kept])):
            listed = parse(daemon.admin.text("one.vmpool.info", -2, -1, -1, state)).all("VM")
            assert [vm.int("ID") for vm in listed] == wanted
        assert daemon.state(ended) == "DONE"


def test_a_vm_has_ended_in_lists_as_soon_as_in_its_document(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Daemon(tmp_path_factory.mktemp("ends"), SIMULATED) as daemon, ThreadPoolExecutor(1) as pool:
        other = daemon.client(ADMIN)
        for _ in range(20):
            vm = daemon.allocate(hold=True)
            ending = pool.submit(other.call, "one.vm.action", "delete", vm)
            until(lambda vm=vm: daemon.vm(vm).int("STATE") == DONE)
            for state, there in ((NOT_DONE, False), (DONE, True), (ANY, True)):
                listed = daemon.admin.text("one.vmpool.info", -2, vm, vm, state)
                assert (f"<ID>{vm}</ID>" in listed) == there
            ending.result()
