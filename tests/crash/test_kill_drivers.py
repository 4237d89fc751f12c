"""kill -9 of drivers in the middle of an action, and drivers that die by themselves: it is done in the end."""

import random

import pytest

from tests.crash.conftest import Simulation
from tests.daemon.process import until

MIDDLES = {
    "PROLOG": ("tm TRANSFER", "one_tm_dummy", "RUNNING"),
    "BOOT": ("vmm DEPLOY", "one_vmm_dummy", "RUNNING"),
}


@pytest.mark.parametrize("state", MIDDLES)
def test_an_action_is_done_though_its_driver_was_killed_in_the_middle(engine: Simulation, state: str) -> None:
    slow, program, end = MIDDLES[state]
    engine.orders(f"{slow} delay=60 times=1")
    vm = engine.allocate()
    engine.one.vm.deploy(vm, engine.host("alpha"))
    engine.reaches(vm, state)
    before = engine.driver(program)
    engine.kill_driver(program)
    engine.orders()
    engine.reaches(vm, end)
    assert engine.driver(program) != before
    assert engine.check() == []


@pytest.mark.parametrize(("verb", "action", "end"), [
    ("SAVE", "suspend", "SUSPENDED"), ("SHUTDOWN", "poweroff", "POWEROFF"), ("CANCEL", "terminate-hard", "DONE"),
    ("MIGRATE", "", "RUNNING"),
])  # fmt: skip
@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_action_is_done_though_its_driver_died_before_or_after_it(
    engine: Simulation, verb: str, action: str, end: str, moment: str
) -> None:
    vm = engine.allocate()
    engine.one.vm.deploy(vm, engine.host("alpha"))
    engine.reaches(vm, "RUNNING")
    engine.orders(f"vmm {verb} die={moment} times=1")
    program = engine.driver("one_vmm_dummy")
    if action:
        engine.one.vm.action(action, vm)
    else:
        engine.one.vm.migrate(vm, engine.host("beta"), True)
    until(lambda: engine.drivers().get("one_vmm_dummy", program) != program, "the restart of the driver")
    engine.orders()
    engine.reaches(vm, end)
    assert engine.domains().get(vm, []) == {"MIGRATE": ["beta"]}.get(verb, [])
    assert engine.check() == []


def test_monitoring_goes_on_after_its_driver_was_killed(engine: Simulation) -> None:
    host = engine.host("alpha")
    engine.orders("im MONITOR host=alpha delay=60 times=1")
    asked = engine.host_info(engine.host("beta")).int("LAST_MON_TIME") + 2
    until(lambda: engine.host_info(engine.host("beta")).int("LAST_MON_TIME") > asked, "monitorings of the other host")
    engine.kill_driver("one_im_dummy")
    engine.orders()
    last = engine.host_info(host).int("LAST_MON_TIME")
    until(lambda: engine.host_info(host).int("LAST_MON_TIME") > last + 1, "the next monitoring")
    until(lambda: engine.host_info(host).int("STATE") in (1, 2), "MONITORED")


def test_drivers_killed_again_and_again_lose_no_vm(engine: Simulation, dice: random.Random) -> None:
    engine.orders("vmm * delay=0.1", "tm * delay=0.1")
    vms = [engine.allocate("CPU = 0.1\nMEMORY = 8") for _ in range(10)]
    for vm in vms:
        engine.one.vm.deploy(vm, engine.host("alpha"))
    for _ in range(3):
        engine.kill_driver(dice.choice(["one_vmm_dummy", "one_tm_dummy"]))
    for vm in vms:
        engine.reaches(vm, "RUNNING")
    assert {vm: engine.domains()[vm] for vm in vms} == {vm: ["alpha"] for vm in vms}
    assert engine.check() == []
