"""Accounting: the stays of VMs on hosts, ended ones too, as far as the caller may see them."""

import time

import pytest

from oned.client.client import Client
from oned.client.documents import Document, parse
from tests.daemon.process import Daemon, refusal

pytestmark = pytest.mark.usefixtures("sound")

TEMPLATE = "CPU = 1\nMEMORY = 64"


@pytest.fixture(scope="module")
def people(simulated: Daemon) -> dict[str, Client]:
    return simulated.people("ann", "bob")


def stays(client: Client, vm: int, *arguments: int) -> list[Document]:
    """The records of one VM."""
    found = parse(client.text("one.vmpool.accounting", *(arguments or (-2, -1, -1))))
    assert found.name == "HISTORY_RECORDS"
    return [stay for stay in found.all("HISTORY") if stay.int("OID") == vm]


def running(daemon: Daemon, vm: int, host: str = "alpha") -> int:
    daemon.one.vm.deploy(vm, daemon.host(host))
    daemon.reaches(vm, "RUNNING")
    return vm


def test_every_stay_is_told_with_its_vm_also_after_the_end(simulated: Daemon) -> None:
    vm = running(simulated, simulated.allocate("NAME = told"))
    assert [stay.int("ETIME") for stay in stays(simulated.admin, vm)] == [0]
    simulated.one.vm.migrate(vm, simulated.host("beta"), True)
    simulated.reaches(vm, "RUNNING")
    simulated.one.vm.action("terminate-hard", vm)
    simulated.reaches(vm, "DONE")
    told = stays(simulated.admin, vm)
    assert [stay.int("SEQ") for stay in told] == [0, 1]
    assert [stay.text("HOSTNAME") for stay in told] == ["alpha", "beta"]
    assert all(stay.int("ETIME") >= stay.int("STIME") > 0 for stay in told)
    assert [(stay.text("VM/NAME"), stay.text("VM/UNAME")) for stay in told] == [("told", "oneadmin")] * 2
    assert [stay.all("VM/HISTORY_RECORDS/HISTORY") for stay in told] == [[], []]


def test_a_stay_keeps_the_capacity_that_the_vm_had_then(simulated: Daemon) -> None:
    vm = running(simulated, simulated.allocate())
    simulated.one.vm.action("poweroff-hard", vm)
    simulated.reaches(vm, "POWEROFF")
    simulated.one.vm.resize(vm, "CPU = 2.5\nMEMORY = 128", False)
    simulated.one.vm.action("resume", vm)
    simulated.reaches(vm, "RUNNING")
    simulated.settled()
    simulated.kill()
    simulated.restart()
    told = [(stay.text("VM/TEMPLATE/CPU"), stay.text("VM/TEMPLATE/MEMORY")) for stay in stays(simulated.admin, vm)]
    assert told == [("1", "64"), ("2.5", "128")]


def test_a_vm_that_was_never_on_a_host_is_not_told(simulated: Daemon) -> None:
    assert stays(simulated.admin, simulated.allocate(hold=True)) == []


def test_times_choose_the_stays_that_touch_them(simulated: Daemon) -> None:
    before = int(time.time()) - 100
    vm = running(simulated, simulated.allocate())
    simulated.one.vm.action("terminate-hard", vm)
    simulated.reaches(vm, "DONE")
    after = int(time.time()) + 100
    for start, end, count in (
        (before, after, 1), (before, -1, 1), (-1, after, 1), (-1, before, 0), (after, -1, 0), (before, before + 1, 0)
    ):  # fmt: skip
        assert len(stays(simulated.admin, vm, -2, start, end)) == count, (start, end)
    goes_on = running(simulated, simulated.allocate())
    assert len(stays(simulated.admin, goes_on, -2, after, -1)) == 1


def test_filters_and_rights_hold_for_ended_vms_too(simulated: Daemon, people: dict[str, Client]) -> None:
    ann = simulated.client("ann:secret")
    bob = simulated.client("bob:secret")
    vm = running(simulated, ann.number("one.vm.allocate", TEMPLATE))
    simulated.one.vm.action("terminate-hard", vm)
    simulated.reaches(vm, "DONE")
    uid = simulated.vm(vm).int("UID")
    for pool_filter, count in ((-3, 1), (-2, 1), (-1, 1), (uid, 1), (0, 0)):
        assert len(stays(ann, vm, pool_filter)) == count, pool_filter
    assert [stays(bob, vm, pool_filter) for pool_filter in (-3, -2, -1, uid)] == [[]] * 4
    assert len(stays(simulated.admin, vm, uid)) == 1
    simulated.one.vm.chmod(vm, -1, -1, -1, 1, -1, -1, -1, -1, -1)
    assert len(stays(bob, vm, -2)) == 1
    assert refusal(bob.call, "one.vmpool.accounting", -5, -1, -1)[1] == 4096
