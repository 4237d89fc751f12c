"""kill -9 of oned while VMs wait for a driver: after a restart each reaches a right state, the data base is sound."""

import random
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from oned.client.failures import ServerRefused
from oned.vm.states import WAITS_FOR_DRIVER
from tests.crash.conftest import Simulation
from tests.daemon.process import Daemon, until
from tests.daemon.ways import HOSTS, TO_STATE

SLOW = 3.0


class Case:
    """A transient state: how a VM gets there, which verb is slow there, and where it ends when all goes well."""

    def __init__(self, state: str, calls: str, slow: str, end: str) -> None:
        self.state, self.calls, self.slow, self.end = state, calls.split(), slow, end


CASES = [
    Case("PROLOG", "deploy", "tm TRANSFER", "RUNNING"),
    Case("BOOT", "deploy", "vmm DEPLOY", "RUNNING"),
    Case("SAVE_SUSPEND", "deploy suspend", "vmm SAVE", "SUSPENDED"),
    Case("BOOT_SUSPENDED", "deploy suspend resume", "vmm RESTORE", "RUNNING"),
    Case("SAVE_STOP", "deploy stop", "vmm SAVE", "STOPPED"),
    Case("EPILOG_STOP", "deploy suspend stop", "tm TRANSFER", "STOPPED"),
    Case("PROLOG_RESUME", "deploy stop deploy", "tm TRANSFER", "RUNNING"),
    Case("BOOT_STOPPED", "deploy stop deploy", "vmm RESTORE", "RUNNING"),
    Case("SHUTDOWN_POWEROFF", "deploy poweroff", "vmm SHUTDOWN", "POWEROFF"),
    Case("BOOT_POWEROFF", "deploy poweroff resume", "vmm DEPLOY", "RUNNING"),
    Case("SHUTDOWN_UNDEPLOY", "deploy undeploy", "vmm SHUTDOWN", "UNDEPLOYED"),
    Case("EPILOG_UNDEPLOY", "deploy poweroff undeploy", "tm TRANSFER", "UNDEPLOYED"),
    Case("PROLOG_UNDEPLOY", "deploy undeploy deploy", "tm TRANSFER", "RUNNING"),
    Case("BOOT_UNDEPLOY", "deploy undeploy deploy", "vmm DEPLOY", "RUNNING"),
    Case("SAVE_MIGRATE", "deploy migrate", "vmm SAVE", "RUNNING"),
    Case("PROLOG_MIGRATE", "deploy migrate", "tm TRANSFER", "RUNNING"),
    Case("BOOT_MIGRATE", "deploy migrate", "vmm RESTORE", "RUNNING"),
    Case("MIGRATE", "deploy migrate-live", "vmm MIGRATE", "RUNNING"),
    Case("PROLOG_MIGRATE_POWEROFF", "deploy poweroff migrate", "tm TRANSFER", "POWEROFF"),
    Case("PROLOG_MIGRATE_SUSPEND", "deploy suspend migrate", "tm TRANSFER", "SUSPENDED"),
    Case("SHUTDOWN", "deploy terminate", "vmm SHUTDOWN", "DONE"),
    Case("EPILOG", "deploy poweroff terminate", "tm TRANSFER", "DONE"),
    Case("CLEANUP_DELETE", "deploy delete", "vmm CANCEL", "DONE"),
    Case("CLEANUP_RESUBMIT", "deploy recreate", "vmm CANCEL", "PENDING"),
    Case("BOOT_UNKNOWN", "deploy lost resume", "vmm DEPLOY", "RUNNING"),
    Case("PROLOG_MIGRATE_UNKNOWN", "deploy lost migrate", "tm TRANSFER", "RUNNING"),
]
BY_STATE = {case.state: case for case in CASES}
RESTS = {"suspend": "SUSPENDED", "stop": "STOPPED", "poweroff": "POWEROFF", "undeploy": "UNDEPLOYED",
         "deploy": "RUNNING", "resume": "RUNNING", "migrate": "RUNNING", "lost": "UNKNOWN"}  # fmt: skip


def test_every_transient_state_that_can_be_reached_is_killed_in() -> None:
    reachable = {str(state) for state in TO_STATE if state in WAITS_FOR_DRIVER}
    assert {case.state for case in CASES} == reachable


def call(engine: Daemon, vm: int, word: str) -> None:
    """What a user calls; `lost` is the work of a hypervisor that crashed."""
    where = engine.vm(vm).last("HISTORY_RECORDS/HISTORY")
    here = where.text("HOSTNAME") if where else HOSTS[1]
    there = engine.host(HOSTS[1] if here == HOSTS[0] else HOSTS[0])
    if word == "deploy":
        engine.one.vm.deploy(vm, there)
    elif word == "retry":
        engine.one.vm.recover(vm, 2)
    elif word.startswith("migrate"):
        engine.one.vm.migrate(vm, there, word == "migrate-live")
    else:
        engine.one.vm.action(word, vm)


def lead(engine: Simulation, vm: int, case: Case) -> None:
    """Bring the VM into the transient state of the case, where the slow verb keeps it."""
    engine.orders()
    for word in case.calls[:-1]:
        if word == "lost":
            engine.orders(f"vmm POLL vm={vm} lose")
        else:
            call(engine, vm, word)
        engine.reaches(vm, RESTS[word])
    engine.orders(f"{case.slow} delay={SLOW}")
    call(engine, vm, case.calls[-1])
    engine.reaches(vm, case.state)


def sound(engine: Simulation) -> None:
    """The data base is, and no domain runs on two hosts or runs on after its VM."""
    assert engine.check() == []
    for vm, hosts in engine.domains().items():
        assert len(hosts) == 1, f"VM {vm} runs on {hosts}"
        assert engine.state(vm) == "RUNNING", f"VM {vm} is {engine.state(vm)} and runs on {hosts}"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    with Simulation(tmp_path_factory.mktemp("kill")) as engine:
        yield engine.ready()


@pytest.mark.parametrize("state", BY_STATE)
def test_a_vm_goes_on_after_oned_was_killed(shared: Simulation, state: str) -> None:
    case, vm = BY_STATE[state], shared.allocate()
    lead(shared, vm, case)
    shared.kill()
    shared.orders()
    shared.restart()
    shared.reaches(vm, case.end)
    sound(shared)
    shared.one.vm.recover(vm, 3)
    shared.reaches(vm, "DONE")


WORDS = ("deploy", "suspend", "stop", "poweroff", "undeploy", "migrate", "migrate-live", "resume", "reboot", "recreate",
         "terminate-hard", "retry")  # fmt: skip
TROUBLE = (
    "vmm SAVE fail", "vmm SHUTDOWN fail", "tm TRANSFER fail", "vmm * garbage delay=0.1", "vmm * halfline=0.1",
    "vmm * die", "vmm * die=after", "tm * die", "vmm POLL lose",
)  # fmt: skip
"""What drivers do now and then: each for the next few actions. A verb that begins a domain does not fail here: it may
have been done before its driver died, and then it would lie."""


def test_many_vms_go_on_after_oned_was_killed_at_any_moment(engine: Simulation, dice: random.Random) -> None:
    _storm(engine, dice, rounds=3)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_many_vms_go_on_for_a_long_time(engine: Simulation, dice: random.Random) -> None:
    _storm(engine, dice, rounds=60)


def test_oned_killed_while_it_starts_for_the_first_time_starts_in_the_end(tmp_path: Path, dice: random.Random) -> None:
    engine = Simulation(tmp_path)
    for _ in range(4):
        engine.start(killed_after=0.3 + dice.random())
    with engine:
        assert engine.allocate() == 0
        assert engine.check() == []


def _storm(engine: Simulation, dice: random.Random, rounds: int) -> None:
    """Random calls, random trouble with the drivers, kills at random moments; in the end everything is sound."""
    vms = [engine.allocate("CPU = 0.1\nMEMORY = 8") for _ in range(12)]
    for _ in range(rounds):
        trouble = [f"{line} times={dice.randint(1, 3)}" for line in dice.sample(TROUBLE, 3)]
        engine.orders(*trouble, "* * delay=0.2")
        for _ in range(40):
            with suppress(ServerRefused):
                call(engine, dice.choice(vms), dice.choice(WORDS))
        time.sleep(dice.random() * 0.4)
        engine.kill()
        engine.restart()
    engine.orders()
    waiting = {str(state) for state in WAITS_FOR_DRIVER}
    until(lambda: not any(engine.state(vm) in waiting for vm in vms), "the end of all operations")
    sound(engine)
    for vm in vms:
        engine.one.vm.recover(vm, 3)
    for vm in vms:
        engine.reaches(vm, "DONE")
    assert engine.domains() == {}
