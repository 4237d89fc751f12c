"""Room on hosts: what counts, what is refused, and that the sums follow each change."""

import pytest

from tests.daemon.process import Daemon, Scripted, refusal

CORES, MEMORY = 800, 16777216


def usage(daemon: Daemon, host: int) -> tuple[int, int, int]:
    """Hundredths of a core, KiB and VMs that the host counts."""
    share = daemon.host_info(host)
    names = ("CPU_USAGE", "MEM_USAGE", "RUNNING_VMS")
    cpu, memory, vms = (share.int(f"HOST_SHARE/{name}") for name in names)
    assert len(share.all("VMS/ID")) == vms
    return cpu, memory, vms


def test_a_deploy_that_does_not_fit_is_refused_only_if_it_is_asked_for(simulated: Daemon) -> None:
    host = simulated.monitored("small")
    vm = simulated.allocate("CPU = 9\nMEMORY = 64")
    text, code = refusal(simulated.one.vm.deploy, vm, host, True)
    assert text == (
        f"[one.vm.deploy] virtual machine [{vm}] does not fit in host [{host}]. Not enough CPU: 900/{CORES}"
    )
    assert code == 2048
    assert (simulated.state(vm), usage(simulated, host)) == ("PENDING", (0, 0, 0))
    simulated.one.vm.deploy(vm, host, False)
    simulated.reaches(vm, "RUNNING")
    assert usage(simulated, host) == (900, 64 * 1024, 1)
    assert f"host small ({host}) is overcommitted" in simulated.overcommitted()[0]
    simulated.one.vm.recover(vm, 3)


def test_memory_counts_as_well(simulated: Daemon) -> None:
    host = simulated.monitored("forgetful")
    vm = simulated.allocate("CPU = 1\nMEMORY = 16385")
    text, _ = refusal(simulated.one.vm.deploy, vm, host, True)
    assert text.endswith(f"Not enough memory: {16385 * 1024}/{MEMORY}")


def test_a_migration_that_does_not_fit_is_refused_if_it_is_asked_for(simulated: Daemon) -> None:
    source, target = simulated.monitored("source"), simulated.monitored("target")
    filler, vm = simulated.allocate("CPU = 8\nMEMORY = 64"), simulated.allocate("CPU = 1\nMEMORY = 64")
    simulated.one.vm.deploy(filler, target, True)
    simulated.one.vm.deploy(vm, source, True)
    for number in (filler, vm):
        simulated.reaches(number, "RUNNING")
    assert "Not enough CPU: 100/0" in refusal(simulated.one.vm.migrate, vm, target, True, True)[0]
    simulated.one.vm.migrate(vm, target, True, False)
    simulated.reaches(vm, "RUNNING")
    assert (usage(simulated, source)[0], usage(simulated, target)[0]) == (0, 900)
    for number in (filler, vm):
        simulated.one.vm.recover(number, 3)


def test_a_vm_may_shrink_on_an_overcommitted_host_but_not_grow(scripted: Scripted) -> None:
    host = scripted.monitored("crowded")
    vm = scripted.running(host, "CPU = 12\nMEMORY = 64")
    scripted.one.vm.action("poweroff", vm)
    scripted.vmm.succeeds("SHUTDOWN", vm)
    scripted.reaches(vm, "POWEROFF")
    assert "Not enough CPU: 100/-400" in refusal(scripted.one.vm.resize, vm, "CPU = 13", True)[0]
    scripted.one.vm.resize(vm, "CPU = 10\nMEMORY = 128", True)
    assert usage(scripted, host) == (1000, 128 * 1024, 1)


def test_always_enforce_leaves_nobody_the_choice(tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("enforce")
    with Scripted(root, "ALWAYS_ENFORCE = YES\nHOST_MONITORING_INTERVAL = 3600\n") as daemon:
        host = daemon.monitored("alpha")
        vm = daemon.allocate("CPU = 9\nMEMORY = 64")
        assert refusal(daemon.one.vm.deploy, vm, host, False)[1] == 2048


FULL, EMPTY = (200, 102400, 1), (0, 0, 0)


class Pair:
    """Two hosts with nothing on them, and a VM that runs on the first."""

    def __init__(self, daemon: Scripted, names: str) -> None:
        self.daemon, self.one = daemon, daemon.one
        self.old, self.new = (daemon.monitored(name) for name in names.split())
        self.vm = daemon.running(self.old, "CPU = 2\nMEMORY = 100")

    def counted(self) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        return usage(self.daemon, self.old), usage(self.daemon, self.new)


def test_a_suspended_vm_keeps_its_room_and_a_stopped_one_holds_no_host(scripted: Scripted) -> None:
    pair = Pair(scripted, "rest1 rest2")
    assert pair.counted() == (FULL, EMPTY)
    pair.one.vm.action("suspend", pair.vm)
    scripted.vmm.succeeds("SAVE", pair.vm)
    scripted.reaches(pair.vm, "SUSPENDED")
    assert pair.counted() == (FULL, EMPTY)
    pair.one.vm.action("stop", pair.vm)
    assert pair.counted() == (FULL, EMPTY)
    scripted.tm.succeeds("TRANSFER", pair.vm)
    scripted.reaches(pair.vm, "STOPPED")
    assert pair.counted() == (EMPTY, EMPTY)


def test_a_moving_vm_needs_room_on_both_hosts_and_a_failed_move_gives_it_back(scripted: Scripted) -> None:
    pair = Pair(scripted, "move1 move2")
    pair.one.vm.migrate(pair.vm, pair.new, True)
    assert pair.counted() == (FULL, FULL)
    scripted.vmm.fails("MIGRATE", pair.vm)
    scripted.reaches(pair.vm, "RUNNING")
    assert pair.counted() == (FULL, EMPTY)


def test_a_vm_that_failed_on_the_new_host_takes_room_there_only(scripted: Scripted) -> None:
    pair = Pair(scripted, "fail1 fail2")
    pair.one.vm.migrate(pair.vm, pair.new, False)
    scripted.vmm.succeeds("SAVE", pair.vm)
    scripted.reaches(pair.vm, "PROLOG_MIGRATE")
    assert pair.counted() == (EMPTY, FULL)
    scripted.tm.succeeds("TRANSFER", pair.vm)
    scripted.vmm.fails("RESTORE", pair.vm)
    scripted.reaches(pair.vm, "BOOT_MIGRATE_FAILURE")
    assert pair.counted() == (EMPTY, FULL)
    assert scripted.check() == []


def test_the_sums_are_the_same_after_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Scripted(tmp_path_factory.mktemp("again"), "HOST_MONITORING_INTERVAL = 3600\n") as daemon:
        daemon.vmm.fake.greeting = "INIT SUCCESS REPEATS=MIGRATE"
        alpha, beta = daemon.monitored("alpha"), daemon.monitored("beta")
        vm = daemon.running(alpha, "CPU = 2\nMEMORY = 100")
        daemon.one.vm.migrate(vm, beta, True)
        before = usage(daemon, alpha), usage(daemon, beta)
        daemon.stop()
        daemon.restart()
        assert (usage(daemon, alpha), usage(daemon, beta)) == before == ((200, 102400, 1), (200, 102400, 1))
