"""Empty images: raw, qcow2, or with a file system."""

from pathlib import Path

from oned.drivers.lib.task import ActionFailed, Task

QUICK, SLOW = 60.0, 3600.0
"""Seconds that a command may take: one that only writes a little, one that writes whole images."""

MKFS_OPTIONS = {
    "ext2": ["-q", "-F"],
    "ext3": ["-q", "-F"],
    "ext4": ["-q", "-F"],
    "xfs": ["-q", "-f"],
    "btrfs": ["-q", "-f"],
    "ntfs": ["-Q", "-F"],
    "vfat": [],
}
"""File systems that are made, and what makes their mkfs take a plain file without a question."""


FORMATS = ("raw", "qcow2", *MKFS_OPTIONS)


def make(path: Path, size: int, form: str, task: Task) -> None:
    """An empty image of so many MiB at a new path. Errors: ActionFailed, for an unknown format or no size."""
    for argv in commands(path, size, form):
        task.run(argv, SLOW)


def commands(path: Path, size: int, form: str) -> list[list[str]]:
    """The commands that make an empty image of so many MiB at a new path. Errors: ActionFailed, as make."""
    if form not in FORMATS:
        raise ActionFailed(f"{form} is none of {', '.join(FORMATS)}")
    if size <= 0:
        raise ActionFailed("the size of an empty image is a number of MiB")
    if form == "qcow2":
        return [["qemu-img", "create", "-q", "-f", "qcow2", str(path), f"{size}M"]]
    empty = ["truncate", "-s", f"{size}M", "--", str(path)]
    return [empty] if form == "raw" else [empty, [f"mkfs.{form}", *MKFS_OPTIONS[form], str(path)]]
