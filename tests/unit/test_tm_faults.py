"""What goes wrong in a shared directory, shared and qcow2: it is said, nothing is left, the image is as it was."""

import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.needs import need, need_programs
from tests.transfers import DONE, Transfer

MIB = 1 << 20


@pytest.fixture
def transfer(tmp_path: Path) -> Iterator[Transfer]:
    made = Transfer(tmp_path)
    yield made
    made.driver.__exit__(None, None, None)


@contextmanager
def small(place: Path) -> Iterator[None]:
    """Within the block a directory is a file system of 4 MiB."""
    need(os.geteuid() == 0, "mounting takes root")
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


def left(place: Path) -> list[str]:
    """What is in a directory, temporary names too."""
    return sorted(str(path.relative_to(place)) for path in place.rglob("*"))


def test_a_disk_that_does_not_fit_leaves_nothing_and_the_image_is_as_it_was(transfer: Transfer) -> None:
    image = transfer.image("a", 8 * MIB)
    before = image.read_bytes()
    with small(transfer.home):
        answer = transfer.run("CLONE shared {0}/a {1}/disk.0 7 1")
        assert answer.startswith("TRANSFER FAILURE 7 CLONE failed: No space left on device")
        assert left(transfer.home) == []
    assert image.read_bytes() == before


@pytest.mark.parametrize("kind", ["shared", "qcow2"])
@pytest.mark.parametrize("command", ["CPDS {1}/disk.0 {0}/b -1", "MVDS {1}/disk.0 {0}/b"], ids=["CPDS", "MVDS"])
def test_an_image_that_does_not_fit_leaves_the_disk_where_it_is(transfer: Transfer, command: str, kind: str) -> None:
    transfer.home.mkdir(parents=True)
    disk = transfer.home / "disk.0"
    disk.write_bytes(os.urandom(8 * MIB))
    before = disk.read_bytes()
    verb, words = command.split(" ", 1)
    with small(transfer.images):
        answer = transfer.run(f"{verb} {kind} {words} 7 1")
        assert answer.startswith(f"TRANSFER FAILURE 7 {verb} failed: No space left on device")
        assert left(transfer.images) == []
    assert disk.read_bytes() == before


def test_a_layer_that_does_not_fit_as_a_whole_image_stays_a_layer(transfer: Transfer) -> None:
    need_programs("qemu-img", "qemu-io")
    image = transfer.images / "a"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "16M"], check=True)
    assert transfer.run("CLONE qcow2 {0}/a {1}/disk.0 7 1") == DONE
    subprocess.run(["qemu-io", "-c", "write -q -P 5 0 8M", transfer.home / "disk.0"], check=True)
    room = transfer.images / "small"
    with small(room):
        assert transfer.run("CPDS qcow2 {1}/disk.0 {0}/small/b -1 7 1").startswith("TRANSFER FAILURE 7 ")
        assert left(room) == []
    subprocess.run(["qemu-img", "check", "-q", transfer.home / "disk.0"], check=True)


@pytest.mark.parametrize("line", [
    "CLONE qcow2 {0}/gone {1}/disk.0", "LN qcow2 {0}/gone {1}/disk.0", "LN shared {0}/gone {1}/disk.0",
])  # fmt: skip
def test_an_image_that_vanished_is_named_and_nothing_is_made(transfer: Transfer, line: str) -> None:
    answer = transfer.run(f"{line} 7 1")
    assert answer == f"TRANSFER FAILURE 7 {line.split(maxsplit=1)[0]}: there is no image {transfer.images}/gone"
    assert left(transfer.home) == []


def test_a_disk_that_vanished_is_named_and_the_image_is_as_it_was(transfer: Transfer) -> None:
    image = transfer.image("a")
    before = image.read_bytes()
    for line, said in (
        ("CPDS shared {1}/disk.0 {0}/a -1", "CPDS: there is no"), ("RESIZE shared {1}/disk.0 8", "No such file")
    ):  # fmt: skip
        assert said in transfer.run(f"{line} 7 1")
    assert image.read_bytes() == before


def test_no_layer_lies_over_a_layer_of_somebody_else(transfer: Transfer) -> None:
    secret = transfer.root / "secret"
    secret.write_bytes(b"secret" * 1000)
    name = str(secret).encode()
    header = bytearray(struct.pack(">4sIQIIQ", b"QFI\xfb", 2, 72, len(name), 16, MIB).ljust(72, b"\0") + name)
    (transfer.images / "bad").write_bytes(bytes(header))
    assert "backing file" in transfer.run("CLONE qcow2 {0}/bad {1}/disk.0 7 1")
    assert left(transfer.home) == []


def test_shell_characters_in_names_are_just_characters(transfer: Transfer, tmp_path: Path) -> None:
    odd = "a;touch${IFS}x`id`$(id)'\"&|*?[b]\\-é!"
    image = transfer.images / odd
    image.write_bytes(b"content")
    home = tmp_path / "-$(touch${IFS}x)'\";*" / "7"
    script = transfer.root / "transfer.0.prolog"
    script.write_text(
        f"CLONE shared h1:{image} h1:{home}/disk.0 7 1\nMKIMAGE shared 1 raw h1:{home}/disk.1 7 0\n"
        f"CPDS shared h1:{home}/disk.0 {image}.saved -1 7 1\nRESIZE shared h1:{home}/disk.0 2 7 1\n"
    )
    transfer.driver.send(f"TRANSFER 7 {script}")
    assert transfer.driver.answer(30) == DONE
    assert Path(f"{image}.saved").read_bytes() == b"content"
    assert (home / "disk.0").stat().st_size == 2 * MIB
    script.write_text(f"DELETE shared h1:{home} 7 0\n")
    transfer.driver.send(f"TRANSFER 7 {script}")
    assert transfer.driver.answer(30) == DONE
    assert not home.exists()
    assert list(tmp_path.rglob("x")) == []
