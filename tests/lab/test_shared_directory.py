"""A guest whose files are in a directory that front-end and hosts share: types shared and qcow2, all by the daemon."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.client.documents import parse
from tests.daemon.process import Daemon
from tests.daemon.process import until as soon
from tests.lab.guests import CACHE, guest_world
from tests.lab.world import World, until

pytestmark = [pytest.mark.lab, pytest.mark.soak, pytest.mark.timeout(600)]

CONF = """\
DEFAULT_DEVICE_PREFIX = "vd"
DATASTORE_LOCATION = "{place}"
IM_MAD = [ NAME = "kvm", EXECUTABLE = "one_im_probes", ARGUMENTS = "kvm" ]
VM_MAD = [ NAME = "qemu", EXECUTABLE = "one_vmm_kvm", ARGUMENTS = "qemu", TYPE = "kvm", PROTOCOL = "xml" ]
DATASTORE_MAD = [ NAME = "fs", EXECUTABLE = "one_datastore_fs" ]
TM_MAD = [ NAME = "{kind}", EXECUTABLE = "one_tm", ARGUMENTS = "{kind}", PROTOCOL = "datastore" ]
"""
NAMES = ("host01", "host02")


class Shared:
    """A front-end and two hosts that have one directory at the same path, and a VM that has booted on the first."""

    def __init__(self, lab: World, daemon: Daemon, place: Path, kind: str) -> None:
        self.lab, self.daemon, self.one = lab, daemon, daemon.one
        allocate = daemon.admin.number
        self.hosts = [allocate("one.host.allocate", name, "kvm", "qemu", "dummy", kind) for name in NAMES]
        self.system = allocate("one.datastore.allocate", f"NAME = there\nTYPE = SYSTEM_DS\nTM_MAD = {kind}", -1)
        store = allocate("one.datastore.allocate", f"NAME = here\nDS_MAD = fs\nTM_MAD = {kind}", -1)
        file = daemon.root.parent / "data.qcow2"
        shutil.copy(CACHE / "data.qcow2", file)
        image = allocate("one.image.allocate", f"NAME = data\nPATH = {file}\nDRIVER = qcow2", store)
        soon(lambda: parse(daemon.admin.text("one.image.info", image)).text("STATE") == "1", "the image")
        self.image = Path(parse(daemon.admin.text("one.image.info", image)).text("SOURCE"))
        self.vm = daemon.allocate(f"""
            CPU = 1  MEMORY = 192  DISK = [ IMAGE_ID = {image} ]
            OS = [ KERNEL = "{CACHE}/vmlinuz", INITRD = "{CACHE}/initrd.gz",
                   KERNEL_CMD = "console=ttyS0 quiet guest.tick" ]
            CONTEXT = [ HOSTNAME = guest ]
        """)
        self.directory = place / str(self.system) / str(self.vm)
        self.one.vm.deploy(self.vm, self.hosts[0], False, self.system)
        self.reaches("RUNNING")

    def reaches(self, state: str) -> None:
        """The VM comes to rest in a state."""
        waiting = ("BOOT", "DISK", "PROLOG", "MIGRATE", "SAVE", "SHUTDOWN", "EPILOG", "ACTIVE")
        until(lambda: not self.daemon.state(self.vm).startswith(waiting), 180, f"{state} of the VM")
        assert self.daemon.state(self.vm) == state, self.daemon.vm_log(self.vm)

    def ticks(self) -> list[int]:
        log = self.directory / "console.log"
        said = log.read_text(errors="replace") if log.exists() else ""
        return [int(tick) for tick in re.findall(r"tick (\d+)\r?\n", said)]

    def goes_on(self) -> int:
        """It counts on; what it has counted to."""
        before = len(self.ticks())
        until(lambda: len(self.ticks()) > before + 1, 120, "the guest counts")
        return self.ticks()[-1]

    def runs_on(self, host: str) -> bool:
        return f"one-{self.vm}" in self.lab.run(host, "virsh", "-q", "list", "--name").split()


@pytest.fixture(params=["shared", "qcow2"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shared]:
    kind, place = str(request.param), tmp_path / "pool"
    place.mkdir()
    with guest_world(tmp_path / "lab", 2) as lab:
        for host in NAMES:  # as a network file system would be: mounted on each, by each
            lab.run(host, "mount", "--bind", str(place), str(place))
        daemon = Daemon(tmp_path / "one", CONF.format(place=place, kind=kind))
        (daemon.etc / "hosts").mkdir()
        for name in NAMES:
            reach = {"SSH_ADDRESS": lab.address(name), "MIGRATE_UNSAFE": "yes", **lab.environment}
            (daemon.etc / "hosts" / name).write_text("".join(f"{key}={value}\n" for key, value in reach.items()))
        with daemon:
            yield Shared(lab, daemon, place, kind)
            assert daemon.check() == []


def test_a_guest_moves_live_and_saved_and_off_and_goes_back_to_a_snapshot(shared: Shared) -> None:
    one, vm, hosts = shared.one, shared.vm, shared.hosts
    whole = shared.image.read_bytes()
    shared.goes_on()
    one.vm.migrate(vm, hosts[1], True)
    shared.reaches("RUNNING")
    assert (shared.runs_on("host01"), shared.runs_on("host02")) == (False, True)
    last = shared.goes_on()
    assert shared.ticks() == list(range(1, len(shared.ticks()) + 1)), "it counted on without a break"

    one.vm.migrate(vm, hosts[0], False)
    shared.reaches("RUNNING")
    assert (shared.runs_on("host01"), shared.runs_on("host02")) == (True, False)
    until(lambda: max(shared.ticks(), default=0) > last, 120, "it goes on from what was saved")

    assert one.vm.disksnapshotcreate(vm, 0, "before") == 0
    shared.reaches("RUNNING")
    one.vm.action("poweroff-hard", vm)
    shared.reaches("POWEROFF")
    one.vm.migrate(vm, hosts[1], False)
    shared.reaches("POWEROFF")
    one.vm.disksnapshotrevert(vm, 0, 0)
    shared.reaches("POWEROFF")
    (shared.directory / "console.log").unlink()
    one.vm.action("resume", vm)
    shared.reaches("RUNNING")
    assert shared.runs_on("host02")
    shared.goes_on()
    one.vm.action("terminate-hard", vm)
    shared.reaches("DONE")
    assert not shared.directory.exists()
    assert shared.image.read_bytes() == whole
