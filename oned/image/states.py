"""The states and types of images, with their numbers in the documents (OpenNebula 2.0 to 6.10)."""

from enum import IntEnum


class ImageState(IntEnum):
    """The state that a document shows. Only those of STORED are kept; use and cloning are added to them."""

    INIT = 0
    READY = 1
    USED = 2
    DISABLED = 3
    LOCKED = 4
    ERROR = 5
    CLONE = 6
    DELETE = 7
    USED_PERS = 8
    LOCKED_USED = 9
    LOCKED_USED_PERS = 10


STORED = (ImageState.READY, ImageState.DISABLED, ImageState.LOCKED, ImageState.ERROR, ImageState.DELETE)


class ImageType(IntEnum):
    """What an image is for."""

    OS = 0
    CDROM = 1
    DATABLOCK = 2
    KERNEL = 3
    RAMDISK = 4
    CONTEXT = 5


DISKS = (ImageType.OS, ImageType.CDROM, ImageType.DATABLOCK)
"""Types that a VM's disk is made of; the others are plain files."""


class DiskType(IntEnum):
    """How the hypervisor reaches it."""

    FILE = 0
    CD_ROM = 1
    BLOCK = 2
    RBD = 3
    RBD_CDROM = 4
    GLUSTER = 5
    GLUSTER_CDROM = 6
    SHEEPDOG = 7
    SHEEPDOG_CDROM = 8
    ISCSI = 9
    NONE = 255


def type_named(word: str) -> ImageType | None:
    """The type of that name, in any case."""
    return ImageType.__members__.get(word.strip().upper())
