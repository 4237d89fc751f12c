"""What an image file is, by its own bytes: never by its name, and never by a program that would follow its headers.

A qcow2 file can name other files of this machine, as its backing file or as the file of its data: whoever boots or
converts it would read those. Such files are refused here, before any other program opens them. Formats of other
hypervisors are refused when they come: no guest could boot them as raw bytes, which is what every other file is.
"""

import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from oned.drivers.lib.task import ActionFailed

MIB = 1 << 20
QCOW = b"QFI\xfb"
HEADER = 104
FOREIGN = (
    (0, b"KDMV", "vmdk"), (0, b"COWD", "vmdk"), (0, b"# Disk DescriptorFile", "vmdk"),
    (64, b"\x7f\x10\xda\xbe", "vdi"), (0, b"QED\0", "qed"), (0, b"conectix", "vhd"), (0, b"vhdxfile", "vhdx"),
)  # fmt: skip
"""Where the formats of others have their mark (block/ of QEMU)."""
LONGEST_NAME = 1023
"""Bytes of a backing file's name."""
EXTERNAL_DATA = 1 << 2
KNOWN_FEATURES = 0b11111
"""Dirty, corrupt, external data, compression type, extended L2 entries (docs/interop/qcow2.rst of QEMU)."""


@dataclass(frozen=True)
class Probe:
    """The format of an image, and the bytes that a guest sees of it."""

    format: str
    size: int

    @property
    def mib(self) -> int:
        """The size in MiB, rounded up."""
        return -(-self.size // MIB)


def probe(descriptor: int) -> Probe:
    """What an open file is. Errors: ActionFailed, for a qcow2 file that leads to others or cannot be read."""
    return of_head(os.pread(descriptor, HEADER, 0), os.fstat(descriptor).st_size)


def check_own(descriptor: int) -> None:
    """ActionFailed for an open file of another hypervisor's format, which nobody here can use as a disk."""
    head = os.pread(descriptor, HEADER, 0)
    for at, mark, name in FOREIGN:
        if head.startswith(mark, at):
            raise ActionFailed(f"it is a {name} image, which is not taken: qemu-img convert -O qcow2 makes one that is")


def of_head(head: bytes, bytes_there: int) -> Probe:
    """What a file of so many bytes is that begins with these (HEADER, or all it has). Errors: as probe."""
    if not head.startswith(QCOW):
        return Probe("raw", bytes_there)
    if len(head) < 72:
        raise ActionFailed("the qcow2 image is cut off in its header")
    version, backing_offset, backing_size = struct.unpack_from(">IQI", head, 4)
    (size,) = struct.unpack_from(">Q", head, 24)
    if version not in (2, 3):
        raise ActionFailed(f"the qcow image is of version {version}: convert it to qcow2 first")
    if backing_offset or backing_size:
        raise ActionFailed("the qcow2 image has a backing file, which is not taken: qemu-img convert makes it whole")
    if version == 3:
        _check_features(head)
    return Probe("qcow2", size)


def backing_file(path: Path) -> Path:
    """The file that a qcow2 image is laid over, as its header says; an empty path for any other file."""
    with path.open("rb") as file:
        head = file.read(HEADER)
        if not head.startswith(QCOW) or len(head) < 20:
            return Path()
        offset, size = struct.unpack_from(">QI", head, 8)
        file.seek(offset if offset < 1 << 31 else 0)
        return Path(file.read(min(size, LONGEST_NAME)).decode("utf-8", "replace")) if offset else Path()


def probe_writable(path: Path) -> Probe:
    """Format and size of a disk that is to be changed, whatever it is laid over. Errors: as check_writable."""
    with path.open("rb") as file:
        head = file.read(HEADER)
    check_writable(head)
    return of_any(head, path.stat().st_size)


def of_any(head: bytes, bytes_there: int) -> Probe:
    """The same of a disk of so many bytes that begins with these."""
    if not head.startswith(QCOW) or len(head) < 32:
        return Probe("raw", bytes_there)
    return Probe("qcow2", struct.unpack_from(">Q", head, 24)[0])


def check_writable(head: bytes) -> None:
    """ActionFailed for a qcow2 file that cannot be written without writing elsewhere.

    The guest of a raw disk can write such a header: who grows the disk by it would write to any file of the machine.
    """
    if head.startswith(QCOW) and struct.unpack_from(">I", head.ljust(HEADER, b"\0"), 4) != (2,):
        _check_features(head)


def growing(path: Path, size: int) -> list[str]:
    """The command that gives a qcow2 file more bytes, and opens nothing of what its header says it is laid over."""
    file = {"driver": "file", "filename": str(path)}
    return [
        "qemu-img",
        "resize",
        "-q",
        "json:" + json.dumps({"driver": "qcow2", "backing": None, "file": file}),
        str(size),
    ]


def _check_features(head: bytes) -> None:
    if len(head) < HEADER:
        raise ActionFailed("the qcow2 image is cut off in its header")
    (features,) = struct.unpack_from(">Q", head, 72)
    if features & EXTERNAL_DATA:
        raise ActionFailed("the qcow2 image keeps its data in another file, which is not taken: qemu-img convert it")
    if features & ~KNOWN_FEATURES:
        raise ActionFailed(f"the qcow2 image has unknown features ({features:#x}): qemu-img convert it")
