"""What the monitor asks about VMs must not get into the way of what users want of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.process import Scripted, until


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Scripted]:
    """A daemon that asks about its VMs each second, two commands at once on a host."""
    with Scripted(tmp_path, "HOST_MONITORING_INTERVAL = 3600\nVM_POLLING_INTERVAL = 1\n", PER_HOST="2") as daemon:
        yield daemon


def sample(daemon: Scripted, vm: int) -> str:
    """The VM's document, with its last sample."""
    return daemon.admin.text("one.vm.info", vm)


def test_a_host_that_answers_no_question_still_gets_commands(asked: Scripted) -> None:
    host = asked.monitored("alpha")
    vms = [asked.running(host, "CPU = 0.1") for _ in range(4)]
    until(lambda: not all(asked.vmm.quiet("POLL", vm) for vm in vms), "a question")
    for vm in vms:
        asked.one.vm.action("terminate-hard", vm)
        asked.vmm.succeeds("CANCEL", vm)
        asked.tm.succeeds("TRANSFER", vm)
        asked.reaches(vm, "DONE")


def test_a_report_of_before_an_action_does_not_count_with_one_of_after_it(asked: Scripted) -> None:
    vm = asked.running(asked.monitored("alpha"))
    asked.vmm.succeeds("POLL", vm, "STATE=o USEDMEMORY=1")
    until(lambda: "<MEMORY>1<" in sample(asked, vm), "the first report")
    asked.one.vm.action("reboot", vm)
    asked.vmm.succeeds("REBOOT", vm)
    asked.vmm.succeeds("POLL", vm, "STATE=o USEDMEMORY=2")
    until(lambda: "<MEMORY>2<" in sample(asked, vm), "the second report")
    assert asked.state(vm) == "RUNNING"
    asked.vmm.succeeds("POLL", vm, "STATE=o")
    asked.reaches(vm, "POWEROFF")


def test_an_answer_from_before_a_failed_suspend_does_not_make_a_running_vm_suspended(asked: Scripted) -> None:
    vm = asked.running(asked.monitored("alpha"))
    until(lambda: not asked.vmm.quiet("POLL", vm), "the question")
    asked.one.vm.action("suspend", vm)
    asked.vmm.fails("SAVE", vm, "no space left")
    asked.reaches(vm, "RUNNING")
    asked.vmm.succeeds("POLL", vm, "STATE=p USEDMEMORY=1")
    until(lambda: "<MEMORY>1<" in sample(asked, vm), "the late answer")
    assert asked.state(vm) == "RUNNING"
    asked.vmm.succeeds("POLL", vm, "STATE=p")
    asked.reaches(vm, "SUSPENDED")
