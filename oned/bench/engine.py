"""An engine for the bench: a location made by `one init`, with real daemons."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from oned.bench.load import Sender
from oned.client.client import Client

PASSWORD = "bench"
SESSION = f"oneadmin:{PASSWORD}"
SECONDS = 60.0
"""The longest wait for anything that is not measured."""
_TICKS = os.sysconf("SC_CLK_TCK")
_SCHEDULER, _ONED = ("-m", "oned.sched"), ("-m", "oned", "-f", "-o", "PORT=0")


class BenchFailed(Exception):
    """Something that has to work before anything can be measured does not."""


class Engine:
    """A running oned on simulated drivers, and its scheduler when it is wanted; both end with the context.

    root  the location: made here, left to whoever gave it
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = os.environ | {"ONE_LOCATION": str(self.root), "PYTHONUNBUFFERED": "1"}
        for name in ("ONE_XMLRPC", "ONE_AUTH"):
            self.environment.pop(name, None)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._clients: list[Client] = []
        self.client: Client
        self.sender: Sender

    def __enter__(self) -> Self:
        line = "from oned.cli.one import main; raise SystemExit(main())"
        words = [sys.executable, "-c", line, "init", str(self.root), "--secret", PASSWORD]
        try:
            subprocess.run(words, check=True, capture_output=True, env=self.environment)
            self.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        for name in reversed(list(self._processes)):
            self.stop(name)

    def start(self, *settings: str) -> float:
        """Start oned, with settings NAME=VALUE; the seconds until it has answered its first call."""
        file = self.root / "var/oned.port"
        file.unlink(missing_ok=True)
        began = time.monotonic()
        self._run("oned", *_ONED, *(word for setting in settings for word in ("-o", setting)))
        while not (file.exists() and file.read_text().strip()):
            self._check("oned", began)
            time.sleep(0.002)
        port = int(file.read_text())
        self._endpoint = f"http://127.0.0.1:{port}/RPC2"
        (self.root / ".one/one_endpoint").write_text(f"{self._endpoint}\n")
        self.client, self.sender = self.connected(), Sender(port, SESSION)
        self._clients.append(self.client)
        self.client.call("one.system.version")
        return time.monotonic() - began

    def connected(self) -> Client:
        """A client of its own connection."""
        return Client(self._endpoint, SESSION, SECONDS)

    def start_scheduler(self) -> None:
        """Start the scheduler, in the manner of mm_sched."""
        self._run("mm_sched", *_SCHEDULER)

    def stop(self, name: str) -> None:
        """End a daemon cleanly."""
        while name == "oned" and self._clients:
            self._clients.pop().close()
        process = self._processes.pop(name)
        process.send_signal(signal.SIGTERM)
        process.wait(SECONDS)

    def add_hosts(self, count: int) -> None:
        """Register simulated hosts and wait until all are monitored."""
        for number in range(count):
            self.client.call("one.host.allocate", f"sim{number:04d}", "dummy", "dummy", 0)
        self.wait_until(lambda: self.client.text("one.hostpool.info").count("<STATE>2</STATE>") >= count)

    def wait_until(self, happened: Callable[[], bool]) -> None:
        """Return when it has. BenchFailed when it does not."""
        began = time.monotonic()
        while not happened():
            self._check("oned", began)
            time.sleep(0.02)

    def cpu(self, *, drivers: bool = False) -> float:
        """Seconds of CPU that oned has taken so far, all threads; with those of its drivers, if they are wanted."""
        own = [self._processes["oned"].pid]
        return sum(map(_spent, [*own, *(_children(own) if drivers else ())]))

    def memory(self) -> float:
        """Resident memory of all processes of the engine, MiB."""
        own = [process.pid for process in self._processes.values()]
        return sum(_resident(pid) for pid in [*own, *_children(own)]) / 1024

    def last_event(self) -> int:
        """The number of the newest event."""
        return _last(self.client.text("oned.events.wait", -1, 0))

    def wait_running(self, count: int, after: int) -> None:
        """Return when so many VMs have reached RUNNING since an event."""
        began = time.monotonic()
        while count > 0:
            self._check("oned", began)
            news = self.client.text("oned.events.wait", after, 5)
            count -= news.count("<NEW>RUNNING</NEW>")
            after = _last(news)

    def _run(self, name: str, *words: str) -> None:
        output = (self.root / f"{name}.out").open("wb")
        self._processes[name] = subprocess.Popen(
            [sys.executable, *words], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=self.environment
        )
        output.close()

    def _check(self, name: str, began: float) -> None:
        """Raise BenchFailed when the daemon has ended or the wait is too long."""
        if self._processes[name].poll() is not None:
            raise BenchFailed(f"{name} ended: {(self.root / f'{name}.out').read_text()[-1000:]}")
        if time.monotonic() - began > SECONDS:
            raise BenchFailed(f"nothing came of it in {SECONDS:.0f} s; oned.log ends with: {self._log()}")

    def _log(self) -> str:
        return "\n".join((self.root / "var/oned.log").read_text().splitlines()[-5:])


def _last(events: str) -> int:
    return int(events.partition("<LAST>")[2].partition("<")[0])


def _children(parents: list[int]) -> list[int]:
    found = []
    for parent in parents:
        for task in Path(f"/proc/{parent}/task").iterdir():
            found += [int(word) for word in (task / "children").read_text().split()]
    return found


def _spent(pid: int) -> float:
    """Seconds of CPU."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / _TICKS


def _resident(pid: int) -> int:
    """KiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
