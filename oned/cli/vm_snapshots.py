"""The commands of onevm for snapshots: of VMs, and of their disks."""

from oned.cli.command import CommandError, Program
from oned.cli.names import VMId
from oned.cli.output import say
from oned.cli.vm_disks import disk_number
from oned.client.client import Client


def add_snapshots(program: Program) -> None:
    """Give the program `snapshot-*` and `disk-snapshot-*`."""
    program.command("snapshot-create", "<vm> [<name>]")(create)
    program.command("snapshot-revert", "<vm> <snapshot>")(revert)
    program.command("snapshot-delete", "<vm> <snapshot>")(delete)
    program.command("disk-snapshot-create", "<vm> <disk> [<name>]")(disk_create)
    program.command("disk-snapshot-revert", "<vm> <disk> <snapshot>")(disk_revert)
    program.command("disk-snapshot-delete", "<vm> <disk> <snapshot>")(disk_delete)
    program.command("disk-snapshot-rename", "<vm> <disk> <snapshot> <name>")(disk_rename)


def create(one: Client, vm: VMId, name: str = "") -> None:
    """Makes a snapshot of a VM that runs, memory and disks; it is kept until the VM leaves its host or is off."""
    say(f"ID: {one.number('one.vm.snapshotcreate', vm, name)}")


def revert(one: Client, vm: VMId, snapshot: str) -> None:
    """Puts a VM that runs back to what it was when the snapshot was made."""
    one.call("one.vm.snapshotrevert", vm, _number(vm, snapshot))


def delete(one: Client, vm: VMId, snapshot: str) -> None:
    """Deletes a snapshot of a VM that runs."""
    one.call("one.vm.snapshotdelete", vm, _number(vm, snapshot))


def disk_create(one: Client, vm: VMId, disk: str, name: str = "") -> None:
    """Makes a snapshot of a disk, which must be a qcow2 file; it is kept as long as the VM lives."""
    say(f"ID: {one.number('one.vm.disksnapshotcreate', vm, disk_number(vm, disk), name)}")


def disk_revert(one: Client, vm: VMId, disk: str, snapshot: str) -> None:
    """Puts a disk of a VM that is powered off back to what it was when the snapshot was made."""
    one.call("one.vm.disksnapshotrevert", vm, disk_number(vm, disk), _number(vm, snapshot))


def disk_delete(one: Client, vm: VMId, disk: str, snapshot: str) -> None:
    """Deletes a snapshot of a disk, on which neither the disk nor another snapshot lies."""
    one.call("one.vm.disksnapshotdelete", vm, disk_number(vm, disk), _number(vm, snapshot))


def disk_rename(one: Client, vm: VMId, disk: str, snapshot: str, name: str) -> None:
    """Gives a snapshot of a disk another name."""
    one.call("one.vm.disksnapshotrename", vm, disk_number(vm, disk), _number(vm, snapshot), name)


def _number(vm: int, text: str) -> int:
    if not text.isdecimal():
        raise CommandError(f"{text!r} is no number of a snapshot. onevm show {vm} lists them")
    return int(text)
