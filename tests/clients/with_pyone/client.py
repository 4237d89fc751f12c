"""pyone, whichever version is in the path, against the daemon."""

import time
from collections.abc import Callable
from typing import Any

LIMIT = 20.0
"""Seconds after which what has not happened counts as not happening."""
ADMIN = "oneadmin:opennebula"
SMALL = "CPU = 0.01\nMEMORY = 1\n"


class Cloud:
    """`one` calls as oneadmin; `pyone` is the module."""

    def __init__(self, endpoint: str) -> None:
        import pyone

        self.pyone: Any = pyone
        self.endpoint = endpoint
        self.one = self.as_user(ADMIN)

    def as_user(self, session: str) -> Any:
        """A server object for that session."""
        return self.pyone.OneServer(self.endpoint, session=session)

    def knows(self, root: str) -> bool:
        """Whether this version has a class for documents of that root; it takes others for HISTORY_RECORDS."""
        return hasattr(self.pyone.bindings.supbind, root)

    def refused(self, name: str, call: Callable[..., object], *arguments: object) -> str:
        """The text of the refusal, which is exactly that exception of pyone."""
        try:
            answer = call(*arguments)
        except self.pyone.OneException as error:
            refusal = error
        else:
            raise AssertionError(f"not refused, but answered {answer!r}")
        assert type(refusal) is getattr(self.pyone, name), f"{type(refusal).__name__}, not {name}: {refusal}"
        return str(refusal)

    def host(self, name: str = "alpha") -> int:
        """The id of a host that takes VMs."""
        found: list[int] = [host.ID for host in self.one.hostpool.info().HOST if host.NAME == name]
        return found[0]

    def new_vm(self, template: str = "", *, hold: bool = True) -> int:
        """A small VM that waits."""
        made: int = self.one.vm.allocate(SMALL + template, hold)
        return made

    def running(self, template: str = "") -> int:
        """A small VM that runs on alpha."""
        vm = self.new_vm(template)
        self.one.vm.action("release", vm)
        self.one.vm.deploy(vm, self.host())
        self.reaches(vm, "ACTIVE", "RUNNING")
        return vm

    def reaches(self, vm: int, state: str, lcm: str = "LCM_INIT") -> Any:
        """Waits until the VM is in the states, by pyone's names; its document."""
        wanted = (self.pyone.VM_STATE[state], self.pyone.LCM_STATE[lcm])
        deadline = time.monotonic() + LIMIT
        while True:
            info = self.one.vm.info(vm)
            if (info.STATE, info.LCM_STATE) == wanted:
                return info
            assert time.monotonic() < deadline, f"VM {vm} is {info.STATE}, {info.LCM_STATE}, not {state}, {lcm}"
            time.sleep(0.01)

    def until(self, happened: Callable[[], object], what: str) -> None:
        """Waits for something."""
        deadline = time.monotonic() + LIMIT
        while not happened():
            assert time.monotonic() < deadline, f"{what} did not come within {LIMIT:g} s"
            time.sleep(0.02)

    def gone(self, call: Callable[..., object], *arguments: object) -> None:
        """Waits until a call is refused because there is no such object."""
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            try:
                call(*arguments)
            except self.pyone.OneNoExistsException:
                return
            time.sleep(0.01)
        raise AssertionError(f"{arguments} is still there")


def connect(endpoint: str) -> Cloud:
    """What scenarios get."""
    return Cloud(endpoint)
