"""What the scheduler reads: VMs that wait and hosts, out of the daemon's documents."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from lxml import etree

from oned.rules import TYPES
from oned.template.disk import on_system
from oned.template.nic import is_chosen_for
from oned.template.template import Template

RUNNING = 3
"""LCM_STATE of a VM that can move without a stop."""

ON_THE_WAY = (4, 7, 8, 35, 43, 45, 60)
"""LCM_STATEs of VMs between two hosts: MIGRATE, SAVE_MIGRATE, PROLOG_MIGRATE and its kin, BOOT_MIGRATE."""

_CLASSIC_MEASURES = {
    "FREECPU": "FREE_CPU",
    "FREEMEMORY": "FREE_MEM",
    "USEDCPU": "USED_CPU",
    "USEDMEMORY": "USED_MEM",
    "TOTALCPU": "TOTAL_CPU",
    "TOTALMEMORY": "TOTAL_MEM",
}
"""Names of monitored numbers in templates of all eras → their element in HOST_SHARE."""


class NicWish(NamedTuple):
    """A NIC whose network is to be chosen: what it asks of the network."""

    id: int
    requirements: str = ""
    rank: str = ""


TEMPLATES, CLOUDS = ("USER_TEMPLATE", "TEMPLATE"), ("EC2", "PUBLIC_CLOUD")
"""Attributes that say what a VM is in a public cloud (1.2 to 4.x, and since 4.4), and where they stand."""


class Wish(NamedTuple):
    """What a VM asks of a host. VMs with equal wishes are matched together.

    cpu, memory  hundredths of a core, KiB; both 0 when the VM names only one of them
    source       the host it must leave; -1 for a VM that waits for its first
    disk         MiB that its disks take in a system datastore; 0 for a VM that has them already
    ds_requirements, ds_rank  which system datastore
    nics         the NICs whose networks are to be chosen
    cloud        whether its template says what it is in a public cloud
    """

    requirements: str
    rank: str
    uid: int
    gid: int
    cpu: int
    memory: int
    source: int = -1
    disk: int = 0
    ds_requirements: str = ""
    ds_rank: str = ""
    nics: tuple[NicWish, ...] = ()
    cloud: bool = False


class Owner(NamedTuple):
    """Whose an object is, and which of owner, group and others may use it."""

    type: int
    id: int
    uid: int
    gid: int
    use: tuple[bool, bool, bool]


@dataclass(frozen=True)
class Candidate:
    """A VM that is to be placed, or moved (its wish has a source then)."""

    id: int
    wish: Wish
    priority: float = 0.0
    running: bool = False

    @property
    def moves(self) -> bool:
        return self.wish.source >= 0


@dataclass(frozen=True)
class Guest:
    """A running VM that may be moved to even out the load.

    since      when it came to its host, epoch s
    used       what it was last measured to use: hundredths of a core, KiB
    """

    vm: Candidate
    since: float
    used: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Host:
    """A host as the scheduler sees it.

    free_cpu, free_memory  what VMs do not take yet, hundredths of a core and KiB; by the books, not measured
    monitored              when it was last heard of, epoch s
    attributes             what expressions can ask for, upper-case name → text
    stores                 MiB free in the datastores on its own disk, by their ids
    """

    id: int
    name: str
    up: bool
    cluster: int
    free_cpu: int
    free_memory: int
    running: int
    monitored: int
    attributes: Mapping[str, str]
    stores: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Store:
    """A system datastore that is enabled.

    room        MiB that disks of new VMs may take; None if it is not known, as of one that hosts do not share
    attributes  what expressions can ask for, upper-case name → text
    """

    id: int
    name: str
    owner: Owner
    clusters: frozenset[int]
    room: int | None
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class Network:
    """A virtual network.

    free, used  addresses
    clusters    where hosts reach it; none is everywhere
    attributes  what expressions can ask for, upper-case name → text
    """

    id: int
    name: str
    owner: Owner
    clusters: frozenset[int]
    free: int
    used: int
    attributes: Mapping[str, str]


def document(text: str) -> etree._Element:
    """The root of a document. Raises lxml.etree.XMLSyntaxError."""
    parser = etree.XMLParser(huge_tree=True, resolve_entities=False, no_network=True, remove_comments=True)
    return etree.fromstring(text.encode(), parser)


def candidates(pool: str) -> Iterator[Candidate]:
    """The VMs of a VM_POOL that are pending, or flagged to be moved."""
    for vm in document(pool).iterfind("VM"):
        pending, moves = vm.findtext("STATE") == "1", vm.findtext("RESCHED") == "1"
        if pending or moves:
            yield candidate(vm, -1 if pending else _source(vm))


def guests(pool: str) -> tuple[list[Guest], int]:
    """The running VMs of a VM_POOL that may be moved, and how many VMs are on their way to another host.

    Whoever wants a VM to stay where it is gives it SCHED_REBALANCE = NO.
    """
    found, going = [], 0
    for vm in document(pool).iterfind("VM"):
        state = _int(vm, "LCM_STATE")
        going += state in ON_THE_WAY
        stays = vm.findtext("RESCHED") == "1" or _attribute(vm, "SCHED_REBALANCE").upper() == "NO"
        if state == RUNNING and not stays and (source := _source(vm)) >= 0:
            since = _float(vm, "HISTORY_RECORDS/HISTORY[last()]/STIME")
            used = round(_float(vm, "MONITORING/CPU")), round(_float(vm, "MONITORING/MEMORY"))
            found.append(Guest(candidate(vm, source), since, used))
    return found, going


def hosts(pool: str, clusters: Mapping[int, Mapping[str, str]]) -> list[Host]:
    """The hosts of a HOST_POOL by rising id. Attributes of the cluster count where a host has none of that name."""
    found = [_host(host, clusters) for host in document(pool).iterfind("HOST")]
    return sorted(found, key=lambda host: host.id)


def clusters(pool: str) -> dict[int, dict[str, str]]:
    """Cluster id → the attributes of its template."""
    return {_int(cluster, "ID"): _texts(cluster.find("TEMPLATE")) for cluster in document(pool).iterfind("CLUSTER")}


def owner(item: etree._Element, kind: str) -> Owner:
    """Whose the object is; kind is its word in rules, such as DATASTORE."""
    use = [item.findtext(f"PERMISSIONS/{who}_U") == "1" for who in ("OWNER", "GROUP", "OTHER")]
    return Owner(TYPES[kind], _int(item, "ID"), _int(item, "UID"), _int(item, "GID"), (use[0], use[1], use[2]))


def stores(pool: str) -> list[Store]:
    """The system datastores of a DATASTORE_POOL that are enabled."""
    found = document(pool).iterfind("DATASTORE")
    return [_store(store) for store in found if store.findtext("TYPE") == "1" and store.findtext("STATE") == "0"]


def networks(pool: str) -> list[Network]:
    """The networks of a VNET_POOL."""
    return [_network(network) for network in document(pool).iterfind("VNET")]


def monitoring_interval(config: str) -> float:
    """Seconds between two looks at a host, of the document of one.system.config; 0 when it does not say."""
    root = document(config)
    return _float(root, ".//HOST_MONITORING_INTERVAL") or _float(root, ".//MONITORING_INTERVAL_HOST")


def _store(store: etree._Element) -> Store:
    shared = (store.findtext("TEMPLATE/SHARED") or "").upper() != "NO"
    is_known = _int(store, "TOTAL_MB") or bool(store.findtext("TEMPLATE/LIMIT_MB"))
    clusters = [cluster.text or "-1" for cluster in store.iterfind("CLUSTERS/ID")]
    return Store(
        id=_int(store, "ID"),
        name=store.findtext("NAME") or "",
        owner=owner(store, "DATASTORE"),
        clusters=frozenset(map(int, clusters)),
        room=_int(store, "FREE_MB") if shared and is_known else None,
        attributes=_texts(store) | _texts(store.find("TEMPLATE")) | {"CLUSTERS/ID": ",".join(clusters)},
    )


def _network(network: etree._Element) -> Network:
    used = _int(network, "USED_LEASES")
    size = sum(_int(one, "SIZE") for one in network.iterfind("AR_POOL/AR"))
    clusters = [cluster.text or "-1" for cluster in network.iterfind("CLUSTERS/ID")]
    return Network(
        id=_int(network, "ID"),
        name=network.findtext("NAME") or "",
        owner=owner(network, "NET"),
        clusters=frozenset(map(int, clusters)),
        free=size - used,
        used=used,
        attributes=_texts(network) | _texts(network.find("TEMPLATE")) | {"CLUSTERS/ID": ",".join(clusters)},
    )


def _nics(vm: etree._Element) -> tuple[NicWish, ...]:
    """The NICs of a VM that waits for its first host, and that leave the choice of their network to the scheduler."""
    return tuple(
        NicWish(
            _int(nic, "NIC_ID"), *((nic.findtext(f"SCHED_{name}") or "").strip() for name in ("REQUIREMENTS", "RANK"))
        )
        for nic in vm.iterfind("TEMPLATE/NIC")
        if is_chosen_for({str(child.tag): child.text or "" for child in nic})
    )


def candidate(vm: etree._Element, source: int) -> Candidate:
    """The VM of a document that is to be placed (source -1), or to leave the source."""
    cpu, memory = round(_float(vm, "TEMPLATE/CPU") * 100), round(_float(vm, "TEMPLATE/MEMORY") * 1024)
    wish = Wish(
        requirements=_requirements(vm),
        rank=_attribute(vm, "SCHED_RANK", "RANK"),
        uid=_int(vm, "UID"),
        gid=_int(vm, "GID"),
        cpu=cpu if memory else 0,
        memory=memory if cpu else 0,
        source=source,
        disk=_disk(vm) if source < 0 and vm.find("HISTORY_RECORDS/HISTORY") is None else 0,
        ds_requirements=_both(
            vm.findtext("TEMPLATE/AUTOMATIC_DS_REQUIREMENTS"), _attribute(vm, "SCHED_DS_REQUIREMENTS")
        ),
        ds_rank=_attribute(vm, "SCHED_DS_RANK"),
        nics=_nics(vm) if source < 0 else (),
        cloud=any(vm.find(f"{part}/{name}") is not None for part in TEMPLATES for name in CLOUDS),
    )
    priority = _float(vm, "USER_TEMPLATE/USER_PRIORITY")
    return Candidate(_int(vm, "ID"), wish, priority, vm.findtext("LCM_STATE") == str(RUNNING))


def _requirements(vm: etree._Element) -> str:
    """The user's and the engine's, both of which must hold."""
    automatic = vm.findtext("TEMPLATE/AUTOMATIC_REQUIREMENTS")
    return _both(automatic, _attribute(vm, "SCHED_REQUIREMENTS", "REQUIREMENTS"))


def _both(*asked: str | None) -> str:
    given = [text.strip() for text in asked if text and text.strip()]
    return " & ".join(f"( {text} )" for text in given) if len(given) > 1 else "".join(given)


def _disk(vm: etree._Element) -> int:
    """MiB of the disks that are files of their own (templates of all eras: a disk says what it is)."""
    disks = ({str(child.tag): child.text or "" for child in disk} for disk in vm.iterfind("TEMPLATE/DISK"))
    return on_system(Template(("DISK", disk) for disk in disks))


def _attribute(vm: etree._Element, *names: str) -> str:
    """The first of these names that has a value: they moved between the templates and got a prefix over the years."""
    paths = (f"{place}/{name}" for name in names for place in ("USER_TEMPLATE", "TEMPLATE"))
    return next((text for path in paths if (text := (vm.findtext(path) or "").strip())), "")


def _source(vm: etree._Element) -> int:
    return int(vm.findtext("HISTORY_RECORDS/HISTORY[last()]/HID") or vm.findtext("HISTORY/HID") or -1)


def _host(host: etree._Element, clusters: Mapping[int, Mapping[str, str]]) -> Host:
    cluster = _int(host, "CLUSTER_ID")
    return Host(
        id=_int(host, "ID"),
        name=host.findtext("NAME") or "",
        up=host.findtext("STATE") in ("1", "2"),
        cluster=cluster,
        free_cpu=_int(host, "HOST_SHARE/MAX_CPU") - _int(host, "HOST_SHARE/CPU_USAGE"),
        free_memory=_int(host, "HOST_SHARE/MAX_MEM") - _int(host, "HOST_SHARE/MEM_USAGE"),
        running=_int(host, "HOST_SHARE/RUNNING_VMS"),
        monitored=_int(host, "LAST_MON_TIME") or _int(host, "MONITORING/TIMESTAMP"),
        stores={_int(one, "ID"): _int(one, "FREE_MB") for one in host.iterfind("HOST_SHARE/DATASTORES/DS")},
        attributes=_attributes(host, clusters.get(cluster, {})),
    )


def _attributes(host: etree._Element, of_cluster: Mapping[str, str]) -> dict[str, str]:
    """Later ones win: a host's template before its share, that before its own elements, those before the rest."""
    share = _texts(host.find("HOST_SHARE"))
    found = {name: share[element] for name, element in _CLASSIC_MEASURES.items() if element in share}
    found |= of_cluster
    found |= _texts(host.find("MONITORING/SYSTEM")) | _texts(host.find("MONITORING/CAPACITY"))
    found["HOSTNAME"] = host.findtext("NAME") or ""
    found |= _texts(host) | share | _texts(host.find("TEMPLATE"))
    found["CURRENT_VMS"] = " ".join(vm.text or "" for vm in host.iterfind("VMS/ID"))
    return found


def _texts(element: etree._Element | None) -> dict[str, str]:
    """Name → text of the children that have no children; the first of a name counts."""
    children = [] if element is None else [child for child in element if not len(child)]
    return {str(child.tag): child.text or "" for child in reversed(children)}


def _int(element: etree._Element, path: str) -> int:
    return int(_float(element, path))


def _float(element: etree._Element, path: str) -> float:
    try:
        return float(element.findtext(path) or 0)
    except ValueError:
        return 0.0
