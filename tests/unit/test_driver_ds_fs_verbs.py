"""The datastore driver for directories: repetition, cancellation, empty images, clones, removal, room."""

import base64
import os
import signal
import time
from pathlib import Path

import pytest

from tests.image_stores import IMAGE, MIB, Store, qcow2
from tests.needs import need_programs

os.environ["PATH"] += ":/usr/sbin:/sbin"


def test_a_verb_that_is_sent_again_keeps_what_is_there(store: Store) -> None:
    path = store.file("a", os.urandom(100_000))
    store.ask("CP", PATH=str(path))
    before = store.made.stat().st_ino
    path.unlink()
    assert store.ask("CP", PATH=str(path)) == f"CP SUCCESS {IMAGE} {store.made} raw 1"
    assert store.made.stat().st_ino == before


def test_a_copy_whose_driver_was_killed_is_made_anew(store: Store, server: str, tmp_path: Path) -> None:
    data = os.urandom(200 * MIB)
    (tmp_path / "web/big").write_bytes(data)
    line = store.request("CP", PATH=f"{server}/big")
    part = store.made.with_name(f".{store.made.name}.part")
    store.driver.send(line)
    deadline = time.monotonic() + 20
    while not (part.exists() and part.stat().st_size > MIB):
        assert time.monotonic() < deadline, "the copy did not begin"
        time.sleep(0.002)
    os.kill(store.driver.process.pid, signal.SIGKILL)
    store.driver.process.wait()
    assert not store.made.exists()
    store.driver.__exit__(None, None, None)
    store.start()
    assert store.driver.ask(line, 60) == f"CP SUCCESS {IMAGE} {store.made} raw 200"
    assert store.made.read_bytes() == data
    assert not part.exists()


def test_a_cancelled_copy_leaves_nothing(store: Store, server: str, tmp_path: Path) -> None:
    with (tmp_path / "web/big").open("wb") as file:
        file.truncate(4 << 30)
    store.driver.send(store.request("CP", PATH=f"{server}/big"))
    part = store.made.with_name(f".{store.made.name}.part")
    deadline = time.monotonic() + 20
    while not part.exists():
        assert time.monotonic() < deadline, "the copy did not begin"
        time.sleep(0.002)
    store.driver.send(f"DRIVER_CANCEL {IMAGE}")
    assert store.driver.line() == f"LOG I {IMAGE} Driver command for {IMAGE} cancelled"
    assert list(store.base.iterdir()) == []


@pytest.mark.parametrize(
    ("elements", "form", "programs"),
    [
        ({"FORMAT": "raw"}, "raw", ()),
        ({"FORMAT": "qcow2"}, "qcow2", ("qemu-img",)),
        ({"FORMAT": "raw", "FS": "ext4"}, "raw", ("mkfs.ext4",)),
        ({"FSTYPE": "ext2"}, "raw", ("mkfs.ext2",)),
    ],
    ids=["raw", "qcow2", "ext4", "classic ext2"],
)
def test_empty_images_are_made(store: Store, elements: dict[str, str], form: str, programs: tuple[str, ...]) -> None:
    need_programs(*programs)
    assert store.ask("MKFS", SIZE="16", **elements) == f"MKFS SUCCESS {IMAGE} {store.made} {form} 16"
    head = store.made.read_bytes()[:2048]
    assert head.startswith(b"QFI") is (form == "qcow2")
    assert (head[1080:1082] == b"\x53\xef") is ("FS" in elements or "FSTYPE" in elements)


@pytest.mark.parametrize("form", ["ext4; reboot", "../../bin/sh", "save_as"])
def test_an_empty_image_of_an_unknown_form_is_refused(store: Store, form: str) -> None:
    assert store.ask("MKFS", SIZE="16", FS=form).startswith(f"MKFS FAILURE {IMAGE} {form} is none of raw, qcow2")


def test_a_clone_keeps_the_format_of_its_origin_whatever_its_bytes_say(store: Store) -> None:
    store.base.mkdir(parents=True)
    origin = store.base / "origin"
    origin.write_bytes(qcow2(backing=b"/etc/shadow"))  # a guest wrote this on its raw disk
    answer = store.ask("CLONE", PATH=str(origin), FORMAT="raw", SIZE="1")
    assert answer == f"CLONE SUCCESS {IMAGE} {store.made} raw 1"
    assert store.made.read_bytes() == origin.read_bytes()


def test_only_files_of_the_datastore_are_removed(store: Store) -> None:
    store.base.mkdir(parents=True)
    ours, others = store.base / "image", store.file("others", b"x")
    ours.write_bytes(b"x")
    assert store.ask("RM", SOURCE=str(ours)) == f"RM SUCCESS {IMAGE} -"
    assert not ours.exists()
    assert store.ask("RM", SOURCE=str(ours)) == f"RM SUCCESS {IMAGE} -"
    for path in (others, store.base / "../../safe/others", store.base):
        assert store.ask("RM", SOURCE=str(path)) == f"RM SUCCESS {IMAGE} -"
    assert others.exists()
    assert store.base.exists()


def test_an_image_without_a_source_loses_what_was_copied_of_it(store: Store) -> None:
    store.ask("CP", PATH=str(store.file("a", b"x")))
    part = store.made.with_name(f".{store.made.name}.part")
    part.write_bytes(b"x")
    assert store.ask("RM", SOURCE="") == f"RM SUCCESS {IMAGE} -"
    assert list(store.base.iterdir()) == []


def test_the_size_is_told_before_the_copy_and_refusals_too(store: Store, tmp_path: Path) -> None:
    assert store.ask("STAT", PATH=str(store.file("a", bytes(5 * MIB + 1)))) == f"STAT SUCCESS {IMAGE} 6"
    assert store.ask("STAT", PATH=str(store.file("b", qcow2(size=90 * MIB)))) == f"STAT SUCCESS {IMAGE} 90"
    (tmp_path / "secret").write_text("x")
    assert "Not allowed" in store.ask("STAT", PATH=str(tmp_path / "secret"))


def test_a_datastore_tells_how_full_it_is(store: Store) -> None:
    store.ask("CP", PATH=str(store.file("a", os.urandom(5 * MIB))))
    answer = store.ask("MONITOR", "<LIMIT_MB>20</LIMIT_MB>")
    text = base64.b64decode(answer.split()[3]).decode()
    assert text == "TOTAL_MB=20\nFREE_MB=15\nUSED_MB=5\n"


def test_the_disks_of_vms_count_in_a_system_datastore_and_linked_images_do_not(store: Store) -> None:
    (store.base / "7").mkdir(parents=True)
    (store.base / "7/disk.0").write_bytes(os.urandom(3 * MIB))
    (store.base / "7/disk.1").symlink_to(store.file("image", os.urandom(4 * MIB)))
    answer = store.ask("MONITOR", "<LIMIT_MB>20</LIMIT_MB>")
    assert base64.b64decode(answer.split()[3]).decode() == "TOTAL_MB=20\nFREE_MB=17\nUSED_MB=3\n"


@pytest.mark.parametrize("word", ["", "!!", base64.b64encode(b"<!DOCTYPE a><DS_DRIVER_ACTION_DATA/>").decode()])
def test_a_request_without_a_document_is_refused(store: Store, word: str) -> None:
    answer = store.driver.ask(f"RM {IMAGE} {word}")
    assert answer == f"RM FAILURE {IMAGE} RM carries no document DS_DRIVER_ACTION_DATA"
