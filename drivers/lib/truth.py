"""What runs on the simulated hosts: the truth that vmm_dummy changes and im_dummy measures.

Any number of driver processes share it through one journal, `domains`, in the simulation's directory: one JSON line per
change, appended with one write. A process changes what it knows only by reading the journal on, its own lines too, so
all of them agree. The journal is rewritten short when its only user opens it.
"""

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from oned.drivers.lib.request import var_directory

RUNNING, PAUSED, SAVED = "running", "paused", "saved"


@dataclass(frozen=True)
class Domain:
    """A simulated domain. A saved one is a checkpoint: it holds neither CPU nor memory.

    cpu     hundredths of a core
    memory  KiB
    since   epoch seconds of its start
    """

    vm: int
    host: str
    cpu: int = 0
    memory: int = 0
    state: str = RUNNING
    since: float = 0.0

    @property
    def deploy_id(self) -> str:
        return f"{self.host}:one-{self.vm}:dummy"


def simulation_directory(given: str | None) -> Path:
    """Where the simulation keeps its files: the directory given by option, else `simulation` in the var directory."""
    return Path(given) if given else var_directory() / "simulation"


class Truth:
    """The domains of all simulated hosts, by host and VM; safe to use from several threads."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._hosts: dict[str, dict[int, Domain]] = {}
        self._lock = threading.Lock()
        self._read_to = 0
        self._rest = b""
        path = directory / "domains"
        self._users = os.open(directory / "domains.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._shorten(path)
        self._journal = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._read_on()

    def find(self, vm: int, host: str) -> Domain | None:
        """The VM's domain on the host, running, paused or saved there."""
        with self._lock:
            self._read_on()
            return self._hosts.get(host, {}).get(vm)

    def saved(self, vm: int) -> Domain | None:
        """The VM's checkpoint, wherever it was saved."""
        with self._lock:
            self._read_on()
            ours = (there[vm] for there in self._hosts.values() if vm in there)
            return next((domain for domain in ours if domain.state == SAVED), None)

    def used(self, host: str) -> tuple[int, int]:
        """Hundredths of a core and KiB of memory in use on the host."""
        with self._lock:
            self._read_on()
            there = [domain for domain in self._hosts.get(host, {}).values() if domain.state != SAVED]
        running = [domain for domain in there if domain.state == RUNNING]
        return sum(domain.cpu for domain in running), sum(domain.memory for domain in there)

    def put(self, domain: Domain) -> None:
        """The domain is from now on as given."""
        self._append(asdict(domain))

    def drop(self, domain: Domain) -> None:
        """The domain is gone."""
        self._append({"vm": domain.vm, "host": domain.host, "gone": True})

    def move(self, domain: Domain, host: str, state: str = RUNNING) -> Domain:
        """The domain is from now on on the other host, and nowhere else; the domain as it is there."""
        moved = replace(domain, host=host, state=state)
        if host != domain.host:
            self.drop(domain)
        self.put(moved)
        return moved

    def _append(self, change: dict[str, object]) -> None:
        with self._lock:
            os.write(self._journal, json.dumps(change).encode() + b"\n")
            self._read_on()

    def _read_on(self) -> None:
        """Take in what was appended since, by whatever process."""
        while chunk := os.pread(self._journal, 1 << 20, self._read_to):
            self._read_to += len(chunk)
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            for change in _changes(lines):
                self._apply(change)

    def _apply(self, change: dict[str, object]) -> None:
        gone = change.pop("gone", False)
        domain = Domain(**change)  # type: ignore[arg-type]
        there = self._hosts.setdefault(domain.host, {})
        if gone:
            there.pop(domain.vm, None)
        else:
            there[domain.vm] = domain

    def _shorten(self, path: Path) -> None:
        """Rewrite the journal with what is left at its end, if no other process uses it; then hold it as one user."""
        try:
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(self._users, fcntl.LOCK_SH)
            return
        for change in _changes(path.read_bytes().split(b"\n") if path.exists() else []):
            self._apply(change)
        short = path.with_suffix(".new")
        left = [domain for there in self._hosts.values() for domain in there.values()]
        short.write_text("".join(json.dumps(asdict(domain)) + "\n" for domain in left))
        short.replace(path)
        fcntl.flock(self._users, fcntl.LOCK_SH)


def _changes(lines: list[bytes]) -> Iterator[dict[str, object]]:
    """The changes of whole lines; a line torn by a full disk or a crash is no change."""
    for line in lines:
        try:
            change = json.loads(line)
        except ValueError:
            continue
        if isinstance(change, dict) and {"vm", "host"} <= change.keys():
            yield change
