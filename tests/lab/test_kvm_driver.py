"""The KVM driver over a real pipe, with a real libvirtd and a guest that boots."""

import importlib.util
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from oned.drivers.lib.testing import DriverProcess, program
from oned.template.parse import parse
from oned.vm.deployment.facts import Facts
from oned.vm.deployment.kvm import domain
from tests.needs import PROGRAMS, need, need_programs

DEMO = Path(__file__).parents[2] / "share" / "demo"
CACHE = Path(os.environ.get("ONE_CACHE", Path(__file__).parents[2] / ".cache")) / "guest"
BOOT_SECONDS = 60.0

T = TypeVar("T")

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]


def demo(*words: str) -> str:
    return subprocess.run([DEMO / words[0], *words[1:]], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@dataclass(frozen=True)
class Lab:
    """A libvirtd of our own, and what boots under it."""

    uri: str
    hypervisor: str
    directory: Path

    def driver(self, **environment: str) -> DriverProcess:
        settings = {"LIBVIRT_URI": self.uri, "ONE_LOCATION": str(self.directory), "SHUTDOWN_TIMEOUT": "30"}
        process = DriverProcess(program("vmm.vmm_kvm"), {**settings, **environment})
        assert (process.handshake() or "").startswith("INIT SUCCESS PROTOCOL=xml REPEATS=")
        return process


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    need(importlib.util.find_spec("libvirt"), "libvirt-python is not installed")
    need(os.geteuid() == 0, "a libvirtd of our own needs root")
    need_programs(*PROGRAMS)
    demo("guest", "build", str(CACHE))
    hypervisor = demo("probe", str(CACHE))
    need(hypervisor != "none", "no guest boots here")
    directory = tmp_path_factory.mktemp("kvm")
    uri = demo("libvirtd", "up", str(directory / "libvirt"))
    try:
        yield Lab(uri, hypervisor, directory)
    finally:
        demo("libvirtd", "down", str(directory / "libvirt"))


@dataclass(frozen=True)
class Guest:
    """A VM with its files, as the transfer driver leaves them."""

    lab: Lab
    vid: int

    @property
    def directory(self) -> Path:
        return self.lab.directory / "ds" / "0" / str(self.vid)

    @property
    def checkpoint(self) -> Path:
        return self.directory / "checkpoint"

    @property
    def deployment(self) -> Path:
        return self.directory / "deployment.0"

    def prepare(self) -> None:
        self.directory.mkdir(parents=True)
        shutil.copy(CACHE / "data.qcow2", self.directory / "disk.0")
        (self.directory / "context.sh").write_text(f"HOSTNAME='guest{self.vid}'\n")
        iso = self.directory / "disk.1"
        files = ["-quiet", "-V", "CONTEXT", "-J", "-R", "-o", iso, self.directory / "context.sh"]
        subprocess.run(["genisoimage", *files], check=True)
        self.deployment.write_text(domain(parse(self.template()), self.facts()))

    def template(self) -> str:
        return f"""
            CPU=1 MEMORY=192
            OS=[KERNEL="{CACHE}/vmlinuz", INITRD="{CACHE}/initrd.gz", KERNEL_CMD="console=ttyS0 quiet guest.tick"]
            DISK=[SOURCE="{CACHE}/data.qcow2", TARGET=vda, DRIVER=qcow2]
            CONTEXT=[HOSTNAME=guest{self.vid}]
        """

    def facts(self) -> Facts:
        log = str(self.directory / "console.log")
        return Facts(self.vid, self.lab.hypervisor, str(self.directory), parse(""), console_log=log)

    def console(self) -> str:
        """The whole lines that the guest has said."""
        log = self.directory / "console.log"
        said = log.read_text(errors="replace").replace("\r", "") if log.exists() else ""
        return said[: said.rfind("\n") + 1]

    def says(self, pattern: str, seconds: float = BOOT_SECONDS, after: int = 0) -> str:
        """What matches the pattern on the console, in what was said after so many characters."""
        return until(lambda: re.search(pattern, self.console()[after:], re.MULTILINE), seconds, pattern)[0]

    def ticks(self) -> int:
        return max(map(int, re.findall(r"tick (\d+)$", self.console(), re.MULTILINE)), default=0)

    def line(self, verb: str, *words: object) -> str:
        return " ".join(map(str, (verb, self.vid, "thishost", *words)))


def until(look: Callable[[], T | None], seconds: float, what: str) -> T:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds:g} seconds")


@contextmanager
def prepared(lab: Lab) -> Iterator[Guest]:
    """A guest with a number of its own, which is cancelled in the end."""
    vid = 1 + len(list((lab.directory / "ds" / "0").glob("*"))) if (lab.directory / "ds" / "0").exists() else 1
    made = Guest(lab, vid)
    made.prepare()
    yield made
    with lab.driver() as driver:
        assert driver.ask(made.line("CANCEL", f"one-{vid}", "-")) == f"CANCEL SUCCESS {vid} -"


@pytest.fixture
def guest(lab: Lab) -> Iterator[Guest]:
    with prepared(lab) as made:
        yield made


def test_a_guest_boots_is_polled_saved_restored_and_shut_down(lab: Lab, guest: Guest) -> None:
    name, vid = f"one-{guest.vid}", guest.vid
    with lab.driver() as driver:
        assert driver.ask(guest.line("POLL", name, "-")) == f"POLL SUCCESS {vid} STATE=d"
        assert driver.ask(guest.line("DEPLOY", guest.deployment, "-"), 60) == f"DEPLOY SUCCESS {vid} {name}"
        assert driver.ask(guest.line("DEPLOY", guest.deployment, "-")) == f"DEPLOY SUCCESS {vid} {name}"
        assert f"HOSTNAME='guest{vid}'" in guest.says("^GUEST-CONTEXT .*")
        assert guest.says("^GUEST-DISK .*") == "GUEST-DISK dev=vda boots=1"
        guest.says(f"^GUEST-READY hostname=guest{vid} .*")
        polled = driver.ask(guest.line("POLL", name, "-")) or ""
        values = dict(word.split("=") for word in polled.split()[3:])
        assert values["STATE"] == "a"
        assert int(values["USEDMEMORY"]) > 50_000
        assert int(values["USEDCPU"]) >= 0

        guest.says("tick 2$")
        assert driver.ask(guest.line("SAVE", name, guest.checkpoint), 60) == f"SAVE SUCCESS {vid} -"
        assert driver.ask(guest.line("POLL", name, "-")) == f"POLL SUCCESS {vid} STATE=d"
        assert driver.ask(guest.line("SAVE", name, guest.checkpoint)) == f"SAVE SUCCESS {vid} -"
        last = guest.ticks()
        assert driver.ask(guest.line("RESTORE", name, guest.checkpoint), 60) == f"RESTORE SUCCESS {vid} -"
        guest.says(f"tick {last + 1}$")
        assert "GUEST-READY" not in guest.console()[guest.console().index(f"tick {last}") :]
        assert not guest.checkpoint.exists()
        assert driver.ask(guest.line("RESTORE", name, guest.checkpoint)) == f"RESTORE SUCCESS {vid} -"

        assert driver.ask(guest.line("SHUTDOWN", name, "-"), 40) == f"SHUTDOWN SUCCESS {vid} -"
        assert "GUEST-POWERBUTTON" in guest.console()
        assert driver.ask(guest.line("POLL", name, "-")) == f"POLL SUCCESS {vid} STATE=d"
        assert driver.ask(guest.line("SHUTDOWN", name, "-")) == f"SHUTDOWN SUCCESS {vid} -"


def test_a_guest_is_reset_and_cancelled(lab: Lab, guest: Guest) -> None:
    name, vid = f"one-{guest.vid}", guest.vid
    with lab.driver() as driver:
        assert (
            driver.ask(guest.line("RESET", name, "-")) == f"RESET FAILURE {vid} domain {name} does not run on thishost"
        )
        driver.ask(guest.line("DEPLOY", guest.deployment, "-"), 60)
        guest.says("^GUEST-READY .*")
        said = len(guest.console())
        assert driver.ask(guest.line("RESET", name, "-")) == f"RESET SUCCESS {vid} -"
        assert guest.says("^GUEST-DISK .*", after=said) == "GUEST-DISK dev=vda boots=2"
        assert driver.ask(guest.line("CANCEL", name, "-")) == f"CANCEL SUCCESS {vid} -"
        assert driver.ask(guest.line("POLL", name, "-")) == f"POLL SUCCESS {vid} STATE=d"


def test_a_driver_killed_in_mid_action_finds_the_domain_again(lab: Lab, guest: Guest) -> None:
    name, vid = f"one-{guest.vid}", guest.vid
    with lab.driver() as driver:
        driver.send(guest.line("DEPLOY", guest.deployment, "-"))
        time.sleep(0.3)
        driver.process.kill()
    with lab.driver() as driver:
        assert driver.ask(guest.line("DEPLOY", guest.deployment, "-"), 60) == f"DEPLOY SUCCESS {vid} {name}"
        guest.says("tick 2$")
        assert guest.console().count("GUEST-READY") == 1
        driver.send(guest.line("SAVE", name, guest.checkpoint))
        time.sleep(0.3)
        driver.process.kill()
    with lab.driver() as driver:
        assert driver.ask(guest.line("SAVE", name, guest.checkpoint), 60) == f"SAVE SUCCESS {vid} -"
        assert guest.checkpoint.exists()
        last = guest.ticks()
        assert driver.ask(guest.line("RESTORE", name, guest.checkpoint), 60) == f"RESTORE SUCCESS {vid} -"
        guest.says(f"tick {last + 1}$")


@pytest.mark.soak
def test_a_guest_that_boots_hears_a_later_press_of_the_power_button(lab: Lab, guest: Guest) -> None:
    name, vid = f"one-{guest.vid}", guest.vid
    with lab.driver(SHUTDOWN_TIMEOUT="300") as driver:
        driver.ask(guest.line("DEPLOY", guest.deployment, "-"), 60)
        assert "GUEST" not in guest.console(), "the guest is up: nothing is shown here"
        assert driver.ask(guest.line("SHUTDOWN", name, "-"), 100) == f"SHUTDOWN SUCCESS {vid} -"
        assert "GUEST-POWERBUTTON" in guest.console()


def test_a_shutdown_that_nobody_heeds_ends_with_a_sentence(lab: Lab, guest: Guest) -> None:
    name, vid = f"one-{guest.vid}", guest.vid
    with lab.driver(SHUTDOWN_TIMEOUT="1") as driver:
        driver.ask(guest.line("DEPLOY", guest.deployment, "-"), 60)
        answer = driver.ask(guest.line("SHUTDOWN", name, "-"))  # the guest has not even begun to boot
        assert (answer or "").startswith(f"SHUTDOWN FAILURE {vid} the guest did not shut down within 1 seconds: ")


def test_a_bad_deployment_file_fails_with_the_words_of_libvirt(lab: Lab, guest: Guest) -> None:
    guest.deployment.write_text(guest.deployment.read_text().replace("disk.0", "no-such-disk"))
    with lab.driver() as driver:
        answer = driver.ask(guest.line("DEPLOY", guest.deployment, "-"), 60) or ""
        assert answer.startswith(f"DEPLOY FAILURE {guest.vid} ")
        assert "no-such-disk" in answer


def test_without_libvirtd_an_action_fails_with_a_sentence(lab: Lab) -> None:
    with lab.driver(LIBVIRT_URI="qemu+unix:///system?socket=/nonexistent/libvirt-sock") as driver:
        answer = driver.ask("POLL 1 thishost one-1 -") or ""
        assert answer.startswith("POLL FAILURE 1 ")
        assert "/nonexistent/libvirt-sock" in answer


def test_the_information_driver_measures_this_machine(lab: Lab) -> None:
    environment = {"LIBVIRT_URI": lab.uri, "ONE_LOCATION": str(lab.directory)}
    with DriverProcess(program("im.im_probes", lab.hypervisor), environment) as driver:
        driver.handshake()
        answer = driver.ask("MONITOR 3 localhost 0") or ""
    head, _, text = answer.partition("HYPERVISOR=")
    assert head == "MONITOR SUCCESS 3 "
    values = dict(pair.split("=", 1) for pair in f"HYPERVISOR={text}".split(","))
    assert values["HYPERVISOR"] == lab.hypervisor
    assert int(values["TOTALCPU"]) == 100 * (os.cpu_count() or 1)
    assert int(values["FREECPU"]) + int(values["USEDCPU"]) == int(values["TOTALCPU"])
    assert int(values["FREEMEMORY"]) + int(values["USEDMEMORY"]) == int(values["TOTALMEMORY"])


def test_libvirt_takes_every_part_of_a_deployment_file(lab: Lab) -> None:
    import libvirt

    template = parse(
        """
        CPU=0.5 VCPU=2 MEMORY=256
        OS=[BOOT="disk0,nic0", ARCH=x86_64, MACHINE=pc]
        DISK=[SOURCE=/a, TARGET=vda, DRIVER=qcow2, CACHE=none] DISK=[TYPE=swap, SIZE=10]
        DISK=[TYPE=BLOCK, SOURCE=/dev/x, TARGET=sda] DISK=[TYPE=CDROM, SOURCE=/c, TARGET=hdc]
        DISK=[TYPE=FLOPPY, SOURCE=/f, TARGET=fda]
        NIC=[BRIDGE=br0, MAC="02:00:0a:00:00:01", IP="10.0.0.1", MODEL=virtio, FILTER=clean-traffic]
        NIC=[TARGET=tap9, SCRIPT="/bin/true"] NIC=[BRIDGE=ovs0, VN_MAD=ovswitch]
        GRAPHICS=[TYPE=vnc, PASSWD="a<b", KEYMAP=de] INPUT=[TYPE=tablet, BUS=usb]
        FEATURES=[PAE=yes, APIC=yes, HYPERV=yes, LOCALTIME=yes, GUEST_AGENT=yes]
        CPU_MODEL=[MODEL=host-passthrough]
        CONTEXT=[HOSTNAME="a & b"] RAW=[TYPE=kvm, DATA="<description>by hand</description>"]
        """
    )
    facts = Facts(77, "kvm", "/ds/0/77", parse('CPU_SHARES="yes"'), console_log="/ds/0/77/console.log")
    connection = libvirt.open("test:///default")
    defined = connection.defineXML(domain(template, facts).replace('type="kvm"', 'type="test"', 1))
    assert defined.name() == "one-77"
    assert defined.maxMemory() == 256 * 1024
    assert "by hand" in defined.XMLDesc(0)
    connection.close()
    with lab.driver():  # QEMU itself must know what to do with it
        real = libvirt.open(lab.uri)
        emulated = domain(template, Facts(77, "qemu", "/ds/0/77", parse("")))
        plain = emulated.replace('mode="host-passthrough"', 'mode="host-model"')
        command = real.domainXMLToNative("qemu-argv", plain, 0)
        real.close()
    assert "guest=one-77" in command
