"""What a DISK vector says of itself, to all who read templates; what it says of a living VM is in oned.vm.disk."""

from collections.abc import Mapping

from oned.numbers import mib
from oned.template.template import Template

VOLATILE = ("SWAP", "FS")
"""Types of disks that are made empty, and go with the VM."""


def is_volatile(disk: Mapping[str, str]) -> bool:
    """Whether the disk is made empty: it is no copy of and no link to anything."""
    return disk.get("TYPE", "").upper() in VOLATILE


def is_link(disk: Mapping[str, str]) -> bool:
    """Whether the disk is its image or file itself; else it takes room of its own."""
    return disk.get("CLONE", "").upper() == "NO" and not is_volatile(disk)


def on_system(template: Template) -> int:
    """MiB that the disks of a VM may come to take in its system datastore."""
    return sum(size(disk) for disk in template.vectors("DISK") if _is_on_system(disk))


def _is_on_system(disk: Mapping[str, str]) -> bool:
    """Whether the disk is a file of its own beside those of its VM."""
    if is_volatile(disk):
        return True
    if is_link(disk):
        return disk.get("LN_TARGET", "").upper() == "SYSTEM"
    return disk.get("CLONE_TARGET", "SYSTEM").upper() == "SYSTEM"


def size(disk: Mapping[str, str]) -> int:
    """MiB of a disk, or those that it is just being given; 0 if it does not say."""
    return max(0, *(mib(disk.get(name, "")) for name in ("SIZE", "RESIZE")))
