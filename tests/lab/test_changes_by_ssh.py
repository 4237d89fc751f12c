"""A guest that is changed while it runs on a host that is reached by ssh and shares nothing, all by the daemon."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from oned.client.documents import parse
from tests.daemon.process import Daemon
from tests.daemon.process import until as soon
from tests.lab.guests import CACHE, guest_world
from tests.lab.world import World, until

pytestmark = [pytest.mark.lab, pytest.mark.soak, pytest.mark.timeout(400)]

CONF = """\
DATASTORE_LOCATION = "/var/lib/one/datastores"
DEFAULT_DEVICE_PREFIX = "vd"
IM_MAD = [ NAME = "kvm", EXECUTABLE = "one_im_probes", ARGUMENTS = "kvm" ]
VM_MAD = [ NAME = "qemu", EXECUTABLE = "one_vmm_kvm", ARGUMENTS = "qemu", TYPE = "kvm", PROTOCOL = "xml" ]
DATASTORE_MAD = [ NAME = "fs", EXECUTABLE = "one_datastore_fs" ]
TM_MAD = [ NAME = "ssh", EXECUTABLE = "one_tm", ARGUMENTS = "ssh", PROTOCOL = "datastore" ]
"""
NAMES = ("host01", "host02")
MAC = "02:00:0a:4d:00:77"


class Running:
    """A front-end, two hosts, and a guest that has booted on the first."""

    def __init__(self, lab: World, daemon: Daemon) -> None:
        self.lab, self.daemon, self.one, self.host = lab, daemon, daemon.one, NAMES[0]
        self.told = 0
        allocate = daemon.admin.number
        self.hosts = [allocate("one.host.allocate", name, "kvm", "qemu", "dummy", "ssh") for name in NAMES]
        self.system = allocate("one.datastore.allocate", "NAME = there\nTYPE = SYSTEM_DS\nTM_MAD = ssh", -1)
        store = allocate("one.datastore.allocate", f"NAME=i\nDS_MAD=fs\nTM_MAD=ssh\nBASE_PATH={daemon.root}/i", -1)
        file = daemon.root.parent / "data.qcow2"
        shutil.copy(CACHE / "data.qcow2", file)
        image = allocate("one.image.allocate", f"NAME = data\nPATH = {file}\nDRIVER = qcow2", store)
        soon(lambda: parse(daemon.admin.text("one.image.info", image)).text("STATE") == "1", "the image")
        self.vm = daemon.allocate(f"""
            CPU = 1  MEMORY = 192  MEMORY_MAX = 256  VCPU = 1  VCPU_MAX = 2  DISK = [ IMAGE_ID = {image} ]
            OS = [ KERNEL = "{CACHE}/vmlinuz", INITRD = "{CACHE}/initrd.gz",
                   KERNEL_CMD = "console=ttyS0 quiet guest.tick" ]
            CONTEXT = [ HOSTNAME = guest ]
        """)
        self.one.vm.deploy(self.vm, self.hosts[0], False, self.system)
        self.settles()
        self.goes_on()

    def settles(self, state: str = "RUNNING") -> None:
        waiting = ("HOTPLUG", "BOOT", "DISK", "PROLOG", "MIGRATE", "SHUTDOWN")
        until(lambda: not self.daemon.state(self.vm).startswith(waiting), 120, "the change")
        assert self.daemon.state(self.vm) == state, self.daemon.vm_log(self.vm)
        said, self.told = self.daemon.vm_log(self.vm)[self.told :], len(self.daemon.vm_log(self.vm))
        assert "[E]" not in said, said

    # -- what the guest and its host say ------------------------------------------------------------------------
    @property
    def directory(self) -> Path:
        return self.lab.datastores(self.host) / str(self.system) / str(self.vm)

    def ticks(self) -> list[int]:
        log = self.directory / "console.log"
        said = log.read_text(errors="replace") if log.exists() else ""
        return [int(tick) for tick in re.findall(r"tick (\d+)\r?\n", said)]

    def goes_on(self) -> int:
        """It counts on; what it has counted to."""
        before = len(self.ticks())
        until(lambda: len(self.ticks()) > before + 1, 90, "the guest counts")
        return self.ticks()[-1]

    def virsh(self, *words: str) -> str:
        return self.lab.run(self.host, "virsh", "-q", *words)

    def domain(self) -> ElementTree.Element:
        return ElementTree.fromstring(self.virsh("dumpxml", f"one-{self.vm}"))

    def sources(self) -> list[str]:
        found = (source.get("file", "") for source in self.domain().iterfind("devices/disk/source"))
        return [name.partition(f"/{self.vm}/")[2] for name in found]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("changes")
    with guest_world(root / "lab", 2) as lab:
        daemon = Daemon(root / "one", CONF)
        (daemon.etc / "hosts").mkdir()
        for name in NAMES:
            reach = {"SSH_ADDRESS": lab.address(name), **lab.environment}
            text = "".join(f"{key}={value}\n" for key, value in reach.items())
            (daemon.etc / "hosts" / name).write_text(text)
        with daemon:
            yield Running(lab, daemon)
            assert daemon.check() == []


def test_a_disk_comes_and_goes(running: Running) -> None:
    running.one.vm.attach(running.vm, "DISK = [ TYPE = fs, FORMAT = qcow2, SIZE = 8 ]")
    running.settles()
    assert "disk.2" in running.sources()
    assert (running.directory / "disk.2").exists()
    running.one.vm.detach(running.vm, 2)
    running.settles()
    assert "disk.2" not in running.sources()
    assert not (running.directory / "disk.2").exists()


def test_a_network_interface_comes_and_goes(running: Running) -> None:
    running.one.vm.attachnic(running.vm, f'NIC = [ BRIDGE = br0, MAC = "{MAC}" ]')
    running.settles()
    assert re.search(rf"bridge +br0 .*{MAC}", running.virsh("domiflist", f"one-{running.vm}"))
    running.one.vm.updatenic(running.vm, 0, "NOTE = mine", 0)
    running.settles()
    assert running.daemon.vm(running.vm).text("TEMPLATE/NIC/NOTE") == "mine"
    running.one.vm.detachnic(running.vm, 0)
    running.settles()
    assert MAC not in running.virsh("domiflist", f"one-{running.vm}")


def test_the_guest_goes_back_to_a_snapshot_of_its_system(running: Running) -> None:
    taken = running.one.vm.snapshotcreate(running.vm, "before")
    running.settles()
    at = running.ticks()[-1]
    running.goes_on()
    running.one.vm.snapshotrevert(running.vm, taken)
    said = len(running.ticks())
    running.settles()
    until(lambda: len(running.ticks()) > said, 60, "the guest goes on from there")
    assert running.ticks()[said] <= at + 2
    running.one.vm.snapshotdelete(running.vm, taken)
    running.settles()
    assert running.virsh("snapshot-list", f"one-{running.vm}", "--name").strip() == ""


def test_memory_cpus_and_a_disk_grow(running: Running) -> None:
    running.one.vm.resize(running.vm, "MEMORY = 224\nVCPU = 2", False)
    running.settles()
    vcpu = running.domain().find("vcpu")
    assert vcpu is not None
    assert vcpu.get("current", vcpu.text) == "2"
    running.one.vm.snapshotcreate(running.vm, "in vain")
    with pytest.raises(AssertionError, match="CPUs were added while it ran"):
        running.settles()
    until(lambda: running.domain().findtext("currentMemory") == str(224 << 10), 20, "the guest's balloon")
    running.one.vm.diskresize(running.vm, 0, "64")
    running.settles()
    assert "64.000 MiB" in running.virsh("domblkinfo", f"one-{running.vm}", "vda", "--human")


def test_snapshots_of_a_disk_are_made_moved_and_gone_back_to(running: Running) -> None:
    for number in (0, 1):
        assert running.one.vm.disksnapshotcreate(running.vm, 0, f"s{number}") == number
        running.settles()
        assert f"disk.0.snap/{number + 1}" in running.sources()
    last = running.goes_on()
    running.one.vm.migrate(running.vm, running.hosts[1], True)
    running.settles()
    assert not running.directory.exists()
    running.host = NAMES[1]
    assert running.goes_on() > last, "it moved while it ran, with its disks"
    assert "disk.0.snap/2" in running.sources()
    files = [running.directory / name for name in ("disk.0", "disk.0.snap/1", "disk.0.snap/2")]
    assert all(file.exists() for file in files)

    running.one.vm.action("poweroff-hard", running.vm)
    running.settles("POWEROFF")
    place = f"/var/lib/one/datastores/{running.system}/{running.vm}/disk.0.snap/2"
    running.lab.run(running.host, "qemu-img", "check", "-q", place)
    running.one.vm.disksnapshotrevert(running.vm, 0, 0)
    running.settles("POWEROFF")
    running.one.vm.disksnapshotdelete(running.vm, 0, 1)
    running.settles("POWEROFF")
    assert not files[1].exists()
    (running.directory / "console.log").unlink()
    running.one.vm.action("resume", running.vm)
    running.settles()
    running.goes_on()
    running.one.vm.action("terminate-hard", running.vm)
    running.daemon.reaches(running.vm, "DONE")
    assert not running.directory.exists()
