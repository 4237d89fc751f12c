"""From the template of a user to an image: what is checked, and what becomes of each attribute."""

import re
from dataclasses import dataclass

from oned.datastore.datastore import FILE, IMAGE, Datastore
from oned.errors import AllocateFailed
from oned.ids import Kind
from oned.image.image import Image
from oned.image.states import DiskType, ImageType, type_named
from oned.numbers import mib
from oned.template.template import Template

OWN = (
    "NAME", "TYPE", "PERSISTENT", "PATH", "SOURCE", "SIZE", "FORMAT", "FS", "FSTYPE", "DISK_TYPE", "DATASTORE",
    "DATASTORE_ID", "PUBLIC",
)  # fmt: skip
"""Attributes that become elements of the image; the others stay in its TEMPLATE."""
FORMATS = ("raw", "qcow2")
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_SUMS = {"MD5": re.compile(r"[0-9a-fA-F]{32}"), "SHA1": re.compile(r"[0-9a-fA-F]{40}")}


@dataclass(frozen=True)
class Defaults:
    """What oned.conf says where a template says nothing."""

    type: str
    prefix: str
    cdrom_prefix: str


def refused(detail: str) -> AllocateFailed:
    """The refusal of an image."""
    return AllocateFailed(kind=Kind.IMAGE.value, detail=detail)


def describe(image: Image, given: Template, datastore: Datastore, defaults: Defaults) -> None:
    """Fill an image from a template. AllocateFailed for what cannot be made, or not there."""
    image.type = _type(given, defaults)
    image.datastore = datastore.id
    check_place(image, datastore)
    image.persistent = int(yes(given, "PERSISTENT"))
    if image.persistent and not image.is_disk:
        raise refused("KERNEL, RAMDISK and CONTEXT images cannot be persistent: VMs only read them")
    image.disk_type = disk_type(image, datastore)
    image.path, image.source = given.get("PATH").strip(), given.get("SOURCE").strip()
    image.size = _size(given)
    _describe_format(image, given)
    _check_origin(image)
    image.template = Template((name, value) for name, value in given if name not in OWN)
    check_template(image.template)
    if image.is_disk and not image.template.get("DEV_PREFIX"):
        is_cd = image.type == ImageType.CDROM
        image.template.set("DEV_PREFIX", defaults.cdrom_prefix if is_cd else defaults.prefix)


def yes(given: Template, name: str) -> bool:
    """Whether an attribute says yes."""
    return given.get(name).upper() in ("YES", "TRUE", "1")


def check_place(image: Image, datastore: Datastore) -> None:
    """AllocateFailed if an image of that type cannot be in the datastore."""
    if image.is_disk and datastore.type != IMAGE:
        raise refused(f"Disks are kept in a datastore of TYPE IMAGE_DS; {datastore.name} [{datastore.id}] is none")
    if not image.is_disk and datastore.type != FILE:
        where = f"{datastore.name} [{datastore.id}] is none"
        raise refused(f"KERNEL, RAMDISK and CONTEXT images must be registered in a file datastore; {where}")


def disk_type(image: Image, datastore: Datastore) -> int:
    """How hypervisors reach an image of that type there."""
    if image.type == ImageType.CDROM and datastore.disk_type == DiskType.FILE:
        return DiskType.CD_ROM
    return datastore.disk_type


def _type(given: Template, defaults: Defaults) -> ImageType:
    word = given.get("TYPE") or defaults.type
    found = type_named(word)
    if found is None:
        raise refused(f"Invalid IMAGE type {word}. There are {', '.join(ImageType.__members__)}")
    return found


def _size(given: Template) -> int:
    text = given.get("SIZE").strip()
    if not text:
        return 0
    if mib(text) <= 0:
        raise refused(f"SIZE is a whole number of MiB, not {text!r}")
    return mib(text)


def _describe_format(image: Image, given: Template) -> None:
    """FORMAT and FS as 6.x have them; FSTYPE may be either."""
    form, system, classic = (given.get(name).strip().lower() for name in ("FORMAT", "FS", "FSTYPE"))
    if classic in FORMATS:
        form = form or classic
    else:
        system = system or classic
    for name, word in (("FORMAT", form), ("FS", system)):
        if word and not _WORD.fullmatch(word):
            raise refused(f"{name} is one word, not {word!r}")
    image.format, image.fs = form, system


def _check_origin(image: Image) -> None:
    if image.path and image.source:
        raise refused("PATH and SOURCE exclude each other: PATH is copied, SOURCE is used where it is")
    if image.source and re.search(r"[\s\x00-\x1f\x7f]", image.source):
        raise refused("SOURCE is a path without blanks, which transfer drivers could not be told")
    if image.path or image.source:
        return
    if image.type not in (ImageType.OS, ImageType.DATABLOCK):
        raise refused("No PATH in template. It is the path of a file, an http URL, or s3://bucket/key")
    if not image.size:
        raise refused("No PATH in template. Give PATH, or for an empty image SIZE (MiB), and FORMAT or FS if you like")


def check_template(template: Template) -> None:
    """AllocateFailed for attributes of an image that are none, or that disks made of it could not have."""
    for name, form in _SUMS.items():
        if template.get(name) and not form.fullmatch(template.get(name)):
            raise refused(f"{name} is the checksum in hexadecimal digits, not {template.get(name)!r}")
    for name in ("DEV_PREFIX", "TARGET", "DRIVER", "BUS"):
        if template.get(name) and not _WORD.fullmatch(template.get(name)):
            raise refused(f"{name} is one word, not {template.get(name)!r}")
