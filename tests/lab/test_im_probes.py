"""The information driver against real hosts: over ssh, in a shell kept open, with a libvirtd on each."""

import base64
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.drivers.lib.testing import DriverProcess, program
from oned.mad import im
from tests.lab.world import World, until, world

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

NAME = 'the "web" [1] \\'
STORES = "/var/lib/one/datastores"
WEB = """<domain type="qemu"><name>the "web" [1] \\</name><memory unit="MiB">48</memory><vcpu>2</vcpu>
<os><type>hvm</type></os><devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices></domain>"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("lab") / "a", 3, "--libvirt") as made:
        yield made


@pytest.fixture
def root(lab: World, tmp_path: Path) -> Path:
    (tmp_path / "etc/hosts").mkdir(parents=True)
    for host in ("host01", "host02", "host03"):
        (tmp_path / "etc/hosts" / host).write_text(f"SSH_ADDRESS={lab.address(host)}\n")
    return tmp_path


@pytest.fixture
def driver(lab: World, root: Path) -> Iterator[DriverProcess]:
    with DriverProcess(program("im.im_probes", "kvm"), {**lab.environment, "ONE_LOCATION": str(root)}) as process:
        assert process.handshake() == "INIT SUCCESS PROTOCOL=4 REPEATS=MONITOR"
        yield process


def told(driver: DriverProcess, number: int, datastores: str = "-") -> str:
    """The text of the answer about host0<number>."""
    answer = driver.ask(f"MONITOR {number} host0{number} {datastores} 0", 60) or ""
    assert answer.startswith(f"MONITOR SUCCESS {number} "), answer
    return base64.b64decode(answer.split()[3]).decode()


def test_a_host_is_told_by_one_connection_that_stays(lab: World, driver: DriverProcess) -> None:
    before = lab.connections("host01")
    values = im.values(told(driver, 1))
    for _ in range(5):
        told(driver, 1)
    assert lab.connections("host01") == before + 1
    assert (values["HYPERVISOR"], values["HOSTNAME"], values["VM_POLL"]) == ("kvm", "host01", "YES")
    assert int(values["USEDCPU"]) + int(values["FREECPU"]) == int(values["TOTALCPU"])
    assert int(values["USEDMEMORY"]) + int(values["FREEMEMORY"]) == int(values["TOTALMEMORY"])
    assert int(values["NETRX"]) > 0


def test_a_domain_of_others_is_wild(lab: World, driver: DriverProcess, tmp_path: Path) -> None:
    (tmp_path / "web.xml").write_text(WEB)
    lab.run("host01", "virsh", "-q", "create", str(tmp_path / "web.xml"))
    try:
        found = im.domains(told(driver, 1))
        assert found is not None
        assert [(domain.vm, domain.deploy_id) for domain in found] == [(-1, NAME)]
        assert "STATE=a USEDCPU=" in found[0].poll
        assert 'VCPU="2"\nMEMORY="48"' in base64.b64decode(found[0].template).decode()
    finally:
        lab.run("host01", "virsh", "-q", "destroy", NAME)
    assert im.domains(told(driver, 1)) == []


def test_datastores_on_a_disk_of_the_host_are_told_as_full_as_they_are(lab: World, driver: DriverProcess) -> None:
    for host, size in (("host01", "64m"), ("host02", "32m")):
        lab.run(host, "mkdir", "-p", f"{STORES}/0", f"{STORES}/100")
        lab.run(host, "mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", f"{STORES}/100")
    lab.run("host01", "dd", "status=none", "if=/dev/zero", f"of={STORES}/100/disk", "bs=1M", "count=16")
    texts = [told(driver, number, datastores=STORES) for number in (1, 2)]
    assert [im.stores(text)["100"] for text in texts] == [(48, 64, 16), (32, 32, 0)]
    disk = os.statvfs(lab.datastores("host01") / "0")
    assert im.stores(texts[0])["0"][1] == disk.f_blocks * disk.f_frsize >> 20
    assert im.location(im.values(texts[0])) is not None
    assert im.stores(told(driver, 1)) == {}, "nobody says where they are"


def test_scripts_of_the_site_reach_the_host_and_new_ones_replace_them(
    lab: World, driver: DriverProcess, root: Path
) -> None:
    first = im.values(told(driver, 2))["REMOTES_VERSION"]
    site = root / "var/remotes/im/kvm-site.d"
    site.mkdir(parents=True)
    (site / "rack").write_text("#!/bin/sh\necho RACK=$(hostname)-7\n")
    values = until(lambda: ours if "RACK" in (ours := im.values(told(driver, 2))) else None, 20, "the new scripts")
    assert values["RACK"] == "host02-7"
    assert values["REMOTES_VERSION"] != first
    assert len(list((lab.home("host02") / "var-tmp/one.d").iterdir())) >= 1


def test_scripts_that_were_removed_on_the_host_come_back(lab: World, driver: DriverProcess) -> None:
    told(driver, 2)
    shutil.rmtree(lab.home("host02") / "var-tmp/one.d")
    assert im.values(told(driver, 2))["HOSTNAME"] == "host02"


def test_a_host_whose_libvirt_is_dead_is_an_error_with_its_words(lab: World, driver: DriverProcess) -> None:
    told(driver, 3)
    socket = lab.home("host03") / "run/libvirt"
    (socket / "libvirt-sock").rename(socket / "away")
    try:
        answer = driver.ask("MONITOR 3 host03 - 0", 60) or ""
        assert answer.startswith("MONITOR FAILURE 3 its libvirt does not answer: ")
        assert "libvirt-sock" in answer
    finally:
        (socket / "away").rename(socket / "libvirt-sock")
    told(driver, 3)


def test_a_host_that_hangs_holds_up_no_other_and_comes_back(lab: World, driver: DriverProcess) -> None:
    for number in (1, 2, 3):
        told(driver, number)
    lab.sshd("host02", signal.SIGSTOP)
    try:
        driver.send("MONITOR 2 host02 - 0")
        began = time.monotonic()
        for _ in range(5):
            told(driver, 1)
            told(driver, 3)
        assert time.monotonic() - began < 10
    finally:
        threading.Timer(2.0, lab.sshd, ["host02", signal.SIGCONT]).start()
    answer = driver.answer(60) or ""
    assert answer.startswith("MONITOR SUCCESS 2 ")


@pytest.mark.soak
def test_a_host_that_crashed_is_an_error_until_it_is_back(lab: World, driver: DriverProcess) -> None:
    told(driver, 3)
    lab.crash("host03")
    answer = driver.ask("MONITOR 3 host03 - 0", 100) or ""
    assert answer.startswith("MONITOR FAILURE 3 host03")
    lab.up(3, "--libvirt")
    until(lambda: (driver.ask("MONITOR 3 host03 - 0", 60) or "").startswith("MONITOR SUCCESS"), 30, "it is back")
