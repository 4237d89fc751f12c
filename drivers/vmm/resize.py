"""The capacity of a running domain, and the sizes of its disks."""

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from oned.drivers.lib.driver import Driver
from oned.drivers.lib.hypervisor import Domain, hypervisor, library
from oned.drivers.lib.request import VMRequest
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Task
from oned.drivers.lib.uri import XEN
from oned.drivers.vmm.described import described
from oned.drivers.vmm.hotplug import running

LIVE, MAXIMUM = 1, 4
"""VIR_DOMAIN_AFFECT_LIVE; of a number of CPUs, the most that there may be."""
IN_BYTES = 1
"""VIR_DOMAIN_BLOCK_RESIZE_BYTES."""
MIB = 1 << 20


def add_to(driver: Driver[VMRequest], settings: Settings) -> None:
    """Give the driver the verbs of this module."""
    sizes = Sizes(settings)
    driver.action("RESIZE", repeatable=True)(sizes.resize)
    driver.action("RESIZEDISK", repeatable=True)(sizes.resize_disk)


class Sizes:
    """The verbs, for one driver's settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def resize(self, request: VMRequest, task: Task) -> str:
        """Let the domain have the CPUs, the share of them and the memory of its new deployment file."""
        wanted = described(request, self._settings, task)
        with hypervisor(request.host, self._settings) as kvm:
            domain = running(kvm, request)
            cpus, memory, now = _cpus(wanted), _memory(wanted), ElementTree.fromstring(domain.XMLDesc(0))
            plugged = now.find("maxMemory") is not None
            _check_most(domain, cpus, memory, int(now.findtext("maxMemory") or domain.maxMemory()))
            module = _module(memory - domain.maxMemory()) if plugged else ""
            task.check()
            if cpus != domain.vcpusFlags(LIVE):
                domain.setVcpusFlags(cpus, LIVE)
            if self._settings.driver == XEN:
                set_weight(domain, wanted, task)
            elif shares := wanted.findtext("cputune/shares"):
                domain.setSchedulerParametersFlags({"cpu_shares": int(shares)}, LIVE)
            if module:
                domain.attachDeviceFlags(module, LIVE)
            elif not plugged:
                domain.setMemoryFlags(memory, LIVE)
        return ""

    def resize_disk(self, request: VMRequest, task: Task) -> str:
        """Make the file of a disk larger, and tell the guest."""
        disks = request.document.iterfind("TEMPLATE/DISK") if request.document is not None else ()
        disk = next((disk for disk in disks if disk.findtext("RESIZE")), None)
        if disk is None:
            raise ActionFailed(f"no DISK of VM {request.vm} has RESIZE in its document")
        with hypervisor(request.host, self._settings) as kvm:
            task.check()
            running(kvm, request).blockResize(
                disk.findtext("TARGET", ""), int(disk.findtext("RESIZE", "0")) * MIB, IN_BYTES
            )
        return ""


def set_weight(domain: Domain, wanted: Element, task: Task) -> None:
    """Tell Xen's scheduler what the VM is worth; a scheduler that knows no weights does without."""
    shares = wanted.findtext("cputune/shares")
    try:
        if shares:
            domain.setSchedulerParametersFlags({"weight": int(shares)}, LIVE)
    except library().libvirtError as error:
        task.info(f"The weight {shares} is not set: {error}")


def _module(more: int) -> str:
    """The memory module of so many KiB that is plugged in; nothing for 0. Errors: ActionFailed for less than that."""
    if more < 0:
        raise ActionFailed("memory that was plugged in is not taken from a guest that runs: power the VM off")
    return (
        f"<memory model='dimm'><target><size unit='KiB'>{more}</size><node>0</node></target></memory>" if more else ""
    )


def _check_most(domain: Domain, cpus: int, memory: int, most_memory: int) -> None:
    """ActionFailed for more than the domain was built for, before anything is changed."""
    for what, wanted, most in (
        ("CPUs", cpus, domain.vcpusFlags(LIVE | MAXIMUM)), ("KiB of memory", memory, most_memory),
    ):  # fmt: skip
        if wanted > most:
            detail = f"the domain was built for {most} {what} at most, {wanted} are wanted"
            raise ActionFailed(f"{detail}: power the VM off, or set VCPU_MAX and MEMORY_MAX before it boots")


def _cpus(wanted: Element) -> int:
    vcpu = wanted.find("vcpu")
    return int((vcpu.get("current") or vcpu.text or "1") if vcpu is not None else "1")


def _memory(wanted: Element) -> int:
    """KiB, the unit of deployment files."""
    return int(wanted.findtext("currentMemory") or wanted.findtext("memory") or "0")
