"""The transfer driver of type ssh, as a program over a real pipe, with hosts that are reached by a real sshd."""

import contextlib
import os
import re
import shutil
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.transfers import DONE, HOME, MIB, VM, Transfer, small
from tests.lab.world import World, until
from tests.needs import need_programs

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]


@pytest.mark.parametrize("verb", ["CLONE", "LN"])
@pytest.mark.parametrize("kind", ["ssh", "shared"])
def test_an_image_of_the_front_end_becomes_a_disk_on_the_host(transfer: Transfer, verb: str, kind: str) -> None:
    image = transfer.image("a")
    assert transfer.run(f"{verb} {kind} {{i}}/a {{0}}/disk.0 7 1") == DONE
    assert transfer.at("host01", "disk.0").read_bytes() == image.read_bytes()
    assert transfer.left("host01") == ["7/disk.0"]
    assert transfer.left("host02") == []


def test_holes_and_modes_stay(transfer: Transfer) -> None:
    image = transfer.images / "sparse"
    with image.open("wb") as file:
        file.write(b"begin")
        file.truncate(1 << 30)
        file.seek((512 << 20) + 5)
        file.write(b"middle")
    image.chmod(0o640)
    assert transfer.run("CLONE ssh {i}/sparse {0}/disk.0 7 1") == DONE
    disk = transfer.at("host01", "disk.0")
    assert (disk.stat().st_size, disk.stat().st_mode) == (1 << 30, image.stat().st_mode)
    assert disk.stat().st_blocks <= image.stat().st_blocks + 64
    with disk.open("rb") as file:
        assert file.read(5) == b"begin"
        file.seek((512 << 20) + 5)
        assert file.read(6) == b"middle"


def test_a_repeated_copy_is_kept_and_a_torn_one_is_made_anew(transfer: Transfer) -> None:
    image = transfer.image("a")
    assert transfer.run("CLONE ssh {i}/a {0}/disk.0 7 1") == DONE
    before = transfer.at("host01", "disk.0").stat().st_ino
    assert transfer.run("CLONE ssh {i}/a {0}/disk.0 7 1") == DONE
    assert transfer.at("host01", "disk.0").stat().st_ino == before
    assert "kept" in transfer.driver.logs[-1]
    transfer.at("host01", "disk.0").write_bytes(b"torn")
    part = transfer.at("host01", ".disk.0.part")
    part.mkdir()
    (part / "rest").write_bytes(b"of a driver that died")
    assert transfer.run("CLONE ssh {i}/a {0}/disk.0 7 1") == DONE
    assert transfer.at("host01", "disk.0").read_bytes() == image.read_bytes()
    assert transfer.left("host01") == ["7/disk.0"]


def test_empty_disks_are_made_on_the_host(transfer: Transfer) -> None:
    need_programs("mkswap", "mkfs.ext4", "qemu-img")
    lines = ("MKSWAP ssh 8 {0}/disk.1 7 0", "MKIMAGE ssh 16 ext4 {0}/disk.2 7 0", "MKIMAGE ssh 8 qcow2 {0}/disk.3 7 0")
    assert transfer.run(*lines, *lines) == DONE
    assert transfer.at("host01", "disk.1").read_bytes()[4086:4096] == b"SWAPSPACE2"
    assert transfer.at("host01", "disk.2").read_bytes()[1080:1082] == b"\x53\xef"
    assert transfer.at("host01", "disk.3").read_bytes()[:4] == b"QFI\xfb"
    assert transfer.left("host01") == ["7/disk.1", "7/disk.2", "7/disk.3"]
    assert "9bad is none of raw" in transfer.run("MKIMAGE ssh 16 9bad {0}/disk.4 7 0")


def test_the_context_disk_is_made_here_and_brought_there(transfer: Transfer) -> None:
    need_programs("genisoimage")
    (transfer.front / "context.sh").write_text("GREETING='hello there'\n")
    line = f"CONTEXT ssh {transfer.front}/context.sh {{0}}/disk.1 7 0"
    assert transfer.run(line, line) == DONE
    assert b"GREETING='hello there'" in transfer.at("host01", "disk.1").read_bytes()
    assert [path.name for path in transfer.front.iterdir()] == ["context.sh"]


def test_a_vm_moves_between_hosts_to_the_front_end_and_back(transfer: Transfer) -> None:
    image = transfer.image("a")
    assert transfer.run("CLONE ssh {i}/a {0}/disk.0 7 1", "MKSWAP ssh 1 {0}/disk.1 7 0") == DONE
    transfer.at("host01", "checkpoint").write_bytes(b"memory")
    assert transfer.run("MV ssh {0} {1} 7 0") == DONE
    assert (transfer.left("host01"), transfer.left("host02")) == ([], ["7/checkpoint", "7/disk.0", "7/disk.1"])
    assert transfer.run("MV ssh {0} {1} 7 0") == DONE
    assert "moved already" in transfer.driver.logs[-1]
    assert transfer.run("MV ssh {1} {f}/7 7 0") == DONE
    assert transfer.left("host02") == []
    assert (transfer.front / "7/disk.0").read_bytes() == image.read_bytes()
    assert transfer.run("MV ssh {f}/7 {0} 7 0") == DONE
    assert not (transfer.front / "7").exists()
    assert transfer.at("host01", "disk.0").read_bytes() == image.read_bytes()
    assert transfer.at("host01", "checkpoint").read_bytes() == b"memory"


def test_a_move_replaces_what_an_earlier_one_left(transfer: Transfer) -> None:
    transfer.image("a")
    assert transfer.run("CLONE ssh {i}/a {0}/disk.0 7 1") == DONE
    transfer.at("host02").mkdir(parents=True)
    transfer.at("host02", "disk.9").write_bytes(b"old")
    assert transfer.run("MV ssh {0} {1} 7 0") == DONE
    assert transfer.left("host02") == ["7/disk.0"]


def test_a_move_whose_source_cannot_be_removed_is_not_made_again_of_what_is_left(transfer: Transfer) -> None:
    image = transfer.image("a")
    assert transfer.run("CLONE ssh {i}/a {0}/disk.0 7 1") == DONE
    transfer.at("host01", "zz").mkdir()
    transfer.lab.run("host01", "mount", "-t", "tmpfs", "none", str(HOME / "zz"))
    assert "FAILURE" in transfer.run("MV ssh {0} {1} 7 0")
    transfer.lab.run("host01", "umount", str(HOME.with_name(f".{VM}.gone") / "zz"))
    assert transfer.run("MV ssh {0} {1} 7 0") == DONE
    assert transfer.at("host02", "disk.0").read_bytes() == image.read_bytes()
    assert list(transfer.at("host01").parent.iterdir()) == []


def test_a_directory_that_both_hosts_share_is_not_moved_onto_itself(transfer: Transfer) -> None:
    image = transfer.image("a")
    assert transfer.run("CLONE ssh {i}/a {0}/disk.0 7 1") == DONE
    transfer.lab.run("host02", "mount", "--bind", str(transfer.lab.home("host01") / "one"), "/var/lib/one")
    try:
        assert transfer.run("MV ssh {0} {1} 7 0") == DONE
        assert "TM_MAD = shared" in transfer.driver.logs[-1]
        ends = f"ssh host01 host02 {HOME} 7 0"
        assert "are one directory" in transfer.run(f"PREMIGRATE {ends}")
        assert transfer.run(f"FAILMIGRATE {ends}", f"POSTMIGRATE {ends}") == DONE
    finally:
        transfer.lab.run("host02", "umount", "/var/lib/one")
    assert transfer.at("host01", "disk.0").read_bytes() == image.read_bytes()
    assert transfer.left("host01") == ["7/disk.0"]


def test_a_move_on_one_host_is_a_new_name(transfer: Transfer) -> None:
    transfer.image("a")
    other = "host01:/var/lib/one/datastores/1/7"
    assert transfer.run("CLONE ssh {i}/a {0}/disk.0 7 1") == DONE
    number = transfer.at("host01", "disk.0").stat().st_ino
    assert transfer.run(f"MV ssh {{0}} {other} 7 1", f"MV ssh {{0}} {other} 7 1", "MV ssh {0} {0} 7 0") == DONE
    assert (transfer.lab.home("host01") / "one/datastores/1/7/disk.0").stat().st_ino == number


def test_a_persistent_disk_comes_back_and_a_repeated_command_leaves_it(transfer: Transfer) -> None:
    image = transfer.image("a")
    assert transfer.run("LN ssh {i}/a {0}/disk.0 7 1") == DONE
    transfer.at("host01", "disk.0").write_bytes(b"what the guest wrote")
    assert transfer.run("MVDS ssh {0}/disk.0 {s}/a 7 1") == DONE
    assert image.read_bytes() == b"what the guest wrote"
    assert transfer.run("MVDS ssh {0}/disk.0 {s}/a 7 1", "DELETE ssh {0} 7 0") == DONE
    assert image.read_bytes() == b"what the guest wrote"
    assert transfer.left("host01") == []


def test_a_persistent_disk_that_vanished_is_a_failure_and_the_image_is_as_it_was(transfer: Transfer) -> None:
    image = transfer.image("a")
    before = image.read_bytes()
    assert transfer.run("LN ssh {i}/a {0}/disk.0 7 1", "MVDS ssh {0}/disk.0 {s}/a 7 1") == DONE
    assert transfer.run("LN ssh {i}/a {0}/disk.0 7 1") == DONE
    transfer.at("host01", "disk.0").unlink()
    answer = transfer.run("MVDS ssh {0}/disk.0 {s}/a 7 1")
    assert f"MVDS: there is no host01:{HOME}/disk.0" in answer
    assert image.read_bytes() == before


def test_a_disk_is_saved_to_another_image_while_the_vm_keeps_it(transfer: Transfer) -> None:
    transfer.image("a")
    assert transfer.run("CLONE ssh {i}/a {0}/disk.0 7 1", "CPDS ssh {0}/disk.0 {s}/b -1 7 1") == DONE
    assert (transfer.images / "b").read_bytes() == transfer.at("host01", "disk.0").read_bytes()
    assert sorted(path.name for path in transfer.images.iterdir()) == ["a", "b"]


def test_a_disk_grows_and_never_shrinks(transfer: Transfer) -> None:
    need_programs("qemu-img")
    transfer.image("a", MIB)
    lines = ("CLONE ssh {i}/a {0}/disk.0 7 1", "MKIMAGE ssh 8 qcow2 {0}/disk.1 7 0")
    assert transfer.run(*lines, "RESIZE ssh {0}/disk.0 3 7 1", "RESIZE ssh {0}/disk.1 16 7 1") == DONE
    assert transfer.at("host01", "disk.0").stat().st_size == 3 * MIB
    assert struct.unpack_from(">Q", transfer.at("host01", "disk.1").read_bytes(), 24)[0] == 16 * MIB
    assert transfer.run("RESIZE ssh {0}/disk.0 2 7 1") == DONE
    assert transfer.at("host01", "disk.0").stat().st_size == 3 * MIB


@pytest.mark.parametrize("path", ["/etc", "/var/lib/one/datastores/0", "/var/lib/one/datastores/0/8", "{0}/../8/7/x"])
def test_nothing_but_the_directory_of_the_vm_is_removed(transfer: Transfer, path: str) -> None:
    assert "nothing was removed" in transfer.run(f"DELETE ssh host01:{path} 7 0".replace("host01:{0}", "{0}"))


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_an_image_that_vanished_is_named(transfer: Transfer) -> None:
    assert f"CLONE: there is no image {transfer.images}/gone" in transfer.run("CLONE ssh {i}/gone {0}/disk.0 7 1")
    assert transfer.left("host01") == []


def test_a_qcow2_image_that_leads_to_another_file_is_refused(transfer: Transfer) -> None:
    header = struct.pack(">4sIQI", b"QFI\xfb", 2, 72, 11) + bytes(52) + b"/etc/shadow"
    (transfer.images / "bad").write_bytes(header)
    answer = transfer.run("CLONE ssh {i}/bad {0}/disk.0 7 1")
    assert "has a backing file, which is not taken" in answer
    assert transfer.left("host01") == []


def test_a_raw_image_of_a_qcow2_datastore_is_refused(transfer: Transfer) -> None:
    transfer.image("a")
    assert "is no qcow2 image" in transfer.run("CLONE qcow2 {i}/a {0}/disk.0 7 1")


def test_a_disk_that_does_not_fit_is_refused_before_a_byte_is_sent(transfer: Transfer) -> None:
    transfer.image("a", 8 * MIB)
    with small(transfer.lab, str(HOME), "4m"):
        answer = transfer.run("CLONE ssh {i}/a {0}/disk.0 7 1")
        assert re.search(r"disk\.0 does not fit: it needs [89] MiB, and 4 MiB are left in its file system$", answer)
        assert transfer.lab.run("host01", "ls", "-A", str(HOME)) == ""


def test_a_file_system_that_fills_while_it_is_copied_to_keeps_nothing(transfer: Transfer) -> None:
    """It has room for the bytes, and for no other file than the first."""
    transfer.image("a")
    with small(transfer.lab, str(HOME), "4m,nr_inodes=2"):
        answer = transfer.run("CLONE ssh {i}/a {0}/disk.0 7 1")
        assert answer.endswith("disk.0 does not fit: no space is left in its file system")
        assert transfer.lab.run("host01", "ls", "-A", str(HOME)) == ""


@contextlib.contextmanager
def odd_tar(lab: World, tmp_path: Path, after: str) -> Iterator[None]:
    """Within the block each file that tar has unpacked on host01 is treated with a script before tar ends."""
    real, odd = tmp_path / "tar", tmp_path / "odd"
    shutil.copy("/usr/bin/tar", real)
    odd.write_text(
        f'#!/bin/sh\n{real} "$@" || exit\ncase $1 in -x*) ;; *) exit 0;; esac\nfor d; do :; done\n'
        f"find \"$d\" -type f -exec sh -c '{after}' sh {{}} \\;\n"
    )
    odd.chmod(0o755)
    lab.run("host01", "mount", "--bind", str(odd), "/usr/bin/tar")
    try:
        yield
    finally:
        lab.run("host01", "umount", "/usr/bin/tar")


def test_a_copy_that_is_not_what_was_sent_is_refused_and_removed(transfer: Transfer, tmp_path: Path) -> None:
    transfer.image("a")
    with odd_tar(transfer.lab, tmp_path, "printf X | dd of=$1 bs=1 seek=1000 conv=notrunc; touch -d @1 $1"):
        answer = transfer.run("CLONE ssh {i}/a {0}/disk.0 7 1")
    assert f"the sha256 of the copy is not that of {transfer.images}/a" in answer
    assert transfer.left("host01") == []


def test_a_copy_whose_holes_are_cut_otherwise_is_right_all_the_same(transfer: Transfer, tmp_path: Path) -> None:
    image = transfer.images / "sparse"
    with image.open("wb") as file:
        file.write(b"begin")
        file.truncate(4 * MIB)
    with odd_tar(transfer.lab, tmp_path, "cp -p --sparse=never $1 $1.full && mv $1.full $1"):
        assert transfer.run("CLONE ssh {i}/sparse {0}/disk.0 7 1") == DONE
    disk = transfer.at("host01", "disk.0")
    assert disk.read_bytes() == image.read_bytes()
    assert disk.stat().st_blocks * 512 >= 4 * MIB


def big(transfer: Transfer) -> Path:
    """An image whose copy takes a while."""
    return transfer.image("big", 300 * MIB)


def under_way(transfer: Transfer, host: str = "host01") -> None:
    """Wait until a copy has begun to arrive."""
    part = transfer.at(host, ".disk.0.part")
    until(lambda: part.exists() and any(file.stat().st_size for file in part.iterdir()), 30, "the copy is under way")


def test_a_cancelled_copy_leaves_nothing(transfer: Transfer) -> None:
    big(transfer)
    transfer.send("CLONE ssh {i}/big {0}/disk.0 7 1")
    under_way(transfer)
    transfer.driver.send(f"DRIVER_CANCEL {VM}")
    until(lambda: transfer.driver.line(20) == f"LOG I {VM} Driver command for {VM} cancelled", 20, "the cancellation")
    assert transfer.left("host01") == []
    tars = transfer.lab.processes("host01", lambda words: words[0] == "tar")
    assert tars == []


@pytest.mark.soak
def test_a_cable_cut_in_the_middle_fails_with_a_sentence_and_a_second_try_succeeds(transfer: Transfer) -> None:
    image = big(transfer)
    transfer.send("CLONE ssh {i}/big {0}/disk.0 7 1")
    under_way(transfer)
    began = time.monotonic()
    transfer.lab.cut("host01")
    try:
        answer = transfer.driver.answer(110)
    finally:
        transfer.lab.join("host01")
    assert answer is not None
    assert answer.startswith(f"TRANSFER FAILURE {VM} ")
    assert "host01" in answer
    assert time.monotonic() - began < 100
    until(lambda: transfer.run("CLONE ssh {i}/big {0}/disk.0 7 1") == DONE, 60, "the host is reached again")
    assert transfer.at("host01", "disk.0").read_bytes() == image.read_bytes()
    assert transfer.left("host01") == ["7/disk.0"]


def test_shell_characters_in_names_are_just_characters(transfer: Transfer) -> None:
    name = "a;touch${IFS}x`id`$(id)'\"&|*?[b]\\-é!"
    image = transfer.images / name
    image.write_bytes(b"content")
    home = "host01:/var/lib/one/datastores/0/-$(id)'\";*/7"
    script = transfer.root / "transfer.0.prolog"
    front = os.uname().nodename
    script.write_text(
        f"CLONE ssh {front}:{image} {home}/disk.0 7 1\nMV ssh {home} host02:{HOME} 7 0\n"
        f"CPDS ssh host02:{HOME}/disk.0 {image}.saved 7 1\n"
    )
    transfer.driver.send(f"TRANSFER {VM} {script}")
    assert transfer.driver.answer(60) == DONE
    assert Path(f"{image}.saved").read_bytes() == b"content"
    assert transfer.left("host02") == ["7/disk.0"]
    assert transfer.left("host01") == []
