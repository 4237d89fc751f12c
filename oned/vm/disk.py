"""What a DISK vector of a VM says of itself."""

from collections.abc import Mapping

from oned.template.disk import VOLATILE, is_link, is_volatile, on_system, size
from oned.template.template import Template

__all__ = [
    "VOLATILE", "is_changing", "is_kept", "is_link", "is_volatile", "next_number", "numbered", "on_system", "size",
]  # fmt: skip


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
