"""Snapshots of disks that are on a host alone, by the transfer driver as a program and a real sshd."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.transfers import DONE, HOME, Transfer
from tests.lab.world import world
from tests.needs import need_programs

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]


def qemu(program: str, *words: object) -> str:
    return subprocess.run([program, *map(str, words)], check=True, stdout=subprocess.PIPE, text=True).stdout


def write(path: Path, byte: int) -> None:
    qemu("qemu-io", "-f", "qcow2", "-c", f"write -q -P {byte} 0 64k", path)


def holds(path: Path, byte: int) -> bool:
    return "Pattern verification failed" not in qemu("qemu-io", "-f", "qcow2", "-c", f"read -P {byte} 0 64k", path)


@pytest.fixture(scope="module")
def transfer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Transfer]:
    need_programs("qemu-img", "qemu-io")
    root = tmp_path_factory.mktemp("lab")
    with world(root / "a", 2) as lab:
        made = Transfer(lab, root / "one")
        yield made
        made.driver.__exit__(None, None, None)


@pytest.fixture
def disk(transfer: Transfer) -> Iterator[Path]:
    """A disk on the first host on which 5 was written, then, over a snapshot of that, 6."""
    assert transfer.run("MKIMAGE ssh 1 qcow2 {0}/disk.0 7 0") == DONE
    write(transfer.at("host01", "disk.0"), 5)
    assert transfer.run("SNAP_CREATE ssh {0}/disk.0 0 7 0") == DONE
    write(transfer.at("host01", "disk.0.snap/1"), 6)
    yield transfer.at("host01")
    for host in ("host01", "host02"):
        transfer.lab.run(host, "rm", "-rf", str(HOME))


def test_a_disk_on_a_host_goes_back_to_what_it_was(transfer: Transfer, disk: Path) -> None:
    assert transfer.run("SNAP_CREATE ssh {0}/disk.0.snap/1 1 7 0") == DONE
    assert holds(disk / "disk.0.snap/2", 6)
    assert transfer.run("SNAP_REVERT ssh {0}/disk.0.snap/2 0 7 0") == DONE
    assert holds(disk / "disk.0.snap/2", 5)
    assert transfer.run("SNAP_DELETE ssh {0}/disk.0.snap/2 1 7 0", "SNAP_DELETE ssh {0}/disk.0.snap/2 1 7 0") == DONE
    assert transfer.left("host01") == ["7/disk.0", "7/disk.0.snap/2"]
    assert "no disk of VM 7" in transfer.run("SNAP_DELETE ssh {0}/../8/disk.0.snap/2 0 7 0")


def test_what_is_kept_of_it_is_one_file_of_the_front_end(transfer: Transfer, disk: Path) -> None:
    lines = ("CPDS ssh {0}/disk.0.snap/1 {i}/copy -1 7 1", "CPDS ssh {0}/disk.0 {i}/first 0 7 1")
    assert transfer.run(*lines, "MVDS ssh {0}/disk.0.snap/1 {i}/kept 7 1") == DONE
    for name, byte in (("copy", 6), ("kept", 6), ("first", 5)):
        assert holds(transfer.images / name, byte)
        assert "backing file" not in qemu("qemu-img", "info", transfer.images / name)
    assert not (disk / "disk.0.snap/1").exists()
    assert transfer.run("MVDS ssh {0}/disk.0.snap/1 {i}/kept 7 1") == DONE, "it was brought already"
    assert transfer.run("DELETE ssh {0}/disk.0 7 0") == DONE
    assert transfer.left("host01") == []


def test_it_moves_with_its_snapshots_and_grows(transfer: Transfer, disk: Path) -> None:
    assert transfer.run("MV ssh {0} {1} 7 0", "RESIZE ssh {1}/disk.0.snap/1 3 7 0") == DONE
    there = transfer.at("host02", "disk.0.snap/1")
    assert holds(there, 6)
    assert '"virtual-size": 3145728' in qemu("qemu-img", "info", "--output=json", there)


def test_a_live_move_finds_all_but_the_last_layer_on_the_other_host(transfer: Transfer, disk: Path) -> None:
    assert transfer.run("SNAP_CREATE ssh {0}/disk.0.snap/1 1 7 0") == DONE
    write(disk / "disk.0.snap/2", 7)
    assert transfer.run(f"PREMIGRATE ssh host02 host01 {HOME} 7 0") == DONE
    there = transfer.at("host02")
    assert holds(there / "disk.0", 5)
    assert holds(there / "disk.0.snap/1", 6)
    assert holds(there / "disk.0.snap/2", 6), "the hypervisor fills it with what was written since"
    assert transfer.run(f"POSTMIGRATE ssh host02 host01 {HOME} 7 0") == DONE
    assert transfer.left("host01") == []
