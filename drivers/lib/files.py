"""Files of VMs on a file system: copied sparse and whole, moved, removed; everything may be repeated."""

import contextlib
import errno
import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from oned.drivers.lib.task import Task

STEP = 64 << 20
"""Bytes copied between two looks at the clock and at a cancellation."""
PROGRESS = 10.0
"""Seconds between two log lines of a long copy: the daemon pushes its deadline on with each."""


@contextlib.contextmanager
def made_whole(destination: Path) -> Iterator[Path]:
    """A temporary name for a file that is being made: it gets its own name when the block ends well, else it goes."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    part = destination.with_name(f".{destination.name}.part")
    remove(part)  # of a driver that died; whoever still writes to it writes to a file without a name
    try:
        yield part
        part.replace(destination)
    except BaseException:
        remove(part)
        raise


def copy(source: Path, destination: Path, task: Task) -> None:
    """Copy a file or a directory; holes stay holes. Errors: OSError, Cancelled."""
    if source.is_dir() and not source.is_symlink():
        with made_whole(destination) as part:
            part.mkdir()
            for child in sorted(source.iterdir()):
                copy(child, part / child.name, task)
    elif source.is_symlink():
        link(Path(os.readlink(source)), destination)
    else:
        with made_whole(destination) as part, source.open("rb") as reader, part.open("wb") as writer:
            copy_data(reader.fileno(), writer.fileno(), f"{source} to {destination}", task)
            os.fchmod(writer.fileno(), stat.S_IMODE(source.stat().st_mode))


def copy_data(reader: int, writer: int, what: str, task: Task) -> None:
    """Copy what is in one open file into another; holes stay holes. Errors: OSError, Cancelled."""
    size = os.fstat(reader).st_size
    os.ftruncate(writer, size)
    said = time.monotonic()
    for start, end in _extents(reader, size):
        for offset in range(start, end, STEP):
            task.check()
            _copy_range(reader, writer, offset, min(STEP, end - offset))
            if time.monotonic() - said > PROGRESS:
                said = time.monotonic()
                task.info(f"Copying {what}: {100 * offset // size} % of {size >> 20} MiB")
    task.check()
    os.fsync(writer)


def _extents(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Start and end of each part of the file that holds data."""
    end = 0
    while end < size:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left
                return
            raise
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, end


def _copy_range(reader: int, writer: int, offset: int, length: int) -> None:
    """Copy within the kernel, which shares the blocks on file systems that can; else through memory."""
    while length:
        try:
            done = os.copy_file_range(reader, writer, length, offset, offset)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            done = os.pwrite(writer, os.pread(reader, min(length, 1 << 20), offset), offset)
        if not done:
            raise OSError(errno.EIO, "the file became shorter while it was copied")
        offset, length = offset + done, length - done


def link(target: Path, destination: Path) -> None:
    """A symbolic link, in place of whatever had the name."""
    with made_whole(destination) as part:
        part.symlink_to(target)


def move(source: Path, destination: Path, task: Task) -> None:
    """Give a file or directory another name, by copying where that is on another file system.

    Moved already, that is fine; a directory that exists takes in what is in the source. Errors: OSError, Cancelled.
    """
    if source == destination or (not os.path.lexists(source) and os.path.lexists(destination)):
        return
    if destination.is_dir() and source.is_dir():
        for child in sorted(source.iterdir()):
            move(child, destination / child.name, task)
        source.rmdir()
        return
    destination.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.rename(destination)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy(source, destination, task)
        remove(source)


def remove(path: Path) -> None:
    """Remove a file, a link or a directory with all in it; one that is not there is removed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
