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


def test_always_enforce_leaves_nobody_the_choice(tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("enforce")
    with Scripted(root, "ALWAYS_ENFORCE = YES\nHOST_MONITORING_INTERVAL = 3600\n") as daemon:
        host = daemon.monitored("alpha")
        vm = daemon.allocate("CPU = 9\nMEMORY = 64")
        assert refusal(daemon.one.vm.deploy, vm, host, False)[1] == 2048


def test_the_sums_follow_a_vm_through_its_life(scripted: Scripted) -> None:
    alpha, beta = scripted.monitored("alpha"), scripted.monitored("beta")
    one, vm = scripted.one, scripted.running(alpha, "CPU = 2\nMEMORY = 100")
    full, empty = (200, 102400, 1), (0, 0, 0)

    def counted() -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        return usage(scripted, alpha), usage(scripted, beta)

    assert counted() == (full, empty)
    one.vm.action("suspend", vm)
    scripted.vmm.succeeds("SAVE", vm)
    scripted.reaches(vm, "SUSPENDED")
    assert counted() == (full, empty), "a suspended VM keeps its room"
    one.vm.action("resume", vm)
    scripted.vmm.succeeds("RESTORE", vm)
    scripted.reaches(vm, "RUNNING")
    one.vm.migrate(vm, beta, True)
    assert counted() == (full, full), "a moving VM needs room on both hosts"
    scripted.vmm.fails("MIGRATE", vm)
    scripted.reaches(vm, "RUNNING")
    assert counted() == (full, empty), "a failed move gives the new host's room back"
    one.vm.migrate(vm, beta, False)
    scripted.vmm.succeeds("SAVE", vm)
    scripted.reaches(vm, "PROLOG_MIGRATE")
    assert counted() == (empty, full), "the files have left the old host"
    scripted.tm.succeeds("TRANSFER", vm)
    scripted.vmm.fails("RESTORE", vm)
    scripted.reaches(vm, "BOOT_MIGRATE_FAILURE")
    assert counted() == (empty, full), "a failed VM keeps its room"
    one.vm.recover(vm, 2)
    scripted.vmm.succeeds("RESTORE", vm)
    scripted.reaches(vm, "RUNNING")
    one.vm.action("stop", vm)
    scripted.vmm.succeeds("SAVE", vm)
    assert counted() == (empty, full)
    scripted.tm.succeeds("TRANSFER", vm)
    scripted.reaches(vm, "STOPPED")
    assert counted() == (empty, empty), "a stopped VM holds no host"
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
