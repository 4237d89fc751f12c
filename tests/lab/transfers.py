"""The transfer driver as a program over a real pipe, a front-end's files, and hosts that are reached by a real sshd."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oned.drivers.lib.testing import DriverProcess, program
from tests.lab.world import World

VM = 7
DONE = f"TRANSFER SUCCESS {VM} -"
HOME = Path("/var/lib/one/datastores/0") / str(VM)
MIB = 1 << 20


class Transfer:
    """The driver, the front-end's files, and those of the hosts as this machine sees them."""

    def __init__(self, lab: World, root: Path, arguments: str = "ssh") -> None:
        self.lab, self.root = lab, root
        self.images, self.front = root / "images", root / "vms" / str(VM)
        for directory in (self.images, self.front, root / "etc/hosts"):
            directory.mkdir(parents=True)
        for host in ("host01", "host02"):
            (root / "etc/hosts" / host).write_text(f"SSH_ADDRESS={lab.address(host)}\n")
        environment = {**lab.environment, "ONE_LOCATION": str(root)}
        self.driver = DriverProcess(program("tm.tm_shared", arguments), environment)
        assert self.driver.handshake() == "INIT SUCCESS PROTOCOL=datastore REPEATS=TRANSFER"

    def run(self, *lines: str) -> str:
        """The answer to a script: {i} are the images, {f} the VM's directory here, {1} and {2} those of the hosts."""
        self.send(*lines)
        return self.driver.answer(60) or ""

    def send(self, *lines: str) -> None:
        words = {
            "i": f"{os.uname().nodename}:{self.images}",
            "f": f"{os.uname().nodename}:{self.front}",
            "s": self.images,
        }
        script = self.root / "transfer.0.prolog"
        script.write_text("".join(line.format(f"host01:{HOME}", f"host02:{HOME}", **words) + "\n" for line in lines))
        self.driver.send(f"TRANSFER {VM} {script}")

    def image(self, name: str, size: int = 300_000) -> Path:
        path = self.images / name
        path.write_bytes(os.urandom(size))
        return path

    def at(self, host: str, name: str = "") -> Path:
        """The VM's directory of a host, or a file in it."""
        return self.lab.home(host) / "one" / HOME.relative_to("/var/lib/one") / name

    def left(self, host: str) -> list[str]:
        """What of the VM is on a host, temporary names too."""
        stores = self.lab.home(host) / "one/datastores/0"
        return sorted(str(path.relative_to(stores)) for path in stores.rglob("*") if not path.is_dir())


@contextmanager
def small(lab: World, place: str, size: str) -> Iterator[None]:
    """Within the block a directory of host01 is a file system of its own, of a size for mount."""
    lab.run("host01", "mkdir", "-p", place)
    lab.run("host01", "mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place)
    try:
        yield
    finally:
        lab.run("host01", "umount", place)
