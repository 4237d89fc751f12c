"""`make demo`, and a guest's whole life by onevm: each step is looked up in libvirt, not only believed."""

import importlib
import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.needs import PROGRAMS, need, need_programs

TREE = Path(__file__).parents[2]
PARTS = TREE / "share" / "demo"
BOOT_SECONDS = 120.0

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Demo:
    """The engine that the demo left running, and its hypervisor."""

    directory: Path
    words: str
    libvirt: Any

    def onevm(self, *words: str) -> str:
        environment = {**os.environ, "ONE_LOCATION": str(self.directory)}
        environment.pop("ONE_XMLRPC", None)
        command = [TREE / ".venv/bin/onevm", *words]
        return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout

    def domain(self, vm: int) -> str:
        """What libvirt says of a VM's domain: running, paused or absent."""
        with_state = {domain.name(): domain.state()[0] for domain in self.libvirt.listAllDomains()}
        state = with_state.get(f"one-{vm}")
        return {None: "absent", 1: "running", 3: "paused"}.get(state, f"state {state}")

    def domain_number(self, vm: int) -> int:
        """libvirt's number of the domain: another one after each start."""
        return int(self.libvirt.lookupByName(f"one-{vm}").ID())

    def console(self, vm: int) -> str:
        path = self.directory / f"var/datastores/0/{vm}/console.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def boots(self, vm: int) -> int:
        """How often the guest has said that it is up."""
        return len(re.findall("^GUEST-READY", self.console(vm), re.MULTILINE))

    def until_boots(self, vm: int, count: int) -> None:
        end = time.monotonic() + BOOT_SECONDS
        while self.boots(vm) < count:
            assert time.monotonic() < end, f"boot {count} of VM {vm} is missing: {self.console(vm)[-500:]}"
            time.sleep(0.2)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    need(importlib.util.find_spec("libvirt"), "libvirt-python is not installed")
    need(os.geteuid() == 0, "a libvirtd of our own needs root")
    need_programs(*PROGRAMS)
    directory = tmp_path_factory.mktemp("demo") / "here"
    environment = {**os.environ, "DEMO_DIR": str(directory)}
    try:
        told = subprocess.run([PARTS / "demo"], env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
        libvirt = importlib.import_module("libvirt")
        uri = re.search(r"^  (qemu\+unix:\S+)$", told, re.MULTILINE)
        need(uri, "no guest boots here")
        assert uri is not None
        yield Demo(directory, told, libvirt.open(uri.group(1)))
    finally:
        subprocess.run([PARTS / "demo-stop"], env=environment, check=True, stdout=subprocess.DEVNULL)
    assert not directory.exists()


def test_the_demo_shows_the_words_of_two_guests_and_what_runs(demo: Demo) -> None:
    assert "GUEST-READY hostname=hello-1" in demo.words
    assert "GUEST-READY hostname=hello-2" in demo.words
    assert re.search(r"^ +1 oneadmin oneadmin hello-2 +runn", demo.words, re.MULTILINE)
    assert (demo.domain(0), demo.domain(1)) == ("running", "running")


def test_each_guest_takes_its_name_its_address_and_its_key_from_its_context(demo: Demo) -> None:
    key = re.search(r"SSH_PUBLIC_KEY='(ssh-ed25519 \S+ demo)'", demo.words)
    assert key
    for vm, name in enumerate(("hello-1", "hello-2")):
        said = demo.console(vm).replace("\r", "")
        mac, address = f"02:00:0a:63:00:{10 + vm:02x}", f"10.99.0.{10 + vm}"
        assert f"\nGUEST-READY hostname={name} " in said
        assert f"\nGUEST-NET if=eth0 mac={mac} ip={address}/24\n" in said
        assert f"\nGUEST-KEY {key[1]}\n" in said
        assert f"GREETING='Hello, {name} at {address}'" in said
        assert mac in demo.libvirt.lookupByName(f"one-{vm}").XMLDesc()


def test_a_second_run_uses_what_is_there(demo: Demo) -> None:
    numbers = demo.domain_number(0), demo.domain_number(1)
    environment = {**os.environ, "DEMO_DIR": str(demo.directory)}
    told = subprocess.run([PARTS / "demo"], env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert "hello-1 is there already" in told
    assert (demo.domain_number(0), demo.domain_number(1)) == numbers


def test_a_guest_without_disk_and_context_runs(demo: Demo) -> None:
    told = demo.onevm("create", "--name", "bare", "--cpu", "0.1", "--memory", "64", "--wait", "--timeout", "120")
    vm = int(told.split()[1])
    assert demo.domain(vm) == "running"
    assert (demo.directory / f"var/datastores/0/{vm}/console.log").exists()
    demo.onevm("terminate", "--hard", str(vm), "--wait", "--timeout", "60")
    assert not (demo.directory / f"var/datastores/0/{vm}").exists()


def test_the_guest_sees_the_inside_of_qcow2_disks(demo: Demo, tmp_path: Path) -> None:
    image = demo.directory / "raw.img"
    image.write_bytes(b"x" * (2 << 20))
    template = tmp_path / "disks"
    template.write_text(
        "NAME=disks\nCPU=0.1\nMEMORY=64\nDISK=[TYPE=fs, SIZE=16, FORMAT=qcow2, TARGET=vda]\n"
        f'DISK=[SOURCE="{image}", TM_MAD=qcow2, TARGET=vdb]\n'
    )
    vm = int(demo.onevm("create", str(template), "--wait", "--timeout", "120").split()[1])
    domain = demo.libvirt.lookupByName(f"one-{vm}")
    assert [domain.blockInfo(disk)[0] >> 20 for disk in ("vda", "vdb")] == [16, 2]
    demo.onevm("terminate", "--hard", str(vm), "--wait", "--timeout", "60")


def test_the_life_of_a_guest_is_seen_in_libvirt(demo: Demo) -> None:
    vm, wait = 0, ("--wait", "--timeout", "120")
    first = demo.domain_number(vm)
    demo.onevm("suspend", str(vm), *wait)
    assert demo.domain(vm) == "absent"
    demo.onevm("resume", str(vm), *wait)
    assert demo.domain(vm) == "running"
    assert demo.domain_number(vm) != first
    assert demo.boots(vm) == 1, "its memory was restored, it did not boot again"
    demo.onevm("stop", str(vm), *wait)
    assert demo.domain(vm) == "absent"
    assert not (demo.directory / f"var/datastores/0/{vm}").exists()
    demo.onevm("resume", str(vm), *wait)
    assert demo.domain(vm) == "running"
    assert demo.boots(vm) == 1
    demo.onevm("reboot", str(vm), *wait)
    demo.until_boots(vm, 2)
    demo.onevm("poweroff", str(vm), *wait)
    assert demo.domain(vm) == "absent"
    demo.onevm("resume", str(vm), *wait)
    assert demo.domain(vm) == "running"
    demo.until_boots(vm, 3)
    demo.onevm("terminate", str(vm), *wait)
    assert demo.domain(vm) == "absent"
    assert not (demo.directory / f"var/datastores/0/{vm}").exists()
    assert demo.domain(1) == "running", "the other VM is left alone"
