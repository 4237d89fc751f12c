"""Transfer scripts, of the classic form and of the form with datastores, as commands with named arguments."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from oned.drivers.lib.task import ActionFailed

ARGUMENTS = {
    "CLONE": ("source", "destination"),
    "LN": ("source", "destination"),
    "MKSWAP": ("size", "destination"),
    "MKIMAGE": ("size", "format", "destination"),
    "CONTEXT": ("files", "destination"),
    "MV": ("source", "destination"),
    "MVDS": ("source", "destination"),
    "CPDS": ("source", "destination"),
    "RESIZE": ("destination", "size"),
    "DELETE": ("destination",),
    "PREMIGRATE": ("destination", "source", "directory"),
    "POSTMIGRATE": ("destination", "source", "directory"),
    "FAILMIGRATE": ("destination", "source", "directory"),
    "SNAP_CREATE": ("destination", "snapshot"),
    "SNAP_CREATE_LIVE": ("destination", "snapshot"),
    "SNAP_REVERT": ("destination", "snapshot"),
    "SNAP_DELETE": ("destination", "snapshot"),
}
"""What stands between command (or type) and VM id. Only CONTEXT's files are any number of words."""


@dataclass(frozen=True)
class Line:
    """One command of a script.

    type   type of the datastore; empty in the classic form
    size   MB, empty if there is none
    files  of CONTEXT: context.sh first
    directory  of the VM, which is the same on the two hosts of a live migration; these are source and destination
    snapshot  number of a snapshot of the disk; the destination is the file that the guest works on
    """

    command: str
    destination: str
    source: str = ""
    type: str = ""
    size: str = ""
    format: str = ""
    snapshot: str = ""
    files: tuple[str, ...] = ()
    directory: str = ""
    text: str = ""

    @property
    def host(self) -> str:
        """The host of the destination; of the source where that has none."""
        return next((host_of(place) for place in (self.destination, self.source) if host_of(place)), "")


def host_of(place: str) -> str:
    """`h1` of `h1:/path`; nothing for a path."""
    return place.partition(":")[0] if ":" in place.partition("/")[0] else ""


def path_of(place: str) -> Path:
    """`/path` of `h1:/path` or `/path`."""
    return Path(place.partition(":")[2] if host_of(place) else place)


def mebibytes(line: Line) -> int:
    """The size of a line. Errors: ActionFailed, if it is no number of MB."""
    if not line.size.isdigit() or int(line.size) == 0:
        raise ActionFailed(f"{line.command}: the size is not a number of MB: {line.size}")
    return int(line.size)


def removable(line: Line, vm: int) -> Path:
    """The path of a DELETE. Errors: ActionFailed for anything but the directory of the VM, or a disk in it."""
    path = Path(os.path.normpath(path_of(line.destination)))
    if not re.fullmatch(rf"/.+/{vm}(/images)?(/disk\.\d+)?", str(path)):
        raise ActionFailed(f"DELETE: {path} is not the directory of VM {vm}, nor a disk in it; nothing was removed")
    return path


def read(path: Path) -> list[Line]:
    """The commands of a script file. Errors: ActionFailed, if there is no such file or a line is not understood."""
    return [parse(line) for line in words_of(path)]


def words_of(path: Path) -> list[str]:
    """The lines of a script file that are commands, as they are. Errors: ActionFailed, if it cannot be read."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise ActionFailed(f"Transfer file not found: {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ActionFailed(f"Transfer file {path} cannot be read: {error}") from None
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def parse(text: str) -> Line:
    """One line of either form. Errors: ActionFailed."""
    command, *words = text.split()
    command = command.upper()
    if command not in ARGUMENTS:
        raise ActionFailed(f"{command} not found: {text}")
    kind = ""
    if command.endswith("MIGRATE") and words and not words[-1].isdigit():
        words.pop()  # the VM's document
    if _has_datastores(words):
        kind, words = words[0], words[1:-2]
    return Line(command=command, type=kind, text=text, **_named(command, words, text))  # type: ignore[arg-type]


def _has_datastores(words: Sequence[str]) -> bool:
    """Whether the line has the type in front, which is no path and no number, and VM and datastore id behind."""
    ids_behind = len(words) >= 4 and all(word.isdigit() for word in words[-2:])
    return ids_behind and not words[0].isdigit() and not {"/", ":"} & set(words[0])


def _named(command: str, words: list[str], text: str) -> dict[str, object]:
    """The words by name. CLONE and LN of the classic form may have the size behind them, CPDS a snapshot's number."""
    names = ARGUMENTS[command]
    if command == "CONTEXT" and len(words) >= 2:
        return {"files": tuple(words[:-1]), "destination": words[-1]}
    if command == "CPDS" and len(words) == len(names) + 1:
        words = words[:-1]
    if command in ("CLONE", "LN") and len(words) == len(names) + 1:
        names = (*names, "size")
    if len(words) != len(names) or command == "CONTEXT":
        raise ActionFailed(f"{command} wants {', '.join(names)}: {text}")
    return dict(zip(names, words, strict=True))
