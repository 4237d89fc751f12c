"""What a DISK vector of a VM says of itself."""

from collections.abc import Mapping

from oned.numbers import mib, whole
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
    return 1 + max([*numbers, whole(context)])


def made_as(disk: Mapping[str, str], tm_mad: str) -> str:
    """The format of a disk that the transfer driver makes itself, whatever DRIVER says; "" if it takes what there is.

    A file system or swap area is raw, a clone of type qcow2 is a layer over its image; a link is what it leads to.

    tm_mad  of the system datastore, which disks without one of their own come by
    """
    if is_volatile(disk):
        return "qcow2" if disk.get("FORMAT", "").lower() == "qcow2" else "raw"
    cloned = bool(disk.get("SOURCE")) and not is_link(disk)
    return "qcow2" if cloned and (disk.get("TM_MAD") or tm_mad) == "qcow2" else ""


def snapshots_size(disk: Mapping[str, str]) -> int:
    """MiB that the snapshots of a disk may take."""
    return max(0, mib(disk.get("DISK_SNAPSHOT_TOTAL_SIZE", "")))
