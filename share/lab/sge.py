"""A real Grid Engine of machines made of namespaces: its master, its nodes, its users (tests/lab/sge_world.py)."""

import os
import re
import shlex
import signal
from collections.abc import Mapping
from pathlib import Path

from oned.elastic.sge.place import Place
from share.lab.machine import BIN, HOME, MASTER, ROOT, SHIPPED, SPOOL, Machine, changed, prepare, write
from share.lab.world import World, until

MASTER_ADDRESS = "10.77.0.2"
QUEUE, GROUP = "all.q", "@allhosts"
USER, USER_ID = "labuser", 2001
CONFIGURATION = {
    "load_report_time": "00:00:02",
    "max_unheard": "00:00:15",
    "mailer": "/bin/true",
    "xterm": "/bin/true",
    "reporting_params": "accounting=true reporting=false flush_time=00:00:01 joblog=false sharelog=00:00:00",
}
SCHEDULER = {"schedule_interval": "0:0:1", "flush_submit_sec": "1", "flush_finish_sec": "1"}
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


class SgeWorld:
    """The master, the nodes by name, and what a test does to them."""

    def __init__(self, lab: World, nameserver: str = "127.0.0.1") -> None:
        self.lab, self.nameserver = lab, nameserver
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
        write(root / "conf.global", changed((SHIPPED / "default-configuration").read_text(), facts))
        write(root / "scheduler.sed", _sed(SCHEDULER))
        write(root / "queue.sed", _sed(QUEUE_FACTS))
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
        self.define("-Mconf", changed(self.admin("qconf", "-sconf"), values), "global")

    def define(self, option: str, text: str, name: str = "given") -> None:
        """Make or change an object with an option of qconf that takes a file, such as -Ahgrp, -Ap, -Arqs."""
        write(self.master.directory / "root" / name, text)
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
        write(self.common / "resolv.conf", f"nameserver {self.nameserver}\nsearch lab\n")
        write(
            self.common / "passwd", Path("/etc/passwd").read_text() + f"{USER}:x:{USER_ID}:{USER_ID}::{HOME}:/bin/sh\n"
        )
        write(self.common / "group", Path("/etc/group").read_text() + f"{USER}:x:{USER_ID}:\n")
        (self.common / "home").mkdir()
        os.chown(self.common / "home", USER_ID, USER_ID)


def _sed(values: Mapping[str, str]) -> str:
    return "".join(f"s|^{word} .*|{word} {value}|\n" for word, value in values.items())
