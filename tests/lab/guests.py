"""Guests on the hosts of the lab: their files, what they say, and the driver that is asked about them."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from oned.drivers.lib.testing import DriverProcess, program
from oned.template.parse import parse
from oned.vm.deployment.facts import Facts
from oned.vm.deployment.kvm import domain
from tests.lab.world import World, until, world
from tests.needs import PROGRAMS, need, need_programs

DEMO = Path(__file__).parents[2] / "share" / "demo"
CACHE = Path(os.environ.get("ONE_CACHE", Path(__file__).parents[2] / ".cache")) / "guest"
DATASTORE = "/var/lib/one/datastores/0"
"""Of the hosts, as they see it."""
BOOT_SECONDS = 90.0


def demo(*words: str) -> str:
    return subprocess.run([DEMO / words[0], *words[1:]], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@contextmanager
def guest_world(directory: Path, count: int, *options: str) -> Iterator[World]:
    """So many hosts with libvirtd, and a guest that boots there."""
    need(importlib.util.find_spec("libvirt"), "libvirt-python is not installed")
    need(os.geteuid() == 0, "hosts made of namespaces need root")
    need_programs(*PROGRAMS)
    demo("guest", "build", str(CACHE))
    need(demo("probe", str(CACHE)) != "none", "no guest boots here")
    with world(directory, count, "--libvirt", *options) as made:
        yield made


@dataclass(frozen=True)
class Guest:
    """A VM whose files are on a host of the lab, as the transfer driver leaves them."""

    lab: World
    location: Path
    vid: int

    @property
    def name(self) -> str:
        return f"one-{self.vid}"

    @property
    def place(self) -> str:
        """Its directory, as hosts see it."""
        return f"{DATASTORE}/{self.vid}"

    def directory(self, host: str) -> Path:
        """Its directory on a host, as this machine sees it."""
        return self.lab.datastores(host) / "0" / str(self.vid)

    def prepare(self, host: str) -> None:
        """Make its disks on the host, and its deployment file on the front-end."""
        there, here = self.directory(host), self.location / "var/vms" / str(self.vid)
        there.mkdir(parents=True)
        here.mkdir(parents=True)
        shutil.copy(CACHE / "data.qcow2", there / "disk.0")
        (here / "context.sh").write_text(f"HOSTNAME='guest{self.vid}'\n")
        files = ["-quiet", "-V", "CONTEXT", "-J", "-R", "-o", there / "disk.1", here / "context.sh"]
        subprocess.run(["genisoimage", *files], check=True)
        facts = Facts(self.vid, "qemu", self.place, parse(""), console_log=f"{self.place}/console.log")
        (here / "deployment.0").write_text(domain(parse(self.template()), facts))

    def template(self) -> str:
        return f"""
            CPU=1 MEMORY=192
            OS=[KERNEL="{CACHE}/vmlinuz", INITRD="{CACHE}/initrd.gz", KERNEL_CMD="console=ttyS0 quiet guest.tick"]
            DISK=[SOURCE="{CACHE}/data.qcow2", TARGET=vda, DRIVER=qcow2]
            NIC=[BRIDGE=br0, MAC="02:00:0a:4d:00:{self.vid:02x}", TARGET=one-{self.vid}-0]
            CONTEXT=[HOSTNAME=guest{self.vid}]
        """

    # -- what it says ---------------------------------------------------------------------------------------------
    def console(self, host: str) -> str:
        """The whole lines that the guest has said on a host."""
        log = self.directory(host) / "console.log"
        said = log.read_text(errors="replace").replace("\r", "") if log.exists() else ""
        return said[: said.rfind("\n") + 1]

    def says(self, host: str, pattern: str, seconds: float = BOOT_SECONDS) -> str:
        return until(lambda: re.search(pattern, self.console(host), re.MULTILINE), seconds, pattern)[0]

    def ticks(self, *hosts: str) -> list[int]:
        """The numbers that it has counted on these hosts, one host after the other."""
        return [int(tick) for host in hosts for tick in re.findall(r"tick (\d+)$", self.console(host), re.MULTILINE)]

    # -- what the driver is asked ---------------------------------------------------------------------------------
    def line(self, verb: str, host: str, *words: object) -> str:
        return " ".join(map(str, (verb, self.vid, host, *words)))

    def deploy(self, driver: DriverProcess, host: str) -> None:
        answer = driver.ask(self.line("DEPLOY", host, f"{self.place}/deployment.0", "-"), BOOT_SECONDS)
        assert answer == f"DEPLOY SUCCESS {self.vid} {self.name}"

    def state(self, driver: DriverProcess, host: str, seconds: float = 20.0) -> str:
        """What a poll says of it on a host: its letter, or the reason of the failure."""
        answer = driver.ask(self.line("POLL", host, self.name, "-"), seconds) or ""
        _, result, _, rest = answer.split(maxsplit=3)
        return rest.partition("STATE=")[2][:1] if result == "SUCCESS" else rest


def kvm_driver(lab: World, location: Path, **environment: str) -> DriverProcess:
    """The KVM driver on the lab's front-end, told of the hosts' addresses."""
    hosts = location / "etc/hosts"
    hosts.mkdir(parents=True, exist_ok=True)
    for host in lab.names():
        (hosts / host).write_text(f"SSH_ADDRESS={lab.address(host)}\n")
    settings = {**lab.environment, "ONE_LOCATION": str(location), "SHUTDOWN_TIMEOUT": "60", **environment}
    process = DriverProcess(program("vmm.vmm_kvm"), settings)
    assert (process.handshake() or "").startswith("INIT SUCCESS PROTOCOL=xml REPEATS=")
    return process
