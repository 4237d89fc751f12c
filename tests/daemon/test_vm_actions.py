"""What users do with VMs besides moving them: names of actions, rename, update, resize, locks, chmod, chown."""

import pytest

from tests.daemon.process import Daemon, refusal

NAMES = {
    "hold": "HOLD", "shutdown": "DONE", "terminate": "DONE", "cancel": "DONE", "shutdown-hard": "DONE",
    "terminate-hard": "DONE", "finalize": "DONE", "delete": "DONE", "resubmit": "PENDING",
    "delete-recreate": "PENDING", "recreate": "PENDING",
}  # fmt: skip
ON_RUNNING = {
    "suspend": "SUSPENDED", "stop": "STOPPED", "poweroff": "POWEROFF", "poweroff-hard": "POWEROFF",
    "undeploy": "UNDEPLOYED", "undeploy-hard": "UNDEPLOYED", "reboot": "RUNNING", "reset": "RUNNING",
    "reboot-hard": "RUNNING", "resched": "RUNNING", "unresched": "RUNNING", "shutdown": "DONE", "cancel": "DONE",
    "terminate-hard": "DONE", "finalize": "DONE", "resubmit": "PENDING",
}  # fmt: skip
BITS = ("OWNER_U", "OWNER_M", "OWNER_A", "GROUP_U", "GROUP_M", "GROUP_A", "OTHER_U", "OTHER_M", "OTHER_A")


def running(simulated: Daemon) -> int:
    vm = simulated.allocate("CPU = 0.01\nMEMORY = 1")
    simulated.one.vm.deploy(vm, simulated.host("alpha"))
    simulated.reaches(vm, "RUNNING")
    return vm


@pytest.mark.parametrize("name", NAMES)
def test_a_pending_vm_obeys_the_action_in_each_of_its_names(simulated: Daemon, name: str) -> None:
    vm = simulated.allocate()
    assert simulated.one.vm.action(name, vm) == vm
    simulated.reaches(vm, NAMES[name])


@pytest.mark.parametrize("name", ON_RUNNING)
def test_a_running_vm_obeys_the_action_in_each_of_its_names(simulated: Daemon, name: str) -> None:
    vm = running(simulated)
    assert simulated.one.vm.action(name, vm) == vm
    simulated.reaches(vm, ON_RUNNING[name])


@pytest.mark.parametrize("word", ["resume", "boot", "restart"])
def test_a_vm_that_is_off_is_switched_on_in_each_name(simulated: Daemon, word: str) -> None:
    vm = running(simulated)
    simulated.one.vm.action("poweroff-hard", vm)
    simulated.reaches(vm, "POWEROFF")
    simulated.one.vm.action(word, vm)
    simulated.reaches(vm, "RUNNING")
    records = simulated.vm(vm).all("HISTORY_RECORDS/HISTORY")
    assert [record.int("SEQ") for record in records] == [0, 1]
    assert [record.int("ACTION") for record in records] == [20, 0]


def test_an_unknown_action_is_refused_before_the_state_is_looked_at(simulated: Daemon) -> None:
    vm = simulated.allocate()
    text, code = refusal(simulated.one.vm.action, "explode", vm)
    assert text.startswith('[one.vm.action] Action "explode" is not supported')
    assert code == 2048


def test_a_wrong_state_is_refused_with_the_state_and_what_is_possible(simulated: Daemon) -> None:
    vm = simulated.allocate()
    text, code = refusal(simulated.one.vm.action, "suspend", vm)
    wanted = '[one.vm.action] Error performing action "suspend": This action is not available for state PENDING'
    assert text.startswith(wanted)
    assert "deploy" in text
    assert code == 2048


def test_the_names_of_releases_before_1_2_work(simulated: Daemon) -> None:
    vm = simulated.admin.number("one.vmallocate", "NAME = old\nCPU = 1\nMEMORY = 64")
    simulated.admin.call("one.vmaction", "hold", vm)
    assert "<NAME>old</NAME>" in simulated.admin.text("one.vmget_info", vm)
    simulated.admin.call("one.vmaction", "release", vm)
    simulated.admin.call("one.vmdeploy", vm, simulated.host("alpha"))
    simulated.reaches(vm, "RUNNING")


def test_hold_is_taken_at_the_allocation_as_argument_and_as_attribute(simulated: Daemon) -> None:
    held, wanted = simulated.allocate(hold=True), simulated.allocate("SUBMIT_ON_HOLD = YES")
    assert (simulated.state(held), simulated.state(wanted)) == ("HOLD", "HOLD")
    simulated.one.vm.action("release", held)
    assert simulated.state(held) == "PENDING"


def test_recover_takes_the_boolean_of_4_2_and_refuses_other_numbers(simulated: Daemon) -> None:
    vm = running(simulated)
    assert simulated.one.vm.recover(vm, True) == vm
    for number in (-1, 6):
        text, code = refusal(simulated.one.vm.recover, vm, number)
        assert (text.startswith("[one.vm.recover] Wrong recovery operation code"), code) == (True, 2048)


def test_resched_is_shown_and_taken_back_by_the_next_action(simulated: Daemon) -> None:
    vm = running(simulated)
    simulated.one.vm.action("resched", vm)
    assert simulated.vm(vm).int("RESCHED") == 1
    simulated.one.vm.action("unresched", vm)
    assert simulated.vm(vm).int("RESCHED") == 0
    simulated.one.vm.action("resched", vm)
    simulated.one.vm.action("reboot", vm)
    assert simulated.vm(vm).int("RESCHED") == 0


def test_rename_and_update_change_the_document_and_nothing_else(simulated: Daemon) -> None:
    vm = simulated.allocate("NAME = first\nCOLOUR = red\nSIZE = big")
    assert simulated.one.vm.rename(vm, "second") == vm
    simulated.one.vm.update(vm, "COLOUR = blue", 1)
    document = simulated.vm(vm)
    assert [document.text(path) for path in ("NAME", "USER_TEMPLATE/COLOUR", "USER_TEMPLATE/SIZE")] == [
        "second", "blue", "big",
    ]  # fmt: skip
    simulated.one.vm.update(vm, "SHAPE = round", 0)
    assert [child.name for child in simulated.vm(vm).all("USER_TEMPLATE")[0]] == ["SHAPE"]
    assert simulated.state(vm) == "PENDING"


def test_updates_that_cannot_be_are_refused(simulated: Daemon) -> None:
    vm = simulated.allocate()
    text, code = refusal(simulated.one.vm.update, vm, "A = [ B", 0)
    assert (text.startswith("[one.vm.update] Parse error: "), code) == (True, 2048)
    text, code = refusal(simulated.one.vm.update, vm, "A = 1", 2)
    assert (text.startswith("[one.vm.update] Wrong update type"), code) == (True, 4096)
    text, code = refusal(simulated.one.vm.rename, vm, "a&b")
    assert (text.startswith("[one.vm.rename] Invalid NAME, char '&' is not allowed. "), code) == (True, 2048)


def test_resize_changes_what_a_switched_off_vm_takes_of_its_host(simulated: Daemon) -> None:
    host = simulated.monitored("resizer")
    vm = simulated.allocate("CPU = 1\nMEMORY = 64")
    simulated.one.vm.deploy(vm, host)
    simulated.reaches(vm, "RUNNING")
    simulated.one.vm.action("suspend", vm)
    simulated.reaches(vm, "SUSPENDED")
    text, code = refusal(simulated.one.vm.resize, vm, "CPU = 2", True)
    assert (text.startswith("[one.vm.resize] Cannot resize a VM in state SUSPENDED"), code) == (True, 2048)
    simulated.one.vm.action("resume", vm)
    simulated.reaches(vm, "RUNNING")
    simulated.one.vm.action("poweroff-hard", vm)
    simulated.reaches(vm, "POWEROFF")
    simulated.one.vm.resize(vm, "CPU = 3\nMEMORY = 128", True)
    share = simulated.host_info(host)
    assert (share.int("HOST_SHARE/CPU_USAGE"), share.int("HOST_SHARE/MEM_USAGE")) == (300, 128 * 1024)
    text, code = refusal(simulated.one.vm.resize, vm, "CPU = 900", True)
    assert (text.endswith("Not enough CPU: 89700/500"), code) == (True, 2048)
    assert simulated.vm(vm).text("TEMPLATE/CPU") == "3"
    assert refusal(simulated.one.vm.resize, vm, "MEMORY = lots", True)[1] == 8192


def test_a_lock_refuses_what_it_covers_to_everybody(simulated: Daemon) -> None:
    vm = simulated.allocate()
    simulated.one.vm.lock(vm, 2)
    assert simulated.vm(vm).int("LOCK/LOCKED") == 2
    text, code = refusal(simulated.one.vm.action, "hold", vm)
    assert (text, code) == (f"[one.vm.action] User [0] : VM is locked. [{vm}].", 512)
    simulated.one.vm.unlock(vm)
    simulated.one.vm.action("hold", vm)
    assert simulated.vm(vm).first("LOCK") is None


def test_a_lock_is_tested_and_its_level_checked(simulated: Daemon) -> None:
    vm = simulated.allocate()
    simulated.one.vm.lock(vm, 4, False)
    assert simulated.vm(vm).int("LOCK/LOCKED") == 1
    text, code = refusal(simulated.one.vm.lock, vm, 1, True)
    assert (text.removeprefix("[one.vm.lock] "), code) == (simulated.vm(vm).text("LOCK/TIME"), 2048)
    assert refusal(simulated.one.vm.lock, vm, 5)[0].startswith("[one.vm.lock] Wrong lock level specified")


def test_chmod_sets_the_bits_that_are_given_and_leaves_the_others(simulated: Daemon) -> None:
    vm = simulated.allocate()
    assert simulated.one.vm.chmod(vm, -1, 0, 1, 1, -1, -1, 0, 1, -1) == vm
    document = simulated.vm(vm)
    assert [document.int(f"PERMISSIONS/{bit}") for bit in BITS] == [1, 0, 1, 1, 0, 0, 0, 1, 0]
    text, code = refusal(simulated.one.vm.chmod, vm, 2, *[-1] * 8)
    assert (text, code) == ("[one.vm.chmod] New permission values must be -1, 0 or 1", 8192)


def test_chown_changes_owner_and_group(simulated: Daemon) -> None:
    user = simulated.one.user.allocate("heir", "secret")
    vm = simulated.allocate()
    simulated.one.vm.chown(vm, user, -1)
    assert simulated.vm(vm).text("UNAME") == "heir"
    simulated.one.vm.chown(vm, -1, 1)
    assert (simulated.vm(vm).text("UNAME"), simulated.vm(vm).text("GNAME")) == ("heir", "users")
    assert refusal(simulated.one.vm.chown, vm, 9999, -1) == (
        "[one.vm.chown] Error getting user [9999]. See oneuser list",
        1024,
    )


def test_a_vm_tells_its_samples_after_it_has_been_polled(simulated: Daemon) -> None:
    vm = running(simulated)
    assert simulated.admin.text("one.vm.monitoring", vm).startswith("<MONITORING_DATA>")


def test_a_vm_that_has_ended_is_read_and_takes_its_end_again(simulated: Daemon) -> None:
    vm = running(simulated)
    simulated.one.vm.action("terminate-hard", vm)
    simulated.reaches(vm, "DONE")
    document = simulated.vm(vm)
    assert (document.int("STATE"), document.int("LCM_STATE")) == (6, 0)
    assert document.int("ETIME") > 0
    assert document.int("HISTORY_RECORDS/HISTORY/ETIME") > 0
    for name in ("terminate", "delete"):
        assert simulated.one.vm.action(name, vm) == vm
    text, code = refusal(simulated.one.vm.action, "resume", vm)
    assert ("for state DONE" in text, code) == (True, 2048)
    assert simulated.check() == []
