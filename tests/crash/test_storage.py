"""The disk: an answer means that it is on it; when it is full, changes are refused and reads go on."""

import random
import resource
import sqlite3
import threading

import pytest

from oned.client.failures import ServerRefused, Unreachable
from tests.crash.conftest import Simulation
from tests.daemon.process import refusal, until

INTERNAL = 0x2000


def refuses_changes(engine: Simulation) -> bool:
    """Whether an allocation is refused with INTERNAL now."""
    try:
        engine.allocate()
    except ServerRefused as refused:
        return refused.code == INTERNAL
    return False


def test_an_answer_means_that_it_is_on_disk(engine: Simulation, dice: random.Random) -> None:
    for _ in range(3):
        made = [engine.allocate(f"NAME = vm{number}") for number in range(dice.randint(1, 20))]
        engine.kill()
        engine.restart()
        assert [engine.state(vm) for vm in made] == ["PENDING"] * len(made)
    assert engine.check() == []


def test_answers_to_many_clients_at_once_mean_the_same(engine: Simulation) -> None:
    made: list[int] = []

    def work() -> None:
        client = engine.client("oneadmin:opennebula")
        try:
            while True:
                made.append(client.number("one.vm.allocate", "CPU = 1\nMEMORY = 1"))
        except (Unreachable, ServerRefused):
            return

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    until(lambda: len(made) > 200, "200 allocations")
    engine.kill()
    for thread in threads:
        thread.join()
    engine.restart()
    pool = engine.admin.text("one.vmpool.info", -2, -1, -1, -2)
    lost = [vm for vm in made if f"<ID>{vm}</ID>" not in pool]
    assert lost == []
    assert len(set(made)) == len(made), "no id is given twice"
    assert engine.allocate() > max(made)
    assert engine.check() == []


@pytest.fixture
def broken(engine: Simulation) -> "Trigger":
    return Trigger(engine)


class Trigger:
    """Makes commits fail: a trigger in the data base refuses the rows of a table."""

    def __init__(self, engine: Simulation) -> None:
        self.engine = engine

    def refuse(self, table: str) -> None:
        refuse = f"BEGIN SELECT RAISE(ABORT, 'no more {table}'); END"
        self._execute(f"CREATE TRIGGER broken_1 BEFORE INSERT ON {table} {refuse}")
        self._execute(f"CREATE TRIGGER broken_2 BEFORE UPDATE ON {table} {refuse}")

    def mend(self) -> None:
        self._execute("DROP TRIGGER broken_1")
        self._execute("DROP TRIGGER broken_2")

    def _execute(self, statement: str) -> None:
        connection = sqlite3.connect(self.engine.database, timeout=30)
        with connection:
            connection.execute(statement)
        connection.close()


def test_a_change_that_cannot_be_stored_is_refused_undone_and_possible_again_later(
    engine: Simulation, broken: Trigger
) -> None:
    vm = engine.allocate("NAME = kept")
    host = engine.host("alpha")
    broken.refuse("history")
    text, code = refusal(engine.one.vm.deploy, vm, host)
    assert (code, "could not be stored" in text) == (INTERNAL, True)
    assert engine.state(vm) == "PENDING"
    assert engine.host_info(host).int("HOST_SHARE/CPU_USAGE") == 0
    broken.mend()
    until(lambda: not refuses_changes(engine), "changes are taken again")
    engine.one.vm.deploy(vm, host)
    engine.reaches(vm, "RUNNING")
    assert engine.check() == []


def test_reads_go_on_while_nothing_can_be_stored(engine: Simulation, broken: Trigger) -> None:
    vm = engine.allocate("NAME = reader")
    broken.refuse("vm_pool")
    assert refuses_changes(engine)
    assert engine.vm(vm).text("NAME") == "reader"
    assert "<NAME>reader</NAME>" in engine.admin.text("one.vmpool.info", -2, -1, -1, -1)
    assert engine.admin.text("one.hostpool.info").count("<HOST>") == 2
    broken.mend()
    until(lambda: not refuses_changes(engine), "changes are taken again")


def test_an_answer_of_a_driver_that_comes_meanwhile_is_taken_in_later(engine: Simulation, broken: Trigger) -> None:
    engine.orders("vmm DEPLOY delay=1")
    vm = engine.allocate()
    engine.one.vm.deploy(vm, engine.host("alpha"))
    engine.reaches(vm, "BOOT")
    broken.refuse("vm_pool")
    assert refuses_changes(engine)
    until(lambda: vm in engine.domains(), "the boot")
    broken.mend()
    engine.reaches(vm, "RUNNING")
    assert engine.check() == []


def test_an_answer_that_is_itself_what_cannot_be_stored_is_taken_in_later(engine: Simulation, broken: Trigger) -> None:
    engine.orders("vmm DEPLOY delay=1.5")
    vm = engine.allocate()
    engine.one.vm.deploy(vm, engine.host("alpha"))
    engine.reaches(vm, "BOOT")
    broken.refuse("vm_pool")
    until(lambda: "takes no changes" in engine.log(), "the commit of the answer that fails")
    broken.mend()
    engine.reaches(vm, "RUNNING")
    assert engine.check() == []


def test_a_full_disk_loses_nothing_and_room_heals_it(engine: Simulation) -> None:
    vm = engine.allocate("NAME = before")
    unlimited = resource.prlimit(engine.pid, resource.RLIMIT_FSIZE)
    wal = engine.database.with_name("one.db-wal")
    resource.prlimit(engine.pid, resource.RLIMIT_FSIZE, (wal.stat().st_size, unlimited[1]))
    until(lambda: refuses_changes(engine), "a refusal")
    assert engine.vm(vm).text("NAME") == "before"
    listed = engine.admin.text("one.vmpool.info", -2, -1, -1, -1)
    resource.prlimit(engine.pid, resource.RLIMIT_FSIZE, unlimited)
    until(lambda: not refuses_changes(engine), "changes are taken again")
    engine.kill()
    engine.restart()
    pool = engine.admin.text("one.vmpool.info", -2, -1, -1, -1)
    seen = [line for line in listed.split("<VM>")[1:] if line.split("</ID>")[0] + "</ID>" not in pool]
    assert seen == [], "what was read while the disk was full is there after a crash"
    assert engine.check() == []


def test_a_full_disk_survives_a_kill(engine: Simulation) -> None:
    vm = engine.allocate("NAME = before")
    unlimited = resource.prlimit(engine.pid, resource.RLIMIT_FSIZE)
    size = engine.database.with_name("one.db-wal").stat().st_size
    resource.prlimit(engine.pid, resource.RLIMIT_FSIZE, (size, unlimited[1]))
    until(lambda: refuses_changes(engine), "a refusal")
    engine.kill()
    engine.restart()
    assert engine.vm(vm).text("NAME") == "before"
    assert not refuses_changes(engine)
    assert engine.check() == []
