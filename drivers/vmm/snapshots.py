"""Snapshots of a running domain: of the system, inside its qcow2 disks, and of single disks, as layers of files."""

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from oned.drivers.lib import transfers
from oned.drivers.lib.driver import Driver
from oned.drivers.lib.hypervisor import Domain, error_number, hypervisor, library
from oned.drivers.lib.request import VMRequest
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Task
from oned.drivers.lib.uri import files_at
from oned.drivers.vmm.hotplug import running

NO_SNAPSHOT = 72
"""virErrorNumber of a snapshot that is not there."""
DISK_ONLY, REUSE, NO_METADATA, ATOMIC = 16, 32, 4, 128
"""Flags of a new snapshot (virDomainSnapshotCreateFlags)."""
KEEPS_RUNNING = 1
"""VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING."""

Act = Callable[[VMRequest, Task], str]


def add_to(driver: Driver[VMRequest], settings: Settings) -> None:
    """Give the driver the verbs of this module."""
    snapshots = Snapshots(settings)
    driver.action("SNAPSHOTCREATE", repeatable=True)(snapshots.create)
    driver.action("SNAPSHOTREVERT", repeatable=True)(snapshots.revert)
    driver.action("SNAPSHOTDELETE", repeatable=True)(snapshots.delete)
    driver.action("DISKSNAPSHOTCREATE", repeatable=True)(snapshots.create_of_disk)


class Snapshots:
    """The verbs, for one driver's settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def create(self, request: VMRequest, task: Task) -> str:
        """Make the snapshot, or find it made; the answer is what libvirt calls it."""
        name = f"snap-{_active(request, 'SNAPSHOT_ID')}"
        with hypervisor(request.host, self._settings) as kvm:
            domain = running(kvm, request)
            kvm.wait_for_job(domain, task)
            if not _has(domain, name):
                _check_cpus(domain)
                task.check()
                domain.snapshotCreateXML(f"<domainsnapshot><name>{escape(name)}</name></domainsnapshot>", 0)
        return name

    def revert(self, request: VMRequest, task: Task) -> str:
        """Put the guest back to what it was."""
        name = _active(request, "HYPERVISOR_ID")
        with hypervisor(request.host, self._settings) as kvm:
            domain = running(kvm, request)
            task.check()
            domain.revertToSnapshot(domain.snapshotLookupByName(name, 0), KEEPS_RUNNING)
        return ""

    def delete(self, request: VMRequest, task: Task) -> str:
        """Delete the snapshot; one that is not there is deleted."""
        name = _active(request, "HYPERVISOR_ID")
        with hypervisor(request.host, self._settings) as kvm:
            domain = running(kvm, request)
            kvm.wait_for_job(domain, task)
            if _has(domain, name):
                domain.snapshotLookupByName(name, 0).delete(0)
        return ""

    def create_of_disk(self, request: VMRequest, task: Task) -> str:
        """Let the guest work on a layer over what it has, which is the snapshot from then on."""
        target, layer = _target(request), layer_over(request.target)
        with hypervisor(request.host, self._settings) as kvm:
            domain = running(kvm, request)
            source = _source(domain, target)
            if source == layer:
                return Path(request.target).name
            if source != request.target:
                raise ActionFailed(f"disk {target} of the guest is {source or 'not there'}, not {request.target}")
            transfers.perform(request.tm_command, request, self._settings, task)
            task.check()
            domain.snapshotCreateXML(_layered(domain, target, layer), DISK_ONLY | REUSE | NO_METADATA | ATOMIC)
        return Path(request.target).name

    # -- when the domain ends --------------------------------------------------------------------------------------
    def ending(self, act: Act) -> Act:
        """An action after which the domain is gone, and its system snapshots with it, also from its disks."""

        def end(request: VMRequest, task: Task) -> str:
            names, disks = self._kept(request)
            answer = act(request, task)
            for disk in disks:
                self._forget(request.host, names, disk, task)
            return answer

        return end

    def _kept(self, request: VMRequest) -> tuple[list[str], list[str]]:
        """The snapshots that the domain has, and the files that keep them."""
        with hypervisor(request.host, self._settings) as kvm:
            domain = kvm.find(request.deploy_id or f"one-{request.vm}")
            names = list(domain.snapshotListNames(0)) if domain is not None else []
            return names, _written(domain.XMLDesc(0)) if domain is not None and names else []

    def _forget(self, host: str, names: list[str], disk: str, task: Task) -> None:
        """Nothing of the snapshots is in the file. What cannot be removed is told in the log: it only takes room."""
        there = files_at(host, self._settings)
        for name in names:
            finished = there.run(["qemu-img", "snapshot", "-q", "-d", name, disk], task)
            if finished.problem:
                task.info(f"The data of {name} stays in {disk}: {finished.problem}")


def _written(xml: str) -> list[str]:
    """The qcow2 files that a domain writes to."""
    disks = ElementTree.fromstring(xml).iterfind("devices/disk")
    kept = [disk for disk in disks if disk.find("readonly") is None and disk.find("driver[@type='qcow2']") is not None]
    sources = (disk.find("source") for disk in kept)
    return [source.get("file", "") for source in sources if source is not None and source.get("file")]


def layer_over(path: str) -> str:
    """The file of the layer over a disk or over a layer: they are numbered in `disk.<n>.snap`."""
    match = re.fullmatch(r"(?P<disk>.*/disk\.\d+)(\.snap/(?P<number>\d+))?", path)
    if match is None:
        raise ActionFailed(f"{path} is no disk of a VM")
    return f"{match['disk']}.snap/{int(match['number'] or 0) + 1}"


def _active(request: VMRequest, name: str) -> str:
    """What the VM's document says of the snapshot that is meant."""
    vectors = request.document.iterfind("TEMPLATE/SNAPSHOT") if request.document is not None else ()
    found = next((vector.findtext(name) for vector in vectors if vector.findtext("ACTIVE") == "YES"), None)
    if not found:
        raise ActionFailed(f"no SNAPSHOT of VM {request.vm} with ACTIVE=YES and {name} is in its document")
    return found


def _target(request: VMRequest) -> str:
    """The device name of the disk whose snapshot is made."""
    vectors = request.document.iterfind("TEMPLATE/DISK") if request.document is not None else ()
    found = next((one.findtext("TARGET") for one in vectors if one.findtext("DISK_SNAPSHOT_ACTIVE") == "YES"), None)
    if not found:
        raise ActionFailed(f"no DISK of VM {request.vm} is marked with DISK_SNAPSHOT_ACTIVE=YES in its document")
    return found


def _check_cpus(domain: Domain) -> None:
    """ActionFailed for a guest to whose snapshot libvirt (9.0) could not go back: it would end the guest trying.

    It starts QEMU with the CPUs that there were at the boot, and QEMU finds more of them in the snapshot.
    """
    root = ElementTree.fromstring(domain.XMLDesc(0))
    if root.find("vcpus/vcpu[@enabled='yes'][@hotpluggable='yes']") is not None:
        raise ActionFailed("CPUs were added while it ran: its snapshots would be lost. Power the VM off and on first")


def _has(domain: Domain, name: str) -> bool:
    try:
        domain.snapshotLookupByName(name, 0)
    except library().libvirtError as error:
        if error_number(error) == NO_SNAPSHOT:
            return False
        raise
    return True


def _source(domain: Domain, target: str) -> str:
    """The file that a disk of the running domain is."""
    for disk in ElementTree.fromstring(domain.XMLDesc(0)).iterfind("devices/disk"):
        found, source = disk.find("target"), disk.find("source")
        if found is not None and found.get("dev") == target and source is not None:
            return source.get("file") or source.get("dev") or ""
    return ""


def _layered(domain: Domain, target: str, layer: str) -> str:
    """The snapshot as libvirt wants it told: one disk goes on in the layer, the others as they are."""
    root = ElementTree.Element("domainsnapshot")
    disks = ElementTree.SubElement(root, "disks")
    for disk in ElementTree.fromstring(domain.XMLDesc(0)).iterfind("devices/disk/target"):
        name = disk.get("dev", "")
        if name != target:
            ElementTree.SubElement(disks, "disk", name=name, snapshot="no")
            continue
        chosen = ElementTree.SubElement(disks, "disk", name=name, snapshot="external")
        ElementTree.SubElement(chosen, "driver", type="qcow2")
        ElementTree.SubElement(chosen, "source", file=layer)
    return ElementTree.tostring(root, "unicode")
