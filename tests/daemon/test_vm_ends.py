"""The end of VMs that do not run: nothing of them stays behind, neither a domain nor files nor room."""

from pathlib import Path

from tests.daemon.process import Scripted


def script(line: str) -> list[str]:
    """The transfer script that a request names."""
    return Path(line.split()[2]).read_text().splitlines()


def directory(daemon: Scripted, vm: int) -> str:
    """The VM's directory on its hosts."""
    return f"{daemon.var}/datastores/0/{vm}/images"


def powered_off(daemon: Scripted, host: int) -> int:
    vm = daemon.running(host)
    daemon.one.vm.action("poweroff", vm)
    daemon.vmm.succeeds("SHUTDOWN", vm)
    daemon.reaches(vm, "POWEROFF")
    return vm


def stopped(daemon: Scripted, host: int) -> int:
    vm = daemon.running(host)
    daemon.one.vm.action("stop", vm)
    daemon.vmm.succeeds("SAVE", vm)
    daemon.tm.succeeds("TRANSFER", vm)
    daemon.reaches(vm, "STOPPED")
    return vm


def test_a_vm_at_rest_is_cancelled_before_its_files_are_removed(scripted: Scripted) -> None:
    vm = powered_off(scripted, scripted.monitored("alpha"))
    scripted.one.vm.action("terminate", vm)
    assert scripted.vmm.fails("CANCEL", vm, "no domain of that name") == f"CANCEL {vm} alpha one-{vm} -"
    line = scripted.tm.succeeds("TRANSFER", vm)
    scripted.reaches(vm, "DONE")
    assert script(line) == [f"DELETE alpha:{directory(scripted, vm)}"]
    assert "ERROR" not in scripted.admin.text("one.vm.info", vm)


def test_a_vm_at_rest_is_cancelled_at_a_deletion_too(scripted: Scripted) -> None:
    vm = powered_off(scripted, scripted.monitored("alpha"))
    scripted.one.vm.recover(vm, 3)
    scripted.vmm.succeeds("CANCEL", vm)
    scripted.tm.succeeds("TRANSFER", vm)
    scripted.reaches(vm, "DONE")


def test_a_cold_move_that_failed_leaves_files_on_neither_host_when_it_is_deleted(scripted: Scripted) -> None:
    alpha, beta = scripted.monitored("alpha"), scripted.monitored("beta")
    vm = powered_off(scripted, alpha)
    scripted.one.vm.migrate(vm, beta, False)
    scripted.tm.fails("TRANSFER", vm)
    scripted.reaches(vm, "PROLOG_MIGRATE_POWEROFF_FAILURE")
    scripted.one.vm.recover(vm, 3)
    there = directory(scripted, vm)
    scripted.vmm.succeeds("CANCEL", vm)
    assert script(scripted.tm.succeeds("TRANSFER", vm)) == [f"DELETE beta:{there}", f"DELETE alpha:{there}"]


def test_a_vm_made_anew_elsewhere_is_removed_there_only(scripted: Scripted) -> None:
    alpha, beta = scripted.monitored("alpha"), scripted.monitored("beta")
    vm = scripted.running(alpha)
    scripted.one.vm.recover(vm, 4)
    scripted.vmm.succeeds("CANCEL", vm)
    scripted.tm.succeeds("TRANSFER", vm)
    scripted.reaches(vm, "PENDING")
    scripted.one.vm.deploy(vm, beta)
    scripted.tm.line("TRANSFER", vm)
    scripted.one.vm.recover(vm, 3)
    assert script(scripted.tm.succeeds("TRANSFER", vm)) == [f"DELETE beta:{directory(scripted, vm)}"]


def test_a_stopped_vm_that_was_called_back_leaves_nothing_on_the_front_end(scripted: Scripted) -> None:
    vm = stopped(scripted, scripted.monitored("alpha"))
    scripted.one.vm.action("resume", vm)
    scripted.reaches(vm, "PENDING")
    scripted.one.vm.action("terminate", vm)
    [deletion] = script(scripted.tm.succeeds("TRANSFER", vm))
    assert deletion.startswith("DELETE ")
    assert deletion.endswith(f":{scripted.var}/vms/{vm}/{vm}")
    scripted.reaches(vm, "DONE")


def test_a_stopped_vm_ends_without_the_host_that_it_was_on(scripted: Scripted) -> None:
    host = scripted.monitored("gone")
    vm = stopped(scripted, host)
    scripted.one.host.delete(host)
    scripted.one.vm.action("terminate", vm)
    scripted.reaches(vm, "EPILOG")
    assert scripted.check() == []
    scripted.tm.succeeds("TRANSFER", vm)
    scripted.reaches(vm, "DONE")


def test_recover_success_ends_a_deletion_at_once(scripted: Scripted) -> None:
    vm = scripted.running(scripted.monitored("alpha"))
    scripted.one.vm.recover(vm, 3)
    scripted.vmm.line("CANCEL", vm)
    scripted.one.vm.recover(vm, 1)
    assert scripted.state(vm) == "DONE"
    assert scripted.check() == []
