"""Fifty deploys at a time on ten hosts, one of which hangs: the others do not notice.

The files of the VMs and their domains are made by ssh, by the drivers' real way. The host is stopped, so it takes
connections and answers nothing; the engine is not told, for its monitoring is simulated.
"""

import signal
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from oned.client.documents import parse
from tests.daemon.conftest import QUIET
from tests.daemon.process import SIMULATED, Daemon
from tests.lab.world import World, until, world

pytestmark = [pytest.mark.lab, pytest.mark.soak, pytest.mark.timeout(900)]

HOSTS, EACH, ROUNDS = 10, 5, 3
HUNG = f"host{HOSTS:02d}"
AIM = 1.2
"""Of the median with the host that hangs to that without it."""
ENDS = ("RUNNING", "PROLOG_FAILURE", "BOOT_FAILURE")
RUNNING, MIB = "3", 1 << 20
DRIVERS = """\
DATASTORE_LOCATION = "/var/lib/one/datastores"
DATASTORE_MAD = [ NAME = "fs", EXECUTABLE = "one_datastore_fs" ]
TM_MAD = [ NAME = "ssh", EXECUTABLE = "one_tm", ARGUMENTS = "ssh", PROTOCOL = "datastore" ]
VM_MAD = [ NAME = "files", EXECUTABLE = "{program}", TYPE = "xml", PROTOCOL = "xml" ]
"""


class Site:
    """Ten hosts, the engine, an image, and the VMs of a round."""

    def __init__(self, lab: World, daemon: Daemon, place: Path) -> None:
        self.lab, self.daemon = lab, daemon
        allocate = daemon.admin.number
        self.hosts = {
            name: allocate("one.host.allocate", name, "dummy", "files", "dummy", "ssh") for name in lab.names()
        }
        for name in self.hosts:
            daemon.monitored(name)
        self.system = allocate("one.datastore.allocate", "NAME = there\nTYPE = SYSTEM_DS\nTM_MAD = ssh", -1)
        store = allocate(
            "one.datastore.allocate", f"NAME = here\nDS_MAD = fs\nTM_MAD = ssh\nBASE_PATH = {place}/images", -1
        )
        (place / "os").write_bytes(bytes(MIB))
        self.image = allocate("one.image.allocate", f"NAME = os\nPATH = {place}/os\n", store)
        until(lambda: parse(daemon.admin.text("one.image.info", self.image)).text("STATE") == "1", 20, "the image")

    def deployed(self, names: list[str]) -> tuple[Mapping[str, list[float]], list[int]]:
        """Seconds from the deploys to RUNNING, of all VMs on each host but the hung one, and the VMs."""
        wanted = {
            self.daemon.allocate(f"CPU = 0.01\nDISK = [ IMAGE_ID = {self.image} ]"): name
            for _ in range(EACH)
            for name in names
        }
        began = time.monotonic()
        for vm, name in wanted.items():
            self.daemon.one.vm.deploy(vm, self.hosts[name], False, self.system)
        taken: dict[str, list[float]] = {name: [] for name in names}
        open_vms = {vm for vm, name in wanted.items() if name != HUNG}
        while open_vms:
            time.sleep(0.05)
            for vm in open_vms & self.running():
                taken[wanted[vm]].append(time.monotonic() - began)
                open_vms.remove(vm)
            assert time.monotonic() - began < 200, open_vms
        return taken, list(wanted)

    def running(self) -> set[int]:
        pool = parse(self.daemon.admin.text("one.vmpool.info", -2, -1, -1, -1)).all("VM")
        return {vm.int("ID") for vm in pool if vm.text("LCM_STATE") == RUNNING}

    def removed(self, vms: list[int]) -> None:
        """End the VMs, wherever they have come to."""
        for vm in vms:
            until(lambda vm=vm: self.daemon.state(vm) in ENDS, 120, f"the deploy of {vm} ends")
            self.daemon.one.vm.recover(vm, 3)
        for vm in vms:
            self.daemon.reaches(vm, "DONE")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with world(tmp_path / "lab", HOSTS) as lab:
        program = tmp_path / "vmm_files"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).with_name("vmm_files.py")} "$@"\n')
        program.chmod(0o755)
        simulated = SIMULATED.replace("DATASTORE_MAD", "#")
        daemon = Daemon(tmp_path / "one", QUIET + simulated + DRIVERS.format(program=program))
        (daemon.etc / "hosts").mkdir()
        for name in lab.names():
            reach = {"SSH_ADDRESS": lab.address(name), **lab.environment}
            (daemon.etc / "hosts" / name).write_text("".join(f"{key}={value}\n" for key, value in reach.items()))
        with daemon:
            yield Site(lab, daemon, tmp_path)
            assert daemon.check() == []


def test_nine_hosts_do_not_notice_that_the_tenth_hangs(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    good = [name for name in site.hosts if name != HUNG]
    site.removed(site.deployed([*good, HUNG])[1])  # each driver has its connections then
    with_it: list[float] = []
    without: list[float] = []
    for _ in range(ROUNDS):
        taken, vms = site.deployed(good)
        without += [seconds for name in good for seconds in taken[name]]
        site.removed(vms)
        site.lab.sshd(HUNG, signal.SIGSTOP)
        try:
            taken, vms = site.deployed([*good, HUNG])
            hung = [vm for vm in vms if vm not in site.running()]
        finally:
            site.lab.sshd(HUNG, signal.SIGCONT)
        assert len(hung) == EACH, "of the host that hangs nothing runs yet"
        with_it += [seconds for name in good for seconds in taken[name]]
        site.removed(vms)
    medians = statistics.median(with_it), statistics.median(without)
    ratio = medians[0] / medians[1]
    said = f"median {medians[0]:.2f} s with the host that hangs, {medians[1]:.2f} s without: x {ratio:.2f}"
    with capsys.disabled():
        sys.stdout.write(f"\n{said}; slowest {max(with_it):.2f} and {max(without):.2f} s\n")
    assert ratio <= AIM, said
