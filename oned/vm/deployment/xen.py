"""The libvirt domain of a VM on Xen.

It is paravirtual (pv) with OS/KERNEL or OS/BOOTLOADER, else a whole machine (hvm) that boots from OS/BOOT; OS/MACHINE
= xenpv or xenfv decides by itself. The DEFAULT file of the driver may hold what that of kvm may, and CREDIT: the weight
in Xen's scheduler of a VM with CPU = 1 (256).
"""

import math
from xml.etree.ElementTree import Element

from oned.template.template import Template
from oned.vm.deployment import kvm, memory, options, tuning
from oned.vm.deployment.disks import DEVICES, Disk, disks, is_block
from oned.vm.deployment.element import element, text
from oned.vm.deployment.facts import Facts
from oned.vm.deployment.given import command_line, raw, says_yes, single, vector
from oned.vm.disk import made_as

CREDIT = "256"
PV, HVM = "xenpv", "xenfv"
BLOCK, FILE = "phy", "qemu"
"""Drivers of disks that are block devices of the host, and of files."""


def domain(template: Template, facts: Facts) -> str:
    """The domain's XML. RAW data of TYPE xen stands as it is before the end tag."""
    os = vector("OS", template, facts)
    machine = _machine(os)
    return text(
        element(
            "domain",
            element("name", text=facts.name),
            element("uuid", text=os["UUID"]) if os.get("UUID") else None,
            kvm.vcpu(template, facts),
            _weight(template, facts),
            *memory.sizes(template),
            element("bootloader", text=os["BOOTLOADER"]) if _has_bootloader(os) else None,
            _os(os, machine),
            _features(template, facts) if machine == HVM else None,
            element("clock", offset="localtime" if _is_local(template, facts) else "utc"),
            element("on_poweroff", text="destroy"),
            element("on_reboot", text="restart"),
            element("on_crash", text="destroy"),
            _devices(template, facts, machine),
            type="xen",
        ),
        raw(template, facts, "xen"),
    )


def _machine(os: dict[str, str]) -> str:
    if os.get("MACHINE", "").lower() in (PV, HVM):
        return os["MACHINE"].lower()
    return PV if os.get("KERNEL") or os.get("BOOTLOADER") else HVM


def _has_bootloader(os: dict[str, str]) -> bool:
    return bool(os.get("BOOTLOADER")) and not os.get("KERNEL") and _machine(os) == PV


def _is_local(template: Template, facts: Facts) -> bool:
    return says_yes(vector("FEATURES", template, facts).get("LOCALTIME", ""))


def _weight(template: Template, facts: Facts) -> Element:
    """What the VM is worth to Xen's scheduler; the driver sets it once the domain is there."""
    credit = float(facts.defaults.get("CREDIT") or CREDIT)
    return element("cputune", element("shares", text=math.ceil(float(template.get("CPU") or 1) * credit)))


def _os(os: dict[str, str], machine: str) -> Element:
    kind = "linux" if machine == PV else "hvm"
    made = element("os", element("type", text=kind, arch=os.get("ARCH") or "x86_64", machine=machine))
    if os.get("KERNEL"):
        parts = (("kernel", os["KERNEL"]), ("initrd", os.get("INITRD", "")), ("cmdline", command_line(os)))
        made.extend(element(name, text=value) for name, value in parts if value)
    elif machine == HVM:
        made.extend(element("boot", dev=device) for device in kvm.boot_list(os) if device in kvm.BOOT_DEVICES)
    return made


def _features(template: Template, facts: Facts) -> Element:
    wanted = {"ACPI": "yes", "APIC": "yes", "PAE": "yes", **vector("FEATURES", template, facts)}
    return element("features", *(element(name.lower()) for name in kvm.SWITCHES if says_yes(wanted[name])))


def _devices(template: Template, facts: Facts, machine: str) -> Element:
    emulator = single("EMULATOR", template, facts)
    whole = machine == HVM
    return element(
        "devices",
        element("emulator", text=emulator) if emulator and whole else None,
        *(_disk(disk, facts, machine) for disk in disks(template, facts)),
        *(_interface(nic, facts, machine) for nic in template.vectors("NIC")),
        *_console(machine),
        kvm.graphics(template, facts),
        tuning.video(vector("VIDEO", template, facts)) if whole else None,
        *kvm.inputs(template, facts),
        *options.host_devices(template.vectors("PCI")),
    )


def _disk(disk: Disk, facts: Facts, machine: str) -> Element:
    """`<disk>`; a paravirtual guest has its disks by Xen's own bus, whatever their names."""
    values = disk.values
    kind = values.get("TYPE", "").upper()
    block = is_block(values, facts)
    source = facts.path(disk.number)
    return element(
        "disk",
        element("driver", name=BLOCK if block else FILE, type="" if block else _format(values, facts)),
        element("source", dev=source if block else "", file="" if block else source),
        element("target", dev=disk.target, bus="xen" if machine == PV else disk.bus),
        element("readonly") if values.get("READONLY", "").upper() == "YES" or kind == "CDROM" else None,
        type="block" if block else "file",
        device=DEVICES.get(kind, "disk"),
    )


def _format(values: dict[str, str], facts: Facts) -> str:
    """raw or qcow2; DRIVER may be in the words of xm too, as tap:aio: or file:."""
    driver = values.get("DRIVER") or facts.defaults.vector("DISK").get("DRIVER") or "raw"
    last = driver.lower().strip(":").rpartition(":")[2]
    return made_as(values, facts.tm_mad) or ("raw" if last in ("aio", "file", "phy", "tap", "tap2") else last)


def _interface(nic: dict[str, str], facts: Facts, machine: str) -> Element:
    bridge, defaults = nic.get("BRIDGE", ""), facts.defaults.vector("NIC")
    model = nic.get("MODEL") or defaults.get("MODEL", "")
    return element(
        "interface",
        element("mac", address=nic["MAC"]) if nic.get("MAC") else None,
        element("source", bridge=bridge) if bridge else None,
        element("ip", family="ipv4", address=nic["IP"]) if nic.get("IP") else None,
        element("target", dev=nic["TARGET"]) if nic.get("TARGET") else None,
        element("script", path=nic["SCRIPT"]) if nic.get("SCRIPT") else None,
        element("model", type=model) if model and machine == HVM else None,
        tuning.bandwidth(nic),
        type="bridge" if bridge else "ethernet",
    )


def _console(machine: str) -> list[Element]:
    if machine == PV:
        return [element("console", element("target", type="xen", port="0"), type="pty")]
    return [
        element("serial", element("target", port="0"), type="pty"),
        element("console", element("target", type="serial", port="0"), type="pty"),
    ]
