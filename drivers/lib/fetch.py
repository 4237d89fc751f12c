"""Images on their way into a datastore: from a file or an http server, checked, decompressed, written with holes."""

import bz2
import gzip
import io
import lzma
import os
import time
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from oned.drivers.lib.files import PROGRESS
from oned.drivers.lib.task import ActionFailed, Task

CHUNK, BLOCK = 1 << 20, 1 << 16
"""Bytes read at once; a block of so many zeros becomes a hole."""
MAGIC: tuple[tuple[bytes, str, Callable[[Any], "Source"]], ...] = (
    (b"\x1f\x8b", "gzip", lambda file: gzip.GzipFile(fileobj=file)),
    (b"BZh", "bzip2", bz2.BZ2File),
    (b"\xfd7zXZ\x00", "xz", lzma.LZMAFile),
)
"""First bytes of compressed files, and what reads them."""
_ZEROS = bytes(BLOCK)


class Source(Protocol):
    """Where bytes come from: a file, or the answer of a server."""

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes; none at the end."""


class Tap(io.RawIOBase):
    """A source that is watched: what went through it, its checksums, its progress, the owner's wish to end it."""

    def __init__(self, source: Source, size: int, sums: tuple[str, ...], task: Task) -> None:
        import hashlib  # and OpenSSL with it: 4 MiB, which a driver needs with its first copy only

        super().__init__()
        self._source, self.size, self._task = source, size, task
        self.sums = {name: hashlib.new(name.lower(), usedforsecurity=False) for name in sums}
        self.passed = 0
        self._said = time.monotonic()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._task.check()
        data = self._source.read(len(buffer))
        buffer[: len(data)] = data
        self.passed += len(data)
        for checksum in self.sums.values():
            checksum.update(data)
        self._tell()
        return len(data)

    def _tell(self) -> None:
        if time.monotonic() - self._said > PROGRESS:
            self._said = time.monotonic()
            share = f"{100 * self.passed // self.size} % of " if self.size else ""
            self._task.info(f"Copying: {share}{(self.size or self.passed) >> 20} MiB")

    def check(self, wanted: dict[str, str]) -> None:
        """ActionFailed unless all came, with these checksums."""
        if self.size and self.passed != self.size:
            raise ActionFailed(f"only {self.passed} of {self.size} bytes came")
        for name, checksum in wanted.items():
            found = self.sums[name].hexdigest()
            if found != checksum.lower():
                raise ActionFailed(f"the {name} checksum is {found}, not {checksum}: it is another file, or damaged")


def write(tap: Tap, writer: int, room: int, *, decompress: bool) -> None:
    """Write what comes through the tap to a file, zeros as holes. Errors: ActionFailed if it does not fit in `room`."""
    buffered = io.BufferedReader(tap, CHUNK)
    reader, kind = _reader(buffered) if decompress else (buffered, "")
    try:
        size = _write_all(reader, writer, room)
        while buffered.read(CHUNK):
            pass
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise ActionFailed(f"the {kind} data is damaged: {error}") from None
    except OSError as error:
        raise ActionFailed(f"copying failed: {getattr(error, 'strerror', None) or error}") from None
    os.ftruncate(writer, size)
    os.fsync(writer)


def _reader(buffered: Any) -> tuple["Source", str]:
    """The reader of what is inside, and the name of the compression; the reader itself for plain bytes."""
    head = buffered.peek(8)
    for magic, name, opened in MAGIC:
        if head.startswith(magic):
            return opened(buffered), name
    return buffered, ""


def _write_all(reader: Source, writer: int, room: int) -> int:
    """How many bytes came, holes counted."""
    offset = written = 0
    while chunk := reader.read(CHUNK):
        for start in range(0, len(chunk), BLOCK):
            block = chunk[start : start + BLOCK]
            if block != _ZEROS[: len(block)]:
                written += os.pwrite(writer, block, offset + start)
        offset += len(chunk)
        if written > room:
            raise ActionFailed(f"it does not fit into the datastore: {room >> 20} MiB are left")
    return offset


def is_url(path: str) -> bool:
    """Whether it is fetched from a server."""
    return path.lower().startswith(("http://", "https://"))


def opened(url: str, method: str = "GET") -> AbstractContextManager[Any]:
    """The answer of a server: its headers, and a Source. Errors: ActionFailed; OSError while it is read.

    What speaks to servers takes 8 MiB, which a driver needs with its first URL only.
    """
    from oned.drivers.lib.web import Answer

    return Answer(url, method)
