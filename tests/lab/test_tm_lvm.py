"""Transfers of type lvm between hosts, by real ssh, tar and dd; LVM itself is played by scripts that keep files.

The volumes are files of a file system that each host has of its own at /dev/shm, which is the group's name here.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.transfers import DONE, HOME, MIB, VM, Transfer
from tests.lab.world import World, world

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]

GROUP = "shm"
LVM = {
    "lvs": 'for l; do :; done; [ -e "/dev/$l" ] || { echo "  Failed to find logical volume \\"$l\\"" >&2; exit 5; }\n'
    'echo "  $(stat -c %s "/dev/$l")"',
    "lvcreate": 'while [ $# -gt 1 ]; do case $1 in -L) s=${2%b};; -n) n=$2;; esac; shift; done\n'
    '[ ! -e "/dev/$1/$n" ] && truncate -s $(( (s + 4194303) / 4194304 * 4194304 )) "/dev/$1/$n"',
    "lvrename": '[ ! -e "/dev/$1/$3" ] && mv "/dev/$1/$2" "/dev/$1/$3"',
    "lvremove": 'rm "/dev/$2"',
    "lvextend": 'truncate -s "${2%b}" "/dev/$3"',
}  # fmt: skip


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    programs = tmp_path_factory.mktemp("lvm")
    for name, script in LVM.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    with world(tmp_path_factory.mktemp("lab") / "a", 2) as made:
        for host in ("host01", "host02"):
            made.run(host, "mount", "-t", "tmpfs", "tmpfs", f"/dev/{GROUP}")
            made.run(host, "mount", "--bind", str(programs), "/usr/local/sbin")
        yield made


@pytest.fixture
def transfer(lab: World, tmp_path: Path) -> Iterator[Transfer]:
    os.makedirs(tmp_path / "etc/tm_lvm")
    (tmp_path / "etc/tm_lvm/tm_lvmrc").write_text(f"VG_NAME={GROUP}\n")
    made = Transfer(lab, tmp_path, "lvm")
    yield made
    made.driver.__exit__(None, None, None)
    for host in ("host01", "host02"):
        lab.run(host, "sh", "-c", f"rm -rf /var/lib/one/datastores /dev/{GROUP}/*")


def volumes(transfer: Transfer, host: str) -> list[str]:
    return transfer.lab.run(host, "ls", f"/dev/{GROUP}").split()


def begins(transfer: Transfer, host: str, volume: str, content: bytes) -> bool:
    """Whether a volume of the host begins with this."""
    copied = transfer.root / "copied"
    transfer.lab.run(host, "cp", f"/dev/{GROUP}/{volume}", str(copied))
    return copied.read_bytes().startswith(content)


def test_disks_follow_their_vm_to_a_host_to_the_front_end_and_back(transfer: Transfer) -> None:
    image = transfer.image("a", MIB).read_bytes()
    (transfer.front / "context.sh").write_text("GREETING=hello\n")
    context = f"CONTEXT lvm {transfer.front}/context.sh {{0}}/disk.2 7 0"
    assert transfer.run("CLONE lvm {i}/a {0}/disk.0 7 1", "MKSWAP lvm 8 {0}/disk.1 7 0", context) == DONE
    assert volumes(transfer, "host01") == ["lv-one-7-0", "lv-one-7-1"]
    assert transfer.run("MV lvm {0} {1} 7 0") == DONE
    assert (volumes(transfer, "host01"), volumes(transfer, "host02")) == ([], ["lv-one-7-0", "lv-one-7-1"])
    assert begins(transfer, "host02", "lv-one-7-0", image)
    assert transfer.left("host01") == []

    assert transfer.run("MV lvm {1} {f}/7 7 0") == DONE
    assert volumes(transfer, "host02") == []
    stopped = transfer.front / "7"
    assert (stopped / "disk.0").read_bytes()[:MIB] == image
    assert (stopped / "disk.0").stat().st_blocks * 512 < 2 * MIB
    assert (stopped / ".volumes").read_text() == "disk.0\ndisk.1\n"

    assert transfer.run("MV lvm {f}/7 {0} 7 0") == DONE
    assert volumes(transfer, "host01") == ["lv-one-7-0", "lv-one-7-1"]
    assert begins(transfer, "host01", "lv-one-7-0", image)
    assert transfer.left("host01") == ["7/disk.0", "7/disk.1", "7/disk.2"]
    assert not transfer.at("host01", "disk.2").is_symlink()
    assert not stopped.exists()

    assert transfer.run("DELETE lvm {0} 7 0") == DONE
    assert (volumes(transfer, "host01"), transfer.left("host01")) == ([], [])


def test_a_persistent_disk_comes_back_and_a_repeated_command_leaves_it(transfer: Transfer) -> None:
    image = transfer.image("a", 4 * MIB)
    assert transfer.run("LN lvm {i}/a {0}/disk.0 7 1") == DONE
    transfer.lab.run("host01", "sh", "-c", f"printf changed | dd of=/dev/{GROUP}/lv-one-7-0 conv=notrunc status=none")
    assert transfer.run("MVDS lvm {0}/disk.0 {s}/a 7 1") == DONE
    assert image.read_bytes().startswith(b"changed")
    assert image.stat().st_size == 4 * MIB
    assert volumes(transfer, "host01") == []
    assert transfer.run("MVDS lvm {0}/disk.0 {s}/a 7 1", "DELETE lvm {0} 7 0") == DONE
    assert image.read_bytes().startswith(b"changed")


def test_a_volume_that_vanished_is_named_and_the_image_is_as_it_was(transfer: Transfer) -> None:
    image = transfer.image("a", MIB)
    before = image.read_bytes()
    assert transfer.run("LN lvm {i}/a {0}/disk.0 7 1") == DONE
    transfer.lab.run("host01", "rm", f"/dev/{GROUP}/lv-one-7-0")
    assert "there is no host01:/dev/shm/lv-one-7-0" in transfer.run("MVDS lvm {0}/disk.0 {s}/a 7 1")
    assert image.read_bytes() == before


def test_a_disk_is_saved_and_grows(transfer: Transfer) -> None:
    image = transfer.image("a", 4 * MIB)
    lines = ("CLONE lvm {i}/a {0}/disk.0 7 1", "CPDS lvm {0}/disk.0 {s}/b -1 7 1", "RESIZE lvm {0}/disk.0 8 7 1")
    assert transfer.run(*lines) == DONE
    assert (transfer.images / "b").read_bytes() == image.read_bytes()
    assert transfer.lab.run("host01", "stat", "-c", "%s", f"/dev/{GROUP}/lv-one-{VM}-0") == f"{8 * MIB}\n"


def test_a_group_without_room_leaves_neither_volume_nor_copy(transfer: Transfer) -> None:
    transfer.image("a", 8 * MIB)
    transfer.lab.run("host01", "mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", f"/dev/{GROUP}")
    try:
        answer = transfer.run("CLONE lvm {i}/a {0}/disk.0 7 1")
        assert "lv-one-7-0.part does not fit" in answer
        assert volumes(transfer, "host01") == []
    finally:
        transfer.lab.run("host01", "umount", f"/dev/{GROUP}")


def test_an_image_that_vanished_or_leads_to_another_file_makes_no_volume(transfer: Transfer) -> None:
    assert "there is no image" in transfer.run("CLONE lvm {i}/gone {0}/disk.0 7 1")
    header = struct.pack(">4sIQI", b"QFI\xfb", 2, 72, 11) + bytes(52) + b"/etc/shadow"
    (transfer.images / "bad").write_bytes(header)
    assert transfer.run("CLONE lvm {i}/bad {0}/disk.0 7 1").startswith(f"TRANSFER FAILURE {VM} ")
    assert (volumes(transfer, "host01"), transfer.left("host01")) == ([], [])


def test_shell_characters_in_the_name_of_an_image_are_just_characters(transfer: Transfer) -> None:
    image = transfer.image("a;touch${IFS}x`id`$(id)'\"&|*?[b]\\-é!", MIB)
    script = transfer.root / "transfer.0.prolog"
    front = os.uname().nodename
    script.write_text(f"CLONE lvm {front}:{image} host01:{HOME}/disk.0 7 1\n")
    transfer.driver.send(f"TRANSFER {VM} {script}")
    assert transfer.driver.answer(60) == DONE
    assert begins(transfer, "host01", "lv-one-7-0", image.read_bytes())
