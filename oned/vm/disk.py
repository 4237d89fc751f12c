"""What a DISK vector says of itself."""

from collections.abc import Mapping

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
