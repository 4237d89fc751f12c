"""A real Grid Engine of machines made of namespaces: its master, its nodes, its users (tests/lab/sge_world.py)."""

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from oned.elastic.sge.place import Place
from share.lab.world import World, until

MASTER, MASTER_ADDRESS = "sgemaster", "10.77.0.2"
QUEUE, GROUP = "all.q", "@allhosts"
USER, USER_ID = "labuser", 2001
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

CONFIGURATION = {
    "load_report_time": "00:00:02",
    "max_unheard": "00:00:15",
    "mailer": "/bin/true",
    "xterm": "/bin/true",
    "reporting_params": "accounting=true reporting=false flush_time=00:00:01 joblog=false sharelog=00:00:00",
}
SCHEDULER = {"schedule_interval": "0:0:1", "flush_submit_sec": "1", "flush_finish_sec": "1"}
BOOTSTRAP = {
    "ignore_fqdn": "true",
    "spooling_method": "classic",
    "spooling_lib": "libspoolc",
    "spooling_params": f"{ROOT}/default/common;{SPOOL}/qmaster",
}

INITIALISE = f"""
set -e
cd /usr/lib/gridengine
spool() {{ setpriv --reuid sgeadmin --regid sgeadmin --clear-groups "$@"; }}
spool ./spoolinit classic libspoolc "{ROOT}/default/common;{SPOOL}/qmaster" init
spool ./spooldefaults configuration {ROOT}/conf.global
spool ./spooldefaults complexes {SHIPPED}/util/resources/centry
spool ./spooldefaults usersets {SHIPPED}/util/resources/usersets
spool ./spooldefaults managers sgeadmin root
"""
"""A cell with an empty spool. All managers in one call: a second one would take the place of the first."""

ARRANGE = f"""
set -e
cd {ROOT}
qconf -as {MASTER}
qconf -ssconf | sed -f scheduler.sed > scheduler.new; qconf -Msconf scheduler.new
printf 'group_name {GROUP}\\nhostlist NONE\\n' > group.new; qconf -Ahgrp group.new
qconf -sq | sed -f queue.sed > queue.new; qconf -Aq queue.new
"""
"""What an administrator does once: the master is a submit host, one host group, one queue."""

QUEUE_FACTS = {
    "qname": QUEUE,
    "hostlist": GROUP,
    "load_thresholds": "NONE",
    "pe_list": "NONE",
    "rerun": "TRUE",
    "shell": "/bin/sh",
    "shell_start_mode": "posix_compliant",
}


class Machine:
    """One machine with its own name, address, processes and Grid Engine directories.

    gateway  of its network, "" for none
    switch   of the front-end that its cable is plugged into
    """

    def __init__(self, lab: World, name: str, address: str, gateway: str = "10.77.0.1", switch: str = "switch") -> None:
        self.lab, self.name, self.address = lab, name, address
        self.gateway, self.switch = gateway, switch
        self.common = lab.directory / "sge"
        self.directory = self.common / name
        self.process: subprocess.Popen[bytes] | None = None

    def boot(self) -> Self:
        """Start it and plug in its cable; what a former machine of that name had in its directories is gone."""
        arguments = (self.name, self.address, str(self.directory), str(self.common), self.gateway)
        with open(self.directory / "boot.log", "ab") as log:
            self.process = subprocess.Popen(
                [*UNSHARED, "sh", "-c", BOOT, "boot", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=ENVIRONMENT,
            )
        until(self._first, 5, f"{self.name} has a process 1")
        hardware = "02:4c:" + ":".join(f"{int(part):02x}" for part in self.address.split("."))
        self._plug(f"type veth peer name eth0 address {hardware} netns {self.pid}")
        until(lambda: self.alive("test", "-e", "/run/booted"), 10, f"{self.name} has booted")
        return self

    @property
    def pid(self) -> int:
        """Its process 1, as the machine below numbers it."""
        first = self._first()
        assert first, f"{self.name} is not up"
        return first

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
        self._plug("")
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None

    def _plug(self, cable: str) -> None:
        """Take its cable away, and plug in one with these words of ip-link(8), if any."""
        name = f"{'sge' if self.switch == 'switch' else self.switch}{self.address.rpartition('.')[2]}"
        new = f"ip link add {name} {cable} && ip link set {name} master {self.switch} up" if cable else "true"
        self.lab.run("frontend", "sh", "-c", f"ip link del {name} 2>/dev/null; {new}")

    def _first(self) -> int:
        assert self.process, f"{self.name} is not up"
        assert self.process.poll() is None, (self.directory / "boot.log").read_text()
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0]) if children else 0


class SgeWorld:
    """The master, the nodes by name, and what a test does to them."""

    def __init__(self, lab: World) -> None:
        self.lab = lab
        self.common = lab.directory / "sge"
        self.known: dict[str, str] = {}
        self.machines: dict[str, Machine] = {}
        self.master = Machine(lab, MASTER, MASTER_ADDRESS)

    # -- the master -----------------------------------------------------------------------------------------------
    def up(self, *, simulated: bool) -> None:
        """Make the cell, and start its master."""
        self.common.mkdir()
        self._write_users()
        self.names({MASTER: MASTER_ADDRESS})
        prepare(self.master)
        root = self.master.directory / "root"
        facts = CONFIGURATION | ({"qmaster_params": "SIMULATE_EXECDS=1"} if simulated else {})
        _write(root / "conf.global", _changed((SHIPPED / "default-configuration").read_text(), facts))
        _write(root / "scheduler.sed", _sed(SCHEDULER))
        _write(root / "queue.sed", _sed(QUEUE_FACTS))
        self.master.boot()
        self.master.run("sh", "-c", INITIALISE)
        self.start_master()
        self.master.run("sh", "-c", ARRANGE)

    def start_master(self) -> None:
        """Start sge_qmaster, and wait until it answers."""
        self.master.start("sge_qmaster")
        until(lambda: self.master.alive("timeout", "1", "qconf", "-sm"), 20, "the master answers")

    def stop_master(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send its process a signal; except for SIGSTOP and SIGCONT wait until it is gone."""
        self.master.signal(number)
        if number not in (signal.SIGSTOP, signal.SIGCONT):
            gone = "! kill -0 $(cat /run/daemon.pid) 2>/dev/null"
            until(lambda: self.master.alive("sh", "-c", gone), 20, "the master has ended")

    @property
    def place(self) -> Place:
        """How code of ours reaches it from here: its commands run on the master, as a manager."""
        return Place(prefix=self.prefix, bin=BIN)

    @property
    def prefix(self) -> tuple[str, ...]:
        """The words before a command that is to run on the master as a manager; SGE_ROOT and SGE_CELL are the usual."""
        return self.master.prefix

    @property
    def settings(self) -> str:
        """The same as lines of an onesge.conf."""
        return f'SGE_PREFIX = "{shlex.join(self.prefix)}"\nSGE_BIN = "{BIN}"\n'

    def admin(self, *argv: str) -> str:
        """What a command prints on the master, run by a manager. AssertionError if it fails."""
        return self.master.run("timeout", "10", *argv)

    def user(self, *argv: str) -> str:
        """The same by an ordinary user, who may submit jobs."""
        as_user = ["setpriv", f"--reuid={USER_ID}", f"--regid={USER_ID}", "--clear-groups", "env", f"HOME={HOME}"]
        return self.master.run(
            "timeout", "10", *as_user, f"USER={USER}", f"LOGNAME={USER}", "sh", "-c", 'cd; exec "$@"', "sh", *argv
        )

    def submit(self, *words: str) -> str:
        """The number of a job of the user: options of qsub, then a command with its arguments."""
        said = self.user("qsub", "-b", "y", *words)
        found = re.search(r"Your job(?:-array)? ([0-9]+)", said)
        assert found, said
        return found[1]

    def configure(self, **values: str) -> None:
        """Change settings of the cluster's configuration, sge_conf(5)."""
        self.define("-Mconf", _changed(self.admin("qconf", "-sconf"), values), "global")

    def define(self, option: str, text: str, name: str = "given") -> None:
        """Make or change an object with an option of qconf that takes a file, such as -Ahgrp, -Ap, -Arqs."""
        _write(self.master.directory / "root" / name, text)
        self.admin("qconf", option, f"{ROOT}/{name}")

    # -- names and nodes ------------------------------------------------------------------------------------------
    def names(self, addresses: Mapping[str, str]) -> None:
        """Let these names, and those before, lead to addresses and back, everywhere in the lab."""
        self.known |= addresses
        self._tell()

    def forget(self, *names: str) -> None:
        """Names lead nowhere any more."""
        for name in names:
            self.known.pop(name, None)
        self._tell()

    def node(self, name: str, *, calls_itself: str = "", execd: bool = True) -> Machine:
        """A machine that boots at the address of its name, and starts its sge_execd unless told not to.

        calls_itself  the host name that it has in place of the right one
        An execd whose host is not registered ends by itself after a few seconds.
        """
        made = Machine(self.lab, calls_itself or name, self.known[name])
        made.directory = self.common / name
        prepare(made)
        self.machines[name] = made.boot()
        if execd:
            made.start("sge_execd")
        return made

    def down(self) -> None:
        """End all machines."""
        for made in (*self.machines.values(), self.master):
            if made.process:
                made.crash()

    def _tell(self) -> None:
        lines = "".join(f"{address} {name}.lab {name}\n" for name, address in self.known.items())
        (self.lab.directory / "names.sge").write_text(lines)
        self.lab.tell_names()

    def _write_users(self) -> None:
        """Who and where is known: a user for jobs; and a name server that refuses at once, not one that is silent."""
        _write(self.common / "resolv.conf", "nameserver 127.0.0.1\n")
        _write(
            self.common / "passwd", Path("/etc/passwd").read_text() + f"{USER}:x:{USER_ID}:{USER_ID}::{HOME}:/bin/sh\n"
        )
        _write(self.common / "group", Path("/etc/group").read_text() + f"{USER}:x:{USER_ID}:\n")
        (self.common / "home").mkdir()
        os.chown(self.common / "home", USER_ID, USER_ID)


def prepare(made: Machine) -> None:
    """The directories of a machine: a root like Debian's with a cell, and an empty spool."""
    subprocess.run(["rm", "-rf", made.directory], check=True)
    root, spool = made.directory / "root", made.directory / "spool"
    (root / "default" / "common").mkdir(parents=True)
    for part in ("bin", "lib", "utilbin"):
        (root / part).mkdir()
        (root / part / "lx-amd64").symlink_to("/usr/lib/gridengine")
    (root / "util").symlink_to(SHIPPED / "util")
    _write(root / "default/common/bootstrap", _changed((SHIPPED / "default-bootstrap").read_text(), BOOTSTRAP))
    _write(root / "default/common/act_qmaster", f"{MASTER}\n")
    for part in ("home", "execd", "qmaster/job_scripts"):
        (spool / part).mkdir(parents=True)
    subprocess.run(["chown", "-R", "sgeadmin:", root, spool], check=True)


def _changed(text: str, values: Mapping[str, str]) -> str:
    """A configuration of words and values with some of the values changed."""
    for word, value in values.items():
        text, count = re.subn(rf"^{word}\s.*$", f"{word} {value}", text, flags=re.MULTILINE)
        assert count == 1, f"no {word} in: {text}"
    return text


def _sed(values: Mapping[str, str]) -> str:
    return "".join(f"s|^{word} .*|{word} {value}|\n" for word, value in values.items())


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o644)
