"""The bytes of an image as a guest sees them: raw, whatever its file is."""

import fcntl
import os
import shutil
import stat
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from oned.client.client import Client, ClientError
from oned.client.documents import Document
from oned.client.downloads import Changed, Reading
from oned.elastic.images.bars import Bars

RAW, QCOW2 = "raw", "qcow2"
_QCOW = b"QFI\xfb"
_EXTERNAL_DATA = 1 << 2
_HEADER = 80
_PREFIX = "oneimage-"
_FRESH = 2.0
"""Seconds in which a directory that was made is surely locked by who made it."""


class Disk(Protocol):
    """Something with bytes."""

    @property
    def size(self) -> int:
        """How many."""

    def read(self, start: int, length: int, /) -> bytes:
        """Bytes from an offset, fewer only at the end."""


class FileDisk:
    """A file of this machine."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = os.fstat(file.fileno()).st_size

    def read(self, start: int, length: int) -> bytes:
        """Raises Changed if it is shorter than it was."""
        wanted = min(length, self.size - start)
        data = b""
        while len(data) < wanted and (piece := os.pread(self._file.fileno(), wanted - len(data), start + len(data))):
            data += piece
        if len(data) < wanted:
            raise Changed("the file became shorter while it was read. Begin again")
        return data


def format_of(image: Document) -> str:
    """What the file of an image is by its document: raw or qcow2. Raises ClientError for what is neither."""
    found = (image.text("FORMAT") or image.text("TEMPLATE/DRIVER") or RAW).lower()
    if found not in (RAW, QCOW2):
        raise ClientError(f"IMAGE {image.text('ID')} is {found}: only raw and qcow2 images leave oned")
    return found


@contextmanager
def opened(one: Client, image: Document, bars: Bars, *, as_is: bool = False) -> Iterator[Disk]:
    """An image to be read. A qcow2 file is fetched first, and made raw in a temporary directory.

    as_is  the bytes of its file, whatever they are
    Raises ClientError.
    """
    source = Reading(one, image.int("ID"))
    try:
        if as_is or format_of(image) == RAW:
            yield source
            return
        with _scratch(source.size) as directory, _converted(source, directory, bars) as disk:
            yield disk
    finally:
        source.close()


@contextmanager
def _scratch(needed: int) -> Iterator[Path]:
    """A directory of its own for so many bytes and more. Raises ClientError."""
    place = Path(os.environ.get("TMPDIR") or "/var/tmp")
    try:
        sweep(place)
        if shutil.disk_usage(place).free < needed:
            raise ClientError(f"{place} has no room for {needed >> 20} MiB. Name another directory by TMPDIR")
        with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=place) as made, _held(Path(made)):
            yield Path(made)
    except OSError as error:
        raise ClientError(f"{error.filename or place}: {error.strerror}. TMPDIR names another directory") from None


@contextmanager
def _held(directory: Path) -> Iterator[None]:
    """As long as this process lives the directory is locked, so that others see that it is in use."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def sweep(place: Path) -> None:
    """Directories that killed commands of this user have left there are gone."""
    for left in place.glob(f"{_PREFIX}*"):
        about = left.lstat()
        if about.st_uid != os.geteuid() or not stat.S_ISDIR(about.st_mode) or time.time() - about.st_mtime < _FRESH:
            continue
        with suppress(OSError), _held(left):  # one that is locked is in use
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _converted(source: Reading, directory: Path, bars: Bars) -> Iterator[Disk]:
    fetched, raw = directory / "qcow2", directory / "raw"
    with fetched.open("wb") as file, bars("Fetching", source.size) as bar:
        source.copy(file, bar.at)
    convert(fetched, raw)
    fetched.unlink()
    with raw.open("rb") as file:
        yield FileDisk(file)


def convert(source: Path, raw: Path) -> None:
    """Make a raw file with holes of a qcow2 file that leads to no other file. Raises ClientError."""
    check_alone(source)
    command = ["qemu-img", "convert", "-f", QCOW2, "-O", RAW, str(source), str(raw)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    except FileNotFoundError:
        raise ClientError(
            "qemu-img is not installed, which makes qcow2 images raw: apt-get install qemu-utils"
        ) from None
    if done.returncode:
        raise ClientError(f"qemu-img cannot make it raw: {done.stderr.strip()}")


def check_alone(source: Path) -> None:
    """ClientError unless the file is qcow2 and has all of its data in itself: others are files of this machine."""
    with source.open("rb") as file:
        head = file.read(_HEADER).ljust(_HEADER, b"\0")
    if not head.startswith(_QCOW):
        raise ClientError("its file is no qcow2 image, though oned says so")
    version, backing = struct.unpack_from(">IQ", head, 4)
    (features,) = struct.unpack_from(">Q", head, 72)
    if backing or (version > 2 and features & _EXTERNAL_DATA):
        raise ClientError(
            "the qcow2 image leads to another file, so it cannot be read alone: oneimage clone makes it whole"
        )
