"""KVM, QEMU and Xen through libvirt, on this machine and, by ssh or wherever LIBVIRT_URI of a host leads, on others.

Every action may be repeated: it looks at what is there first. The word of its arguments is kvm, qemu or xen. Settings
(environment, etc/vmm_kvm/vmm_kvmrc, with Xen etc/vmm_xen/vmm_xenrc, or for single hosts etc/hosts/<host>): LIBVIRT_URI,
SHUTDOWN_TIMEOUT (300 s), MIGRATE_UNSAFE (yes for a shared directory that libvirt does not know as one), and what
moves.py says.
"""

import argparse
import os
from pathlib import Path
from xml.etree import ElementTree

from oned.drivers.lib import metrics
from oned.drivers.lib.driver import Driver
from oned.drivers.lib.hypervisor import (
    INVALID,
    NO_DOMAIN,
    Domain,
    Hypervisor,
    abortable,
    check_installed,
    error_number,
    hypervisor,
    library,
    with_port,
)
from oned.drivers.lib.reach.host import Host
from oned.drivers.lib.request import VMM, VMRequest
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Task
from oned.drivers.lib.uri import XEN, files_at
from oned.drivers.vmm import hotplug, moves, resize, snapshots
from oned.drivers.vmm.described import local_text, text_of
from oned.drivers.vmm.moves import SECURE
from oned.drivers.vmm.networks import Networks

SHUTDOWN_TIMEOUT = "300"
LOOK = 0.25
"""Seconds between two looks at a guest that shuts down."""
PRESS = 10
"""Seconds between two presses of its power button."""

driver = Driver("vmm_kvm", VMM, threads=15)
driver.options.add_argument("hypervisor", nargs="?", default="kvm")
settings = Settings("vmm_kvm")
networks = Networks(settings)


@driver.prepare
def prepare(arguments: argparse.Namespace) -> None:
    """Errors: CannotStart without libvirt-python."""
    check_installed()
    if arguments.hypervisor == "xen":
        settings.driver = XEN


def name_of(request: VMRequest) -> str:
    """The domain's name: the deploy id, once there is one."""
    return request.deploy_id or f"one-{request.vm}"


def deploy(request: VMRequest, task: Task) -> str:
    """Create the domain of the deployment file, or find it running; the answer is its libvirt name."""
    with hypervisor(request.host, settings) as kvm:
        return (kvm.settled(f"one-{request.vm}", task) or _create(kvm, request, task)).name()


def _create(kvm: Hypervisor, request: VMRequest, task: Task) -> Domain:
    """A new domain; or the one that an earlier request, of a driver that died, was about to create."""
    try:
        text = _brought(request, task)
        made = kvm.connection.createXML(text, 0)
        if settings.driver == XEN:
            resize.set_weight(made, ElementTree.fromstring(text), task)
        return made
    except library().libvirtError:
        if domain := kvm.settled(f"one-{request.vm}", task):
            return domain
        raise


def _brought(request: VMRequest, task: Task) -> str:
    """The text of the deployment file, which is put into the VM's directory on the host. That is made where no transfer
    has made it, for a VM without a disk: libvirt writes the console there.
    """
    host = files_at(request.host, settings)
    local, remote = request.local_file, request.remote_file
    text = text_of(request, host, task)
    if local_text(request) is None:
        return text.decode()
    if remote and not (host.local and Path(remote).exists() and os.path.samefile(local, remote)):
        try:
            host.write(remote, text, task, 0o600)
        except ActionFailed as failure:  # a domain that needs the directory fails by itself
            task.info(f"{remote} cannot be written: {failure}")
    return text.decode()


def shutdown(request: VMRequest, task: Task) -> str:
    """Press the guest's power button every 10 s, for a guest that boots misses it; answered when the domain is gone."""
    seconds = float(settings.get("SHUTDOWN_TIMEOUT", SHUTDOWN_TIMEOUT, request.host))
    looks, pressed_every = max(2, round(seconds / LOOK)), round(PRESS / LOOK)
    with hypervisor(request.host, settings) as kvm:
        for look in range(looks):
            if (domain := kvm.find(name_of(request))) is None:
                return ""
            if look % pressed_every == 0:
                _press(domain)
            task.sleep(LOOK)
    raise ActionFailed(f"the guest did not shut down within {seconds:g} seconds: does it handle the ACPI power button?")


def _press(domain: Domain) -> None:
    """Ask for a shutdown; a domain that has just gone needs none."""
    try:
        domain.shutdown()
    except library().libvirtError as error:
        if error_number(error) not in (NO_DOMAIN, INVALID):
            raise


def cancel(request: VMRequest, task: Task) -> str:
    """End the domain at once; one that is not there has ended."""
    with hypervisor(request.host, settings) as kvm:
        if domain := kvm.find(name_of(request)):
            try:
                domain.destroy()
            except library().libvirtError as error:
                if error_number(error) not in (NO_DOMAIN, INVALID):
                    raise
    return ""


def save(request: VMRequest, task: Task) -> str:
    """Write the domain to the checkpoint file, which appears when it is whole; the domain is gone then."""
    part, host = request.checkpoint + ".part", files_at(request.host, settings)
    with hypervisor(request.host, settings) as kvm:
        if domain := kvm.find(name_of(request)):
            kvm.wait_for_job(domain, task)
            _write(domain, request, task)
        if kvm.find(name_of(request)) is None and _is_whole(kvm, host, part, task):
            host.demand(["mv", "-f", "--", part, request.checkpoint], task)
        elif not _exists(host, request.checkpoint, task):
            raise ActionFailed(
                f"domain {name_of(request)} does not run, and there is no checkpoint {request.checkpoint}"
            )
    return ""


def _write(domain: Domain, request: VMRequest, task: Task) -> None:
    """Save the domain; one that has gone meanwhile was saved by an earlier request, whose file is not touched."""
    try:
        with abortable(request.host, name_of(request), settings, task):
            domain.save(f"{request.checkpoint}.part")
    except library().libvirtError as error:
        task.check()
        if error_number(error) not in (NO_DOMAIN, INVALID):
            raise


def _exists(host: Host, path: str, task: Task) -> bool:
    """Errors: ActionFailed, if the host does not answer."""
    finished = host.run(["test", "-e", path], task)
    if finished.status not in (0, 1):
        raise ActionFailed(finished.problem)
    return finished.status == 0


def _is_whole(kvm: Hypervisor, host: Host, path: str, task: Task) -> bool:
    """Whether the file is a complete checkpoint: libvirt marks unfinished ones."""
    if not _exists(host, path, task):
        return False
    try:
        kvm.connection.saveImageGetXMLDesc(path, 0)
    except library().libvirtError:
        return False
    return True


def restore(request: VMRequest, task: Task) -> str:
    """Let the domain go on from the checkpoint file, which is used up by that."""
    host = files_at(request.host, settings)
    with hypervisor(request.host, settings) as kvm:
        if kvm.settled(name_of(request), task) is None:
            if not _exists(host, request.checkpoint, task):
                raise ActionFailed(f"there is no checkpoint {request.checkpoint}")
            _go_on(kvm, request)
    host.demand(["rm", "-f", "--", request.checkpoint], task)
    return ""


def _go_on(kvm: Hypervisor, request: VMRequest) -> None:
    """Restore the domain, with the port of its console that its VM has now: on another host it may be another one."""
    port = request.document.findtext("TEMPLATE/GRAPHICS/PORT") if request.document is not None else None
    saved = kvm.connection.saveImageGetXMLDesc(request.checkpoint, SECURE) if port else ""
    wanted = with_port(saved, port) if port else ""
    if wanted == saved:
        kvm.connection.restore(request.checkpoint)
    else:
        kvm.connection.restoreFlags(request.checkpoint, wanted, 0)


@driver.action("REBOOT", repeatable=True)
def reboot(request: VMRequest, task: Task) -> str:
    """Let the guest reboot itself; a guest that cannot is reset."""
    with hypervisor(request.host, settings) as kvm:
        domain = _running(kvm, request)
        try:
            domain.reboot(0)
        except library().libvirtError as error:
            task.info(f"The guest cannot be asked to reboot and is reset: {error}")
            domain.reset(0)
    return ""


@driver.action("RESET", repeatable=True)
def reset(request: VMRequest, task: Task) -> str:
    """Press the reset button."""
    with hypervisor(request.host, settings) as kvm:
        _running(kvm, request).reset(0)
    return ""


def _running(kvm: Hypervisor, request: VMRequest) -> Domain:
    domain = kvm.find(name_of(request))
    if domain is None:
        raise ActionFailed(f"domain {name_of(request)} does not run on {request.host}")
    return domain


@driver.action("POLL", repeatable=True, alongside=True)
def poll(request: VMRequest, task: Task) -> str:
    """State letter and use of the domain; STATE=d if the hypervisor does not know it."""
    with hypervisor(request.host, settings) as kvm:
        return metrics.words(metrics.measure(kvm, name_of(request), task))


hotplug.add_to(driver, settings)
devices, kept = hotplug.Devices(settings), snapshots.Snapshots(settings)
for verb, do in {
    "DEPLOY": networks.starting(deploy, cancel),
    "RESTORE": networks.starting(restore, cancel),
    "SHUTDOWN": networks.ending(kept.ending(shutdown)),
    "CANCEL": networks.ending(kept.ending(cancel)),
    "SAVE": networks.ending(kept.ending(save)),
    "MIGRATE": networks.moving(moves.Moves(settings).migrate),
    "ATTACHNIC": networks.starting(devices.attach_nic, devices.detach_nic),
    "DETACHNIC": networks.ending(devices.detach_nic),
    "UPDATENIC": networks.changing(devices.update_nic),
}.items():
    driver.action(verb, repeatable=True)(do)
snapshots.add_to(driver, settings)
resize.add_to(driver, settings)


def main() -> None:
    """The program."""
    driver.run()


if __name__ == "__main__":
    main()
