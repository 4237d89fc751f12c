"""What a DISK vector says of itself."""

from collections.abc import Mapping

from oned.template.template import Template

VOLATILE = ("SWAP", "FS")
"""Types of disks that are made empty, and go with the VM."""


def is_volatile(disk: Mapping[str, str]) -> bool:
    """Whether the disk is made empty: it is no copy of and no link to anything."""
    return disk.get("TYPE", "").upper() in VOLATILE


def is_link(disk: Mapping[str, str]) -> bool:
    """Whether the disk is its image or file itself; else it takes room of its own."""
    return disk.get("CLONE", "").upper() == "NO" and not is_volatile(disk)


def size(disk: Mapping[str, str]) -> int:
    """MiB of a disk, or those that it is just being given; 0 if it does not say."""
    return max(int(text) if (text := disk.get(name, "")).isdecimal() else 0 for name in ("SIZE", "RESIZE"))


def is_kept(disk: Mapping[str, str]) -> bool:
    """Whether what the guest wrote outlives the VM, or the disk's part in it."""
    return disk.get("SAVE", "").upper() == "YES"


def is_changing(vector: Mapping[str, str]) -> bool:
    """Whether the disk or NIC is being attached or detached."""
    return vector.get("ATTACH") == "YES"


def numbered(template: Template) -> list[tuple[int, dict[str, str]]]:
    """The disks with their numbers: `disk.<n>` in the VM's directory. Numbers of detached disks are missing."""
    disks = enumerate(template.vectors("DISK"))
    return [(int(disk.get("DISK_ID", place)), disk) for place, disk in disks]


def next_number(template: Template) -> int:
    """The number of a disk that is added: behind those of all disks and of the context CD."""
    context = template.vector("CONTEXT").get("DISK_ID", "")
    numbers = [number for number, _ in numbered(template)]
    return 1 + max([*numbers, int(context) if context.isdecimal() else -1], default=-1)
