"""Making a self-contained location: the directory that ONE_LOCATION names."""

import os
import re
import secrets
import shutil
import sys
from pathlib import Path

from oned.cli.command import CommandError
from oned.locations import has_blank

ADMIN = "oneadmin"
SHIPPED = ("sched.conf", "onesge.conf", "defaultrc", "vmm_kvm/vmm_kvm.conf", "vmm_xen/vmm_xen.conf", "ec2/ec2rc")
"""Files beside oned.conf that are copied as they are."""
SIMULATED = "simulated_hosts"
"""File in etc/ with the number of simulated hosts that `one start` registers."""


def make(root: Path, port: int, password: str, simulated_hosts: int) -> None:
    """Make etc/, var/, lib/mads/ and .one/ below the directory. CommandError if there is an engine already."""
    from oned.config import print_config

    if has_blank(root):
        raise CommandError(f"{str(root)!r} has a blank, at which the lines of drivers part. Choose another directory")
    if (root / "etc/oned.conf").exists():
        raise CommandError(f"{root} is a location already. Remove it, or choose another directory")
    for name in ("etc/vmm_kvm", "etc/vmm_xen", "etc/ec2", "var", "lib/mads", ".one"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / ".one").chmod(0o700)
    text = re.sub(r"^PORT = \d+$", f"PORT = {port}", print_config(), flags=re.MULTILINE)
    (root / "etc/oned.conf").write_text(text)
    for name in SHIPPED:
        shutil.copyfile(shipped() / name, root / "etc" / name)
    _write_secret(root / ".one/one_auth", f"{ADMIN}:{password or secrets.token_urlsafe(18)}\n")
    write_endpoint(root, f"http://127.0.0.1:{port}/RPC2")
    if simulated_hosts:
        (root / "etc" / SIMULATED).write_text(f"{simulated_hosts}\n")


def write_endpoint(root: Path, url: str) -> None:
    """Let the commands find the engine; with port 0 where it listens is known when it runs."""
    (root / ".one").mkdir(exist_ok=True)
    (root / ".one/one_endpoint").write_text(f"{url}\n")


def shipped() -> Path:
    """Directory of the configuration files that came with the program. CommandError if it is gone."""
    source = Path(__file__).resolve().parents[2] / "etc"
    for candidate in (source, Path(sys.prefix) / "etc/one", Path("/etc/one")):
        if (candidate / SHIPPED[0]).is_file():
            return candidate
    raise CommandError(f"The shipped configuration is not there: looked for {source} and {sys.prefix}/etc/one")


def simulated_hosts(etc: Path) -> int:
    """How many simulated hosts the location wants."""
    path = etc / SIMULATED
    return int(path.read_text()) if path.is_file() else 0


def simulated_hosts_are_registered(etc: Path) -> None:
    """They are registered once: whoever deletes one later does not get it back."""
    (etc / SIMULATED).unlink()


def exports(root: Path) -> str:
    """What a shell needs to work with the location."""
    programs = Path(sys.executable).parent
    return f'export ONE_LOCATION="{root}"\nexport PATH="{programs}:$PATH"\nunset ONE_XMLRPC ONE_AUTH\n'


def _write_secret(path: Path, text: str) -> None:
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(number, "w") as file:
        file.write(text)
