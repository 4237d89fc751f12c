"""The transfer driver for shared directories, as a program over a real pipe."""

import json
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.drivers.lib import script
from oned.drivers.lib.script import Line
from tests.needs import need_programs
from tests.transfers import DONE, VM, Transfer


@pytest.fixture
def transfer(tmp_path: Path) -> Iterator[Transfer]:
    made = Transfer(tmp_path)
    yield made
    made.driver.__exit__(None, None, None)


@pytest.mark.parametrize(
    "line",
    ["CLONE shared fe:{0}/a h1:{1}/disk.0 7 1", "CLONE fe:{0}/a h1:{1}/disk.0", "clone fe:{0}/a h1:{1}/disk.0 10"],
)
def test_a_clone_is_a_copy_in_every_form_of_the_script(transfer: Transfer, line: str) -> None:
    image = transfer.image("a")
    assert transfer.run("# prolog", "", line) == DONE
    assert (transfer.home / "disk.0").read_bytes() == image.read_bytes()
    assert not (transfer.home / "disk.0").is_symlink()


def test_a_finished_copy_is_kept_and_a_torn_one_made_anew(transfer: Transfer) -> None:
    image = transfer.image("a")
    transfer.run("CLONE shared fe:{0}/a h1:{1}/disk.0 7 1")
    before = (transfer.home / "disk.0").stat().st_ino
    assert transfer.run("CLONE shared fe:{0}/a h1:{1}/disk.0 7 1") == DONE
    assert (transfer.home / "disk.0").stat().st_ino == before
    assert "kept" in transfer.driver.logs[-1]
    (transfer.home / "disk.0").write_bytes(b"torn")
    assert transfer.run("CLONE shared fe:{0}/a h1:{1}/disk.0 7 1") == DONE
    assert (transfer.home / "disk.0").read_bytes() == image.read_bytes()


def test_the_holes_of_an_image_stay_holes(transfer: Transfer) -> None:
    image = transfer.images / "sparse"
    with image.open("wb") as file:
        file.write(b"begin")
        file.truncate(64 << 20)
        file.seek((32 << 20) + 5)
        file.write(b"middle")
    assert transfer.run("CLONE shared fe:{0}/sparse h1:{1}/disk.0 7 1") == DONE
    copy = transfer.home / "disk.0"
    assert copy.read_bytes() == image.read_bytes()
    assert copy.stat().st_blocks <= image.stat().st_blocks + 16


def test_an_image_that_is_missing_is_a_sentence(transfer: Transfer) -> None:
    answer = transfer.run("CLONE shared fe:{0}/none h1:{1}/disk.0 7 1")
    assert answer == f"TRANSFER FAILURE {VM} CLONE: there is no image {transfer.images}/none"
    assert not (transfer.home / "disk.0").exists()


def test_the_first_line_that_fails_ends_the_script(transfer: Transfer) -> None:
    transfer.image("a")
    transfer.run("CLONE shared fe:{0}/none h1:{1}/disk.0 7 1", "CLONE shared fe:{0}/a h1:{1}/disk.1 7 1")
    assert not (transfer.home / "disk.1").exists()


def test_an_empty_script_is_a_success(transfer: Transfer) -> None:
    assert transfer.run() == DONE


def test_a_type_that_is_not_served_is_refused(transfer: Transfer) -> None:
    assert transfer.run("LN ceph fe:{0}/a h1:{1}/disk.0 7 1") == (
        f"TRANSFER FAILURE {VM} Transfer Driver 'ceph' not available"
    )


def test_a_link_leads_to_the_image(transfer: Transfer) -> None:
    image = transfer.image("a")
    for _ in range(2):
        assert transfer.run("LN shared fe:{0}/a h1:{1}/disk.0 7 1") == DONE
    assert (transfer.home / "disk.0").readlink() == image


def test_a_qcow2_clone_lies_over_the_image(transfer: Transfer) -> None:
    need_programs("qemu-img")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", transfer.images / "a", "8M"], check=True)
    for _ in range(2):
        assert transfer.run("CLONE qcow2 fe:{0}/a h1:{1}/disk.0 7 1") == DONE
    said = subprocess.run(["qemu-img", "info", transfer.home / "disk.0"], check=True, stdout=subprocess.PIPE, text=True)
    assert f"backing file: {transfer.images}/a" in said.stdout
    assert "lies over" in transfer.driver.logs[-1]


def test_a_swap_area_has_its_size_and_signature(transfer: Transfer) -> None:
    need_programs("mkswap")
    for _ in range(2):
        assert transfer.run("MKSWAP shared 4 h1:{1}/disk.1 7 0") == DONE
    disk = transfer.home / "disk.1"
    assert disk.stat().st_size == 4 << 20
    assert b"SWAPSPACE2" in disk.read_bytes()[:4096]


@pytest.mark.parametrize("kind", ["qcow2", "shared"])
def test_no_disk_is_made_of_an_image_whose_header_leads_to_another_file(transfer: Transfer, kind: str) -> None:
    """A guest that had the image for its own may have written that header: it would read the other file."""
    image, secret = transfer.images / "a", transfer.images / "secret"
    secret.write_bytes(bytes(1 << 20))
    name = str(secret).encode()
    header = b"QFI\xfb" + struct.pack(">IQIIQIIQQIIQ", 2, 512, len(name), 16, 1 << 20, 0, 1, 65536, 0, 0, 0, 0)
    image.write_bytes(header.ljust(512, b"\0") + name.ljust(1024, b"\0"))
    assert "backing file" in transfer.run(f"CLONE {kind} fe:{{0}}/a h1:{{1}}/disk.0 7 1")
    assert not (transfer.home / "disk.0").exists()


@pytest.mark.parametrize(
    ("form", "magic", "offset"), [("raw", b"", 0), ("ext4", b"\x53\xef", 1080), ("qcow2", b"QFI", 0)]
)
def test_an_empty_image_has_its_format(transfer: Transfer, form: str, magic: bytes, offset: int) -> None:
    need_programs(*{"ext4": ["mkfs.ext4"], "qcow2": ["qemu-img"]}.get(form, []))
    assert transfer.run(f"MKIMAGE shared 8 {form} h1:{{1}}/disk.1 7 0") == DONE
    data = (transfer.home / "disk.1").read_bytes()
    assert data[offset : offset + len(magic)] == magic
    assert form == "qcow2" or len(data) == 8 << 20


@pytest.mark.parametrize("form", ["ext4;reboot", "../../bin/sh", "-h"])
def test_a_format_that_is_none_is_refused(transfer: Transfer, form: str) -> None:
    answer = transfer.run(f"MKIMAGE shared 8 {form} h1:{{1}}/disk.1 7 0")
    assert answer.startswith(f"TRANSFER FAILURE {VM} MKIMAGE: {form} is none of raw, qcow2, ext2")


def test_a_directory_is_moved_once_and_moving_again_is_fine(transfer: Transfer) -> None:
    transfer.home.mkdir(parents=True)
    (transfer.home / "disk.0").write_text("x")
    there = transfer.root / "ds" / "1" / "7"
    for _ in range(2):
        assert transfer.run(f"MV shared h1:{{1}} h2:{there} 7 0") == DONE
    assert (there / "disk.0").read_text() == "x"
    assert not transfer.home.exists()


def test_a_move_to_the_same_place_does_nothing(transfer: Transfer) -> None:
    transfer.home.mkdir(parents=True)
    assert transfer.run("MV shared h1:{1} h2:{1} 7 0") == DONE
    assert transfer.home.is_dir()


def test_the_classic_stop_moves_the_directory_below_the_local_one(transfer: Transfer) -> None:
    images = transfer.home / "images"
    images.mkdir(parents=True)
    (images / "disk.0").write_text("x")
    local = transfer.root / "var" / "7"
    local.mkdir(parents=True)
    for _ in range(2):
        assert transfer.run(f"MV h1:{{1}}/images fe:{local}") == DONE
    assert (local / "images" / "disk.0").read_text() == "x"


def test_a_disk_becomes_an_image_but_a_link_never_replaces_its_image(transfer: Transfer) -> None:
    need_programs("qemu-img")
    transfer.home.mkdir(parents=True)
    (transfer.home / "disk.0").write_text("new")
    assert transfer.run("MVDS shared h1:{1}/disk.0 {0}/saved 7 1") == DONE
    assert (transfer.images / "saved").read_text() == "new"
    (transfer.home / "disk.1").symlink_to(transfer.images / "saved")
    assert transfer.run("MVDS shared h1:{1}/disk.1 {0}/saved 7 1") == DONE
    assert (transfer.images / "saved").read_text() == "new"


def test_deleting_removes_the_vms_directory_and_not_what_its_links_lead_to(transfer: Transfer) -> None:
    image = transfer.image("a")
    transfer.run("LN shared fe:{0}/a h1:{1}/disk.0 7 1")
    for _ in range(2):
        assert transfer.run("DELETE shared h1:{1}/disk.0 7 1", "DELETE shared h1:{1} 7 0") == DONE
    assert not transfer.home.exists()
    assert image.exists()


@pytest.mark.parametrize("place", ["/", "{1}/..", "{1}/../8", "{0}", "/7", "{1}/../../../images", "{1}/disk.0/../../8"])
def test_what_is_not_the_vms_is_never_deleted(transfer: Transfer, place: str) -> None:
    image = transfer.image("a")
    other = transfer.home.parent / "8"
    other.mkdir(parents=True)
    answer = transfer.run(f"DELETE shared h1:{place} 7 0")
    assert answer.startswith(f"TRANSFER FAILURE {VM} DELETE: ")
    assert answer.endswith("nothing was removed")
    assert image.exists()
    assert other.exists()


def test_a_cancelled_copy_leaves_nothing_behind(transfer: Transfer) -> None:
    os.mkfifo(transfer.images / "slow")  # opening it for reading waits for a writer
    transfer.send("CLONE shared fe:{0}/slow h1:{1}/disk.0 7 1")
    time.sleep(0.3)
    transfer.driver.send(f"DRIVER_CANCEL {VM}")
    transfer.driver.send("NOTHING 99")
    assert transfer.driver.line() == "NOTHING FAILURE 99 not supported by this driver"  # so the line before is read too
    writer = os.open(transfer.images / "slow", os.O_RDWR)
    assert transfer.driver.line() == f"LOG I {VM} Driver command for {VM} cancelled"
    os.close(writer)
    assert not transfer.home.exists() or not any(transfer.home.iterdir())


CLASSIC = [
    ("CLONE fe:/img/a h1:/r/7/images/disk.0 10", Line("CLONE", "h1:/r/7/images/disk.0", "fe:/img/a", size="10")),
    ("MKSWAP 512 h1:/r/7/images/disk.1", Line("MKSWAP", "h1:/r/7/images/disk.1", size="512")),
    ("CONTEXT /v/c.sh /f/i.sh h1:/r/7/disk.2", Line("CONTEXT", "h1:/r/7/disk.2", files=("/v/c.sh", "/f/i.sh"))),
    ("CLONE shared fe:/ds/1/abc h1:/ds/0/7/disk.0 7 1", Line("CLONE", "h1:/ds/0/7/disk.0", "fe:/ds/1/abc", "shared")),
    ("MKSWAP shared 512 h1:/ds/0/7/disk.1 7 0", Line("MKSWAP", "h1:/ds/0/7/disk.1", type="shared", size="512")),
    (
        "CONTEXT shared /v/c.sh h1:/ds/0/7/disk.2 7 0",
        Line("CONTEXT", "h1:/ds/0/7/disk.2", type="shared", files=("/v/c.sh",)),
    ),
    ("MVDS shared h1:/ds/0/7/disk.0 /ds/1/a 7 1", Line("MVDS", "/ds/1/a", "h1:/ds/0/7/disk.0", "shared")),
    ("DELETE shared h1:/ds/0/7 7 0", Line("DELETE", "h1:/ds/0/7", type="shared")),
    ("DELETE h1:/r/7/images", Line("DELETE", "h1:/r/7/images")),
]


@pytest.mark.parametrize(("text", "line"), CLASSIC)
def test_lines_of_both_forms_are_read(text: str, line: Line) -> None:
    read = script.parse(text)
    assert (read.command, read.type, read.source, read.destination) == (
        line.command,
        line.type,
        line.source,
        line.destination,
    )
    assert (read.size, read.files, read.text) == (line.size, line.files, text)


# --- images: saved, grown ---


def hostile(size: int = 1 << 20, backing: bytes = b"/etc/passwd") -> bytes:
    """A raw disk whose guest wrote the header of a qcow2 image over it, which is laid over a file of the host."""
    head = bytearray(size)
    struct.pack_into(">4sIQI", head, 0, b"QFI\xfb", 3, 512, len(backing))
    struct.pack_into(">IQ", head, 20, 16, size)
    struct.pack_into(">II", head, 96, 4, 104)
    head[512 : 512 + len(backing)] = backing
    return bytes(head)


@pytest.mark.parametrize("kind", ["shared", "qcow2"])
@pytest.mark.parametrize("words", ["CPDS {0} {1} {2} -1 7 1", "MVDS {0} {1} {2} 7 1"])
def test_a_disk_whose_header_leads_to_a_file_of_the_host_is_plain_bytes(
    transfer: Transfer, kind: str, words: str
) -> None:
    transfer.home.mkdir(parents=True)
    (transfer.home / "disk.0").write_bytes(hostile())
    assert transfer.run(words.format(kind, "h1:{1}/disk.0", "{0}/saved")) == DONE
    assert (transfer.images / "saved").read_bytes() == hostile()


def test_a_layer_is_saved_as_a_whole_image(transfer: Transfer) -> None:
    need_programs("qemu-img")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", transfer.images / "a", "8M"], check=True)
    transfer.run("CLONE qcow2 fe:{0}/a h1:{1}/disk.0 7 1")
    assert transfer.run("CPDS qcow2 h1:{1}/disk.0 {0}/saved -1 7 1") == DONE
    said = subprocess.run(["qemu-img", "info", transfer.images / "saved"], check=True, capture_output=True, text=True)
    assert "backing file" not in said.stdout
    assert "file format: qcow2" in said.stdout
    assert (transfer.home / "disk.0").exists()


def test_a_disk_is_copied_to_an_image_and_stays(transfer: Transfer) -> None:
    image = transfer.image("a")
    transfer.run("CLONE shared fe:{0}/a h1:{1}/disk.0 7 1")
    assert transfer.run("CPDS shared h1:{1}/disk.0 {0}/saved 7 1") == DONE
    assert (transfer.images / "saved").read_bytes() == (transfer.home / "disk.0").read_bytes() == image.read_bytes()
    assert "there is no" in transfer.run("CPDS shared h1:{1}/disk.9 {0}/saved 7 1")


def test_a_disk_grows_and_never_shrinks(transfer: Transfer) -> None:
    transfer.image("a", 1 << 20)
    transfer.run("CLONE shared fe:{0}/a h1:{1}/disk.0 7 1")
    assert transfer.run("RESIZE shared h1:{1}/disk.0 3 7 1") == DONE
    assert (transfer.home / "disk.0").stat().st_size == 3 << 20
    assert transfer.run("RESIZE shared h1:{1}/disk.0 2 7 1") == DONE
    assert (transfer.home / "disk.0").stat().st_size == 3 << 20
    assert "is not a number" in transfer.run("RESIZE shared h1:{1}/disk.0 big 7 1")


def test_a_disk_whose_header_keeps_its_data_elsewhere_is_not_made_larger(transfer: Transfer) -> None:
    """The guest of a raw disk can write such a header: the file that it names is not his."""
    need_programs("qemu-img")
    victim = transfer.images / "victim"
    transfer.home.mkdir(parents=True)
    disk = transfer.home / "disk.0"
    words = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={victim},data_file_raw=on", disk, "1M"]
    subprocess.run(words, check=True)
    victim.write_text("not yours")
    assert "keeps its data in another file" in transfer.run("RESIZE shared h1:{1}/disk.0 3 7 1")
    assert victim.read_text() == "not yours"


def test_what_a_disk_is_laid_over_is_not_opened_to_make_it_larger(transfer: Transfer) -> None:
    need_programs("qemu-img")
    transfer.home.mkdir(parents=True)
    disk = transfer.home / "disk.0"
    words = ["qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", "nbd://127.0.0.1:1/x", "-F", "raw", disk, "1M"]
    subprocess.run(words, check=True)
    assert transfer.run("RESIZE shared h1:{1}/disk.0 3 7 1") == DONE


def test_a_qcow2_disk_grows_inside(transfer: Transfer) -> None:
    need_programs("qemu-img")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", transfer.images / "a", "8M"], check=True)
    transfer.run("CLONE shared fe:{0}/a h1:{1}/disk.0 7 1")
    assert transfer.run("RESIZE shared h1:{1}/disk.0 16 7 1") == DONE
    said = subprocess.run(
        ["qemu-img", "info", "--output=json", transfer.home / "disk.0"], check=True, capture_output=True, text=True
    )
    assert json.loads(said.stdout)["virtual-size"] == 16 << 20


def test_a_classic_delete_leaves_no_empty_directory_of_the_vm(transfer: Transfer) -> None:
    (transfer.home / "images").mkdir(parents=True)
    assert transfer.run("DELETE h1:{1}/images") == DONE
    assert not transfer.home.exists()


def test_a_classic_delete_leaves_what_is_beside_the_images(transfer: Transfer) -> None:
    (transfer.home / "images").mkdir(parents=True)
    (transfer.home / "notes").touch()
    assert transfer.run("DELETE h1:{1}/images") == DONE
    assert [path.name for path in transfer.home.iterdir()] == ["notes"]
