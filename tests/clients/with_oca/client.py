"""oca, the library that CLUES and others of its time used, against the daemon.

It was written for Python 2. What differs is put in its way here, and nothing else is changed: names of modules, one
exception clause, `map` that makes a list.
"""

import builtins
import http.client
import importlib
import importlib.util
import sys
import time
import types
import xmlrpc.client
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

LIMIT = 20.0
"""Seconds after which what has not happened counts as not happening."""
ADMIN = "oneadmin:opennebula"
SMALL = "CPU = 0.01\nMEMORY = 1\n"


class _Loader(SourceFileLoader):
    """Reads the one clause that Python 3 writes in another way."""

    def get_data(self, path: str) -> bytes:
        return super().get_data(path).replace(b"except socket.error, e:", b"except socket.error as e:")


def _load() -> Any:
    """The module oca."""
    if "oca" in sys.modules:
        return sys.modules["oca"]
    found = importlib.util.find_spec("oca")
    assert found is not None
    assert found.origin is not None
    old_new, old_http = types.ModuleType("new"), types.ModuleType("httplib")
    old_new.classobj = type  # type: ignore[attr-defined]
    vars(old_http).update(vars(http.client), HTTP=http.client.HTTPConnection)
    sys.modules |= {"new": old_new, "httplib": old_http, "xmlrpclib": xmlrpc.client}
    home = Path(found.origin).parent
    sys.path.insert(0, str(home))  # its modules import each other by their bare names
    spec = importlib.util.spec_from_loader("oca", _Loader("oca", found.origin))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for part in home.glob("*.py"):
        if part.stem in sys.modules:
            vars(sys.modules[part.stem])["map"] = lambda *arguments: list(builtins.map(*arguments))
    sys.modules["oca"] = module
    return module


class Cloud:
    """`oca` is the module, `client` calls as oneadmin."""

    def __init__(self, endpoint: str) -> None:
        self.oca = _load()
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
