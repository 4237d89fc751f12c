"""What changes a running guest, by the KVM driver over a real pipe, with a real libvirtd and a guest that boots."""

import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.drivers.lib.testing import DriverProcess
from oned.template import render
from oned.template.parse import parse
from oned.template.template import Template
from oned.vm.deployment.kvm import domain
from tests.lab import test_kvm_driver as kvm
from tests.lab.test_kvm_driver import Guest, Lab
from tests.needs import need

lab, guest = kvm.lab, kvm.guest
pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]


class Running:
    """A guest that has booted, its driver, and its template as the engine would have it."""

    def __init__(self, lab: Lab, guest: Guest, driver: DriverProcess) -> None:
        self.lab, self.guest, self.driver = lab, guest, driver
        self.template = parse(guest.template())
        self.name, self.vid = f"one-{guest.vid}", guest.vid

    def boot(self) -> None:
        answer = self.driver.ask(self.guest.line("DEPLOY", self.guest.deployment, "-"), 60)
        assert answer == f"DEPLOY SUCCESS {self.vid} {self.name}"
        self.guest.says("tick 1$")

    def ask(self, verb: str, seconds: float = 60, more: str = "", **elements: str) -> str:
        """The answer to a verb of the xml dialect, with the deployment file as it is to be; without verb and id."""
        self.guest.deployment.write_text(domain(self.template, self.guest.facts()))
        words = {"HOST": "thishost", "DEPLOY_ID": self.name, "LOCAL_DEPLOYMENT_FILE": str(self.guest.deployment)}
        body = "".join(f"<{name}>{value}</{name}>" for name, value in {**words, **elements}.items())
        vm = f"<VM><ID>{self.vid}</ID>{render.xml(self.template)}{more}</VM>"
        document = f"<VMM_DRIVER_ACTION_DATA>{body}{vm}</VMM_DRIVER_ACTION_DATA>"
        packed = base64.b64encode(document.encode()).decode()
        answer = self.driver.ask(f"{verb} {self.vid} {packed}", seconds) or ""
        assert answer.startswith((f"{verb} SUCCESS {self.vid} ", f"{verb} FAILURE {self.vid} "))
        return answer.removeprefix(f"{verb} ").replace(f" {self.vid} ", " ", 1)

    def virsh(self, *words: str) -> str:
        done = subprocess.run(
            ["virsh", "-q", "-c", self.lab.uri, *words], check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout

    def targets(self) -> list[str]:
        return [line.split()[0] for line in self.virsh("domblklist", self.name).splitlines() if line.strip()]

    def place(self, name: str) -> Path:
        return self.guest.directory / name


@pytest.fixture(scope="module")
def booted(lab: Lab) -> Iterator[Running]:
    with kvm.prepared(lab) as guest, lab.driver() as driver:
        made = Running(lab, guest, driver)
        made.boot()
        yield made


@pytest.fixture
def running(booted: Running) -> Running:
    """A guest that runs, one for all: each test leaves it as it was, but for the last one, which ends it."""
    booted.template = parse(booted.guest.template())
    return booted


@pytest.fixture
def other(lab: Lab, guest: Guest) -> Iterator[Running]:
    """A guest of the test's own that runs."""
    with lab.driver() as driver:
        made = Running(lab, guest, driver)
        made.boot()
        yield made


def test_a_disk_comes_to_a_guest_that_runs_and_goes(running: Running) -> None:
    disk = {"DISK_ID": "2", "TYPE": "FS", "FORMAT": "raw", "SIZE": "8", "TARGET": "vdc", "ATTACH": "YES"}
    running.template.add("DISK", disk)
    place = f"thishost:{running.place('disk.2')}"
    tail = f"{running.vid} 0"
    words = {
        "TM_COMMAND": f"MKIMAGE shared 8 raw {place} {tail}",
        "TM_COMMAND_ROLLBACK": f"DELETE shared {place} {tail}",
        "DISK_TARGET_PATH": str(running.place("disk.2")),
    }
    assert running.ask("ATTACHDISK", **words) == "SUCCESS -"
    assert "vdc" in running.targets()
    assert running.place("disk.2").stat().st_size == 8 << 20
    assert running.ask("ATTACHDISK", **words) == "SUCCESS -", "what is there already is attached"
    assert running.ask("DETACHDISK", TM_COMMAND=words["TM_COMMAND_ROLLBACK"]) == "SUCCESS -"
    assert "vdc" not in running.targets()
    assert not running.place("disk.2").exists()
    assert running.ask("DETACHDISK", TM_COMMAND=words["TM_COMMAND_ROLLBACK"]) == "SUCCESS -"


def test_a_disk_that_the_hypervisor_refuses_is_removed_again(running: Running) -> None:
    running.template.add("DISK", {"DISK_ID": "2", "TYPE": "FS", "FORMAT": "raw", "TARGET": "hdd", "ATTACH": "YES"})
    place = f"thishost:{running.place('disk.2')}"
    answer = running.ask(
        "ATTACHDISK", TM_COMMAND=f"MKIMAGE shared 8 raw {place} {running.vid} 0",
        TM_COMMAND_ROLLBACK=f"DELETE shared {place} {running.vid} 0",
    )  # fmt: skip
    assert answer.startswith("FAILURE ")
    assert "does not support hotplugging" in answer
    assert not running.place("disk.2").exists()
    missing = running.ask("ATTACHDISK", TM_COMMAND=f"CLONE shared fe:/no/such {place} {running.vid} 0")
    assert missing == "FAILURE CLONE: there is no image /no/such"


def test_a_network_interface_comes_and_goes(running: Running) -> None:
    nic = {
        "NIC_ID": "0",
        "MAC": "02:00:0a:00:00:09",
        "MODEL": "virtio",
        "TARGET": f"one-{running.vid}-0",
        "ATTACH": "YES",
    }
    running.template.add("NIC", nic)
    assert running.ask("ATTACHNIC") == "SUCCESS -"
    assert nic["MAC"] in running.virsh("domiflist", running.name)
    assert running.ask("ATTACHNIC") == "SUCCESS -"
    assert running.ask("DETACHNIC") == "SUCCESS -"
    assert nic["MAC"] not in running.virsh("domiflist", running.name)
    assert running.ask("DETACHNIC") == "SUCCESS -"


def test_what_is_not_said_of_a_change_is_missed_in_a_sentence(running: Running) -> None:
    assert running.ask("ATTACHNIC") == f"FAILURE no NIC of VM {running.vid} is marked with ATTACH=YES in its document"
    running.template = Template([("NIC", {"ATTACH": "YES"})])
    assert "has no MAC" in running.ask("DETACHNIC")


def test_a_guest_goes_back_to_a_snapshot_of_itself(running: Running) -> None:
    snapshot = {"ACTIVE": "YES", "SNAPSHOT_ID": "0", "HYPERVISOR_ID": ""}
    running.template.add("SNAPSHOT", snapshot)
    before = running.guest.ticks()
    assert running.ask("SNAPSHOTCREATE", 120) == "SUCCESS snap-0"
    assert running.ask("SNAPSHOTCREATE", 120) == "SUCCESS snap-0", "one that is there is made"
    running.guest.says(f"tick {before + 4}$")
    snapshot["HYPERVISOR_ID"] = "snap-0"
    said = len(running.guest.console())
    assert running.ask("SNAPSHOTREVERT", 120) == "SUCCESS -"
    assert int(running.guest.says(r"tick \d+$", after=said).split()[1]) < before + 4
    assert running.ask("SNAPSHOTDELETE", 120) == "SUCCESS -"
    assert running.ask("SNAPSHOTDELETE", 120) == "SUCCESS -"
    assert running.virsh("snapshot-list", running.name, "--name").strip() == ""
    assert "Domain snapshot not found" in running.ask("SNAPSHOTREVERT")
    assert running.ask("SNAPSHOTCREATE", 120) == "SUCCESS snap-0"
    assert running.ask("CANCEL") == "SUCCESS -"
    listed = subprocess.run(["qemu-img", "snapshot", "-l", running.place("disk.0")], check=True, stdout=subprocess.PIPE)
    assert listed.stdout == b"", "nothing of it takes room in the disk when the domain has ended"


def test_a_snapshot_of_a_disk_is_made_while_its_guest_runs_and_the_guest_goes_on(other: Running) -> None:
    running = other
    running.template.vector("DISK")["DISK_SNAPSHOT_ACTIVE"] = "YES"
    for number in (0, 1):
        disk = running.place(f"disk.0.snap/{number}" if number else "disk.0")
        words = {
            "DISK_TARGET_PATH": str(disk),
            "TM_COMMAND": f"SNAP_CREATE_LIVE shared thishost:{disk} {number} {running.vid} 0",
        }
        assert running.ask("DISKSNAPSHOTCREATE", **words) == f"SUCCESS {disk.name}"
        assert running.ask("DISKSNAPSHOTCREATE", **words) == f"SUCCESS {disk.name}"
        assert str(running.place(f"disk.0.snap/{number + 1}")) in running.virsh("domblklist", running.name)
    assert "is " in running.ask("DISKSNAPSHOTCREATE", DISK_TARGET_PATH=str(running.place("disk.0.snap/7")))
    last = running.guest.ticks()
    running.guest.says(f"tick {last + 2}$")
    saved = running.driver.ask(running.guest.line("SAVE", running.name, running.guest.checkpoint), 60)
    assert saved == f"SAVE SUCCESS {running.vid} -"
    restored = running.driver.ask(running.guest.line("RESTORE", running.name, running.guest.checkpoint), 60)
    assert restored == f"RESTORE SUCCESS {running.vid} -", "the files are called as the hypervisor knows them"
    last = running.guest.ticks()
    running.guest.says(f"tick {last + 2}$")


def test_a_guest_is_given_memory_cpus_and_a_larger_disk_while_it_runs(lab: Lab, guest: Guest) -> None:
    with lab.driver() as driver:
        running = Running(lab, guest, driver)
        for name, value in (("VCPU_MAX", "2"), ("MEMORY_MAX", "256")):
            running.template.add(name, value)
        guest.deployment.write_text(domain(running.template, guest.facts()))
        running.boot()
        running.template.set("MEMORY", "224")
        assert running.ask("RESIZE") == "SUCCESS -"
        told = f"<currentMemory unit='KiB'>{224 * 1024}<"
        kvm.until(lambda: told in running.virsh("dumpxml", running.name), 20, "the balloon of the guest")
        running.template.set("VCPU", "2")
        assert running.ask("RESIZE") == "SUCCESS -"
        assert running.virsh("vcpucount", running.name, "--live").strip() == "2"
        for name, value in (("VCPU", "3"), ("MEMORY", "300")):
            before = running.template.get(name)
            running.template.set(name, value)
            running.template.remove(f"{name}_MAX")
            assert "was built for" in running.ask("RESIZE")
            running.template.set(name, before)
        running.template.vector("DISK")["RESIZE"] = "64"
        assert running.ask("RESIZEDISK") == "SUCCESS -"
        assert "64.000 MiB" in running.virsh("domblkinfo", running.name, "vda", "--human")


@pytest.mark.soak
def test_memory_is_plugged_into_a_guest_as_modules(lab: Lab, guest: Guest) -> None:
    with lab.driver() as driver:
        running = Running(lab, guest, driver)
        for name, value in (("MEMORY_MAX", "512"), ("MEMORY_RESIZE_MODE", "HOTPLUG"), ("MEMORY_SLOTS", "2")):
            running.template.add(name, value)
        guest.deployment.write_text(domain(running.template, guest.facts()))
        running.boot()
        booted = int(running.template.get("MEMORY"))
        for memory in (booted + 128, booted + 128):
            running.template.set("MEMORY", str(memory))
            assert running.ask("RESIZE") == "SUCCESS -"
            assert f"<memory unit='KiB'>{memory * 1024}<" in running.virsh("dumpxml", running.name)
            assert running.virsh("dumpxml", running.name).count("<memory model='dimm'") == 1
        running.template.set("MEMORY", str(booted))
        assert "is not taken from a guest that runs" in running.ask("RESIZE")
        last = guest.ticks()
        guest.says(f"tick {last + 2}$")


@pytest.mark.soak
def test_a_guest_boots_by_efi_and_keeps_its_variables_beside_its_disks(lab: Lab, guest: Guest) -> None:
    need(Path("/usr/share/OVMF").is_dir(), "ovmf is not installed")
    with lab.driver() as driver:
        running = Running(lab, guest, driver)
        running.template.vector("OS")["FIRMWARE"] = "UEFI"
        guest.deployment.write_text(domain(running.template, guest.facts()))
        running.boot()
        assert "GUEST-READY" in guest.console()
        assert "OVMF_CODE" in running.virsh("dumpxml", running.name)
        assert running.place("nvram.fd").stat().st_size > 0
