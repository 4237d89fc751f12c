"""What is to be sent, by its checksums: of the whole, and of each part."""

import base64
import hashlib
from collections.abc import Callable
from typing import NamedTuple

from oned.client.downloads import Changed
from oned.elastic.images.disk import Disk

PART = 16 << 20
"""Bytes of a part, unless there would be more than MOST_PARTS (limits of S3)."""
MOST_PARTS = 10_000
_MIB = 1 << 20


class Part(NamedTuple):
    """A part: its number from 1 on, where it is, its checksums."""

    number: int
    start: int
    length: int
    sha256: bytes
    md5: bytes

    @property
    def checksum(self) -> str:
        """As S3 has it."""
        return base64.b64encode(self.sha256).decode()

    def read(self, disk: Disk) -> bytes:
        """Its bytes. Raises Changed if they are not those of the survey."""
        data = disk.read(self.start, self.length)
        if hashlib.sha256(data).digest() != self.sha256:
            raise Changed(f"the disk changed while it was sent (part {self.number}). Run this again")
        return data


class Survey(NamedTuple):
    """A disk: its bytes, their SHA-256 in hexadecimal digits, its parts."""

    size: int
    sha256: str
    parts: tuple[Part, ...]

    @property
    def composite(self) -> str:
        """The checksum of an object that was sent in these parts, as S3 makes it of theirs."""
        whole = hashlib.sha256(b"".join(part.sha256 for part in self.parts)).digest()
        return base64.b64encode(whole).decode()

    @property
    def etag(self) -> str:
        """The ETag of such an object that S3 has not encrypted by a key of its own."""
        whole = hashlib.md5(b"".join(part.md5 for part in self.parts), usedforsecurity=False)
        return f"{whole.hexdigest()}-{len(self.parts)}"


def part_size(size: int, wanted: int = PART) -> int:
    """Bytes of a part of a disk: the same for the same disk."""
    least = -(-size // MOST_PARTS)
    return max(wanted, -(-least // _MIB) * _MIB)


def survey(disk: Disk, part: int, tell: Callable[[int], None]) -> Survey:
    """Read the disk once. Raises what reading raises."""
    whole, parts = hashlib.sha256(), list[Part]()
    for start in range(0, disk.size, part):
        data = disk.read(start, part)
        whole.update(data)
        md5 = hashlib.md5(data, usedforsecurity=False).digest()
        parts.append(Part(len(parts) + 1, start, len(data), hashlib.sha256(data).digest(), md5))
        tell(start + len(data))
    return Survey(disk.size, whole.hexdigest(), tuple(parts))
