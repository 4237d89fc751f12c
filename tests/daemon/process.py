"""A real oned in a directory of its own, and the test's hands on its drivers."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from fakes import FakeDriver

from oned.client.client import Client, Method
from oned.client.documents import Document, parse
from oned.client.failures import ServerRefused, Unreachable
from oned.onedb.check import notes, problems
from oned.onedb.snapshot import take
from oned.store.database import reading_engine
from oned.vm.states import BY_NUMBERS

LIMIT = 20.0
"""Seconds after which what has not happened counts as not happening; nothing is measured with it."""
LOOK = 0.005
ADMIN = "oneadmin:opennebula"

SIMULATED = """\
VM_MAD = [ NAME = "dummy", EXECUTABLE = "one_vmm_dummy", TYPE = "xml", PROTOCOL = "xml", PER_HOST = "0" ]
IM_MAD = [ NAME = "dummy", EXECUTABLE = "one_im_dummy", PROTOCOL = "3" ]
TM_MAD = [ NAME = "dummy", EXECUTABLE = "one_tm_dummy", PROTOCOL = "datastore", PER_HOST = "0" ]
DATASTORE_MAD = [ EXECUTABLE = "one_datastore_dummy" ]
"""


def until(happened: Callable[[], object], what: str = "it") -> None:
    """Waits for something; AssertionError when it does not happen."""
    deadline = time.monotonic() + LIMIT
    while not happened():
        assert time.monotonic() < deadline, f"{what} did not happen within {LIMIT:g} s"
        time.sleep(LOOK)


class Daemon:
    """`oned -f` below a temporary ONE_LOCATION. `admin` and `one` call it as oneadmin.

    conf  text of oned.conf beside the port: settings and drivers
    """

    def __init__(self, root: Path, conf: str) -> None:
        self.root, self.var = root, root / "var"
        self.etc = root / "etc"
        for directory in (self.etc, root / ".one"):
            directory.mkdir(parents=True, exist_ok=True)
        (root / ".one/one_auth").write_text(f"{ADMIN}\n")
        self.configure(conf)
        self._process: subprocess.Popen[bytes] | None = None
        self.endpoint = ""
        self._clients: list[Client] = []

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_reason: object) -> None:
        self.close()

    def configure(self, conf: str) -> None:
        """Write oned.conf, for the next start."""
        (self.etc / "oned.conf").write_text(f"PORT = 0\n{conf}")

    @property
    def database(self) -> Path:
        return self.var / "one.db"

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "ONE_LOCATION": str(self.root), "HOME": str(self.root)}

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def start(self, killed_after: float = 0.0) -> None:
        """Start it; returns when it answers. `killed_after` seconds it is killed, at whatever it does then."""
        port_file = self.var / "oned.port"
        port_file.unlink(missing_ok=True)
        with (self.root / "output").open("ab") as output:
            command = [sys.executable, "-m", "oned", "-f"]
            self._process = subprocess.Popen(command, env=self.environment, stdout=output, stderr=output)
        if killed_after:
            time.sleep(killed_after)
            self.kill()
            return
        until(lambda: self._ended() or (port_file.exists() and port_file.read_text().endswith("\n")), "the start")
        assert not self._ended(), f"oned did not start: {self.log()}{(self.root / 'output').read_text()}"
        self.endpoint = f"http://127.0.0.1:{port_file.read_text().strip()}/RPC2"
        self.admin = self.client(ADMIN)

    @property
    def one(self) -> Method:
        """The methods one.*, called as oneadmin."""
        return self.admin.one

    def stop(self) -> int:
        """End it as `one stop` does; its exit status."""
        assert self._process
        self._process.terminate()
        return self._process.wait(LIMIT)

    def kill(self) -> None:
        """End it as a power failure does: oned only, its drivers see their input end."""
        assert self._process
        self._process.kill()
        self._process.wait(LIMIT)

    def settled(self) -> None:
        """All that has been seen is on disk: whoever reads may see it one fsync early, whoever writes may not."""
        self.admin.call("one.user.update", 0, "SETTLED = YES", 1)

    def restart(self) -> None:
        """A new oned after a kill or a stop."""
        self.start()

    def close(self) -> None:
        """End it, however it is."""
        for client in self._clients:
            client.close()
        if self._process and self._process.poll() is None:
            self.stop()

    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    @property
    def port(self) -> int:
        return int(self.endpoint.rpartition(":")[2].removesuffix("/RPC2"))

    def client(self, session: str) -> Client:
        """A client with a connection of its own."""
        self._clients.append(Client(self.endpoint, session, timeout=60))
        return self._clients[-1]

    def people(self, *names: str) -> dict[str, Client]:
        """New users of the group users, by name."""
        for name in names:
            self.one.user.allocate(name, "secret")
        return {name: self.client(f"{name}:secret") for name in names}

    def log(self) -> str:
        """What oned.log says."""
        path = self.var / "oned.log"
        return path.read_text() if path.exists() else ""

    def vm_log(self, vm: int) -> str:
        """What the VM's own log says."""
        path = self.var / f"vms/{vm}/vm.log"
        return path.read_text() if path.exists() else ""

    def drivers(self) -> dict[str, int]:
        """The processes of its drivers, by program."""
        found = {}
        for child in map(int, Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()):
            words = _command_line(child)
            found |= {Path(word).name: child for word in words if "/one_" in word}
        return found

    def driver(self, program: str) -> int:
        """The process of one of them; the list of children may leave it out while another child ends."""
        found: dict[str, int] = {}
        until(lambda: found.update(self.drivers()) or program in found, f"the start of {program}")
        return found[program]

    def kill_driver(self, program: str) -> None:
        """kill -9 of one driver process."""
        os.kill(self.driver(program), signal.SIGKILL)

    # --- objects ---

    def vm(self, vm: int) -> Document:
        """The VM's document."""
        return parse(self.admin.text("one.vm.info", vm))

    def state(self, vm: int) -> str:
        """The VM's state by name: that of LCM_STATE when it is active."""
        document = self.vm(vm)
        return BY_NUMBERS[document.int("STATE"), document.int("LCM_STATE")].name

    def reaches(self, vm: int, *states: str) -> str:
        """Waits until the VM is in one of the states; which."""
        try:
            until(lambda: self.state(vm) in states)
        except AssertionError:
            raise AssertionError(f"VM {vm} is {self.state(vm)}, not {states}\n{self.vm_log(vm)}") from None
        return self.state(vm)

    def allocate(self, template: str = "", *, hold: bool = False) -> int:
        """A new VM of one core and 64 MiB, unless the template says otherwise."""
        given = "".join(f"{line}\n" for line in ("CPU = 1", "MEMORY = 64") if line.split()[0] not in template)
        return self.admin.number("one.vm.allocate", given + template, hold)

    def host(self, name: str) -> int:
        """The id of a host with dummy drivers, registered where it is not known."""
        known = parse(self.admin.text("one.hostpool.info")).all("HOST")
        found = [host.int("ID") for host in known if host.text("NAME") == name]
        return found[0] if found else self.admin.number("one.host.allocate", name, "dummy", "dummy", 0)

    def host_info(self, host: int) -> Document:
        """The host's document."""
        return parse(self.admin.text("one.host.info", host))

    def monitored(self, name: str) -> int:
        """The id of the host of that name once it takes VMs."""
        host = self.host(name)
        until(lambda: self.host_info(host).int("STATE") in (1, 2), f"MONITORED of host {name}")
        return host

    def events(self, after: int, seconds: int = 0) -> Document:
        """The events after a number."""
        return parse(self.admin.text("oned.events.wait", after, seconds))

    def check(self) -> list[str]:
        """What `onedb check` finds wrong."""
        return self._checked()[0]

    def overcommitted(self) -> list[str]:
        """The hosts whose VMs take more than there is, as `onedb check` notes them."""
        return self._checked()[1]

    def _checked(self) -> tuple[list[str], list[str]]:
        engine = reading_engine(self.database)
        with engine.connect() as connection:
            snapshot = take(connection)
        engine.dispose()
        return problems(snapshot), notes(snapshot)


class Driver:
    """The test's end of one driver: its lines by verb and object; DRIVER_CANCEL is obeyed as real drivers do."""

    def __init__(self, fake: FakeDriver) -> None:
        self.fake = fake
        self.cancelled: list[int] = []
        self._kept: dict[tuple[str, int], deque[str]] = defaultdict(deque)

    def line(self, verb: str, oid: int, timeout: float = 10.0) -> str:
        """The next line of the verb for the object; AssertionError when none comes."""
        lines = self._kept[verb, oid]
        while not lines:
            self._take(self.fake.next_line(timeout))
        return lines.popleft()

    def quiet(self, verb: str, oid: int) -> bool:
        """Whether no line of the verb has come for the object."""
        for line in self.fake.lines():
            self._take(line)
        return not self._kept[verb, oid]

    def succeeds(self, verb: str, oid: int, info: str = "-") -> str:
        """Waits for the request and answers SUCCESS; the request."""
        line = self.line(verb, oid)
        self.fake.answers(f"{verb} SUCCESS {oid} {info}")
        return line

    def fails(self, verb: str, oid: int, info: str = "it is broken") -> str:
        """Waits for the request and answers FAILURE; the request."""
        line = self.line(verb, oid)
        self.fake.answers(f"{verb} FAILURE {oid} {info}")
        return line

    def _take(self, line: str) -> None:
        verb, _, rest = line.partition(" ")
        number = int(rest.split()[0]) if rest else -1
        if verb == "DRIVER_CANCEL":
            self.cancelled.append(number)
            self.fake.answers(f"LOG I {number} Driver command for {number} cancelled")
        else:
            self._kept[verb, number].append(line)


class Program(FakeDriver):
    """A fake driver that oned may end at any moment."""

    def _listen(self, driver: socket.socket) -> None:
        with suppress(ConnectionError):
            super()._listen(driver)


class Scripted(Daemon):
    """A daemon whose drivers do what the test says; hosts are monitored at once."""

    def __init__(self, root: Path, conf: str, dialect: str = "plain", **vmm: str) -> None:
        greeting = "INIT SUCCESS - -"
        self.fakes = {
            mad: Program(root / f"{mad}.sock", greeting) for mad in ("VM_MAD", "TM_MAD", "IM_MAD", "DATASTORE_MAD")
        }
        self.fakes["IM_MAD"].answers_all("MONITOR", "SUCCESS {id} HYPERVISOR=dummy,TOTALCPU=800,TOTALMEMORY=16777216")
        self.vmm, self.tm = Driver(self.fakes["VM_MAD"]), Driver(self.fakes["TM_MAD"])
        self.im, self.ds = Driver(self.fakes["IM_MAD"]), Driver(self.fakes["DATASTORE_MAD"])
        self.fakes["DATASTORE_MAD"].answers_all("MONITOR", "SUCCESS {id} TOTAL_MB=1000,FREE_MB=600,USED_MB=400")
        transfers = "classic" if dialect == "plain" else "datastore"
        limits = {"PER_HOST": "0", "THREADS": "0"}
        sections = (
            self.fakes["VM_MAD"].section("VM_MAD", "dummy", TYPE="xml", PROTOCOL=dialect, **limits | vmm),
            self.fakes["TM_MAD"].section("TM_MAD", "dummy", PROTOCOL=transfers, **limits),
            self.fakes["IM_MAD"].section("IM_MAD", "dummy", PROTOCOL="3"),
            self.fakes["DATASTORE_MAD"].section("DATASTORE_MAD", "fs", **limits),
        )
        super().__init__(root, conf + "".join(sections))

    def start(self) -> None:
        """Start it; returns when it answers and has greeted the drivers that it starts at once."""
        before = len(self.log())
        super().start()
        until(lambda: _all_up(self.log()[before:]), "the start of the drivers")

    def close(self) -> None:
        super().close()
        for fake in self.fakes.values():
            fake.close()

    def running(self, host: int, template: str = "") -> int:
        """A VM that runs on the host."""
        vm = self.allocate(template)
        self.one.vm.deploy(vm, host)
        self.tm.succeeds("TRANSFER", vm)
        self.vmm.succeeds("DEPLOY", vm, f"one-{vm}")
        self.reaches(vm, "RUNNING")
        return vm


def _all_up(log: str) -> bool:
    """Whether the drivers are up that a start says it starts."""
    told = re.search("Starting the drivers: (.*)", log)
    return told is not None and all(f"Driver {label} is up" in log for label in told[1].split(", "))


def _command_line(process: int) -> list[str]:
    """The words of a process; none if it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().decode().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def refusal(call: Callable[..., object], *arguments: object) -> tuple[str, int]:
    """Text and code of the refusal of a call; AssertionError if it is not refused."""
    try:
        answer = call(*arguments)
    except ServerRefused as refused:
        return refused.text, refused.code
    raise AssertionError(f"not refused, but answered {answer}")


__all__ = ["ADMIN", "LIMIT", "SIMULATED", "Daemon", "Driver", "Scripted", "Unreachable", "refusal", "until"]
