"""What the transitions want from a hypervisor driver. Each function is pure: a VM and the site in, a command out."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from oned.command import Command, Mad
from oned.ids import Kind
from oned.vm.history import Record
from oned.vm.states import MIGRATE, MOVING_FILES, SAVE_MIGRATE
from oned.vm.strays import unasked
from oned.vm.vm import VM


@dataclass(frozen=True)
class Site:
    """What the commands need to know of this installation.

    vms        directory of the VMs' files on the front-end
    frontend   the front-end's host name, as transfer scripts write it
    deadline   seconds that a verb of a driver may take
    """

    vms: str
    frontend: str
    deadline: Callable[[Mad, str, str], float]


Then = Callable[[VM, Site], Command]


def directory(vm: VM, record: Record) -> str:
    """The directory of the VM's files on the host of a stay."""
    return f"{record.sysds_path}/{vm.id}" + ("/images" if record.images else "")


def local_directory(vm: VM, site: Site) -> str:
    """Where deployment files are on the front-end: drivers of plain words look for them in `var/<id>`."""
    return f"{os.path.dirname(site.vms) if vm.record.images else site.vms}/{vm.id}"


def place_of_domain(vm: VM) -> Record:
    """The stay where the domain runs now: the earlier one until a move has left it."""
    return vm.previous_record if vm.state in MIGRATE | SAVE_MIGRATE else vm.record


def domain_name(vm: VM) -> str:
    """The hypervisor's name for it: what DEPLOY answered, else the one that our drivers give."""
    return vm.deploy_id or f"one-{vm.id}"


def command(vm: VM, site: Site, verb: str, record: Record, **arguments: str) -> Command:
    """A command to the hypervisor driver of a stay."""
    return Command(
        mad=Mad.VMM,
        driver=record.vm_mad,
        verb=verb,
        kind=Kind.VM,
        oid=vm.id,
        host=record.hostname,
        arguments={"seq": str(record.seq), "net_drv": record.vn_mad, **arguments},
        deadline=site.deadline(Mad.VMM, record.vm_mad, verb),
    )


def deploy(vm: VM, site: Site) -> Command:
    """Start the domain from a new deployment file."""
    record = vm.record
    return command(
        vm,
        site,
        "DEPLOY",
        record,
        remote_file=f"{directory(vm, record)}/deployment.{record.seq}",
        local_file=f"{local_directory(vm, site)}/deployment.{record.seq}",
    )


def save(vm: VM, site: Site) -> Command:
    """Save the memory where the domain runs and end it."""
    record = place_of_domain(vm)
    return command(vm, site, "SAVE", record, deploy_id=domain_name(vm), checkpoint=_checkpoint(vm, record))


def restore(vm: VM, site: Site) -> Command:
    """Start the domain from its saved memory."""
    return command(vm, site, "RESTORE", vm.record, deploy_id=domain_name(vm), checkpoint=_checkpoint(vm, vm.record))


def migrate(vm: VM, site: Site) -> Command:
    """Move the running domain to the host of the current stay."""
    source = place_of_domain(vm)
    there = vm.record.hostname
    files = f"MIGRATE {source.tm_mad} {there} {source.hostname} {directory(vm, source)} {vm.id} {source.ds_id}"
    port = {"graphics_port": str(vm.record.port)} if vm.record.port else {}
    return command(vm, site, "MIGRATE", source, deploy_id=domain_name(vm), dest_host=there,
                   dest_net_drv=vm.record.vn_mad, tm_command=files, **port)  # fmt: skip


def shutdown(vm: VM, site: Site) -> Command:
    """Ask the guest to switch itself off; done when the domain is gone."""
    return command(vm, site, "SHUTDOWN", place_of_domain(vm), deploy_id=domain_name(vm))


def cancel(vm: VM, site: Site) -> Command:
    """End the domain at once."""
    return command(vm, site, "CANCEL", place_of_domain(vm), deploy_id=domain_name(vm))


def cancel_everywhere(vm: VM, site: Site) -> Command:
    """End the domain on the last host where a stay still goes on; asked again until none is left.

    A VM whose files move has nothing where they go to; the host that it left may run it still. Last come the hosts
    where a move may have left one.
    """
    going_on = next((record for record in reversed(vm.history) if not record.etime), None)
    if going_on is not None and vm.previous in MOVING_FILES:
        return cancel_at(vm, site, vm.previous_record)
    return cancel_at(vm, site, going_on or next(iter(unasked(vm)), vm.record))


def cancel_stray(vm: VM, site: Site) -> Command:
    """End the domain that a move may have left on another host."""
    return cancel_at(vm, site, next(iter(unasked(vm)), vm.record))


def cancel_at(vm: VM, site: Site, record: Record) -> Command:
    """End the domain on the host of a stay."""
    return command(vm, site, "CANCEL", record, deploy_id=domain_name(vm))


def reboot(vm: VM, site: Site) -> Command:
    """Ask the guest to boot again."""
    return command(vm, site, "REBOOT", vm.record, deploy_id=domain_name(vm))


def reset(vm: VM, site: Site) -> Command:
    """Boot again at once."""
    return command(vm, site, "RESET", vm.record, deploy_id=domain_name(vm))


def poll(vm: VM, site: Site) -> Command:
    """Ask how the domain is."""
    return poll_at(vm, site, vm.record)


def poll_at(vm: VM, site: Site, record: Record) -> Command:
    """Ask how the domain is where a stay was."""
    return command(vm, site, "POLL", record, deploy_id=domain_name(vm))


def live(verb: str) -> Then:
    """A verb that changes the running domain: hot-plug, snapshots, resize."""

    def change(vm: VM, site: Site) -> Command:
        return command(vm, site, verb, vm.record, deploy_id=domain_name(vm))

    change.__name__ = verb.lower()
    change.__doc__ = f"{verb} on the running domain."
    return change


def _checkpoint(vm: VM, record: Record) -> str:
    return f"{directory(vm, record)}/checkpoint"
