"""Opening what a user names: regular files only, outside of the directories that are restricted."""

import os
import re
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from oned.drivers.lib.request import var_directory
from oned.drivers.lib.task import ActionFailed

_SENT = re.compile("[0-9a-f]{48}")


def own_directories() -> list[Path]:
    """The engine's own directories and the home of its user: secrets are in them."""
    place = os.environ.get("ONE_LOCATION")
    etc = [Path(place) / "etc", Path(place) / ".one"] if place else [Path("/etc/one")]
    return [var_directory(), *etc, *([Path(home)] if (home := os.environ.get("HOME")) else [])]


def directories(text: str) -> list[Path]:
    """The directories of an attribute, parted by blanks or commas."""
    return [Path(word) for word in text.replace(",", " ").split()]


def named(text: str) -> Path:
    """The absolute path without links; nothing need be there. Errors: ActionFailed."""
    if not text.startswith("/"):
        raise ActionFailed(f"PATH is an absolute path or an http URL or s3://bucket/key, not {text!r}")
    try:
        return Path(os.path.realpath(text))
    except (OSError, ValueError) as error:
        raise _unreadable(text, error) from None


def check_allowed(text: str, safe: Sequence[Path], restricted: Iterable[Path]) -> None:
    """ActionFailed for a path below a restricted directory, as it is written or by its links, and below no safe one.

    It says the same whether something is there or not, and nothing of where links lead.
    """
    path, barred = named(text), [*restricted, *own_directories()]
    if _below(path, safe):
        return
    if _below(path, barred) or _below(Path(os.path.normpath("/" + text.lstrip("/"))), barred):
        hint = (
            "put it below one of SAFE_DIRS of the datastore" if safe else "let oneadmin set SAFE_DIRS of the datastore"
        )
        raise ActionFailed(f"Not allowed to copy image file {text}: {hint}")


def _below(path: Path, directories: Iterable[Path]) -> bool:
    return any(path.is_relative_to(os.path.realpath(it)) or path.is_relative_to(it) for it in directories)


def _unreadable(text: str, error: OSError | ValueError) -> ActionFailed:
    return ActionFailed(f"{text} cannot be read: {getattr(error, 'strerror', None) or error}")


def resolved(text: str) -> Path:
    """The absolute path without links. Errors: ActionFailed, also if nothing is there."""
    path = named(text)
    try:
        return Path(os.path.realpath(path, strict=True))
    except (OSError, ValueError) as error:
        raise _unreadable(text, error) from None


def open_sent(text: str) -> int | None:
    """A descriptor of what a client has sent, if a path is the engine's name of one, letter by letter, else None.

    Such names are given by the engine only, which refuses them from users. Errors: ActionFailed.
    """
    directory, _, name = text.rpartition("/")
    if not directory or directory != os.environ.get("UPLOAD_LOCATION") or not _SENT.fullmatch(name):
        return None
    return open_regular(Path(os.path.realpath(directory)) / name)


def open_users(text: str) -> int:
    """A descriptor of the regular file that a user names, which everybody may read: he is no user of this machine.

    Errors: ActionFailed, the same for all that is none.
    """
    refused = ActionFailed(
        f"{text} cannot be read: it is no regular file for everybody to read. If it may be: chmod o+r"
    )
    try:
        descriptor = open_regular(named(text))
    except ActionFailed:
        raise refused from None
    if not os.fstat(descriptor).st_mode & stat.S_IROTH:
        os.close(descriptor)
        raise refused
    return descriptor


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
