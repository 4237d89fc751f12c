"""Files that clients send, until they are images: share/doc/design/005-uploads.md.

They are in memory and in one directory: after a restart nothing is known of them, and their files are removed.
"""

import asyncio
import hashlib
import logging
import os
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from oned.image.image import Image

log = logging.getLogger(__name__)
AT_ONCE = 8
"""Uploads of one user."""
WRITERS = 2
"""Uploads that write at the same time, so that a slow disk does not take all threads."""
IDLE = 600.0
"""Seconds after which an upload of which nothing comes is forgotten."""
SPARE = 64 << 20
"""Bytes of the file system that are left to others."""
BLOCK = 64 << 10
"""Bytes that become a hole if they are all zero."""
_ZEROS = bytes(BLOCK)


class Overtaken(Exception):
    """Another request writes now."""


class Promise(NamedTuple):
    """What a client says of its file; the same promise of the same user is the same upload."""

    uid: int
    template: str
    datastore: int
    size: int
    sha256: str


@dataclass
class Upload:
    """A file that comes.

    image   what it is to be, as far as that is known: it counts against quotas and room; its id once it is one
    offset  the bytes that are there
    turn    number of the request that writes: who comes later takes the turn of a connection that hangs
    ending  it is being made an image
    """

    name: str
    promise: Promise
    image: Image
    path: Path
    offset: int = 0
    turn: int = 0
    ending: bool = False
    touched: float = field(default_factory=time.monotonic)
    made: int = -1
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    sum: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    @property
    def missing(self) -> int:
        return self.promise.size - self.offset

    def take_turn(self) -> int:
        """The turn of a request that begins to write, or of one after which nobody may."""
        self.turn += 1
        return self.turn

    def write(self, data: bytes, *, last: bool) -> None:
        """Write what comes next, and with `last` have all on the disk. Raises OSError. For a thread."""
        with self.path.open("r+b") as file:
            for start in range(0, len(data), BLOCK):
                block = data[start : start + BLOCK]
                if block != _ZEROS[: len(block)]:
                    os.pwrite(file.fileno(), block, self.offset + start)
            os.ftruncate(file.fileno(), self.offset + len(data))
            if last:
                os.fdatasync(file.fileno())
        self.sum.update(data)
        self.offset += len(data)


class Uploads:
    """The files that are on their way.

    directory  where they are kept; it is made with the first one
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._there: dict[str, Upload] = {}
        self._writers = asyncio.Semaphore(WRITERS)
        self._removals: set[asyncio.Future[None]] = set()

    def begin(self, promise: Promise, image: Image) -> Upload:
        """A new one, empty. Raises OSError."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = secrets.token_hex(24)
        path = self.directory / name
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        self._there[name] = Upload(name, promise, image, path)
        return self._there[name]

    def find(self, name: str, uid: int) -> Upload | None:
        """The user's upload of that name."""
        found = self._there.get(name)
        return found if found and found.promise.uid == uid else None

    def same(self, promise: Promise) -> Upload | None:
        """The upload of which the same was said, if it is no image yet."""
        return next((one for one in self._there.values() if one.promise == promise and one.made < 0), None)

    def coming(self, uid: int = -1) -> list[Upload]:
        """Those that are no images yet: of a user, or all."""
        return [one for one in self._there.values() if one.made < 0 and uid in (-1, one.promise.uid)]

    async def space(self) -> int:
        """Bytes that are free in their file system."""
        return await asyncio.to_thread(_space, self.directory)

    @property
    def promised(self) -> int:
        """Bytes that are still to come."""
        return sum(one.missing for one in self.coming())

    async def write(self, upload: Upload, turn: int, data: bytes, *, last: bool) -> None:
        """Write what comes next. Raises Overtaken; OSError: then the upload is forgotten."""
        try:
            async with upload.lock, self._writers:
                if turn != upload.turn:
                    raise Overtaken
                await asyncio.to_thread(upload.write, data, last=last)
        except OSError as error:
            log.error("What is uploaded to %s cannot be kept: %s", upload.path, error.strerror)
            self.drop(upload)
            raise
        upload.touched = time.monotonic()

    def drop(self, upload: Upload) -> None:
        """Forget an upload and its file."""
        upload.take_turn()
        self._there.pop(upload.name, None)
        self.forget(str(upload.path))

    def owns(self, path: str) -> bool:
        """Whether a path leads into the directory."""
        return Path(os.path.normpath(path)).is_relative_to(self.directory)

    def forget(self, path: str) -> None:
        """Remove a file; what cannot be removed is left to the next sweep."""
        done = asyncio.get_running_loop().run_in_executor(None, _remove, Path(path))
        self._removals.add(done)
        done.add_done_callback(self._removals.discard)

    async def sweep(self, wanted: Iterable[str]) -> None:
        """Forget uploads of which nothing comes, and remove all files but theirs and those that images want."""
        now = time.monotonic()
        for one in list(self._there.values()):
            if not one.ending and now - one.touched > IDLE:
                self._there.pop(one.name)
        kept = {*wanted, *(str(one.path) for one in self.coming())}
        for path in await asyncio.to_thread(_listed, self.directory):
            if str(path) not in kept and path.name not in self._there:
                self.forget(str(path))


def _space(directory: Path) -> int:
    there = next(path for path in (directory, *directory.parents) if path.exists())
    space = os.statvfs(there)
    return space.f_bavail * space.f_frsize


def _listed(directory: Path) -> list[Path]:
    return list(directory.iterdir()) if directory.is_dir() else []


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
