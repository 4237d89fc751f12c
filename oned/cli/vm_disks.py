"""The commands of onevm that give VMs disks and take them away."""

from typing import Any

from oned.cli import editor
from oned.cli.actions import Step, apply
from oned.cli.command import CommandError, Option, Program
from oned.cli.names import IMAGES, VMS, VMId, VMList
from oned.cli.output import say
from oned.cli.units import mebibytes
from oned.client.client import Client

FILE = Option("given", ("--file",), "file with the DISK = [ … ], or the NIC = [ … ] of a deploy", "FILE")
IMAGE = Option("image", ("-i", "--image"), "make it of this image, id or name", "IMAGE")
TARGET = Option("target", ("-t", "--target"), "name of the device, such as vdb", "DEVICE")
PREFIX = Option("prefix", ("--prefix",), "beginning of the name of the device: hd, sd, vd", "WORD")
CACHE = Option("cache", ("--cache",), "how the hypervisor caches it, such as none", "WORD")
TYPE = Option("type", ("--type",), "of the new image: OS, CDROM or DATABLOCK; else that of the disk's image", "TYPE")
SNAPSHOT = Option("snapshot", ("--snapshot",), "take the disk's snapshot of this number", "NUMBER", int)


def add_disks(program: Program) -> None:
    """Give the program the commands of disks, also under their first names."""
    program.command("disk-attach", "<vm-list> [<file>]", FILE, IMAGE, TARGET, PREFIX, CACHE)(attach)
    program.command("disk-detach", "<vm> <disk>")(detach)
    program.command("disk-resize", "<vm> <disk> <size>")(resize)
    program.command("disk-saveas", "<vm> <disk> <image>", TYPE, SNAPSHOT)(save_now)
    program.command("saveas", "<vm> <disk> <image>", TYPE)(save_later)
    program.alias("attachdisk", "disk-attach")
    program.alias("detachdisk", "disk-detach")


def attach(one: Client, vms: VMList, file: str = "", *, verbose: bool, **options: Any) -> int:
    """Gives VMs that run or are powered off one more disk: of a file (- is stdin), or of an image."""
    text = _disk(one, file or options["given"] or "", options)
    step = Step("disk-attach", "attaching a disk", lambda vm: one.call("one.vm.attach", vm, text))
    return apply(VMS, vms, step, verbose=verbose)


def _disk(one: Client, file: str, options: dict[str, Any]) -> str:
    from oned.template import render
    from oned.template.template import Template

    if bool(options["image"]) + bool(file) != 1:
        raise CommandError("give a file with DISK = [ … ], or --image")
    if file:
        return editor.read(file)
    disk = {"IMAGE_ID": str(IMAGES.id(one, options["image"]))}
    disk |= {key: options[name] for name, key in _KEYS.items() if options[name]}
    return render.text(Template([("DISK", disk)]))


_KEYS = {"target": "TARGET", "prefix": "DEV_PREFIX", "cache": "CACHE"}


def detach(one: Client, vm: VMId, disk: str) -> None:
    """Takes a disk from a VM that runs or is powered off, by its number; what is persistent is kept in its image."""
    one.call("one.vm.detach", vm, disk_number(vm, disk))


def resize(one: Client, vm: VMId, disk: str, size: str) -> None:
    """Makes a disk of a VM larger, whether it runs, is powered off or undeployed: 512M, 20G, or a number of MiB."""
    number = disk_number(vm, disk)
    try:
        one.call("one.vm.diskresize", vm, number, str(mebibytes(size)))
    except ValueError:
        raise CommandError(f"{size!r} is no size. Give such as 512M or 20G") from None


def save_now(one: Client, vm: VMId, disk: str, image: str, *, type: str | None, snapshot: int | None) -> None:
    """Copies a disk to a new image of that name, and prints the image's ID; the VM goes on when the copy is done."""
    number = -1 if snapshot is None else snapshot
    say(f"ID: {one.number('one.vm.disksaveas', vm, disk_number(vm, disk), image, type or '', number)}")


def save_later(one: Client, vm: VMId, disk: str, image: str, *, type: str | None) -> None:
    """Has a disk saved to a new image of that name when the VM ends, and prints the image's ID."""
    say(f"ID: {one.number('one.vm.savedisk', vm, disk_number(vm, disk), image, type or '')}")


def disk_number(vm: int, text: str) -> int:
    """The number of a disk. Raises CommandError for what is none."""
    if not text.isdecimal():
        raise CommandError(f"{text!r} is no number of a disk. onevm show {vm} lists them")
    return int(text)
