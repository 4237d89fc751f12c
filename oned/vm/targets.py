"""The device names of a VM's disks, by the rule of 3.4 and later.

Names that are given are kept for those who gave them. Then come, each with its prefix and the first free letter: the
first OS disk, the CD-ROMs with the context disk first, and all others in their order. Letters count per prefix: hda
does not take sda away.
"""

import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from oned.errors import InternalError
from oned.vm.disk import is_volatile


@dataclass(frozen=True)
class Prefixes:
    """Beginnings of device names where a disk does not say: of disks, and of CD-ROMs and the context disk."""

    disk: str
    cdrom: str


def assign(disks: Sequence[dict[str, str]], context: dict[str, str], prefixes: Prefixes, systems: set[int]) -> None:
    """Set TARGET of each disk and of the context, where they have none. InternalError for one that is given twice.

    systems  the places of disks that are made of OS images
    """
    taken = [vector["TARGET"] for vector in (*disks, context) if vector.get("TARGET")]
    twice = next((target for target in taken if taken.count(target) > 1), None)
    if twice:
        raise InternalError(detail=f"Two disks have defined the same target {twice}")
    for vector, default in _in_turn(disks, context, prefixes, systems):
        if not vector.get("TARGET"):
            vector["TARGET"] = _free(vector.get("DEV_PREFIX") or default, taken)
            taken.append(vector["TARGET"])


def _in_turn(
    disks: Sequence[dict[str, str]], context: dict[str, str], prefixes: Prefixes, systems: set[int]
) -> Iterator[tuple[dict[str, str], str]]:
    """The disks in the order in which they choose, each with its default prefix."""
    first = _first_system(disks, systems)
    if first >= 0:
        yield disks[first], prefixes.disk
    if context:
        yield context, prefixes.cdrom
    for is_cd, prefix in ((True, prefixes.cdrom), (False, prefixes.disk)):
        for place, disk in enumerate(disks):
            if place != first and _is_cd(disk) is is_cd:
                yield disk, prefix


def _first_system(disks: Sequence[dict[str, str]], systems: set[int]) -> int:
    """The place of the first OS disk: of an OS image, else a file that is none of the other kinds; -1 for none."""
    files = (place for place, disk in enumerate(disks) if "IMAGE_ID" not in disk and _is_file(disk))
    return min(systems, default=next(files, -1))


def _is_file(disk: Mapping[str, str]) -> bool:
    return not is_volatile(disk) and disk.get("TYPE", "").upper() != "CDROM"


def _is_cd(disk: Mapping[str, str]) -> bool:
    return disk.get("TYPE", "").upper() == "CDROM"


def _free(prefix: str, taken: Sequence[str]) -> str:
    for letter in string.ascii_lowercase:
        if prefix + letter not in taken:
            return prefix + letter
    detail = f"No device name is left with the prefix {prefix}. Use fewer disks or another DEV_PREFIX"
    raise InternalError(detail=detail)
