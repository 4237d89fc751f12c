"""What a template sets of a libvirt domain by one attribute each, as tables: attribute → attribute or element.

What users may set of these is in VM_RESTRICTED_ATTR: limits of disks and networks are their administrator's.
"""

from collections.abc import Iterable, Mapping
from xml.etree.ElementTree import Element

from oned.vm.deployment.element import element

Table = Mapping[str, str]

IOTUNE: Table = {
    f"{what}_{unit}_SEC{burst}": f"{what.lower()}_{unit.lower()}_sec{burst.lower()}"
    for what in ("TOTAL", "READ", "WRITE")
    for unit in ("BYTES", "IOPS")
    for burst in ("", "_MAX", "_MAX_LENGTH")
} | {"SIZE_IOPS_SEC": "size_iops_sec"}
"""Limits of a disk."""
BANDWIDTH = {
    "inbound": {"INBOUND_AVG_BW": "average", "INBOUND_PEAK_BW": "peak", "INBOUND_PEAK_KB": "burst"},
    "outbound": {"OUTBOUND_AVG_BW": "average", "OUTBOUND_PEAK_BW": "peak", "OUTBOUND_PEAK_KB": "burst"},
}
"""Limits of a network interface, KiB a second and KiB."""
TOPOLOGY: Table = {"SOCKETS": "sockets", "CORES": "cores", "THREADS": "threads"}
EFI, VARIABLES = "efi", "nvram.fd"


def numbers(names: Table, values: Mapping[str, str]) -> dict[str, str]:
    """What the table says of the values that are positive whole numbers; anything else is not said."""
    found = {name: values.get(attribute, "") for attribute, name in names.items()}
    return {name: value for name, value in found.items() if value.isdecimal() and int(value) > 0}


def iotune(disk: Mapping[str, str]) -> Element | None:
    """The limits of a disk, if it has any."""
    limits = numbers(IOTUNE, disk)
    return element("iotune", *(element(name, text=value) for name, value in limits.items())) if limits else None


def bandwidth(nic: Mapping[str, str]) -> Element | None:
    """The limits of a network interface, if it has any; libvirt wants an average in each direction."""
    ways = ((way, numbers(names, nic)) for way, names in BANDWIDTH.items())
    limits = [element(way, **found) for way, found in ways if "average" in found]
    return element("bandwidth", *limits) if limits else None


def queues(name: str, value: str) -> Element | None:
    """How many queues a device has; with one, nothing is said."""
    return element("driver", name=name, queues=value) if value.isdecimal() and int(value) > 1 else None


def topology(wanted: Mapping[str, str]) -> Element | None:
    """Sockets, cores and threads of the guest's CPUs, if all are given."""
    found = numbers(TOPOLOGY, wanted)
    return element("topology", **found) if len(found) == len(TOPOLOGY) else None


def video(wanted: Mapping[str, str]) -> Element | None:
    """The graphics card; `none` is one too. RESOLUTION is width x height."""
    kind = wanted.get("TYPE", "").lower()
    if not kind or kind == "auto":
        return None
    width, _, height = wanted.get("RESOLUTION", "").lower().partition("x")
    sized = width.isdecimal() and height.isdecimal()
    resolution = element("resolution", x=width, y=height) if sized else None
    return element("video", element("model", resolution, type=kind, **numbers({"VRAM": "vram"}, wanted)))


def tpm(wanted: Mapping[str, str]) -> Element | None:
    """A TPM 2.0, emulated, if its MODEL is given."""
    if not wanted.get("MODEL"):
        return None
    backend = element("backend", type="emulator", version="2.0")
    return element("tpm", backend, model=wanted["MODEL"].lower())


def firmware(os: Mapping[str, str], directory: str) -> tuple[str, Iterable[Element]]:
    """The firmware attribute of <os>, the loader and its variables: OS/FIRMWARE is BIOS, UEFI, or a path on the host.

    Variables are kept in the VM's directory, so that they go with it from host to host.
    """
    wanted = os.get("FIRMWARE", "")
    if not wanted or wanted.upper() == "BIOS":
        return "", ()
    secure, variables = "yes" if is_secure(os) else "", element("nvram", text=f"{directory}/{VARIABLES}")
    if not wanted.startswith("/"):
        return EFI, [*([element("loader", secure=secure)] if secure else ()), variables]
    return "", [element("loader", text=wanted, readonly="yes", type="pflash", secure=secure), variables]


def is_secure(os: Mapping[str, str]) -> bool:
    """Whether the firmware boots what is signed only; it needs a mode of the machine for that."""
    has_own = os.get("FIRMWARE", "").upper() not in ("", "BIOS")
    return has_own and os.get("FIRMWARE_SECURE", "").upper() == "YES"
