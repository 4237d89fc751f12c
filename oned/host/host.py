"""The host and its document (OpenNebula 6.10, with the elements of 1.4 to 5.10)."""

from collections.abc import Mapping
from types import MappingProxyType

from oned.document.element import Element, ids, plain, tag, wrap
from oned.document.object import PoolObject, View
from oned.host import wilds
from oned.host.states import HostState
from oned.ids import Kind
from oned.template.render import xml as template_xml
from oned.template.template import Template
from oned.vm.vm import Capacity

MEASURES = ("TOTALCPU", "TOTALMEMORY", "FREECPU", "FREEMEMORY", "USEDCPU", "USEDMEMORY")
"""Monitored values that are kept as numbers of the share; CPU in hundredths of a core, memory in KiB."""

STORE_NUMBERS = ("FREE_MB", "TOTAL_MB", "USED_MB")
"""What a host tells of a datastore, in the order of its document."""
WITHOUT_FILES = ("dummy", "ec2")
"""Hypervisor drivers of hosts that no file is brought to."""
DISKS = (("FREE_DISK", "DS_LOCATION_FREE_MB"), ("MAX_DISK", "DS_LOCATION_TOTAL_MB"),
         ("USED_DISK", "DS_LOCATION_USED_MB"))  # fmt: skip
"""Elements of the share and the monitored values that they show (4.4 to 5.10): the disk below all datastores."""


def _share(host: "Host", view: View) -> str:
    rows: list[tuple[str, int]] = [
        ("MEM_USAGE", host.mem_usage), ("CPU_USAGE", host.cpu_usage), ("TOTAL_MEM", host.measure("TOTALMEMORY")),
        ("TOTAL_CPU", host.measure("TOTALCPU")), ("MAX_MEM", host.max_mem), ("MAX_CPU", host.max_cpu),
        ("RUNNING_VMS", len(host.vms)), ("VMS_THREAD", 1),
    ]  # fmt: skip
    inner = "".join(tag(name, value) for name, value in rows) + wrap("DATASTORES", _datastores(host))
    inner += "<PCI_DEVICES/><NUMA_NODES/>"
    if not view.strict:
        inner += "".join(tag(name, value) for name, value in _classic_share(host))
    return wrap("HOST_SHARE", inner)


def _datastores(host: "Host") -> str:
    """The disk that the host has for datastores, and the room of those that it does not share, MiB."""
    stores = "".join(
        wrap("DS", tag("ID", oid) + "".join(tag(name, row[at]) for at, name in enumerate(STORE_NUMBERS)))
        for oid, row in sorted(host.stores.items(), key=lambda item: int(item[0]))
    )
    return tag("DISK_USAGE", 0) + stores + "".join(tag(name, host.measure(of)) for name, of in DISKS)


def _classic_share(host: "Host") -> list[tuple[str, int]]:
    return [
        ("HID", host.id), ("DISK_USAGE", 0), *((name, host.measure(of)) for name, of in DISKS[1::-1]),
        ("FREE_MEM", host.measure("FREEMEMORY")), ("FREE_CPU", host.measure("FREECPU")),
        ("USED_DISK", host.measure(DISKS[2][1])),
        ("USED_MEM", host.measure("USEDMEMORY")), ("USED_CPU", host.measure("USEDCPU")),
    ]  # fmt: skip


def _template(host: "Host", _view: View) -> str:
    whole = host.template.copy()
    for name, value in host.monitored.items():
        if name not in MEASURES:
            whole.set(name, value)
    if host.reported:
        wilds.describe(whole, host.strangers)
    for name in ("RESERVED_CPU", "RESERVED_MEM"):
        if name not in whole:
            whole.set(name, "")
    if host.error:
        whole.set("ERROR", host.error)
    return template_xml(whole)


def _monitoring(host: "Host", _view: View) -> str:
    if not host.monitored:
        return "<MONITORING/>"
    capacity = "".join(
        tag(name, host.measure(name.replace("_", "")))
        for name in ("FREE_CPU", "FREE_MEMORY", "USED_CPU", "USED_MEMORY")
    )
    system = "".join(tag(name, host.measure(name)) for name in ("NETRX", "NETTX"))
    head = tag("TIMESTAMP", host.last_monitored) + tag("ID", host.id)
    return wrap("MONITORING", head + wrap("CAPACITY", capacity) + wrap("SYSTEM", system))


ELEMENTS = (
    plain("ID", "id", "number of the host"),
    plain("NAME", "name", "name, by which drivers reach it"),
    Element("STATE", "number of the state", value=lambda host, _: int(host.state)),
    Element("PREV_STATE", "state before the last change", value=lambda host, _: int(host.previous)),
    plain("IM_MAD", "im_mad", "information driver"),
    plain("VM_MAD", "vm_mad", "hypervisor driver"),
    plain("VN_MAD", "vn_mad", "network driver", classic=True),
    plain("TM_MAD", "tm_mad", "transfer driver, where the host has one of its own", classic=True),
    plain("LAST_MON_TIME", "last_monitored", "time of the last monitoring", classic=True),
    plain("CLUSTER_ID", "cluster", "its cluster"),
    Element("CLUSTER", "the cluster's name", value=lambda host, view: view.cluster_name(host.cluster)),
    Element("HOST_SHARE", "what it has and what VMs take; CPU in hundredths of a core, memory in KiB", xml=_share),
    Element("VMS", "the VMs that count on it", xml=lambda host, _: ids("VMS", host.vms)),
    Element("TEMPLATE", "attributes of users and of the monitor", xml=_template),
    Element("MONITORING", "the last sample", xml=_monitoring),
)


class Host(PoolObject):
    """A physical machine.

    monitored   what the monitor told last, as text
    cpu_usage, mem_usage, vms   what VMs take; derived, kept by the ledger (pool.ledger)
    cluster_reserved            what its cluster lets it keep back; derived, kept by the pools
    stores      what it told of the datastores on its own disk: id (as text) → the numbers of STORE_NUMBERS
    asked       when the monitor was asked, 0 = no question is open
    reported    when it last told of all its domains, 0 = it does not, or has failed since
    failures    how often in a row it has failed to answer, silent_since when that began
    strangers   those of its domains that are no VM of ours, as far as it tells of them
    """

    kind = Kind.HOST
    ROOT = "HOST"
    ELEMENTS = ELEMENTS
    STORED = (
        "name", "state_number", "previous_number", "im_mad", "vm_mad", "vn_mad", "tm_mad", "cluster",
        "last_monitored", "monitored", "stores", "error",
    )  # fmt: skip

    vn_mad: str = "dummy"
    tm_mad: str = ""
    cluster: int = 0
    last_monitored: int = 0
    error: str = ""
    state: HostState = HostState.INIT
    previous: HostState = HostState.INIT
    monitored: Mapping[str, str]
    stores: Mapping[str, tuple[int, int, int]] = MappingProxyType({})
    template: Template

    def __init__(self, oid: int, name: str, im_mad: str, vm_mad: str) -> None:
        self.id, self.name = oid, name
        self.im_mad, self.vm_mad = im_mad, vm_mad
        self.template = Template()
        self.monitored = {}
        self.stores = {}
        self.settle()

    def settle(self) -> None:
        self.cpu_usage = self.mem_usage = 0
        self.vms: set[int] = set()
        self.cluster_reserved: Mapping[str, str] = {}
        self.asked = self.reported = 0.0
        self.failures, self.silent_since = 0, 0
        self.strangers: tuple[wilds.Domain, ...] = ()

    @property
    def state_number(self) -> int:
        return int(self.state)

    @state_number.setter
    def state_number(self, value: int) -> None:
        self.state = HostState(value)

    @property
    def previous_number(self) -> int:
        return int(self.previous)

    @previous_number.setter
    def previous_number(self, value: int) -> None:
        self.previous = HostState(value)

    @property
    def max_cpu(self) -> int:
        """CPU that VMs may take: what there is less what is reserved."""
        return 0 if self.state is HostState.OFFLINE else reserve(self.measure("TOTALCPU"), self._reserved("CPU"))

    @property
    def max_mem(self) -> int:
        """Memory that VMs may take, KiB."""
        return 0 if self.state is HostState.OFFLINE else reserve(self.measure("TOTALMEMORY"), self._reserved("MEM"))

    def measure(self, name: str) -> int:
        """A monitored number, 0 if it is missing or none."""
        try:
            return int(float(self.monitored.get(name, "0")))
        except ValueError:
            return 0

    def free_on(self, datastore: int) -> int | None:
        """MiB free in a datastore on its own disk; None if it has told nothing of it."""
        told = self.stores.get(str(datastore))
        return told[0] if told else None

    def has_wild(self, deploy_id: str) -> bool:
        """Whether a domain of this name runs on it that is no VM of ours."""
        return any(found.deploy_id == deploy_id and found.vm < 0 for found in self.strangers)

    def lacks(self, wanted: Capacity) -> tuple[str, int, int] | None:
        """What there is too little of for this: its name, the amount wanted, the amount free; None if it fits.

        What nothing is wanted of is not lacking, even on an overcommitted host.
        """
        free_cpu, free_mem = self.max_cpu - self.cpu_usage, self.max_mem - self.mem_usage
        if wanted.cpu > max(0, free_cpu):
            return "CPU", wanted.cpu, free_cpu
        if wanted.memory > max(0, free_mem):
            return "memory", wanted.memory, free_mem
        return None

    def transfers_by(self, datastores: str) -> str:
        """The transfer driver of its VMs, where that of their system datastore is given."""
        return self.tm_mad or (datastores if self.vm_mad.removeprefix("vmm_") not in WITHOUT_FILES else "dummy")

    def move_to(self, state: HostState) -> None:
        """Change the state and remember the one before."""
        if state is not self.state:
            self.previous, self.state = self.state, state

    @property
    def in_clusters(self) -> tuple[int, ...]:
        return (self.cluster,)

    def _reserved(self, what: str) -> str:
        name = f"RESERVED_{what}"
        return self.template.get(name) or self.cluster_reserved.get(name, "")


def reserve(total: int, reserved: str) -> int:
    """What is left of a total: RESERVED_CPU and RESERVED_MEM are amounts or percents, negative ones overcommit."""
    text = reserved.strip()
    try:
        amount = total * float(text[:-1]) / 100 if text.endswith("%") else float(text or 0)
    except ValueError:
        return total
    return int(total - amount)
