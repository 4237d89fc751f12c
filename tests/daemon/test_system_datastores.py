"""Room in system datastores: measured by the drivers or told by the hosts, and kept to by deploy and allocate."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.client.documents import Document, parse
from oned.sched import pools
from tests.daemon.conftest import QUIET
from tests.daemon.process import Daemon, Scripted, refusal, until

SYSTEM = 0
HALF = 1 << 19
"""MiB that the simulated datastore driver says are free."""


@pytest.fixture(autouse=True)
def _sound(simulated: Daemon) -> Iterator[None]:
    yield
    assert simulated.check() == []


@pytest.fixture
def limit(simulated: Daemon) -> Iterator[None]:
    """The system datastore may hold 100 MiB."""
    simulated.one.datastore.update(SYSTEM, "LIMIT_MB = 100", 1)
    yield
    simulated.one.datastore.update(SYSTEM, 'LIMIT_MB = ""', 1)


def store(daemon: Daemon, number: int = SYSTEM) -> Document:
    return parse(daemon.admin.text("one.datastore.info", number))


def disk(size: int) -> str:
    return f"DISK = [ TYPE = FS, FORMAT = raw, SIZE = {size} ]"


def refused(daemon: Daemon, vm: int, store: int = -1, *, enforce: bool = True) -> str:
    return refusal(daemon.admin.call, "one.vm.deploy", vm, daemon.host("alpha"), enforce, store, "")[0]


def test_a_system_datastore_is_measured(simulated: Daemon) -> None:
    until(lambda: store(simulated).int("TOTAL_MB"), "measuring")
    assert (store(simulated).int("TOTAL_MB"), store(simulated).int("FREE_MB")) == (2 * HALF, HALF)


def test_disks_that_no_system_datastore_could_hold_are_refused_at_once(simulated: Daemon, limit: None) -> None:
    template = f"CPU = 1\nMEMORY = 64\n{disk(101)}"
    text, _ = refusal(simulated.admin.call, "one.vm.allocate", template, False)
    assert "The disks need 101 MB in a system datastore, the largest could have 100 MB. Make them smaller" in text


def test_a_vm_is_refused_room_that_another_one_has_until_that_ends(simulated: Daemon, limit: None) -> None:
    first, second = (simulated.allocate(disk(60), hold=True) for _ in range(2))
    simulated.one.vm.deploy(first, simulated.host("alpha"), True)
    text = refused(simulated, second)
    assert f"virtual machine [{second}] does not fit in system datastore [0]. Not enough room: 60/40 MB" in text
    simulated.reaches(first, "RUNNING")
    simulated.one.vm.action("terminate-hard", first)
    until(lambda: simulated.state(first) == "DONE", "the end of the first")
    simulated.one.vm.deploy(second, simulated.host("alpha"), True)
    simulated.reaches(second, "RUNNING")
    simulated.one.vm.action("terminate-hard", second)


def test_a_system_datastore_has_as_much_free_as_new_disks_may_take(simulated: Daemon, limit: None) -> None:
    until(lambda: store(simulated).int("TOTAL_MB"), "measuring")
    assert store(simulated).int("FREE_MB") == 100
    vm = simulated.allocate(disk(60), hold=True)
    simulated.one.vm.deploy(vm, simulated.host("alpha"), True)
    assert store(simulated).int("FREE_MB") == 40
    assert {one.id: one.room for one in pools.stores(simulated.admin.text("one.datastorepool.info"))}[SYSTEM] == 40
    simulated.reaches(vm, "RUNNING")
    simulated.one.vm.action("terminate-hard", vm)
    until(lambda: store(simulated).int("FREE_MB") == 100, "the room of a VM that ends")


def test_the_drivers_of_a_datastore_stay_while_vms_are_there(simulated: Daemon) -> None:
    vm = simulated.allocate(disk(1), hold=True)
    simulated.one.vm.deploy(vm, simulated.host("alpha"))
    simulated.reaches(vm, "RUNNING")
    text, code = refusal(simulated.one.datastore.update, SYSTEM, "TM_MAD = qcow2", 1)
    assert ("TM_MAD of datastore 0 stays shared while it has VMs: " in text, code) == (True, 2048)
    assert str(vm) in text.rpartition("VMs: ")[2].split(", ")
    simulated.one.datastore.update(SYSTEM, "TM_MAD = shared\nNOTE = a", 1)
    simulated.one.vm.action("terminate-hard", vm)


def test_what_is_not_enforced_is_not_refused(simulated: Daemon) -> None:
    vm = simulated.allocate(disk(HALF + 1), hold=True)
    assert f"{HALF + 1}/{HALF} MB" in refused(simulated, vm)
    simulated.one.vm.deploy(vm, simulated.host("alpha"), False)
    simulated.reaches(vm, "RUNNING")
    simulated.one.vm.action("terminate-hard", vm)
    until(lambda: simulated.state(vm) == "DONE", "its end")


def test_without_a_choice_oned_takes_a_datastore_that_has_room(simulated: Daemon, limit: None) -> None:
    large = simulated.admin.number("one.datastore.allocate", "NAME = large\nTYPE = SYSTEM_DS\nTM_MAD = dummy", -1)
    until(lambda: store(simulated, large).int("TOTAL_MB"), "measuring")
    vm = simulated.allocate(disk(200), hold=True)
    assert "system datastore [0]" in refused(simulated, vm, SYSTEM)
    simulated.one.vm.deploy(vm, simulated.host("alpha"), True)
    simulated.reaches(vm, "RUNNING")
    info = parse(simulated.admin.text("one.vm.info", vm))
    assert info.int("HISTORY_RECORDS/HISTORY/DS_ID") == large
    simulated.one.vm.action("terminate-hard", vm)
    until(lambda: simulated.state(vm) == "DONE", "its end")
    simulated.one.datastore.delete(large)


def test_a_move_to_another_datastore_needs_room_there(simulated: Daemon) -> None:
    narrow = simulated.admin.number(
        "one.datastore.allocate", "NAME = narrow\nTYPE = SYSTEM_DS\nTM_MAD = dummy\nLIMIT_MB = 50", -1
    )
    beta, vms = simulated.monitored("beta"), [simulated.allocate(disk(40), hold=True) for _ in range(2)]
    for vm in vms:
        simulated.one.vm.deploy(vm, simulated.host("alpha"), True, SYSTEM)
        simulated.reaches(vm, "RUNNING")
    for vm in vms:
        simulated.one.vm.action("poweroff-hard", vm)
        simulated.reaches(vm, "POWEROFF")
    move = simulated.admin.call
    move("one.vm.migrate", vms[0], beta, False, True, narrow)
    text, code = refusal(move, "one.vm.migrate", vms[1], beta, False, True, narrow)
    assert (f"system datastore [{narrow}]. Not enough room: 40/10 MB" in text, code) == (True, 2048), text
    assert simulated.state(vms[1]) == "POWEROFF"
    move("one.vm.migrate", vms[1], beta, False, True)  # its disks stay where they are
    for vm in vms:
        simulated.reaches(vm, "POWEROFF")
    move("one.vm.migrate", vms[1], simulated.host("alpha"), False, False, narrow)
    simulated.reaches(vms[1], "POWEROFF")
    for vm in vms:
        simulated.one.vm.recover(vm, 3)
        simulated.reaches(vm, "DONE")
    simulated.one.datastore.delete(narrow)


def test_a_move_needs_room_on_a_host_that_has_the_datastore_by_itself(root: Path) -> None:
    with Scripted(root, QUIET) as daemon:
        daemon.fakes["IM_MAD"].answers_all(
            "MONITOR", "SUCCESS {id} TOTALCPU=800,TOTALMEMORY=9999999,DS=[ID=100,FREE_MB=70,TOTAL_MB=90,USED_MB=20]"
        )
        alpha, beta = daemon.monitored("alpha"), daemon.monitored("beta")
        template = "NAME = own\nTYPE = SYSTEM_DS\nTM_MAD = dummy\nSHARED = NO"
        own = daemon.admin.number("one.datastore.allocate", template, -1)
        vms = [daemon.allocate(disk(40), hold=True) for _ in range(2)]
        for vm, host in zip(vms, (alpha, beta), strict=True):
            daemon.one.vm.deploy(vm, host, True, own)
            daemon.tm.succeeds("TRANSFER", vm)
            daemon.vmm.succeeds("DEPLOY", vm, f"one-{vm}")
            daemon.reaches(vm, "RUNNING")
        text, _ = refusal(daemon.admin.call, "one.vm.migrate", vms[0], beta, False, True)
        assert f"system datastore [{own}]. Not enough room: 40/30 MB" in text
        assert daemon.state(vms[0]) == "RUNNING"
        assert daemon.check() == []


def test_a_host_tells_of_datastores_on_its_own_disk(root: Path) -> None:
    with Scripted(root, QUIET) as daemon:
        told = "DS=[ID=100,FREE_MB=70,TOTAL_MB=90,USED_MB=20]"
        daemon.fakes["IM_MAD"].answers_all(
            "MONITOR",
            f"SUCCESS {{id}} TOTALCPU=800,TOTALMEMORY=9999999,{told},"
            "DS_LOCATION_TOTAL_MB=95,DS_LOCATION_FREE_MB=71,DS_LOCATION_USED_MB=24",
        )
        host = daemon.monitored("alpha")
        own = daemon.admin.number(
            "one.datastore.allocate", "NAME = own\nTYPE = SYSTEM_DS\nTM_MAD = dummy\nSHARED = NO", -1
        )
        share = daemon.host_info(host).first("HOST_SHARE/DATASTORES")
        assert [share.int(path) for path in ("DS/ID", "DS/FREE_MB", "DS/TOTAL_MB", "DS/USED_MB")] == [own, 70, 90, 20]
        assert [share.int(f"{name}_DISK") for name in ("MAX", "FREE", "USED")] == [95, 71, 24]
        first, second = (daemon.allocate(disk(40), hold=True) for _ in range(2))
        daemon.one.vm.deploy(first, host, True, own)
        assert f"system datastore [{own}]. Not enough room: 40/30 MB" in refused(daemon, second, own)
        assert daemon.check() == []


def test_of_a_datastore_that_a_host_does_not_have_yet_the_disk_below_counts(root: Path) -> None:
    with Scripted(root, QUIET) as daemon:
        own, volumes = (
            daemon.admin.number("one.datastore.allocate", f"NAME = {name}\nTYPE = SYSTEM_DS\nTM_MAD = {name}", -1)
            for name in ("ssh", "lvm")
        )
        shared = "DS=[ID=0,FREE_MB=1,TOTAL_MB=9,USED_MB=8]"
        location = "DS_LOCATION_TOTAL_MB=95,DS_LOCATION_FREE_MB=71,DS_LOCATION_USED_MB=24"
        daemon.fakes["IM_MAD"].answers_all("MONITOR", f"SUCCESS {{id}} TOTALCPU=800,{shared},{location}")
        stores = daemon.host_info(daemon.monitored("alpha")).all("HOST_SHARE/DATASTORES/DS")
        told = [[store.int(word) for word in ("ID", "TOTAL_MB", "USED_MB", "FREE_MB")] for store in stores]
        assert told == [[own, 95, 24, 71]], f"of {volumes} only its group could tell, of 0 the front-end does"
        assert daemon.check() == []


def test_a_datastore_is_measured_again_soon_after_files_are_whole(simulated: Daemon) -> None:
    """What was half written when it was measured would count twice until the next interval."""
    until(lambda: store(simulated).int("FREE_MB") == HALF, "the first measurement")
    vm = simulated.allocate(disk(100))
    simulated.one.vm.deploy(vm, simulated.host("alpha"), False, SYSTEM)
    simulated.reaches(vm, "RUNNING")
    assert store(simulated).int("FREE_MB") == HALF - 100
    until(lambda: store(simulated).int("FREE_MB") == HALF, "a measurement that has the files")
