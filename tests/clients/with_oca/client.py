"""oca, the Python library of the time of 4.x, against the daemon."""

import time
from collections.abc import Callable
from typing import Any

from tests.clients.python2 import load

LIMIT = 20.0
"""Seconds after which what has not happened counts as not happening."""
ADMIN = "oneadmin:opennebula"
SMALL = "CPU = 0.01\nMEMORY = 1\n"


class Cloud:
    """`oca` is the module, `client` calls as oneadmin."""

    def __init__(self, endpoint: str) -> None:
        self.oca: Any = load("oca")
        self.endpoint = endpoint
        self.client = self.as_user(ADMIN)

    def as_user(self, session: str) -> Any:
        """A client for that session."""
        return self.oca.Client(session, self.endpoint)

    def refused(self, call: Callable[..., object], *arguments: object) -> str:
        """The text of the refusal."""
        try:
            answer = call(*arguments)
        except self.oca.OpenNebulaException as error:
            return str(error)
        raise AssertionError(f"not refused, but answered {answer!r}")

    def pool(self, kind: str, *arguments: int) -> Any:
        """A pool by the name of its class, read."""
        pool = getattr(self.oca, kind)(self.client)
        pool.info(*arguments)
        return pool

    def host(self, name: str = "alpha") -> int:
        """The id of a host that takes VMs."""
        made: int = self.pool("HostPool").get_by_name(name).id
        return made

    def new_vm(self, template: str = "") -> Any:
        """A small VM that waits."""
        vm = self.oca.VirtualMachine.allocate(self.client, SMALL + template)
        return self.oca.VirtualMachine.new_with_id(self.client, vm)

    def running(self) -> Any:
        """A small VM that runs on alpha."""
        vm = self.new_vm()
        vm.deploy(self.host())
        self.reaches(vm, "ACTIVE", "RUNNING")
        return vm

    def reaches(self, vm: Any, state: str, lcm: str = "LCM_INIT") -> None:
        """Waits until the VM is in the states, by oca's names."""
        wanted = vm.VM_STATE.index(state), vm.LCM_STATE.index(lcm)

        def is_there() -> bool:
            vm.info()
            return bool(wanted == (vm.state, vm.lcm_state))

        self.until(is_there, f"{state}, {lcm} of VM {vm.id}")

    def until(self, happened: Callable[[], object], what: str = "it") -> None:
        """Waits for something."""
        deadline = time.monotonic() + LIMIT
        while not happened():
            assert time.monotonic() < deadline, f"{what} did not happen within {LIMIT:g} s"
            time.sleep(0.01)


def connect(endpoint: str) -> Cloud:
    """What scenarios get."""
    return Cloud(endpoint)
