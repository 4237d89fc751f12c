"""Devices of a running domain that come and go: disks and network interfaces.

How a device is described stands in the deployment file, which the engine writes anew with what is attached in it.
"""

from collections.abc import Callable
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from oned.drivers.lib import transfers
from oned.drivers.lib.driver import Driver
from oned.drivers.lib.hypervisor import Domain, Hypervisor, hypervisor, library
from oned.drivers.lib.request import VMRequest
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Task
from oned.drivers.vmm.described import described

LIVE = 1
"""VIR_DOMAIN_AFFECT_LIVE."""
DETACH_SECONDS, LOOK, ASK_AGAIN = 30.0, 0.25, 5.0
"""Seconds that a guest has to give a device up, between two looks at it, and between two requests."""

Match = Callable[[Element], bool]


def add_to(driver: Driver[VMRequest], settings: Settings) -> None:
    """Give the driver the verbs of disks; those of NICs have their networks around them."""
    devices = Devices(settings)
    driver.action("ATTACHDISK", repeatable=True)(devices.attach_disk)
    driver.action("DETACHDISK", repeatable=True)(devices.detach_disk)


def running(kvm: Hypervisor, request: VMRequest) -> Domain:
    """The VM's domain. Errors: ActionFailed if there is none."""
    name = request.deploy_id or f"one-{request.vm}"
    domain = kvm.find(name)
    if domain is None:
        raise ActionFailed(f"domain {name} does not run on {request.host}")
    return domain


def marked(request: VMRequest, name: str) -> Element:
    """The DISK or NIC of the VM's document that is being attached or detached. Errors: ActionFailed."""
    vectors = request.document.iterfind(f"TEMPLATE/{name}") if request.document is not None else ()
    found = next((vector for vector in vectors if vector.findtext("ATTACH") == "YES"), None)
    if found is None:
        raise ActionFailed(f"no {name} of VM {request.vm} is marked with ATTACH=YES in its document")
    return found


class Devices:
    """The verbs, for one driver's settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def attach_disk(self, request: VMRequest, task: Task) -> str:
        """Have the disk made, and give it to the guest; a disk that it cannot be given is removed again."""
        wanted = _same_target(marked(request, "DISK"))
        with hypervisor(request.host, self._settings) as kvm:
            domain = running(kvm, request)
            if _device(domain, "disk", wanted) is not None:
                return ""
            try:
                transfers.perform(request.tm_rollback, request, self._settings, task)
                transfers.perform(request.tm_command, request, self._settings, task)
                _attach(domain, self._described(request, "disk", wanted, task), task)
            except Exception:
                if not task.cancelled:
                    transfers.perform(request.tm_rollback, request, self._settings, task)
                raise
        return ""

    def detach_disk(self, request: VMRequest, task: Task) -> str:
        """Take the disk from the guest, then have it kept or removed."""
        wanted = _same_target(marked(request, "DISK"))
        with hypervisor(request.host, self._settings) as kvm:
            _detach(running(kvm, request), "disk", wanted, task)
        transfers.perform(request.tm_command, request, self._settings, task)
        return ""

    def attach_nic(self, request: VMRequest, task: Task) -> str:
        """Give the guest one more network interface."""
        wanted = _same_address(marked(request, "NIC"))
        with hypervisor(request.host, self._settings) as kvm:
            domain = running(kvm, request)
            if _device(domain, "interface", wanted) is None:
                _attach(domain, self._described(request, "interface", wanted, task), task)
        return ""

    def detach_nic(self, request: VMRequest, task: Task) -> str:
        """Take a network interface from the guest."""
        wanted = _same_address(marked(request, "NIC"))
        with hypervisor(request.host, self._settings) as kvm:
            _detach(running(kvm, request), "interface", wanted, task)
        return ""

    def update_nic(self, request: VMRequest, task: Task) -> str:
        """Let a network interface have the limits and the filter that its deployment file has now."""
        wanted = _same_address(marked(request, "NIC"))
        with hypervisor(request.host, self._settings) as kvm:
            domain = running(kvm, request)
            device = _device(domain, "interface", wanted)
            if device is None:
                raise ActionFailed(f"domain {domain.name()} does not have the NIC that is to change")
            new = with_limits(device, self._described(request, "interface", wanted, task))
            task.check()
            if new != device:
                domain.updateDeviceFlags(new, LIVE)
        return ""

    def _described(self, request: VMRequest, kind: str, wanted: Match, task: Task) -> str:
        """The device as the deployment file has it. Errors: ActionFailed."""
        devices = described(request, self._settings, task).iterfind(f"devices/{kind}")
        found = next((device for device in devices if wanted(device)), None)
        if found is None:
            raise ActionFailed(f"the deployment file of VM {request.vm} does not have the {kind} to attach")
        return ElementTree.tostring(found, "unicode")


def _same_target(disk: Element) -> Match:
    target = disk.findtext("TARGET", "")

    def matches(device: Element) -> bool:
        found = device.find("target")
        return found is not None and found.get("dev") == target

    return matches


def _same_address(nic: Element) -> Match:
    mac = nic.findtext("MAC", "").lower()
    if not mac:
        raise ActionFailed(
            "the NIC has no MAC, by which it could be told from others: put it into a network, or give it"
        )

    def matches(device: Element) -> bool:
        found = device.find("mac")
        return found is not None and found.get("address", "").lower() == mac

    return matches


def _device(domain: Domain, kind: str, wanted: Match) -> str | None:
    """The device as the running domain has it, as XML."""
    devices = ElementTree.fromstring(domain.XMLDesc(0)).iterfind(f"devices/{kind}")
    found = next((device for device in devices if wanted(device)), None)
    return None if found is None else ElementTree.tostring(found, "unicode")


LIMITS = ("bandwidth", "filterref")
"""Elements of an interface that libvirt changes while it is in use."""


def with_limits(device: str, wanted: str) -> str:
    """The interface with the limits and the filter of another description of it."""
    now, then = ElementTree.fromstring(device), ElementTree.fromstring(wanted)
    for name in LIMITS:
        for old in now.findall(name):
            now.remove(old)
        now.extend(then.findall(name))
    return ElementTree.tostring(now, "unicode")


def _attach(domain: Domain, device: str, task: Task) -> None:
    task.check()
    domain.attachDeviceFlags(device, LIVE)


def _detach(domain: Domain, kind: str, wanted: Match, task: Task) -> None:
    """Ask the guest for the device until it has given it up. One that is not there is given up."""
    for look in range(round(DETACH_SECONDS / LOOK)):
        device = _device(domain, kind, wanted)
        if device is None:
            return
        if look % round(ASK_AGAIN / LOOK) == 0:
            _ask(domain, device, first=look == 0)
        task.sleep(LOOK)
    raise ActionFailed(
        f"the guest did not give the {kind} up within {DETACH_SECONDS:g} seconds: does it use it, or boot?"
    )


def _ask(domain: Domain, device: str, *, first: bool) -> None:
    try:
        domain.detachDeviceFlags(device, LIVE)
    except library().libvirtError:  # it may be on its way already
        if first:
            raise
