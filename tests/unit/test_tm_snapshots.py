"""Snapshots of disks as the transfer driver makes them, over a real pipe, with real qcow2 files."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.needs import need_programs
from tests.transfers import DONE, Transfer


def qemu(program: str, *words: object) -> str:
    return subprocess.run([program, *map(str, words)], check=True, stdout=subprocess.PIPE, text=True).stdout


class Disk(Transfer):
    """A disk of one MiB that is a qcow2 file, and what is on it."""

    def prepare(self) -> None:
        self.home.mkdir(parents=True)
        qemu("qemu-img", "create", "-q", "-f", "qcow2", self.home / "disk.0", "1M")

    def layer(self, number: int) -> Path:
        return self.home / (f"disk.0.snap/{number}" if number else "disk.0")

    def write(self, number: int, byte: int) -> None:
        qemu("qemu-io", "-f", "qcow2", "-c", f"write -q -P {byte} 0 64k", self.layer(number))

    def holds(self, path: Path, byte: int) -> bool:
        return "Pattern verification failed" not in qemu("qemu-io", "-f", "qcow2", "-c", f"read -P {byte} 0 64k", path)

    def snap(self, verb: str, top: int, snapshot: int, type: str = "shared") -> str:
        place = f"h1:{{1}}/disk.0.snap/{top}" if top else "h1:{1}/disk.0"
        return self.run(f"SNAP_{verb} {type} {place} {snapshot} 7 0")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    need_programs("qemu-img", "qemu-io")
    made = Disk(tmp_path)
    made.prepare()
    yield made
    made.driver.__exit__(None, None, None)


def test_a_disk_goes_back_to_what_it_was_at_each_of_its_snapshots(disk: Disk) -> None:
    for number in (0, 1):
        disk.write(number, 10 + number)
        assert disk.snap("CREATE", number, number, "qcow2") == DONE
    disk.write(2, 12)
    assert [disk.holds(disk.layer(number), 10 + number) for number in (0, 1, 2)] == [True, True, True]
    assert disk.snap("REVERT", 2, 0) == DONE
    assert disk.holds(disk.layer(2), 10)
    assert disk.snap("REVERT", 2, 1) == DONE
    assert disk.holds(disk.layer(2), 11)
    assert disk.snap("REVERT", 2, 0) == DONE
    assert disk.snap("DELETE", 2, 1) == DONE
    assert disk.snap("DELETE", 2, 1) == DONE, "what is not there is deleted"
    assert not disk.layer(1).exists()
    assert disk.holds(disk.layer(2), 10)


def test_a_directory_with_snapshots_may_be_moved(disk: Disk) -> None:
    disk.write(0, 5)
    disk.snap("CREATE", 0, 0)
    moved = disk.root / "elsewhere" / "7"
    assert disk.run(f"MV shared h1:{{1}} fe:{moved} 7 0") == DONE
    assert disk.holds(moved / "disk.0.snap" / "1", 5)


def test_what_is_kept_of_a_disk_with_snapshots_is_one_file(disk: Disk) -> None:
    disk.write(0, 5)
    disk.snap("CREATE", 0, 0)
    disk.write(1, 6)
    assert (
        disk.run("CPDS shared h1:{1}/disk.0.snap/1 {0}/copy -1 7 1", "CPDS shared h1:{1}/disk.0 {0}/first 0 7 1")
        == DONE
    )
    assert disk.run("MVDS shared h1:{1}/disk.0.snap/1 {0}/kept 7 1", "DELETE shared h1:{1} 7 0") == DONE
    assert not disk.home.exists()
    for name, byte in (("copy", 6), ("kept", 6), ("first", 5)):
        assert disk.holds(disk.images / name, byte)
        assert "backing file" not in qemu("qemu-img", "info", disk.images / name)


def test_a_persistent_image_takes_what_was_written_since_its_snapshots(disk: Disk) -> None:
    shutil.move(disk.home / "disk.0", disk.images / "image")
    assert disk.run("LN shared fe:{0}/image h1:{1}/disk.0 7 1") == DONE
    disk.write(0, 5)
    assert disk.snap("CREATE", 0, 0) == DONE
    disk.write(1, 6)
    assert disk.holds(disk.images / "image", 5)
    assert disk.run("MVDS shared h1:{1}/disk.0.snap/1 {0}/image 7 1") == DONE
    assert disk.holds(disk.images / "image", 6)


def test_a_disk_is_deleted_with_its_snapshots(disk: Disk) -> None:
    disk.snap("CREATE", 0, 0)
    assert disk.run("DELETE shared h1:{1}/disk.0 7 0") == DONE
    assert list(disk.home.iterdir()) == []


def test_a_disk_with_snapshots_grows(disk: Disk) -> None:
    disk.snap("CREATE", 0, 0)
    assert disk.run("RESIZE shared h1:{1}/disk.0.snap/1 3 7 0") == DONE
    assert '"virtual-size": 3145728' in qemu("qemu-img", "info", "--output=json", disk.layer(1))


@pytest.mark.parametrize(("verb", "top", "snapshot", "why"), [
    ("CREATE", 0, 3, "snapshot 3 is not the next one"), ("REVERT", 1, 1, "is not later than snapshot 1"),
    ("DELETE", 1, 1, "the guest works on"), ("REVERT", 5, 4, "there is no"),
])  # fmt: skip
def test_what_would_harm_the_disk_is_refused(disk: Disk, verb: str, top: int, snapshot: int, why: str) -> None:
    disk.snap("CREATE", 0, 0)
    assert why in disk.snap(verb, top, snapshot)
    assert disk.layer(0).exists()
    assert disk.layer(1).exists()


def test_only_disks_of_this_vm_that_are_qcow2_have_snapshots(disk: Disk) -> None:
    (disk.home / "disk.1").write_bytes(b"raw" * 1000)
    assert "only disks that are qcow2 files have snapshots" in disk.run("SNAP_CREATE shared h1:{1}/disk.1 0 7 0")
    assert "is no disk of VM 7" in disk.run("SNAP_DELETE shared h1:{0}/image 0 7 0")
    assert "is no disk of VM 7" in disk.run("SNAP_DELETE shared h1:{1}/../8/disk.0.snap/2 0 7 0")
