"""KVM and QEMU through libvirt, on this machine or wherever LIBVIRT_URI of a host leads.

Every action may be repeated: it looks at what is there first. Settings (environment, etc/vmm_kvm/vmm_kvmrc, or
etc/vmm_kvm/hosts/<host>): LIBVIRT_URI, SHUTDOWN_TIMEOUT (300 s), MIGRATE_URI, MIGRATE_UNSAFE (yes for a shared
directory that libvirt does not know as one).
"""

import argparse
import contextlib
import os
from pathlib import Path

from oned.drivers.lib import metrics
from oned.drivers.lib.driver import Driver
from oned.drivers.lib.hypervisor import (
    INVALID,
    NO_DOMAIN,
    Domain,
    Hypervisor,
    check_installed,
    error_number,
    hypervisor,
    library,
)
from oned.drivers.lib.request import VMM, VMRequest
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Task
from oned.drivers.vmm import hotplug, resize, snapshots

SHUTDOWN_TIMEOUT = "300"
LOOK = 0.25
"""Seconds between two looks at a guest that shuts down."""
PRESS = 10
"""Seconds between two presses of its power button."""
LIVE, PEER_TO_PEER, UNSAFE = 1, 2, 512
"""Flags of a migration (virDomainMigrateFlags)."""

driver = Driver("vmm_kvm", VMM, threads=15)
settings = Settings("vmm_kvm")


@driver.prepare
def prepare(arguments: argparse.Namespace) -> None:
    """Errors: CannotStart without libvirt-python."""
    check_installed()


def name_of(request: VMRequest) -> str:
    """The domain's name: the deploy id, once there is one."""
    return request.deploy_id or f"one-{request.vm}"


@driver.action("DEPLOY", repeatable=True)
def deploy(request: VMRequest, task: Task) -> str:
    """Create the domain of the deployment file, or find it running; the answer is its libvirt name."""
    with hypervisor(request.host, settings) as kvm:
        return (kvm.settled(f"one-{request.vm}", task) or _create(kvm, request, task)).name()


def _create(kvm: Hypervisor, request: VMRequest, task: Task) -> Domain:
    """A new domain; or the one that an earlier request, of a driver that died, was about to create."""
    _make_directory(request, task)
    try:
        return kvm.connection.createXML(_deployment(request), 0)
    except library().libvirtError:
        if domain := kvm.settled(f"one-{request.vm}", task):
            return domain
        raise


def _make_directory(request: VMRequest, task: Task) -> None:
    """The VM's directory, where libvirt writes its console: no transfer makes it for a VM without a disk."""
    if not request.remote_file:
        return
    directory = Path(request.remote_file).parent
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:  # the host may have it all the same
        task.info(f"{directory} cannot be made here: {error.strerror}")


def _deployment(request: VMRequest) -> str:
    """The text of the deployment file: the front-end's, or the host's where that is the same directory."""
    places = [Path(place) for place in (request.local_file, request.remote_file) if place]
    for place in places:
        if place.is_file():
            return place.read_text("utf-8")
    raise ActionFailed(f"there is no deployment file {' or '.join(map(str, places))}")


@driver.action("SHUTDOWN", repeatable=True)
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


@driver.action("CANCEL", repeatable=True)
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


@driver.action("SAVE", repeatable=True)
def save(request: VMRequest, task: Task) -> str:
    """Write the domain to the checkpoint file, which appears when it is whole; the domain is gone then."""
    part = request.checkpoint + ".part"
    with hypervisor(request.host, settings) as kvm:
        if domain := kvm.find(name_of(request)):
            kvm.wait_for_job(domain, task)
            _write(domain, part, task)
        if kvm.find(name_of(request)) is None and _is_whole(kvm, part):
            os.replace(part, request.checkpoint)
        elif not Path(request.checkpoint).exists():
            raise ActionFailed(
                f"domain {name_of(request)} does not run, and there is no checkpoint {request.checkpoint}"
            )
    return ""


def _write(domain: Domain, path: str, task: Task) -> None:
    """Save the domain; one that has gone meanwhile was saved by an earlier request, whose file is not touched."""

    def abort() -> None:
        with contextlib.suppress(library().libvirtError):
            domain.abortJob()

    try:
        with task.at_cancel(abort):
            domain.save(path)
    except library().libvirtError as error:
        task.check()
        if error_number(error) not in (NO_DOMAIN, INVALID):
            raise


def _is_whole(kvm: Hypervisor, path: str) -> bool:
    """Whether the file is a complete checkpoint: libvirt marks unfinished ones."""
    if not Path(path).exists():
        return False
    try:
        kvm.connection.saveImageGetXMLDesc(path, 0)
    except library().libvirtError:
        return False
    return True


@driver.action("RESTORE", repeatable=True)
def restore(request: VMRequest, task: Task) -> str:
    """Let the domain go on from the checkpoint file, which is used up by that."""
    with hypervisor(request.host, settings) as kvm:
        if kvm.settled(name_of(request), task) is None:
            if not Path(request.checkpoint).exists():
                raise ActionFailed(f"there is no checkpoint {request.checkpoint}")
            kvm.connection.restore(request.checkpoint)
    Path(request.checkpoint).unlink(missing_ok=True)
    return ""


@driver.action("MIGRATE", repeatable=True)
def migrate(request: VMRequest, task: Task) -> str:
    """Move the running domain to the destination; found there, it has moved."""
    with hypervisor(request.host, settings) as kvm:
        if domain := kvm.find(name_of(request)):
            kvm.wait_for_job(domain, task)
            _move(domain, request, task)
            return ""
    with hypervisor(request.destination, settings) as there:
        if there.settled(name_of(request), task) is None:
            raise ActionFailed(f"domain {name_of(request)} runs neither on {request.host} nor on {request.destination}")
    return ""


def _move(domain: Domain, request: VMRequest, task: Task) -> None:
    def abort() -> None:
        with contextlib.suppress(library().libvirtError):
            domain.abortJob()

    default = f"qemu+ssh://{request.destination}/system"
    unsafe = settings.get("MIGRATE_UNSAFE", "no", request.host).lower() == "yes"
    with task.at_cancel(abort):
        uri = settings.get("MIGRATE_URI", default, request.destination)
        domain.migrateToURI3(uri, {}, LIVE | PEER_TO_PEER | (UNSAFE if unsafe else 0))


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
snapshots.add_to(driver, settings)
resize.add_to(driver, settings)


def main() -> None:
    """The program."""
    driver.run()


if __name__ == "__main__":
    main()
