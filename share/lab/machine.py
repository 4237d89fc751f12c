"""A machine made of namespaces, with the directories of a Grid Engine: its master, or one of its nodes."""

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from share.lab.world import World, until

MASTER = "sgemaster"
ROOT, SPOOL = "/var/lib/gridengine", "/var/spool/gridengine"
HOME = f"{SPOOL}/home"
SHIPPED = Path("/usr/share/gridengine")
BIN = "/usr/lib/gridengine"
ENVIRONMENT = {
    "SGE_ROOT": ROOT,
    "SGE_CELL": "default",
    "LC_ALL": "C",
    "PATH": f"{BIN}:{os.environ['PATH']}:/usr/sbin:/sbin",
}
"""Debian's commands in /usr/bin are scripts around those in BIN, which cost ten times as much."""
BOOTSTRAP = {
    "ignore_fqdn": "true",
    "spooling_method": "classic",
    "spooling_lib": "libspoolc",
    "spooling_params": f"{ROOT}/default/common;{SPOOL}/qmaster",
}

UNSHARED = (
    *("unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--mount-proc", "--kill-child"),
    *("--propagation", "private"),
)
BOOT = f"""
set -e
hostname "$1"
mount -t sysfs sysfs /sys
until ip link show eth0 >/dev/null 2>&1; do sleep 0.01; done
ip link set lo up; ip addr add "$2/24" dev eth0; ip link set eth0 up; [ -z "$5" ] || ip route add default via "$5"
mount --bind "$3/root" {ROOT}; mount --bind "$3/spool" {SPOOL}; mount --bind "$4/home" {HOME}
mount --bind "$4/passwd" /etc/passwd; mount --bind "$4/group" /etc/group; mount --bind "$4/../etc-hosts" /etc/hosts
mount --bind "$4/resolv.conf" /etc/resolv.conf
mount -t tmpfs tmpfs /run; install -d -o sgeadmin /run/gridengine
touch /run/booted
trap 'exit 0' TERM
while :; do sleep infinity & wait $! || true; done
"""
"""Process 1 of a machine, as sh -c BOOT boot NAME ADDRESS ITS-DIRECTORY COMMON-DIRECTORY GATEWAY."""


class Machine:
    """One machine with its own name, address, processes and Grid Engine directories.

    gateway  of its network, "" for none
    switch   that its cable is plugged into
    host     where the switch is, and whose power it has: the front-end, or a host of the lab
    """

    def __init__(
        self,
        lab: World,
        name: str,
        address: str,
        gateway: str = "10.77.0.1",
        switch: str = "switch",
        host: str = "frontend",
    ) -> None:
        self.lab, self.name, self.address = lab, name, address
        self.gateway, self.switch, self.host = gateway, switch, host
        self.hardware = "02:4c:" + ":".join(f"{int(part):02x}" for part in address.split(".")) if address else ""
        self.cable = f"{'sge' if switch == 'switch' else switch}{address.rpartition('.')[2]}"
        self.common = lab.directory / "sge"
        self.directory = self.common / name
        self.process: subprocess.Popen[bytes] | None = None

    def first_process(self) -> tuple[str, ...]:
        """The command line of its process 1."""
        return ("sh", "-c", BOOT, "boot", self.name, self.address, str(self.directory), str(self.common), self.gateway)

    def boot(self) -> Self:
        """Start it and plug in its cable; what a former machine of that name had in its directories is gone."""
        power = () if self.host == "frontend" else ("nsenter", "-t", self.lab.pid(self.host), "--pid", "--")
        with open(self.directory / "boot.log", "ab") as log:
            self.process = subprocess.Popen(
                [*power, *UNSHARED, *self.first_process()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=ENVIRONMENT,
            )
        first = until(self._first, 5, f"{self.name} has a process 1")
        write(self.directory / "pid", f"{first} {_started(first)}\n")
        self.plug(f"type veth peer name eth0 address {self.hardware} netns {first}")
        until(lambda: self.alive("test", "-e", "/run/booted"), 10, f"{self.name} has booted")
        return self

    @property
    def pid(self) -> int:
        """Its process 1, as the machine below numbers it."""
        first = self.running()
        assert first, f"{self.name} is not up"
        return first

    def running(self) -> int:
        """The same, 0 if it is not up; whoever has booted it."""
        try:
            first, started = (self.directory / "pid").read_text().split()
        except (OSError, ValueError):
            return 0
        return int(first) if _started(int(first)) == started else 0

    @property
    def prefix(self) -> tuple[str, ...]:
        """The words before a command that is to run in it as root."""
        return ("nsenter", "-t", str(self.pid), "--all", "--")

    def run(self, *argv: str, seconds: float = 20) -> str:
        """What a command prints in it, errors too; AssertionError with that if it fails."""
        done = subprocess.run(
            [*self.prefix, *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            env=ENVIRONMENT,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(argv)} in {self.name}: exit {done.returncode}: {done.stdout}"
        return done.stdout

    def alive(self, *argv: str) -> bool:
        """Whether a command succeeds in it."""
        try:
            self.run(*argv)
        except AssertionError:
            assert not self.process or self.process.poll() is None, (self.directory / "boot.log").read_text()
            return False
        return True

    def start(self, daemon: str) -> None:
        """Start sge_qmaster or sge_execd in it."""
        self.run(
            "sh",
            "-c",
            f"SGE_ND=1 setsid /usr/sbin/{daemon} </dev/null >>{SPOOL}/daemon.log 2>&1 & echo $! > /run/daemon.pid",
        )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its daemon."""
        self.run("sh", "-c", f"kill -{int(number)} $(cat /run/daemon.pid)")

    def crash(self) -> None:
        """It loses its power, without a farewell to its connections."""
        self.plug("")
        if first := self.running():
            os.kill(first, signal.SIGKILL)  # and with it all that it has
        if self.process:
            self.process.wait()
        self.process = None

    def shut_down(self, seconds: float = 20) -> None:
        """Somebody presses its power button; after so many seconds it loses its power."""
        if first := self.running():
            os.kill(first, signal.SIGTERM)
            with contextlib.suppress(AssertionError):
                until(lambda: not self.running(), seconds, f"{self.name} has shut down")
        self.crash()

    def plug(self, cable: str) -> None:
        """Take its cable away, and plug in one with these words of ip-link(8), if any."""
        name = self.cable
        new = f"ip link add {name} {cable} && ip link set {name} master {self.switch} up" if cable else "true"
        subprocess.run(
            [*("nsenter", "-t", self.lab.pid(self.host), "--net", "--"), "sh", "-c", f"ip link del {name}; {new}"],
            stderr=subprocess.DEVNULL,
            check=True,
        )

    def _first(self) -> int:
        """Its process 1, below nsenter and unshare; 0 while it is not there."""
        assert self.process
        assert self.process.poll() is None, (self.directory / "boot.log").read_text()
        pid = self.process.pid
        while pid and not _is_first(pid):
            pid = int(_text(f"/proc/{pid}/task/{pid}/children").partition(" ")[0] or 0)
        return pid


def prepare(made: Machine) -> None:
    """The directories of a machine: a root like Debian's with a cell, and an empty spool."""
    subprocess.run(["rm", "-rf", made.directory], check=True)
    root, spool = made.directory / "root", made.directory / "spool"
    (root / "default" / "common").mkdir(parents=True)
    for part in ("bin", "lib", "utilbin"):
        (root / part).mkdir()
        (root / part / "lx-amd64").symlink_to(BIN)
    (root / "util").symlink_to(SHIPPED / "util")
    write(root / "default/common/bootstrap", changed((SHIPPED / "default-bootstrap").read_text(), BOOTSTRAP))
    write(root / "default/common/act_qmaster", f"{MASTER}\n")
    for part in ("home", "execd", "qmaster/job_scripts"):
        (spool / part).mkdir(parents=True)
    subprocess.run(["chown", "-R", "sgeadmin:", root, spool], check=True)


def changed(text: str, values: Mapping[str, str]) -> str:
    """A configuration of words and values with some of the values changed."""
    for word, value in values.items():
        text, count = re.subn(rf"^{word}\s.*$", f"{word} {value}", text, flags=re.MULTILINE)
        assert count == 1, f"no {word} in: {text}"
    return text


def write(path: Path, text: str) -> None:
    """Make a file that everybody may read."""
    path.write_text(text)
    path.chmod(0o644)


def _is_first(pid: int) -> bool:
    """Whether a process is the first of its namespace. Names do not tell: a process gets its own some time later."""
    found = re.search(r"^NSpid:.*\s1$", _text(f"/proc/{pid}/status"), re.MULTILINE)
    return found is not None


def _text(path: str) -> str:
    """Of a file; "" without one."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process began, which tells it from a later one of that number; "" if it has ended."""
    try:
        state, *facts = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return ""
    return "" if state == "Z" else facts[18]
