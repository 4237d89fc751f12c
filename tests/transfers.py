"""The transfer driver for shared directories under test, with a front-end's directories."""

import os
from pathlib import Path

from oned.drivers.lib.testing import DriverProcess, program

os.environ["PATH"] += ":/usr/sbin:/sbin"
VM = 7
DONE = f"TRANSFER SUCCESS {VM} -"


class Transfer:
    """The driver, and the directories of a front-end and its datastores."""

    def __init__(self, root: Path, arguments: str = "", **environment: str) -> None:
        self.root = root
        self.images, self.home = root / "images", root / "ds" / "0" / str(VM)
        self.images.mkdir(exist_ok=True)
        self.driver = DriverProcess(program("tm.tm_shared", arguments), environment)
        assert self.driver.handshake() == "INIT SUCCESS PROTOCOL=datastore REPEATS=TRANSFER"

    def run(self, *lines: str) -> str:
        """The answer to a script of these lines, in which {0} is the images' directory, {1} the VM's."""
        self.send(*lines)
        return self.driver.answer(30) or ""

    def send(self, *lines: str) -> None:
        file = self.root / "transfer.0.prolog"
        file.write_text("".join(line.format(self.images, self.home) + "\n" for line in lines))
        self.driver.send(f"TRANSFER {VM} {file}")

    def image(self, name: str, size: int = 100_000) -> Path:
        path = self.images / name
        path.write_bytes(os.urandom(size))
        return path
