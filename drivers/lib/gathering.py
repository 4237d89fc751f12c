"""Files for a context disk: taken from where they may be read, and looked at once they are open, not before.

Whoever may name a file must not get at another one: not by a link, not by putting a link or a pipe in its place just
before it is opened. So a path is resolved first, and then walked from the directory that it must stay in, one name
after the other, following no link (open(2), O_PATH and O_NOFOLLOW); what was reached is looked at through its
descriptor, and only a plain file is ever opened for reading, through that same descriptor.
"""

import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from oned.drivers.lib import files
from oned.drivers.lib.fetch import Source, is_url, opened
from oned.drivers.lib.task import ActionFailed, Task

LIMIT = 1 << 30
"""Bytes of all files of one disk."""
MOST, DEEPEST = 10_000, 32
"""Files and directories of one disk; directories below each other."""

PIECE = 1 << 20
"""Bytes read from a server at once."""
_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_OF_DATASTORE = re.compile(r"(/.+):'([^'/]+)'")
"""A file of a datastore, with its name on the disk (FILES_DS, 4.0)."""
_KINDS = (
    (stat.S_ISLNK, "a link"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def safe_directories() -> list[str]:
    """The directories that users' files may come from."""
    return os.environ.get("CONTEXT_SAFE_DIRS", "").split()


class Gathering:
    """A directory that fills with copies.

    safe    directories that users' files come from: what is below them leads nowhere else, and everybody may read it
    others  directory of the VMs' directories, which are called by their numbers: nothing is taken from those
    """

    def __init__(self, tree: Path, safe: Sequence[str], others: Path, task: Task) -> None:
        self._tree, self._task, self._others = tree, task, Path(os.path.realpath(others))
        self._safe = [os.path.normpath(directory) for directory in safe]
        self._left, self._number = LIMIT, 0

    def own(self, path: Path) -> None:
        """Copy a file that the daemon has made."""
        with _held(_reached(Path("/"), path.resolve().parts[1:], str(path), public=False)) as descriptor:
            self._copy(descriptor, self._place(path.name), str(path), public=False)

    def add(self, word: str) -> None:
        """Copy a file, a directory with all in it, or what a URL has. Errors: ActionFailed, Cancelled, OSError."""
        if is_url(word):
            place = self._place(_name_of(word))
            with opened(word) as answer:
                self._write(answer, place, word)
            return
        of_datastore = _OF_DATASTORE.fullmatch(word)
        word, name = of_datastore.groups() if of_datastore else (word, "")
        path = Path(os.path.normpath(word))
        if not path.is_absolute():
            raise ActionFailed(f"CONTEXT: {word} is no absolute path")
        root, public = self._root(path)
        try:
            real = path.resolve(strict=True)
        except OSError as error:
            raise ActionFailed(f"CONTEXT: there is no file {word} ({error.strerror})") from None
        except RuntimeError:  # a circle of links
            raise ActionFailed(f"CONTEXT: the links of {word} lead nowhere") from None
        if not real.is_relative_to(root):
            raise ActionFailed(f"CONTEXT: {word} leads out of {root}, to {real}")
        if any(parent.parent == self._others and parent.name.isdigit() for parent in (real, *real.parents)):
            raise ActionFailed(f"CONTEXT: {word} belongs to a VM. Name a file of your own")
        with _held(_reached(root, real.relative_to(root).parts, word, public=public)) as descriptor:
            self._copy(descriptor, self._place(name or path.name), word, public=public)

    def _root(self, path: Path) -> tuple[Path, bool]:
        """The directory that a path must stay in, and whether that is one for the files of users."""
        for directory in self._safe:
            if path.is_relative_to(directory):
                return Path(os.path.realpath(directory)), True
        return Path("/"), False

    def _place(self, name: str) -> Path:
        if not name:
            raise ActionFailed("CONTEXT: the root directory is no file for a context disk")
        if os.path.lexists(self._tree / name):
            raise ActionFailed(f"CONTEXT: two files would be called {name} on the disk. Rename one of them")
        return self._tree / name

    def _copy(self, descriptor: int, place: Path, shown: str, *, public: bool, depth: int = 0) -> None:
        """Copy what an O_PATH descriptor stands for."""
        self._task.check()
        found = os.fstat(descriptor)
        self._number += 1
        if self._number > MOST or depth > DEEPEST:
            raise ActionFailed(f"CONTEXT: {shown} is one too many: a disk has {MOST} files, {DEEPEST} deep")
        kind = next((word for is_one, word in _KINDS if is_one(found.st_mode)), "")
        if kind:
            raise ActionFailed(f"CONTEXT: {shown} is {kind}. Only files and directories can be taken")
        if public:
            _demand_public(found, shown)
        if stat.S_ISDIR(found.st_mode):
            self._copy_directory(descriptor, place, shown, public=public, depth=depth)
        else:
            self._copy_file(descriptor, place, shown, found)

    def _copy_file(self, descriptor: int, place: Path, shown: str, found: os.stat_result) -> None:
        self._left -= found.st_size
        if self._left < 0:
            raise ActionFailed(f"CONTEXT: with {shown} the disk is larger than {LIMIT >> 20} MiB")
        with _held(_opened(descriptor, os.O_RDONLY)) as reader, place.open("xb") as writer:
            files.copy_data(reader, writer.fileno(), f"{shown} to the context disk", self._task)
            os.fchmod(writer.fileno(), stat.S_IMODE(found.st_mode) & 0o777)

    def _write(self, answer: Source, place: Path, shown: str) -> None:
        """Write what a server sends."""
        try:
            with place.open("xb") as writer:
                while piece := answer.read(PIECE):
                    self._task.check()
                    self._left -= len(piece)
                    if self._left < 0:
                        raise ActionFailed(f"CONTEXT: with {shown} the disk is larger than {LIMIT >> 20} MiB")
                    writer.write(piece)
        except OSError as error:
            raise ActionFailed(f"CONTEXT: {shown} cannot be fetched: {error}") from None

    def _copy_directory(self, descriptor: int, place: Path, shown: str, *, public: bool, depth: int) -> None:
        place.mkdir()
        with _held(_opened(descriptor, os.O_RDONLY | os.O_DIRECTORY)) as directory:
            for name in sorted(os.listdir(directory)):
                below, inside = f"{shown}/{name}", place / name
                with _held(os.open(name, _LOOK, dir_fd=directory)) as child:
                    if stat.S_ISLNK(os.fstat(child).st_mode):
                        inside.symlink_to(_link(child, below, depth))
                    else:
                        self._copy(child, inside, below, public=public, depth=depth + 1)


def _name_of(url: str) -> str:
    """The last name in the URL's path. Errors: ActionFailed, if it cannot be that of a file."""
    name = unquote(urlsplit(url).path).rpartition("/")[2]
    if name in ("", ".", "..") or "\0" in name:
        raise ActionFailed(f"CONTEXT: {url} does not end in the name of a file")
    return name


def _link(descriptor: int, shown: str, depth: int) -> str:
    """Where a link in a directory leads, which must be inside of that directory: it stays a link, as with `cp -R`."""
    target = os.readlink("", dir_fd=descriptor)
    steps = os.path.normpath(target).split("/")
    if target.startswith("/") or steps.count("..") > depth:
        raise ActionFailed(f"CONTEXT: {shown} is a link that leads out of its directory, to {target}")
    return target


def _demand_public(found: os.stat_result, shown: str) -> None:
    """ActionFailed for what somebody keeps to himself: users of the engine are no users of this machine."""
    if not found.st_mode & (stat.S_IXOTH if stat.S_ISDIR(found.st_mode) else stat.S_IROTH):
        raise ActionFailed(f"CONTEXT: {shown} is not for everybody to read. If it may be: chmod o+rX, also above it")


def _reached(root: Path, names: Sequence[str], shown: str, *, public: bool) -> int:
    """An O_PATH descriptor of what the names lead to from the root, without a link on the way."""
    descriptor = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    for name in names:
        with _held(descriptor):
            found = os.fstat(descriptor)
            if not stat.S_ISDIR(found.st_mode):
                raise ActionFailed(f"CONTEXT: {shown} has changed while it was opened")
            if public:
                _demand_public(found, shown)
            descriptor = os.open(name, _LOOK, dir_fd=descriptor)
    return descriptor


@contextmanager
def _held(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _opened(descriptor: int, flags: int) -> int:
    """A descriptor for reading what an O_PATH descriptor stands for: that very file, whatever has its name by now."""
    return os.open(f"/proc/self/fd/{descriptor}", flags | os.O_CLOEXEC)
