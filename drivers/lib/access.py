"""Opening what a user names: regular files only, outside of the directories that are restricted."""

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from oned.drivers.lib.request import var_directory
from oned.drivers.lib.task import ActionFailed


def own_directories() -> list[Path]:
    """The engine's own directories and the home of its user: secrets are in them."""
    place = os.environ.get("ONE_LOCATION")
    etc = [Path(place) / "etc", Path(place) / ".one"] if place else [Path("/etc/one")]
    return [var_directory(), *etc, *([Path(home)] if (home := os.environ.get("HOME")) else [])]


def directories(text: str) -> list[Path]:
    """The directories of an attribute, parted by blanks or commas."""
    return [Path(word) for word in text.replace(",", " ").split()]


def check_allowed(path: Path, safe: Sequence[Path], restricted: Iterable[Path]) -> None:
    """ActionFailed for a path, free of links, below a restricted directory and below no safe one."""
    if _below(path, safe):
        return
    if _below(path, [*restricted, *own_directories()]):
        hint = (
            "put it below one of SAFE_DIRS of the datastore" if safe else "let oneadmin set SAFE_DIRS of the datastore"
        )
        raise ActionFailed(f"Not allowed to copy image file {path}: {hint}")


def _below(path: Path, directories: Iterable[Path]) -> bool:
    return any(path.is_relative_to(os.path.realpath(directory)) for directory in directories)


def resolved(text: str) -> Path:
    """The absolute path without links. Errors: ActionFailed."""
    if not text.startswith("/"):
        raise ActionFailed(f"PATH is an absolute path or an http URL, not {text!r}")
    try:
        return Path(os.path.realpath(text, strict=True))
    except (OSError, ValueError) as error:
        raise ActionFailed(f"{text} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def open_regular(path: Path) -> int:
    """A descriptor of a regular file. Errors: ActionFailed, for devices, FIFOs, and what was put there meanwhile."""
    try:
        _check_regular(os.lstat(path).st_mode, path)
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ActionFailed(f"{path} cannot be read: {error.strerror}") from None
    try:
        _check_regular(os.fstat(descriptor).st_mode, path)
        if os.readlink(f"/proc/self/fd/{descriptor}") != str(path):
            raise ActionFailed(f"{path} was moved while it was opened")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_regular(mode: int, path: Path) -> None:
    if not stat.S_ISREG(mode):
        raise ActionFailed(f"{path} is no regular file: devices, FIFOs and directories are not copied")
