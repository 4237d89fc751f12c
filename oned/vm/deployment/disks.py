"""The disks of a libvirt domain, the context CD among them."""

import string
from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from oned.template.template import Template
from oned.vm.deployment import tuning
from oned.vm.deployment.element import element
from oned.vm.deployment.facts import Facts
from oned.vm.disk import is_volatile, made_as

BUSES = {"hd": "ide", "sd": "scsi", "vd": "virtio", "fd": "fdc", "xvd": "xen", "sr": "sata"}
"""Bus of a disk whose BUS is not given, by the prefix of its target."""
VOLUMES = "lvm"
"""The transfer driver whose disks, all but the context CD, are block devices."""
DEVICES = {"CDROM": "cdrom", "FLOPPY": "floppy"}
"""Kinds of devices by TYPE; every other type is a hard disk."""
PREFIX = "hd"
"""Prefix of a target when neither template nor DEFAULT file names one."""


@dataclass(frozen=True)
class Disk:
    """A DISK of the template, or the context CD, with its place in the VM's directory and in the guest.

    scsi  the bus of targets that begin with sd
    """

    number: str
    target: str
    values: dict[str, str]
    scsi: str = "scsi"

    @property
    def bus(self) -> str:
        """The bus it hangs on; libvirt chooses one for a target that tells nothing."""
        prefix = self.target.rstrip(string.digits)[:-1]
        return (self.values.get("BUS") or (self.scsi if prefix == "sd" else BUSES.get(prefix, ""))).lower()


def disks(template: Template, facts: Facts) -> list[Disk]:
    """All disks in the order of the template, then the context CD.

    A disk without TARGET gets the first free letter behind its prefix, as the engine gives it on allocation.
    """
    wanted = [(values.get("DISK_ID", str(place)), values) for place, values in enumerate(template.vectors("DISK"))]
    if context := template.vector("CONTEXT"):
        cd = {"TYPE": "CDROM", "READONLY": "YES", "DRIVER": "raw", "TARGET": context.get("TARGET", "")}
        wanted.append((context.get("DISK_ID") or str(len(wanted)), cd))
    taken = {values["TARGET"] for _, values in wanted if values.get("TARGET")}
    made, scsi = [], {**facts.defaults.vector("OS"), **template.vector("OS")}.get("SD_DISK_BUS") or "scsi"
    for number, values in wanted:
        target = values.get("TARGET") or _free_target(values, facts, taken)
        taken.add(target)
        made.append(Disk(number, target, values, scsi))
    return made


def _free_target(values: dict[str, str], facts: Facts, taken: Iterable[str]) -> str:
    prefix = values.get("DEV_PREFIX") or facts.defaults.vector("DISK").get("DEV_PREFIX") or PREFIX
    return next(prefix + letter for letter in string.ascii_lowercase if prefix + letter not in taken)


def is_block(values: dict[str, str], facts: Facts) -> bool:
    """Whether it is a block device of the host."""
    is_made = bool(values.get("SOURCE")) or is_volatile(values)
    return values.get("TYPE", "").upper() == "BLOCK" or (facts.tm_mad == VOLUMES and is_made)


def disk_element(disk: Disk, facts: Facts, boot_order: int | None) -> Element:
    """`<disk>` with its file or block device in the VM's directory."""
    values, defaults = disk.values, facts.defaults.vector("DISK")
    kind = values.get("TYPE", "").upper()
    block = is_block(values, facts)
    source = facts.path(disk.number)
    return element(
        "disk",
        element(
            "driver",
            name="qemu",
            type=made_as(values, facts.tm_mad) or values.get("DRIVER") or defaults.get("DRIVER") or "raw",
            cache=values.get("CACHE") or defaults.get("CACHE"),
            io=values.get("IO") or defaults.get("IO"),
            discard=values.get("DISCARD") or defaults.get("DISCARD"),
        ),
        element("source", dev=source if block else "", file="" if block else source),
        element("target", dev=disk.target, bus=disk.bus),
        element("readonly") if values.get("READONLY", "").upper() == "YES" or kind == "CDROM" else None,
        tuning.iotune({**defaults, **values}),
        element("boot", order=boot_order) if boot_order else None,
        type="block" if block else "file",
        device=DEVICES.get(kind, "disk"),
    )
