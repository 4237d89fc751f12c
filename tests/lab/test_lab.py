"""`make lab`: three hosts for a person, what the commands do there, and that its end leaves nothing."""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.world import World, until
from tests.needs import PROGRAMS, need, need_programs

TREE = Path(__file__).parents[2]
PARTS = TREE / "share" / "lab"
WILD = """<domain type="qemu"><name>wild</name><memory unit="MiB">48</memory><vcpu>1</vcpu>
<os><type>hvm</type></os><devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices></domain>"""

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]


def run(program: Path, **environment: str) -> str:
    surroundings = {**os.environ, **environment}
    return subprocess.run([program], env=surroundings, check=True, stdout=subprocess.PIPE, text=True).stdout


@dataclass(frozen=True)
class Lab:
    """What `make lab` left running, as a person uses it."""

    directory: Path
    words: str

    @property
    def world(self) -> World:
        return World(self.directory / "hosts")

    def one(self, command: str, *words: str) -> str:
        environment = {**os.environ, "ONE_LOCATION": str(self.directory)}
        environment.pop("ONE_XMLRPC", None)
        environment.pop("ONE_AUTH", None)
        argv = [TREE / ".venv/bin" / command, *words]
        return subprocess.run(argv, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout

    def hosts(self) -> dict[str, str]:
        rows = self.one("onehost", "list", "--no-header", "--csv", "--list", "NAME,STAT").split()
        return dict(row.split(",") for row in rows)

    def place(self, vm: str) -> str:
        rows = self.one("onevm", "list", "--no-header", "--csv", "--list", "NAME,HOST").split()
        return dict(row.split(",") for row in rows)[vm]

    def domains(self, host: str) -> list[str]:
        return self.world.run(host, "virsh", "-q", "list", "--name").split()

    def ticks(self, vm: int) -> list[int]:
        text = (self.directory / f"var/datastores/0/{vm}/console.log").read_text(errors="replace").replace("\r", "")
        return [int(tick) for tick in re.findall(r"tick (\d+)$", text, re.MULTILINE)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    need(os.geteuid() == 0, "hosts made of namespaces need root")
    need_programs("sshd", "ssh-keygen", "ip", "unshare", "nsenter", *PROGRAMS)
    directory = tmp_path_factory.mktemp("lab") / "here"
    try:
        yield Lab(directory, run(PARTS / "lab", LAB_DIR=str(directory)))
    finally:
        run(PARTS / "lab-stop", LAB_DIR=str(directory))
    assert not directory.exists()
    assert processes_of(directory) == []


def processes_of(directory: Path) -> list[str]:
    """The command lines of what still runs and names the directory."""
    lines = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(place.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return [line for line in lines if str(directory) in line]


@pytest.mark.soak
def test_the_lab_shows_two_guests_on_two_hosts_and_what_to_try_next(lab: Lab) -> None:
    assert lab.hosts() == dict.fromkeys(("host01", "host02", "host03"), "on")
    assert "GUEST-READY hostname=web-1" in lab.words
    assert "GUEST-READY hostname=web-2" in lab.words
    assert "onevm migrate web-1 host03 --live" in lab.words
    assert "make lab-stop" in lab.words
    assert "one-0" in lab.domains(lab.place("web-1"))
    assert lab.place("web-1") != lab.place("web-2")


@pytest.mark.soak
def test_a_live_migration_and_a_flush_take_guests_along(lab: Lab) -> None:
    target = next(host for host in lab.hosts() if host not in (lab.place("web-1"), lab.place("web-2")))
    lab.one("onevm", "migrate", "web-1", target, "--live", "--wait", "--timeout", "120")
    assert (lab.place("web-1"), "one-0" in lab.domains(target)) == (target, True)
    lab.one("onehost", "flush", target)
    assert lab.place("web-1") != target
    assert lab.domains(target) == []
    counted = len(lab.ticks(0))
    until(lambda: len(lab.ticks(0)) > counted + 1, 60, "the guest counts on")
    assert lab.ticks(0) == list(range(1, len(lab.ticks(0)) + 1))
    assert "the guest stood still for" in (lab.directory / "var/vms/0/vm.log").read_text()
    lab.one("onehost", "enable", target)


@pytest.mark.soak
def test_a_vm_in_the_datastore_that_hosts_do_not_share_has_its_disks_on_its_host_alone(lab: Lab) -> None:
    words = ("--name", "alone", "--hold")
    vm = int(lab.one("onetemplate", "instantiate", "tiny", *words).rpartition(" ")[2])
    lab.one("onevm", "deploy", "alone", "host01", "100", "--wait", "--timeout", "120")
    own = [(lab.world.home(host) / f"own/{vm}/disk.0").exists() for host in ("host01", "host02")]
    assert own == [True, False]
    lab.one("onevm", "terminate", "--hard", "alone", "--wait", "--timeout", "60")
    assert not (lab.world.home("host01") / f"own/{vm}").exists()


@pytest.mark.soak
def test_a_wild_domain_is_taken_over(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "wild.xml").write_text(WILD)
    lab.world.run("host02", "virsh", "-q", "create", str(tmp_path / "wild.xml"))
    until(lambda: 'WILDS="wild"' in lab.one("onehost", "show", "host02"), 60, "the wild domain")
    lab.one("onehost", "importvm", "host02", "wild")
    assert lab.place("wild") == "host02"
    lab.one("onevm", "terminate", "--hard", "wild", "--wait", "--timeout", "60")
    assert "wild" not in lab.domains("host02")


@pytest.mark.soak
def test_a_host_without_its_sshd_is_an_error_and_returns(lab: Lab) -> None:
    lab.world.run("host02", "pkill", "-x", "sshd")
    until(lambda: lab.hosts()["host02"] == "err", 90, "the error")
    assert "host02 is not reached" in lab.one("onehost", "show", "host02")
    lab.world.run("host02", "/usr/sbin/sshd")
    until(lambda: lab.hosts()["host02"] == "on", 90, "its return")


@pytest.mark.soak
def test_a_second_run_keeps_what_is_there_and_brings_back_what_went_down(lab: Lab) -> None:
    lost, kept = "web-2", "web-1"
    if lab.place(lost) == lab.place(kept):
        lab.one(
            "onevm", "migrate", lost, next(host for host in lab.hosts() if host != lab.place(kept)), "--live", "--wait"
        )
    numbers = lab.world.run(lab.place(kept), "virsh", "-q", "domid", "one-0")
    lab.world.run(lab.place(kept), "pkill", "-x", "libvirtd")
    third = next(host for host in lab.hosts() if host not in (lab.place(lost), lab.place(kept)))
    lab.one("onehost", "disable", third)
    lab.world.crash(lab.place(lost))
    told = run(PARTS / "lab", LAB_DIR=str(lab.directory))
    assert "web-1 is there already" in told
    assert "web-2 is there already" not in told
    assert "GUEST-READY hostname=web-2" in told
    assert lab.world.run(lab.place(kept), "virsh", "-q", "domid", "one-0") == numbers
    assert lab.hosts() == dict.fromkeys(("host01", "host02", "host03"), "on")


def test_without_root_the_lab_says_so_and_makes_nothing(tmp_path: Path) -> None:
    somebody = tmp_path / "bin/id"
    somebody.parent.mkdir()
    somebody.write_text("#!/bin/sh\necho 1000\n")
    somebody.chmod(0o755)
    environment = {**os.environ, "PATH": f"{somebody.parent}:{os.environ['PATH']}", "LAB_DIR": str(tmp_path / "lab")}
    ended = subprocess.run([PARTS / "lab"], env=environment, check=False, capture_output=True, text=True)
    assert ended.returncode != 0
    assert (
        ended.stderr == "lab: three hosts on one machine are namespaces, and only root may make them: sudo make lab\n"
    )
    assert (ended.stdout, (tmp_path / "lab").exists()) == ("", False)


def test_a_lab_that_is_not_there_is_no_error_to_stop(tmp_path: Path) -> None:
    assert run(PARTS / "lab-stop", LAB_DIR=str(tmp_path / "lab")) == "There is no lab to stop.\n"
