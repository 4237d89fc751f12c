"""Moves whose steps go wrong in every way, with the VM up on either host, on both or on none.

In the end each VM runs on one host at most, where the engine has it, and the other host has nothing of it.
"""

import logging
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from oned.client.client import ServerRefused
from oned.vm.states import WAITS_FOR_DRIVER
from tests.daemon.hypervisors import Fault, Hypervisors, every, seed
from tests.daemon.process import Scripted

CONF = "HOST_MONITORING_INTERVAL = 3600\nVM_POLLING_INTERVAL = 1\n"
KINDS = {"migrate live": 0, "migrate": 0, "migrate poweroff": 1}
WAITING = {str(state) for state in WAITS_FOR_DRIVER}


class Field:
    """A daemon with two hosts, whose hypervisors the test plays."""

    def __init__(self, daemon: Scripted) -> None:
        self.daemon = daemon
        self.alpha, self.beta = daemon.monitored("alpha"), daemon.monitored("beta")
        self.hosts = Hypervisors(daemon)

    def running(self, count: int) -> list[int]:
        """So many VMs that run on alpha."""
        vms = [self.daemon.allocate('CPU = 0.01\nMEMORY = 8\nDISK = [ SOURCE = "/a.img" ]') for _ in range(count)]
        for vm in vms:
            self.daemon.one.vm.deploy(vm, self.alpha)
        self.hosts.serve_until(lambda: all(self.daemon.state(vm) == "RUNNING" for vm in vms), "the deploys")
        return vms

    def move(self, vm: int, fault: Fault) -> None:
        """Begin the move in which this goes wrong."""
        self.hosts.faults[vm] = fault
        live = fault.kind == "migrate live"
        self.daemon.one.vm.migrate(vm, self.beta, live, False, -1, KINDS[fault.kind])

    def place(self, vm: int) -> str:
        """The host where the engine has it."""
        last = self.daemon.vm(vm).last("HISTORY_RECORDS/HISTORY")
        assert last is not None
        return last.text("HOSTNAME")

    def is_settled(self, vm: int) -> bool:
        """Whether the engine and the hypervisors agree about a VM at last."""
        state, where = self.daemon.state(vm), self.hosts.where(vm)
        if state == "RUNNING":
            return where == [self.place(vm)]
        return state == "UNKNOWN" and where == []

    def recovered(self, vm: int) -> bool:
        """Whether nothing is left to be done by hand: a failed step is done again, and what then?"""
        if self.daemon.state(vm).endswith("_FAILURE"):
            self.daemon.one.vm.recover(vm, 2)
        return self.is_settled(vm)

    def all_recovered(self, vms: Iterable[int]) -> bool:
        """Whether that is so of all of them, each of which is helped."""
        done = [self.recovered(vm) for vm in vms]
        return all(done)

    def settle(self, faults: dict[int, Fault]) -> None:
        """All that was moved has its one owner, or is known to run nowhere."""
        self.hosts.late_ones()
        try:
            self.hosts.serve_until(lambda: self.all_recovered(faults), "one owner of each")
        except AssertionError:
            left = [vm for vm in faults if not self.is_settled(vm)]
            told = [f"{vm} {faults[vm]}: {self.daemon.state(vm)} on {self.place(vm)}, runs on {self.hosts.where(vm)}\n"
                    f"{self.daemon.vm_log(vm)}" for vm in left[:3]]  # fmt: skip
            raise AssertionError("\n".join([f"{len(left)} are not settled", *told])) from None


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:
    with Scripted(tmp_path, CONF) as daemon:
        yield Field(daemon)
        assert daemon.check() == []


def storm(field: Field, faults: list[Fault], dice: random.Random) -> None:
    """One move of a VM for each; drivers die and oned is killed while some are in the middle of it."""
    by_vm = dict(zip(field.running(len(faults)), faults, strict=True))
    for vm, fault in by_vm.items():
        field.move(vm, fault)
    field.hosts.serve_until(lambda: not field.hosts.faults or _all_rest(field, by_vm), "the moves")
    if dice.random() < 0.5:
        field.daemon.vmm.fake.dies()
        field.daemon.tm.fake.dies()
    else:
        field.daemon.kill()
        field.daemon.restart()
    field.settle(by_vm)
    for vm, fault in by_vm.items():
        assert field.hosts.where(vm) or fault.truth == "neither", f"{fault} is lost"


def _all_rest(field: Field, vms: dict[int, Fault]) -> bool:
    """Whether no move goes on but those that have gone wrong."""
    return all(vm in field.hosts.at_fault or field.daemon.state(vm) not in WAITING for vm in vms)


@pytest.fixture
def dice() -> random.Random:
    """Chance that can be replayed: SEED=number in the environment; the number is in the log of a test that fails."""
    number = seed()
    logging.getLogger(__name__).warning("SEED=%d", number)
    return random.Random(number)


def test_moves_that_go_wrong_have_one_owner_in_the_end(field: Field, dice: random.Random) -> None:
    storm(field, [Fault.drawn(dice) for _ in range(24)], dice)


def test_nothing_is_ended_while_a_driver_may_still_be_at_a_move_that_took_too_long(tmp_path: Path) -> None:
    with Scripted(tmp_path, CONF, TIMEOUT="MIGRATE=1") as daemon:
        field, vmm = Field(daemon), daemon.fakes["VM_MAD"]
        vm = field.running(1)[0]
        daemon.one.vm.migrate(vm, field.beta, True)
        hosts = field.hosts
        hosts.obeys = False
        hosts.faults[vm] = Fault("migrate live", "MIGRATE", "none", "both")
        hosts.serve_until(lambda: "did not answer within 1 s" in daemon.vm_log(vm), "the deadline")
        hosts.serve_until(lambda: hosts.polled.count("alpha") > 2, "the VM is monitored where it was")
        assert "beta" not in hosts.polled, "an answer from before the end of the move could be taken for one from after"
        assert (hosts.cancels, hosts.where(vm)) == ([], ["alpha", "beta"])
        hosts.runs["alpha"].discard(vm)
        vmm.answers(f"MIGRATE SUCCESS {vm} -")
        hosts.serve_until(lambda: field.place(vm) == "beta", "the VM is found")
        assert (hosts.cancels, daemon.state(vm), daemon.check()) == ([], "RUNNING", [])


def test_a_vm_that_was_moved_away_from_a_lost_host_is_ended_there_when_that_is_back(tmp_path: Path) -> None:
    with Scripted(tmp_path, CONF) as daemon:
        field = Field(daemon)
        vm = field.running(1)[0]
        field.hosts.runs["alpha"].clear()
        field.hosts.serve_until(lambda: daemon.state(vm) == "UNKNOWN", "it is missed")
        field.hosts.silent.add("alpha")
        daemon.one.vm.migrate(vm, field.beta, False)
        field.hosts.serve_until(lambda: daemon.state(vm) == "RUNNING", "it boots on beta")
        field.hosts.runs["alpha"].add(vm)
        daemon.kill()
        daemon.restart()
        field.hosts.silent.clear()
        field.hosts.serve_until(lambda: field.hosts.where(vm) == ["beta"], "it is ended on alpha")
        assert (field.hosts.cancels, field.place(vm)) == ([(vm, "alpha")], "beta")


@pytest.mark.parametrize(("action", "state"), [("terminate-hard", "DONE"), ("delete", "DONE"), ("recreate", "PENDING")])
def test_a_removal_ends_what_a_move_has_left_too(field: Field, action: str, state: str) -> None:
    vm = field.running(1)[0]
    field.hosts.silent.add("beta")
    field.move(vm, Fault("migrate live", "MIGRATE", "failure", "both"))
    field.hosts.serve_until(lambda: "beta: it cannot be asked about" in field.daemon.vm_log(vm), "a look")
    field.daemon.one.vm.action(action, vm)
    field.hosts.silent.clear()
    field.hosts.serve_until(lambda: field.daemon.state(vm) == state, state)
    assert field.hosts.where(vm) == []


# --- what hangs, or was given up while its driver is still at it ---


@pytest.fixture
def stubborn(tmp_path: Path) -> Iterator[Field]:
    """Drivers that do not drop what was given up, and that have a second for what makes or ends a domain."""
    with Scripted(tmp_path, CONF, TIMEOUT="DEPLOY=1, CANCEL=1") as daemon:
        field = Field(daemon)
        field.hosts.obeys = False
        yield field
        assert daemon.check() == []


def refusal(field: Field, method: str, *arguments: int | bool) -> str:
    """Why the VM may not go to a host now; "" where it may."""
    try:
        field.daemon.admin.call(method, *arguments)
    except ServerRefused as refused:
        return refused.text
    return ""


def leaves_a_domain(field: Field, vm: int) -> None:
    """A move to beta fails and leaves the VM on both, and beta hangs when it is ended there."""
    field.hosts.hang = {("CANCEL", "beta")}
    field.move(vm, Fault("migrate live", "MIGRATE", "failure", "both"))
    field.hosts.serve_until(lambda: field.hosts.hung, "the end of what is on beta")


@pytest.mark.parametrize("dies", [False, True], ids=["oned lives", "oned dies"])
def test_a_vm_does_not_move_to_where_what_it_left_is_being_ended(field: Field, dies: bool) -> None:
    vm, hosts = field.running(1)[0], field.hosts
    leaves_a_domain(field, vm)
    if dies:
        field.daemon.kill()
        hosts.hung.clear()
        field.daemon.restart()
    hosts.runs["beta"].discard(vm)
    for live in (True, False):
        said = refusal(field, "one.vm.migrate", vm, field.beta, live)
        assert f"A domain of virtual machine [{vm}] is being ended on host [{field.beta}]" in said
    assert (field.daemon.state(vm), field.place(vm)) == ("RUNNING", "alpha")
    hosts.serve_until(lambda: hosts.hung, "the end is asked for again, if need be")
    hosts.go_on()
    hosts.serve_until(lambda: not refusal(field, "one.vm.migrate", vm, field.beta, True), "the move")
    hosts.serve_until(lambda: field.place(vm) == "beta" and field.is_settled(vm), "it runs on beta")
    assert hosts.cancels == [(vm, "beta")]


def test_nor_while_the_end_was_given_up_and_the_driver_is_still_at_it(stubborn: Field) -> None:
    vm, hosts = stubborn.running(1)[0], stubborn.hosts
    leaves_a_domain(stubborn, vm)
    hosts.serve_until(lambda: "CANCEL on host beta did not answer" in stubborn.daemon.vm_log(vm), "the deadline")
    stubborn.daemon.one.vm.action("poweroff", vm)
    hosts.serve_until(lambda: stubborn.daemon.state(vm) == "POWEROFF", "nothing is open")
    assert "is being ended" in refusal(stubborn, "one.vm.migrate", vm, stubborn.beta, False)
    hosts.go_on()
    hosts.serve_until(lambda: not refusal(stubborn, "one.vm.migrate", vm, stubborn.beta, False), "the move")
    hosts.serve_until(lambda: stubborn.daemon.state(vm) == "POWEROFF", "it is on beta")
    stubborn.daemon.one.vm.action("resume", vm)
    hosts.serve_until(lambda: stubborn.daemon.state(vm) == "RUNNING" and stubborn.is_settled(vm), "it runs on beta")


def test_a_vm_made_anew_is_not_deployed_where_its_end_hangs(stubborn: Field) -> None:
    vm, hosts = stubborn.running(1)[0], stubborn.hosts
    hosts.hang = {("CANCEL", "alpha")}
    stubborn.daemon.one.vm.recover(vm, 4)
    hosts.serve_until(lambda: stubborn.daemon.state(vm) == "PENDING", "made anew without alpha")
    assert "is being ended" in refusal(stubborn, "one.vm.deploy", vm, stubborn.alpha)
    assert refusal(stubborn, "one.vm.deploy", vm, stubborn.beta) == ""
    hosts.serve_until(lambda: stubborn.daemon.state(vm) == "RUNNING", "it runs on beta")
    hosts.go_on()
    hosts.serve_until(lambda: stubborn.is_settled(vm), "it is ended on alpha")


def test_a_boot_waits_until_what_is_ended_on_its_host_has_ended(stubborn: Field) -> None:
    vm, hosts, daemon = stubborn.running(1)[0], stubborn.hosts, stubborn.daemon
    hosts.hang = {("CANCEL", "alpha")}
    daemon.one.vm.action("poweroff-hard", vm)
    hosts.serve_until(lambda: hosts.hung, "the end")
    daemon.one.vm.recover(vm, 1)
    daemon.one.vm.action("resume", vm)
    hosts.serve_until(lambda: daemon.state(vm) == "POWEROFF", "the deadline of the boot")
    told = "DEPLOY on host alpha was not sent: the driver has not answered CANCEL there yet"
    assert told in daemon.vm(vm).text("USER_TEMPLATE/ERROR")
    daemon.one.vm.action("resume", vm)
    hosts.go_on()
    hosts.serve_until(lambda: daemon.state(vm) == "RUNNING" and stubborn.is_settled(vm), "it boots after the end")


@pytest.mark.parametrize(("operation", "on_the_way", "state"),
                         [(3, "CLEANUP_DELETE", "DONE"), (4, "CLEANUP_RESUBMIT", "PENDING")])  # fmt: skip
def test_a_removal_outlasts_a_boot_that_was_given_up(
    tmp_path: Path, operation: int, on_the_way: str, state: str
) -> None:
    with Scripted(tmp_path, CONF, TIMEOUT="DEPLOY=1") as daemon:
        field = Field(daemon)
        vm = hanging_boot(field)
        daemon.one.vm.recover(vm, operation)
        field.hosts.serve_until(lambda: "CANCEL is sent to alpha again" in daemon.vm_log(vm), "an end of nothing")
        assert daemon.state(vm) == on_the_way
        field.hosts.go_on()
        assert field.hosts.where(vm) == ["alpha"]
        field.hosts.serve_until(lambda: daemon.state(vm) == state, "the removal")
        assert (field.hosts.where(vm), daemon.check()) == ([], [])


def hanging_boot(field: Field) -> int:
    """A VM in BOOT_FAILURE whose driver is still at its start on alpha."""
    field.hosts.obeys, field.hosts.hang = False, {("DEPLOY", "alpha")}
    vm = field.daemon.allocate('CPU = 0.01\nMEMORY = 8\nDISK = [ SOURCE = "/a.img" ]')
    field.daemon.one.vm.deploy(vm, field.alpha)
    field.hosts.serve_until(lambda: field.daemon.state(vm) == "BOOT_FAILURE", "the deadline")
    return vm


def test_a_vm_made_anew_without_the_end_of_its_first_boot_is_looked_for_there(stubborn: Field) -> None:
    vm, hosts, daemon = hanging_boot(stubborn), stubborn.hosts, stubborn.daemon
    daemon.one.vm.recover(vm, 4)
    hosts.serve_until(lambda: daemon.state(vm) == "PENDING", "made anew")
    daemon.one.vm.deploy(vm, stubborn.beta)
    hosts.serve_until(lambda: daemon.state(vm) == "BOOT", "it boots on beta")
    hosts.go_on()
    hosts.serve_until(lambda: stubborn.recovered(vm), "one owner")
    assert (stubborn.place(vm), daemon.state(vm)) == ("beta", "RUNNING")
    assert hosts.cancels[-1] == (vm, "alpha")


def test_a_vm_that_moves_while_its_boot_goes_on_is_looked_for_where_that_was(stubborn: Field) -> None:
    vm, hosts, daemon = stubborn.running(1)[0], stubborn.hosts, stubborn.daemon
    daemon.one.vm.action("poweroff", vm)
    hosts.serve_until(lambda: daemon.state(vm) == "POWEROFF", "it is off")
    hosts.hang = {("DEPLOY", "alpha")}
    daemon.one.vm.action("resume", vm)
    hosts.serve_until(lambda: hosts.hung and daemon.state(vm) == "POWEROFF", "the deadline")
    daemon.one.vm.migrate(vm, stubborn.beta, False)
    hosts.serve_until(lambda: stubborn.place(vm) == "beta" and daemon.state(vm) == "POWEROFF", "its files move")
    hosts.go_on()
    assert hosts.where(vm) == ["alpha"]
    hosts.serve_until(lambda: hosts.where(vm) == [], "it is ended on alpha")


def test_what_one_removal_has_left_the_next_one_ends(field: Field) -> None:
    vm, hosts, daemon = field.running(1)[0], field.hosts, field.daemon
    hosts.silent.add("alpha")
    daemon.one.vm.recover(vm, 4)
    hosts.serve_until(lambda: daemon.state(vm) == "PENDING", "made anew without alpha")
    daemon.one.vm.deploy(vm, field.beta)
    hosts.serve_until(lambda: daemon.state(vm) == "RUNNING", "it runs on beta")
    daemon.one.vm.action("terminate-hard", vm)
    hosts.silent.clear()
    hosts.serve_until(lambda: daemon.state(vm) == "DONE", "the end")
    assert hosts.where(vm) == []


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("turn", range(2))
def test_every_fault_at_every_step_leaves_one_owner(field: Field, turn: int) -> None:
    storm(field, list(every()), random.Random(turn))
