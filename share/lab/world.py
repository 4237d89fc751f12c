"""Hosts as share/lab/hosts makes them, and what is done to them: for tests, and for demonstrations in share/elastic."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

HOSTS = Path(__file__).with_name("hosts")
CLONE_NEWNET = 0x40000000

T = TypeVar("T")


class World:
    """N hosts and the front-end's network, from which they are reached; nothing of it is seen on the machine."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def key(self) -> Path:
        return self.directory / "ssh" / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "ssh" / "known_hosts"

    @property
    def environment(self) -> Mapping[str, str]:
        """What lets drivers reach the hosts."""
        return {"SSH_USER": "root", "SSH_KEY": str(self.key), "SSH_KNOWN_HOSTS": str(self.known_hosts)}

    def home(self, host: str) -> Path:
        """Where the host's own files are: `one` is its /var/lib/one, `var-tmp` its /var/tmp."""
        return self.directory / "hosts" / host

    def names(self) -> list[str]:
        return sorted(place.name for place in (self.directory / "hosts").iterdir())

    def datastores(self, host: str) -> Path:
        """The host's /var/lib/one/datastores, as this machine sees it."""
        shared = (self.directory / "one-shared").exists()
        return (self.directory / "shared" if shared else self.home(host) / "one") / "datastores"

    def address(self, host: str) -> str:
        return f"10.77.0.{10 + int(host.removeprefix('host'))}"

    # -- power, cables, commands ----------------------------------------------------------------------------------
    def up(self, count: int, *options: str) -> None:
        """Make the hosts that are missing; options --libvirt and --shared."""
        self._hosts("up", str(count), *options)

    def crash(self, host: str) -> None:
        self._hosts("crash", host)

    def cut(self, host: str) -> None:
        self._hosts("cut", host)

    def join(self, host: str) -> None:
        self._hosts("join", host)

    def down(self) -> None:
        self._hosts("down")

    def tell_names(self) -> None:
        """Files `names.*` of the directory have changed: their lines are in the /etc/hosts of all hosts now."""
        self._hosts("names")

    def run(self, host: str, *argv: str) -> str:
        """What a command prints in the host, or in the place called frontend."""
        return self._hosts("exec", host, *argv)

    def pid(self, host: str) -> str:
        """Process 1 of a host, or of the place called frontend."""
        return self._hosts("pid", host).strip()

    def command(self, *argv: str) -> list[str]:
        """The command that runs another one in the front-end's network, with the names of the hosts."""
        return [
            "nsenter",
            "-t",
            self.pid("frontend"),
            "--net",
            "--mount",
            f"--wd={os.getcwd()}",
            *argv,
        ]

    def _hosts(self, *words: str) -> str:
        done = subprocess.run(
            [HOSTS, self.directory, *words], stdout=subprocess.PIPE, text=True, timeout=60, check=True
        )
        return done.stdout

    # -- sshd -----------------------------------------------------------------------------------------------------
    def connections(self, host: str) -> int:
        """How many connections the host's sshd has let in so far."""
        return (self.home(host) / "sshd.log").read_text().count("Accepted publickey")

    def sshd(self, host: str, number: signal.Signals) -> None:
        """Send a signal to the host's sshd and all that it serves: STOP makes a host that hangs."""
        for pid in self.processes(host, _is_sshd):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def restart_sshd(self, host: str) -> None:
        """End the host's sshd with its connections, and start it anew."""
        self.sshd(host, signal.SIGKILL)
        until(lambda: not self.processes(host, _is_sshd), 5, f"the sshd of {host} has ended")
        self.start_sshd(host)

    def start_sshd(self, host: str, *options: str, port: int = 22) -> None:
        """Start an sshd there, and wait until it answers: it goes into the background before it listens."""
        log = str(self.home(host) / "sshd.log")
        self.run(host, "/usr/sbin/sshd", "-f", "/etc/ssh/sshd_config", "-E", log, *options)
        until(lambda: self._listens(host, port), 10, f"the sshd of {host} listens at port {port}")

    def _listens(self, host: str, port: int) -> bool:
        return f"{port:04X}" in {
            line.split()[1].rpartition(":")[2] for line in self.run(host, "cat", "/proc/net/tcp").splitlines()[1:]
            if line.split()[3] == "0A"
        }  # fmt: skip

    # -- libvirtd -------------------------------------------------------------------------------------------------
    def libvirtd(self, host: str, number: signal.Signals) -> None:
        """Send a signal to the host's libvirtd: STOP makes one that hangs. Guests go on."""
        for pid in self.processes(host, _is_libvirtd):
            os.kill(pid, number)

    def restart_libvirtd(self, host: str) -> None:
        """End the host's libvirtd with its connections, and start it anew."""
        self.libvirtd(host, signal.SIGKILL)
        until(lambda: not self.processes(host, _is_libvirtd), 5, f"the libvirtd of {host} has ended")
        self.run(host, "libvirtd", "-d", "--listen", "-f", "/etc/libvirt/libvirtd.conf", "-p", "/run/libvirtd.pid")

    def processes(self, host: str, wanted: Callable[[Sequence[str]], bool]) -> list[int]:
        """The processes of the host with such a command line, as the machine numbers them."""
        own = os.readlink(f"/proc/{self.pid(host)}/ns/pid")
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _fits(pid, own, wanted)]

    # -- the front-end's network ----------------------------------------------------------------------------------
    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Within the block this thread, its children and the threads it starts are in the front-end's network."""
        front = self.pid("frontend")
        with open("/proc/thread-self/ns/net") as before, open(f"/proc/{front}/ns/net") as inside:
            _enter(inside.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())


def _is_sshd(words: Sequence[str]) -> bool:
    return words[0] == "sshd:" or words[0].endswith("/sshd")


def _is_libvirtd(words: Sequence[str]) -> bool:
    return words[0].rpartition("/")[2] == "libvirtd"


def _fits(pid: int, namespace: str, wanted: Callable[[Sequence[str]], bool]) -> bool:
    try:
        if os.readlink(f"/proc/{pid}/ns/pid") != namespace:
            return False
        words = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ").split()
    except OSError:
        return False
    return bool(words) and wanted(words)


def _enter(descriptor: int) -> None:
    """Bring the calling thread into a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def until(look: Callable[[], T | None], seconds: float, what: str) -> T:
    """What `look` finds, as soon as it finds something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds:g} seconds")
