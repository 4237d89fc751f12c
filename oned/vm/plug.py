"""What the changes of a running VM want from a hypervisor driver.

What is being changed is marked in the VM's template, which the driver sees in the VM's document: a disk or NIC has
ATTACH=YES while it comes or goes, DISK_SNAPSHOT_ACTIVE=YES while a snapshot of it is worked on.
"""

from collections.abc import Iterable

from oned.command import Command
from oned.vm import machine
from oned.vm.disk import is_changing, numbered
from oned.vm.machine import Site, directory
from oned.vm.snapshots import NONE, content
from oned.vm.transfer import Script
from oned.vm.vm import VM


def attach_disk(vm: VM, site: Site) -> Command:
    """Make the disk (TM_COMMAND), and give it to the running domain; if that fails, remove it (TM_COMMAND_ROLLBACK)."""
    script = Script(vm, site, classic=False)
    return _with_disk(vm, site, "ATTACHDISK", tm_command=_text(script.making()), tm_rollback=_text(script.unattach()))


def detach_disk(vm: VM, site: Site) -> Command:
    """Take the disk from the running domain; then keep or remove it (TM_COMMAND)."""
    return _with_disk(vm, site, "DETACHDISK", tm_command=_text(Script(vm, site, classic=False).detach()))


def attach_nic(vm: VM, site: Site) -> Command:
    """Give the running domain one more network interface."""
    return change(vm, site, "ATTACHNIC")


def detach_nic(vm: VM, site: Site) -> Command:
    """Take a network interface from the running domain."""
    return change(vm, site, "DETACHNIC")


def update_nic(vm: VM, site: Site) -> Command:
    """Let a network interface of the running domain have other limits, filters and rules."""
    return change(vm, site, "UPDATENIC")


def snapshot_disk(vm: VM, site: Site) -> Command:
    """Let the guest go on in a layer over a disk; the layer is made first (TM_COMMAND)."""
    script = _text(Script(vm, site, classic=False).snap_create_live())
    pending = next((tree.disk for tree in vm.trees if tree.pending != NONE), 0)
    target = f"{directory(vm, vm.record)}/{content(vm.trees, pending)}"
    return change(vm, site, "DISKSNAPSHOTCREATE", tm_command=script, target=target)


def resize(vm: VM, site: Site) -> Command:
    """Give the running domain the CPU and memory that its template has now."""
    return change(vm, site, "RESIZE")


def resize_disk(vm: VM, site: Site) -> Command:
    """Let the running domain see a larger disk: the size is in RESIZE of the DISK."""
    growing = next((number for number, disk in numbered(vm.template) if disk.get("RESIZE")), 0)
    target = f"{directory(vm, vm.record)}/{content(vm.trees, growing)}"
    return change(vm, site, "RESIZEDISK", target=target)


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines)


def _with_disk(vm: VM, site: Site, verb: str, **arguments: str) -> Command:
    numbers = (number for number, disk in numbered(vm.template) if is_changing(disk))
    target = f"{directory(vm, vm.record)}/disk.{next(numbers, 0)}"
    return change(vm, site, verb, target=target, **arguments)


def change(vm: VM, site: Site, verb: str, **arguments: str) -> Command:
    """A change of the running domain; the driver finds what it is to be like in a new deployment file."""
    local_file = f"{machine.local_directory(vm, site)}/deployment.{vm.record.seq}"
    name = machine.domain_name(vm)
    return machine.command(vm, site, verb, vm.record, deploy_id=name, local_file=local_file, **arguments)
