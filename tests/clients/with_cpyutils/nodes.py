"""What CLUES does: it looks at hosts and VMs, starts VMs, moves and ends them, switches hosts on and off."""

import time
from typing import Any

LIMIT = 20.0
SMALL = "CPU = 0.01\nMEMORY = 1\n"


def _vm(one: Any, number: int) -> Any:
    return next((vm for vm in one.get_vms() if vm.ID == number), None)


def _host(one: Any, name: str) -> Any:
    return next(host for host in one.get_hosts() if name == host.NAME)


def _reaches(one: Any, number: int, state: int, lcm: int = 0) -> Any:
    deadline = time.monotonic() + LIMIT
    while True:
        vm = _vm(one, number)
        if vm is not None and (vm.STATE, vm.LCM_STATE) == (state, lcm):
            return vm
        assert time.monotonic() < deadline, f"VM {number} is not {state}, {lcm}"
        time.sleep(0.01)


def _is_gone(one: Any, number: int) -> None:
    deadline = time.monotonic() + LIMIT
    while _vm(one, number) is not None:
        assert time.monotonic() < deadline, f"VM {number} is still there"
        time.sleep(0.01)


def _running(one: Any) -> Any:
    made, vm = one.create_vm_by_template(SMALL)
    assert made, vm
    assert one._server.one.vm.deploy(one._ONE_AUTH, vm.ID, _host(one, "alpha").ID)[0]
    return _reaches(one, vm.ID, vm.STATE_ACTIVE, vm.LCM_RUNNING)


def it_tells_the_age_of_the_engine(one: Any) -> None:
    assert one.get_server_ref()
    assert [part.isdigit() for part in one._version] == [True, True, True]


def it_sees_the_room_of_the_hosts(one: Any) -> None:
    _running(one)
    host = _host(one, "alpha")
    assert host.state == "busy"
    assert host.total_slots > host.free_slots > 0
    assert host.memory_total > host.memory_free > 0
    assert host.keywords["HYPERVISOR"] == "dummy"
    assert host.keywords["FREE_MEM"] > 0


def it_makes_a_vm_of_a_template_by_its_name(one: Any) -> None:
    assert one.get_server_ref()
    template = one._server.one.template.allocate(one._ONE_AUTH, f'NAME = "node"\n{SMALL}')[1]
    assert [item.NAME for item in one.get_templates() if int(item.ID) == template] == ["node"]
    made, vm = one.create_vm("node")
    assert made, vm
    assert (vm.TEMPLATE.CPU, vm.TEMPLATE.MEMORY, vm.TEMPLATE.TEMPLATE_ID) == (0.01, 1, template)
    assert vm.STATE == vm.STATE_PENDING
    assert vm.HISTORY_RECORDS.HISTORY == []
    refused, text = one.create_vm("no such template")
    assert (refused, "does not have access" in text) == (False, True)


def it_drives_a_vm(one: Any) -> None:
    vm = _running(one)
    assert [record.HOSTNAME for record in vm.HISTORY_RECORDS.HISTORY] == ["alpha"]
    assert one.migrate_vm(vm.ID, _host(one, "beta").ID, True)
    vm = _reaches(one, vm.ID, vm.STATE_ACTIVE, vm.LCM_RUNNING)
    assert one.vm_reboot(vm.ID)
    assert one.vm_reboot_hard(vm.ID)
    assert one.vm_poweroff(vm.ID)
    vm = _reaches(one, vm.ID, vm.STATE_POWEROFF)
    assert not one.vm_hold(vm.ID)
    assert one.vm_delete(vm.ID)
    _is_gone(one, vm.ID)


def it_holds_releases_and_shuts_down(one: Any) -> None:
    made, vm = one.create_vm_by_template(SMALL)
    assert made, vm
    assert one.vm_hold(vm.ID)
    _reaches(one, vm.ID, vm.STATE_HOLD)
    assert one.vm_release(vm.ID)
    _reaches(one, vm.ID, vm.STATE_PENDING)
    running = _running(one)
    assert one.vm_shutdown(running.ID)
    _is_gone(one, running.ID)


def it_switches_a_host_off_and_on(one: Any) -> None:
    beta = _host(one, "beta")
    assert one.host_disable(beta.ID)
    assert _host(one, "beta").STATE == beta.DISABLED
    assert one.host_enable(beta.ID)
    assert _host(one, "beta").STATE != beta.DISABLED
