"""What a host says of the datastores on its own disks: the script as it is, mounts and groups given."""

import os
import subprocess
from pathlib import Path

import pytest

from oned.drivers.im.im_probes import read
from oned.drivers.lib.reach.remotes import shipped
from oned.drivers.lib.report import report
from oned.mad import im

LOCATION = ("DS_LOCATION_TOTAL_MB", "DS_LOCATION_USED_MB", "DS_LOCATION_FREE_MB")


class Machine:
    """A directory of datastores, a list of mounts, and programs that come before those of the machine."""

    def __init__(self, root: Path) -> None:
        self.root, self.stores = root, root / "datastores"
        (root / "bin").mkdir()
        self.mounts = root / "mounts"
        self.mounted("/dev/vda / ext4")
        self.program("df", DF)

    def mounted(self, *lines: str) -> None:
        self.mounts.write_text("".join(f"{line} rw 0 0\n" for line in lines))

    def program(self, name: str, text: str) -> None:
        path = self.root / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}")
        path.chmod(0o755)

    def has(self, *names: str) -> None:
        for name in names:
            (self.stores / name).mkdir(parents=True)

    def says(self, place: object = None) -> str:
        path = f"{self.root}/bin:{os.environ['PATH']}"
        argv = ["dash", shipped() / "im/stores", str(self.stores if place is None else place)]
        return subprocess.run(
            argv, env={"PATH": path, "MOUNTS": str(self.mounts)}, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def told(self) -> dict[str, tuple[int, int, int]]:
        """What the engine makes of what the driver makes of it: id → MiB free, in all, used."""
        cycle = read(self.says())
        assert cycle.failed == {}
        return im.stores(report(cycle.values, True, cycle.stores))


DF = """echo "Filesystem 1024-blocks Used Available Capacity Mounted on"
for place; do case $place in -*) ;; *) echo "/dev/a b 9999360 1024000 8000512 10% $place on x";; esac; done
"""
"""A df with blanks in the names of device and place; 9765 MiB in all, 1000 used, 7813 free."""
ROOM = (7813, 9765, 1000)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_each_directory_with_a_number_is_a_datastore(machine: Machine) -> None:
    machine.has("0", "100", "lost+found", "12x")
    assert machine.told() == {"0": ROOM, "100": ROOM}
    assert im.location(read(machine.says()).values) == ROOM


def test_a_directory_that_is_not_there_yet_is_measured_by_the_disk_it_would_be_on(machine: Machine) -> None:
    cycle = read(machine.says())
    assert im.location(cycle.values) == ROOM
    assert cycle.stores == []


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "ceph", "fuse.sshfs", "glusterfs"])
def test_a_file_system_of_another_machine_is_not_touched(machine: Machine, kind: str) -> None:
    machine.has("0", "100", "101")
    (machine.stores / "102").symlink_to("/far/away")
    machine.mounted("/dev/vda / ext4", f"s:/x {machine.stores}/100 {kind}", f"s:/y /far {kind}", "/dev/b /f ext4")
    assert sorted(machine.told()) == ["0", "101"]
    machine.mounted("/dev/vda / ext4", f"s:/x {machine.stores} {kind}")
    assert machine.says() == ""


def test_a_disk_mounted_below_one_of_another_machine_is_its_own(machine: Machine) -> None:
    machine.has("0", "100")
    machine.mounted("/dev/vda / ext4", f"s:/x {machine.stores.parent} nfs", f"/dev/vdb {machine.stores} xfs")
    assert sorted(machine.told()) == ["0", "100"]


def test_volume_groups_count_for_their_datastores_in_the_place_of_the_directories(machine: Machine) -> None:
    machine.has("0", "100")
    machine.program(
        "vgs", 'echo "  vg-one-100 102396.00 2396.50"; echo "  vg-one-7 5.00 1.00"; echo "  root 9.00 9.00"'
    )
    machine.program("id", "echo 0")
    assert machine.told() == {"100": (2396, 102396, 99999), "7": (1, 5, 4), "0": ROOM}


def test_who_may_not_ask_for_volume_groups_has_none(machine: Machine) -> None:
    machine.has("0")
    machine.program("vgs", "echo called; exit 5")
    machine.program("id", "echo 1000")
    machine.program("sudo", "exit 1")
    assert machine.told() == {"0": ROOM}


def test_the_machine_itself_is_measured_by_its_own_programs(tmp_path: Path) -> None:
    (tmp_path / "100").mkdir()
    done = subprocess.run(
        [shipped() / "im/stores", tmp_path],
        check=True,
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
    )
    values = read(done.stdout).values
    disk = os.statvfs(tmp_path)
    assert int(values[LOCATION[0]]) == disk.f_blocks * disk.f_frsize >> 20


@pytest.mark.parametrize("word", ["", "-"])
def test_a_daemon_that_does_not_say_where_they_are_is_told_nothing(machine: Machine, word: str) -> None:
    assert machine.says(word) == ""
