"""Fakes that speak the real protocols."""

from __future__ import annotations

import base64
import os
import queue
import socket
import socketserver
import threading
import xmlrpc.client
import xmlrpc.server
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

PROGRAM = Path(__file__).with_name("fake_driver.py")


class FakeDriver:
    """The test's end of a driver: asks what the daemon said, and says what it is to hear.

    `section` and `vector` configure it: the program is tests/fake_driver.py, its argument the control socket.
    A driver that is started again connects again; its lines go on in the same queue. INIT is answered with `greeting`
    (None leaves it unanswered) and is not among the lines; verbs of `answers_all` are, though they answer themselves.
    """

    def __init__(self, control: Path, greeting: str | None = "INIT SUCCESS - -") -> None:
        self.control, self.greeting = control, greeting
        self.starts = 0
        self._lines: queue.Queue[str] = queue.Queue()
        self._scripts: dict[str, str] = {}
        self._driver: socket.socket | None = None
        self._connected = threading.Condition()
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(control))
        self._door.listen()
        threading.Thread(target=self._welcome, daemon=True).start()

    def __enter__(self) -> FakeDriver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def vector(self) -> dict[str, str]:
        """EXECUTABLE and ARGUMENTS for a driver section of oned.conf."""
        return {"EXECUTABLE": str(PROGRAM), "ARGUMENTS": str(self.control)}

    def section(self, mad: str, name: str, **attributes: str) -> str:
        """The section as text of oned.conf: `section("VM_MAD", "dummy", TYPE="xml")`."""
        words = {"NAME": name, **self.vector, **attributes}
        inside = ", ".join(f'{word} = "{value}"' for word, value in words.items())
        return f"{mad} = [ {inside} ]\n"

    def next_line(self, timeout: float = 5.0) -> str:
        """The next line from the daemon; AssertionError when none comes in time."""
        try:
            return self._lines.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"no line from the daemon within {timeout:g} s") from None

    def lines(self) -> list[str]:
        """The lines that have come and were not asked for yet."""
        waiting = []
        while not self._lines.empty():
            waiting.append(self._lines.get())
        return waiting

    def answers(self, text: str) -> None:
        """One line to the daemon: `answers("DEPLOY SUCCESS 7 one-7")`."""
        self._order(f"say {text}")

    def answers_all(self, verb: str, answer: str = "SUCCESS {id} -") -> None:
        """Answers every request of the verb from now on: "{id}" and "{host}" are those of the request."""
        self._scripts[verb] = answer

    def answers_raw(self, data: bytes) -> None:
        """Bytes to the daemon, as they are: half lines, garbage."""
        self._order(f"raw {base64.b64encode(data).decode()}")

    def complains(self, text: str) -> None:
        """A line on its stderr."""
        self._order(f"err {text}")

    def dies(self, status: int = 1) -> None:
        """Ends at once, without a word; by a signal, if the status is minus its number."""
        self._order(f"exit {status}")

    def hangs(self) -> None:
        """Reads its input no more, and does not end on TERM; returns when it is so."""
        self._order("hang")
        while self.next_line() != "HANGS":
            pass

    def close(self) -> None:
        """Ends the driver program, if it runs, and gives up the control socket."""
        self._door.shutdown(socket.SHUT_RDWR)  # a thread that accepts would wait for ever for one that is only closed
        self._door.close()
        with self._connected:
            if self._driver:
                self._driver.shutdown(socket.SHUT_RDWR)
        self.control.unlink(missing_ok=True)

    def _order(self, text: str) -> None:
        """To the driver that runs; when it has just ended, to the next one."""
        with self._connected:
            while True:
                assert self._connected.wait_for(lambda: self._driver, timeout=5.0), "the driver was not started"
                assert self._driver
                with suppress(BrokenPipeError, ConnectionResetError):
                    self._driver.sendall(text.encode() + b"\n")
                    return
                self._driver = None

    def _welcome(self) -> None:
        while True:
            try:
                driver, _ = self._door.accept()
            except OSError:
                return
            with self._connected:
                self._driver = driver
                self.starts += 1
                self._connected.notify_all()
            threading.Thread(target=self._listen, args=(driver,), daemon=True).start()

    def _listen(self, driver: socket.socket) -> None:
        with driver, driver.makefile("r", encoding="utf-8", newline="\n") as lines:
            for line in lines:
                self._hear(driver, line.rstrip("\n"))
            with self._connected:
                self._driver = None if self._driver is driver else self._driver

    def _hear(self, driver: socket.socket, line: str) -> None:
        words = line.split()
        if words == ["INIT"]:
            if self.greeting is not None:
                driver.sendall(f"say {self.greeting}\n".encode())
            return
        self._lines.put(line)
        if words and words[0] in self._scripts:
            host = words[2] if len(words) > 2 else ""
            answer = self._scripts[words[0]].format(id=words[1], host=host)
            driver.sendall(f"say {words[0]} {answer}\n".encode())


def environment() -> dict[str, str]:
    """What a driver program needs to run."""
    return {"PATH": os.environ["PATH"]}


STORES = (
    "<DATASTORE_POOL><DATASTORE><ID>0</ID><NAME>system</NAME><TYPE>1</TYPE><STATE>0</STATE><CLUSTERS><ID>0</ID></CLUSTERS>"
    "<TOTAL_MB>0</TOTAL_MB><TEMPLATE/></DATASTORE></DATASTORE_POOL>"
)
"""The system datastore, not measured yet."""


class FakeDaemon:
    """An XML-RPC endpoint with pending VMs and hosts, which deploys what fits: the other end of the scheduler.

    refuses   VM → text: its deploys are refused
    says      method → a text that it answers now, whatever else it would
    deployed  (VM, host) in the order of the calls; `calls` has all method names
    """

    def __init__(self, hosts: dict[int, int]) -> None:
        self.free = hosts
        self.pending: dict[int, int] = {}
        self.refuses: dict[int, str] = {}
        self.says: Callable[[str], str | None] = lambda _: None
        self.deployed: list[tuple[int, int]] = []
        self.calls: list[str] = []
        self.reports: list[str] = []
        self._events = 0
        self._changed = threading.Condition()
        self._server = _XMLRPCServer(("127.0.0.1", 0), _Handler, logRequests=False)
        self._server.register_instance(self)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}/RPC2"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def __enter__(self) -> FakeDaemon:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def allocate(self, vm: int, cpu: int) -> None:
        """A VM of this many hundredths of a core is pending now."""
        with self._changed:
            self.pending[vm] = cpu
            self._events += 1
            self._changed.notify_all()

    def until(self, happened: Callable[[], object], timeout: float = 30.0) -> None:
        """Waits for something that calls bring about; AssertionError when it does not happen."""
        with self._changed:
            assert self._changed.wait_for(lambda: bool(happened()), timeout), "it did not happen in time"

    def _dispatch(self, method: str, arguments: tuple[object, ...]) -> list[object]:
        answers: dict[str, Callable[..., list[object]]] = {
            "one.vmpool.infoextended": self._vms, "one.hostpool.info": self._hosts, "one.vm.deploy": self._deploy,
            "oned.sched.report": self._report, "oned.events.wait": self._wait,
            "one.vmpool.info": lambda *_: [True, "<VM_POOL/>", 0],
            "one.clusterpool.info": lambda *_: [True, "<CLUSTER_POOL/>", 0],
            "one.datastorepool.info": lambda *_: [True, STORES, 0],
        }  # fmt: skip
        with self._changed:
            self.calls.append(method)
            if method not in answers:
                raise xmlrpc.client.Fault(-506, f"Method '{method}' not defined")
            said = self.says(method)
            answer = [True, said, 0] if said is not None else answers[method](*arguments[1:])
            self._changed.notify_all()
            return answer

    def _vms(self, *_: object) -> list[object]:
        body = "".join(
            f"<VM><ID>{vm}</ID><UID>0</UID><GID>0</GID><STATE>1</STATE>"
            f"<TEMPLATE><CPU>{cpu / 100}</CPU><MEMORY>1</MEMORY></TEMPLATE></VM>"
            for vm, cpu in self.pending.items()
        )
        return [True, f"<VM_POOL>{body}</VM_POOL>", 0]

    def _hosts(self, *_: object) -> list[object]:
        body = "".join(
            f"<HOST><ID>{host}</ID><NAME>h{host}</NAME><STATE>2</STATE><HOST_SHARE><MAX_CPU>{cpu}</MAX_CPU>"
            "<MAX_MEM>1000000</MAX_MEM><CPU_USAGE>0</CPU_USAGE><RUNNING_VMS>0</RUNNING_VMS></HOST_SHARE></HOST>"
            for host, cpu in self.free.items()
        )
        return [True, f"<HOST_POOL>{body}</HOST_POOL>", 0]

    def _deploy(self, vm: int, host: int, enforce: bool, datastore: int, nics: str) -> list[object]:
        assert (enforce, datastore, nics) == (True, 0, "")
        if vm in self.refuses:
            return [False, self.refuses[vm], 0x0800]
        self.free[host] -= self.pending.pop(vm)
        self.deployed.append((vm, host))
        return [True, vm, 0]

    def _report(self, text: str) -> list[object]:
        self.reports.append(text)
        return [True, "reported", 0]

    def _wait(self, after: int, seconds: int) -> list[object]:
        if after >= 0:
            self._changed.wait_for(lambda: self._events > after, min(seconds, 1))
        event = "<EVENT><KIND>VM</KIND><WHAT>state</WHAT><OLD>INIT</OLD><NEW>PENDING</NEW></EVENT>"
        events = event * max(0, self._events - after) if after >= 0 else ""
        return [True, f"<EVENTS><LAST>{self._events}</LAST>{events}</EVENTS>", 0]


class _XMLRPCServer(socketserver.ThreadingMixIn, xmlrpc.server.SimpleXMLRPCServer):
    daemon_threads = True
    request_queue_size = 64


class _Handler(xmlrpc.server.SimpleXMLRPCRequestHandler):
    protocol_version = "HTTP/1.1"
    rpc_paths = ("/RPC2",)
    disable_nagle_algorithm = True
