"""Where everything is: self-contained below ONE_LOCATION, or system-wide without it."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self


def shipped_hooks(module: Path, prefix: Path) -> Path:
    """The directory of the hooks that come with oned: in its source tree when it runs from there, else as installed.

    module  this file
    prefix  of the installation
    """
    sources = module.resolve().parents[1] / "share/hooks"
    return sources if sources.is_dir() else prefix / "share/one/hooks"


SHIPPED_HOOKS = shipped_hooks(Path(__file__), Path(sys.prefix))


@dataclass(frozen=True)
class Locations:
    """The paths of one engine.

    root         ONE_LOCATION, None for a system-wide engine
    drivers      directories looked through for driver programs, in order
    hooks        directories looked through for the commands of hooks, in order
    credentials  files looked through for oneadmin's user:password, in order
    """

    root: Path | None
    etc: Path
    var: Path
    log: Path
    run: Path
    lock_dir: Path
    drivers: tuple[Path, ...]
    hooks: tuple[Path, ...]
    credentials: tuple[Path, ...]

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """The locations that an environment means."""
        text = environment.get("ONE_LOCATION", "")
        home = Path(environment.get("HOME", "/root"))
        bundled = Path(sys.executable).parent
        given = (Path(environment["ONE_AUTH"]),) if environment.get("ONE_AUTH") else ()
        if text:
            root = Path(text).absolute()
            var = root / "var"
            auth = (*given, root / ".one/one_auth", home / ".one/one_auth")
            drivers = (root / "lib/mads", bundled)
            hooks = (var / "remotes/hooks", root / "share/hooks", SHIPPED_HOOKS)
            return cls(root, root / "etc", var, var, var, var, drivers, hooks, auth)
        var = Path("/var/lib/one")
        auth = (*given, home / ".one/one_auth", var / ".one/one_auth")
        drivers = (Path("/usr/lib/one/mads"), bundled)
        hooks = (var / "remotes/hooks", Path("/usr/share/one/hooks"), SHIPPED_HOOKS)
        log, run, lock = Path("/var/log/one"), Path("/var/run/one"), Path("/var/lock/one")
        return cls(None, Path("/etc/one"), var, log, run, lock, drivers, hooks, auth)

    @property
    def oned_conf(self) -> Path:
        return self.etc / "oned.conf"

    @property
    def sched_conf(self) -> Path:
        return self.etc / "sched.conf"

    @property
    def onesge_conf(self) -> Path:
        return self.etc / "onesge.conf"

    @property
    def database(self) -> Path:
        return self.var / "one.db"

    @property
    def vms(self) -> Path:
        """Directory of the VMs' files on the front-end."""
        return self.var / "vms"

    @property
    def uploads(self) -> Path:
        """Directory of the files that clients send, if oned.conf says no other."""
        return self.var / "uploads"

    @property
    def oned_log(self) -> Path:
        return self.log / "oned.log"

    @property
    def sched_log(self) -> Path:
        return self.log / "sched.log"

    @property
    def oned_pid(self) -> Path:
        return self.run / "oned.pid"

    @property
    def sched_pid(self) -> Path:
        return self.run / "sched.pid"

    @property
    def port_file(self) -> Path:
        """Where oned writes the port it listens on: with PORT = 0 the system chooses it."""
        return self.run / "oned.port"

    @property
    def daemon_lock(self) -> Path:
        return self.lock_dir / ("one" if self.root is None else ".lock")

    def vm_log(self, vid: int) -> Path:
        """The log of a VM."""
        return self.log / f"{vid}.log" if self.root is None else self.vms / str(vid) / "vm.log"

    def driver_log(self, label: str) -> Path:
        """What a driver writes to its standard error."""
        return self.log / f"{label}.log"

    def hook_program(self, program: str) -> str:
        """The path of a hook's program: the first that exists, else the place where it was expected first."""
        places = [directory / program for directory in self.hooks]
        return str(next((path for path in places if path.exists()), places[0]))

    def exports(self) -> dict[str, str]:
        """What drivers and commands need in their environment to find the same engine."""
        return {} if self.root is None else {"ONE_LOCATION": str(self.root)}

    def make(self) -> None:
        """Make the directories that a daemon writes to. Raises OSError."""
        if has_blank(self.var):
            raise OSError(f"The path '{self.var}' has a blank, at which the lines of drivers part. Choose another one")
        for path in (self.var, self.log, self.run, self.lock_dir, self.vms):
            path.mkdir(parents=True, exist_ok=True)


def has_blank(path: Path) -> bool:
    """Whether a line of a driver could not carry the path."""
    return any(letter.isspace() for letter in str(path))
