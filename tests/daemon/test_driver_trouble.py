"""Drivers that lie, babble, hang or die: the VM takes its failure row or goes on, and nobody else notices."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.process import Daemon, Scripted, until

QUIET = "HOST_MONITORING_INTERVAL = 3600\nVM_POLLING_INTERVAL = 0\n"
TIGHT = {"TIMEOUT": "DEPLOY=1, SHUTDOWN=1, SAVE=600"}


@pytest.fixture(scope="module")
def tight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripted]:
    """A daemon that gives its hypervisor driver a second for DEPLOY and SHUTDOWN."""
    with Scripted(tmp_path_factory.mktemp("tight"), QUIET, **TIGHT) as daemon:
        yield daemon


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Scripted]:
    """A daemon of the test's own, whose drivers may die."""
    with Scripted(tmp_path, QUIET) as daemon:
        yield daemon


def booting(daemon: Scripted) -> int:
    """A VM whose DEPLOY the driver has."""
    vm = daemon.allocate()
    daemon.one.vm.deploy(vm, daemon.monitored("alpha"))
    daemon.tm.succeeds("TRANSFER", vm)
    daemon.vmm.line("DEPLOY", vm)
    daemon.reaches(vm, "BOOT")
    return vm


def booting_again(daemon: Scripted) -> int:
    """A VM that ran, so that its deploy id is known, and whose second DEPLOY the driver has."""
    vm = booting(daemon)
    daemon.vmm.fake.answers(f"DEPLOY SUCCESS {vm} one-{vm}")
    daemon.reaches(vm, "RUNNING")
    daemon.one.vm.action("poweroff", vm)
    daemon.vmm.succeeds("SHUTDOWN", vm)
    daemon.reaches(vm, "POWEROFF")
    daemon.one.vm.action("resume", vm)
    daemon.vmm.line("DEPLOY", vm)
    return vm


def error(daemon: Daemon, vm: int) -> str:
    return daemon.vm(vm).text("USER_TEMPLATE/ERROR")


# --- lines ---


@pytest.mark.parametrize("garbage", [
    b"\n", b"garbage\n", b"DEPLOY\n", b"DEPLOY SUCCESS\n", b"DEPLOY SUCCESS x one\n", b"DEPLOY MAYBE 999999\n",
    b"SUCCESS DEPLOY 999999\n", b"\x00\x01\xff\xfe\n", b"DEPLOY SUCCESS 99999999999999999999 one\n", b"LOG I\n",
    b"DEPLOY SUCCESS -1 one\n", b"INIT SUCCESS - -\n", b"deploy success 999999 one\n", b"A" * 100_000 + b"\n",
])  # fmt: skip
def test_garbage_is_dropped_and_the_next_answer_counts(scripted: Scripted, garbage: bytes) -> None:
    vm, starts = booting(scripted), scripted.vmm.fake.starts
    scripted.vmm.fake.answers_raw(garbage)
    scripted.vmm.fake.answers(f"DEPLOY SUCCESS {vm} one-{vm}")
    scripted.reaches(vm, "RUNNING")
    assert (scripted.vm(vm).text("DEPLOY_ID"), scripted.vmm.fake.starts) == (f"one-{vm}", starts)


def test_an_answer_in_pieces_counts_when_it_is_whole(scripted: Scripted) -> None:
    vm = booting(scripted)
    for piece in (b"DEP", b"LOY SUCC", f"ESS {vm} one-{vm}".encode()):
        scripted.vmm.fake.answers_raw(piece)
        assert scripted.state(vm) == "BOOT"
    scripted.vmm.fake.answers_raw(b"\r\n")
    scripted.reaches(vm, "RUNNING")
    assert scripted.vm(vm).text("DEPLOY_ID") == f"one-{vm}"


def test_a_line_of_fifty_megabytes_hurts_nobody(scripted: Scripted) -> None:
    vm, starts = booting(scripted), scripted.vmm.fake.starts
    for _ in range(50):
        scripted.vmm.fake.answers_raw(b"x" * 1024 * 1024)
    scripted.vmm.fake.answers_raw(b"\n")
    scripted.vmm.fake.answers(f"DEPLOY SUCCESS {vm} one-{vm}")
    scripted.reaches(vm, "RUNNING")
    assert scripted.vmm.fake.starts == starts


def test_a_failure_of_a_megabyte_is_told_and_does_not_break_the_document(scripted: Scripted) -> None:
    vm = booting(scripted)
    scripted.vmm.fake.answers(f'DEPLOY FAILURE {vm} <&"]]> ' + "x" * 1_000_000)
    scripted.reaches(vm, "BOOT_FAILURE")
    assert 'DEPLOY: <&"]]> xxx' in error(scripted, vm)


@pytest.mark.parametrize(("info", "told"), [("-", "no reason given"), ("no such bridge", "no such bridge")])
def test_the_reason_of_a_failure_is_shown(scripted: Scripted, info: str, told: str) -> None:
    vm = booting(scripted)
    scripted.vmm.fake.answers(f"DEPLOY FAILURE {vm} {info}")
    scripted.reaches(vm, "BOOT_FAILURE")
    assert error(scripted, vm).endswith(f": DEPLOY: {told}")


def test_log_lines_go_to_the_log_of_their_vm_and_others_to_the_daemons(scripted: Scripted) -> None:
    vm = booting(scripted)
    scripted.vmm.fake.answers(f"LOG I {vm} the bridge is up")
    scripted.vmm.fake.answers(f"LOG E {vm} the disk is slow")
    scripted.vmm.fake.answers("LOG I - I am well")
    until(lambda: "the disk is slow" in scripted.vm_log(vm), "the log line")
    assert "the bridge is up" in scripted.vm_log(vm)
    until(lambda: "I am well" in scripted.log(), "the log line of the driver")
    assert "I am well" not in scripted.vm_log(vm)


def test_an_answer_to_what_nobody_asked_is_ignored(scripted: Scripted) -> None:
    vm = booting(scripted)
    for line in (f"SHUTDOWN SUCCESS {vm} -", f"MIGRATE FAILURE {vm} -", "DEPLOY SUCCESS 999999 one-999999"):
        scripted.vmm.fake.answers(line)
    scripted.vmm.fake.answers(f"DEPLOY SUCCESS {vm} one-{vm}")
    scripted.reaches(vm, "RUNNING")
    scripted.vmm.fake.answers(f"DEPLOY FAILURE {vm} again")
    scripted.one.vm.action("suspend", vm)
    scripted.vmm.succeeds("SAVE", vm)
    scripted.reaches(vm, "SUSPENDED")
    assert error(scripted, vm) == ""


# --- deadlines ---


def test_a_missed_deadline_is_the_failure_and_the_late_answer_is_ignored(tight: Scripted) -> None:
    vm = booting(tight)
    tight.reaches(vm, "BOOT_FAILURE")
    assert error(tight, vm).endswith("DEPLOY: DEPLOY on host alpha did not answer within 1 s")
    tight.vmm.fake.answers(f"DEPLOY SUCCESS {vm} one-{vm}")
    tight.vmm.fake.answers(f"LOG I {vm} it was late")
    until(lambda: "it was late" in tight.vm_log(vm), "the line behind the late answer")
    assert tight.state(vm) == "BOOT_FAILURE"


def test_a_retry_after_a_deadline_waits_until_the_driver_has_dropped_the_first(tight: Scripted) -> None:
    vm = booting(tight)
    tight.reaches(vm, "BOOT_FAILURE")
    tight.one.vm.recover(vm, 2)
    tight.vmm.succeeds("DEPLOY", vm, f"one-{vm}")
    assert vm in tight.vmm.cancelled
    tight.reaches(vm, "RUNNING")


def test_a_shutdown_that_the_guest_ignores_leaves_it_running(tight: Scripted) -> None:
    vm = booting(tight)
    tight.vmm.fake.answers(f"DEPLOY SUCCESS {vm} one-{vm}")
    tight.reaches(vm, "RUNNING")
    tight.one.vm.action("poweroff", vm)
    tight.vmm.line("SHUTDOWN", vm)
    tight.reaches(vm, "RUNNING")
    assert "SHUTDOWN" in error(tight, vm)


# --- death ---


def test_a_dead_driver_is_started_again_and_what_it_cannot_repeat_has_failed(own: Scripted) -> None:
    vm = booting(own)
    own.vmm.fake.dies()
    own.reaches(vm, "BOOT_FAILURE")
    own.one.vm.recover(vm, 2)
    own.vmm.succeeds("DEPLOY", vm, f"one-{vm}")
    own.reaches(vm, "RUNNING")
    assert own.vmm.fake.starts == 2


def test_a_driver_that_crashes_is_named_with_its_signal_and_takes_no_vm_along(own: Scripted) -> None:
    running, booting_still = own.running(own.monitored("alpha")), booting(own)
    own.vmm.fake.dies(-signal.SIGSEGV)
    own.reaches(booting_still, "BOOT_FAILURE")
    assert re.search(r"Driver \S+ died \(SIGSEGV\) with 1 commands open", own.log())
    assert own.state(running) == "RUNNING"
    own.one.vm.recover(booting_still, 2)
    own.vmm.succeeds("DEPLOY", booting_still, f"one-{booting_still}")
    own.reaches(booting_still, "RUNNING")
    own.one.vm.action("poweroff", running)
    own.vmm.succeeds("SHUTDOWN", running)
    own.reaches(running, "POWEROFF")
    assert own.vmm.fake.starts == 2
    assert own.check() == []


def test_a_boot_lost_with_its_driver_is_asked_about(own: Scripted) -> None:
    vm = booting_again(own)
    own.vmm.fake.dies()
    own.vmm.succeeds("POLL", vm, "STATE=a")
    own.reaches(vm, "RUNNING")
    assert own.check() == []


def test_a_boot_recovered_by_hand_is_known_by_the_name_that_drivers_give(own: Scripted) -> None:
    vm = booting(own)
    own.one.vm.recover(vm, 1)
    own.reaches(vm, "RUNNING")
    own.one.vm.action("poweroff", vm)
    assert own.vmm.line("SHUTDOWN", vm).split()[3] == f"one-{vm}"


def test_a_cancel_lost_with_its_driver_is_sent_again_before_any_file_is_removed(own: Scripted) -> None:
    vm = booting(own)
    own.vmm.fake.answers(f"DEPLOY SUCCESS {vm} one-{vm}")
    own.reaches(vm, "RUNNING")
    own.one.vm.action("delete", vm)
    own.vmm.line("CANCEL", vm)
    own.vmm.fake.dies()
    own.vmm.line("CANCEL", vm)
    own.kill()
    own.restart()
    own.vmm.line("CANCEL", vm)
    assert own.tm.quiet("TRANSFER", vm)
    own.vmm.fake.answers(f"CANCEL SUCCESS {vm} -")
    own.tm.succeeds("TRANSFER", vm)
    own.reaches(vm, "DONE")


def test_what_a_dead_driver_can_repeat_is_sent_again(own: Scripted) -> None:
    own.fakes["VM_MAD"].greeting = "INIT SUCCESS REPEATS=DEPLOY,SAVE"
    vm = booting(own)
    own.vmm.fake.dies()
    own.vmm.succeeds("DEPLOY", vm, f"one-{vm}")
    own.reaches(vm, "RUNNING")
    own.one.vm.action("poweroff", vm)
    own.vmm.line("SHUTDOWN", vm)
    own.vmm.fake.dies()
    own.reaches(vm, "RUNNING")
    assert own.vmm.quiet("SHUTDOWN", vm)


def test_transfers_are_sent_again_after_a_death_and_after_a_restart_of_oned(own: Scripted) -> None:
    vm = own.allocate()
    own.one.vm.deploy(vm, own.monitored("alpha"))
    first = own.tm.line("TRANSFER", vm)
    own.tm.fake.dies()
    assert own.tm.line("TRANSFER", vm) == first
    own.kill()
    own.restart()
    assert own.tm.line("TRANSFER", vm) == first
    own.tm.fake.answers(f"TRANSFER SUCCESS {vm} -")
    own.vmm.line("DEPLOY", vm)


def test_after_a_restart_of_oned_a_boot_that_cannot_be_repeated_has_failed(own: Scripted) -> None:
    vm = booting(own)
    own.kill()
    own.restart()
    own.reaches(vm, "BOOT_FAILURE")
    assert "oned was restarted" in error(own, vm)


def test_after_a_restart_of_oned_a_boot_with_a_known_id_is_asked_about(own: Scripted) -> None:
    vm = booting_again(own)
    own.kill()
    own.restart()
    own.vmm.succeeds("POLL", vm, "STATE=a")
    own.reaches(vm, "RUNNING")
    assert own.check() == []


def test_a_driver_that_refuses_to_start_fails_its_commands_with_the_reason(tmp_path: Path) -> None:
    with Scripted(tmp_path, QUIET, TIMEOUT="DEPLOY=2") as daemon:
        daemon.vmm.fake.greeting = "INIT FAILURE no libvirt here"
        vm = daemon.allocate()
        daemon.one.vm.deploy(vm, daemon.monitored("alpha"))
        daemon.tm.succeeds("TRANSFER", vm)
        daemon.reaches(vm, "BOOT_FAILURE")
        assert "no libvirt here" in error(daemon, vm)


def test_a_driver_that_does_not_exist_or_cannot_run_does_not_keep_oned_from_starting(tmp_path: Path) -> None:
    sections = (
        'VM_MAD = [ NAME = "dummy", EXECUTABLE = "one_vmm_nowhere" ]\nTM_MAD = [ NAME = "x", EXECUTABLE = "/etc" ]\n'
    )
    with Daemon(tmp_path, sections + 'IM_MAD = [ NAME = "dummy", EXECUTABLE = "one_im_dummy" ]\n') as daemon:
        until(lambda: "one_vmm_nowhere: No such file or directory" in daemon.log(), "the reason in the log")
        until(lambda: "/etc: Permission denied" in daemon.log(), "the reason of the other")
        assert daemon.allocate() == 0


def test_a_vm_on_a_host_whose_driver_is_not_there_fails_at_once_with_the_reason(scripted: Scripted) -> None:
    host = scripted.admin.number("one.host.allocate", "elsewhere", "dummy", "xen", 0)
    vm = scripted.allocate()
    scripted.one.vm.deploy(vm, host)
    scripted.reaches(vm, "PROLOG_FAILURE")
    assert "There is no driver shared in TM_MAD of oned.conf" in error(scripted, vm)
    for _ in range(3):
        scripted.one.vm.recover(vm, 2)
        scripted.reaches(vm, "PROLOG_FAILURE")
    scripted.one.vm.recover(vm, 1)
    scripted.reaches(vm, "BOOT_FAILURE")
    assert "There is no driver xen in VM_MAD of oned.conf" in error(scripted, vm)
    scripted.one.vm.recover(vm, 3)
    scripted.reaches(vm, "DONE")
    assert scripted.check() == []


def test_a_driver_that_reads_no_more_blocks_no_call(own: Scripted) -> None:
    host = own.monitored("alpha")
    vms = [own.running(host, f'BLOB = "{"x" * 20_000}"') for _ in range(2)]
    own.vmm.fake.hangs()
    for number in range(300):
        own.one.vm.action("reboot", vms[number % 2])
    assert own.state(vms[0]) == "RUNNING"
    pending = own.allocate()
    own.one.vm.deploy(pending, host)
    own.tm.succeeds("TRANSFER", pending)
    own.reaches(pending, "BOOT")
    own.settled()
    own.kill()


@pytest.mark.soak
def test_a_driver_that_hangs_is_no_reason_not_to_end(tmp_path: Path) -> None:
    with Scripted(tmp_path, QUIET) as daemon:
        daemon.running(daemon.monitored("alpha"))
        daemon.vmm.fake.hangs()
        assert daemon.stop() == 0
        assert "All modules finalized, exiting." in daemon.log()


def test_drivers_end_when_oned_is_killed(own: Scripted) -> None:
    pids = [Path(f"/proc/{pid}") for pid in own.drivers().values()]
    own.kill()
    until(lambda: not any(pid.exists() for pid in pids), "the end of the drivers")
