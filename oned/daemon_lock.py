"""The lock of a location: held by oned while it runs, and by the tools that need it stopped."""

import fcntl
import os
from pathlib import Path


class AlreadyRunning(Exception):
    """Another oned has the lock."""


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock of the file; looking takes nothing, so it never gets in the way."""
    try:
        found = path.stat()
        locks = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return False
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    return any("FLOCK" in line and place in line.split() for line in locks)


def hold_lock(path: Path) -> int:
    """Take the lock of the location; AlreadyRunning if it is held. It is on an open file, so it is never stale."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(number)
        raise AlreadyRunning(f"Another oned is running here: it holds {path}. End it first: one stop") from error
    return number
