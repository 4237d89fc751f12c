"""The document of a network (OpenNebula 6.10 in order, with the elements of 1.4 to 4.14)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from oned.document.element import Element, ids, tag, wrap
from oned.document.object import View, lock_element, owner_elements
from oned.ids import Kind
from oned.template.render import xml as template_xml
from oned.vnet.leases import Holder
from oned.vnet.range import IP4_TYPES, Range

if TYPE_CHECKING:
    from oned.vnet.network import Network

READY = 1
_NOBODY = -1
_AR_POOL = "<AR_POOL>"
_OWNER = owner_elements()

Used = list[tuple[Range, list[tuple[int, Holder]]]]
"""Ranges, each with its leases in order."""


def whole(network: "Network", view: View) -> Iterator[str]:
    """The document with all leases, as one.vn.info gives it, in small pieces. It tells of the moment of the call."""
    used = [(one, sorted(network.leases.used(one.id).items())) for one in network.ranges.values()]
    head = network.document(view).partition(_AR_POOL)[0]
    return _pieces(head, used, classic=not view.strict, every=network.fixed)


def _pieces(head: str, used: Used, *, classic: bool, every: bool) -> Iterator[str]:
    yield head
    if classic:
        yield "<LEASES>"
        for one, leases in used:
            yield from _classic(one, dict(leases), every=every)
        yield "</LEASES>"
    yield _AR_POOL
    for one, leases in used:
        yield f"<AR>{one.xml(len(leases))}<LEASES>"
        for place, holder in leases:
            yield _lease(one.at(place).named() | _held_by(holder))
        yield "</LEASES></AR>"
    yield "</AR_POOL></VNET>"


def _classic(one: Range, used: dict[int, Holder], *, every: bool) -> Iterator[str]:
    """Leases as 1.4 to 4.6 list them: of a FIXED network all, else those in use."""
    for place in range(one.size) if every else used:
        holder, named = used.get(place), one.at(place).named()
        vm = holder.oid if holder is not None and holder.kind == Kind.VM.name else _NOBODY
        yield _lease({key: named[key] for key in ("IP", "MAC") if key in named}
                     | {"USED": str(int(holder is not None)), "VID": str(vm)})  # fmt: skip


def _lease(rows: dict[str, str]) -> str:
    return wrap("LEASE", "".join(f"<{name}>{value}</{name}>" for name, value in rows.items()))


def _held_by(holder: Holder) -> dict[str, str]:
    name = "VNET" if holder.kind == Kind.NET.name else "VM"
    return {name: str(holder.oid)}


def _ar_pool(network: "Network", _view: View) -> str:
    return wrap("AR_POOL", "".join(wrap("AR", one.xml()) for one in network.ranges.values()))


def _range(network: "Network", _view: View) -> str:
    """The ends of the first range with IPv4 addresses."""
    found = next((one for one in network.ranges.values() if one.type in IP4_TYPES), None)
    if network.fixed or found is None:
        return ""
    ends = found.at(0).ips["IP"], found.at(found.size - 1).ips["IP"]
    return wrap("RANGE", tag("IP_START", ends[0]) + tag("IP_END", ends[1]))


def _is_vlan(network: "Network", _view: View) -> bool:
    said = network.template.get("VLAN").upper()
    return said == "YES" if said else bool(network.template.get("PHYDEV") or network.template.get("VLAN_ID"))


def _attribute(name: str, sentence: str) -> Element:
    """An element that repeats an attribute."""
    return Element(name, sentence, value=lambda network, _: network.template.get(name))


def _automatic(name: str, sentence: str) -> Element:
    said = f"AUTOMATIC_{name.removesuffix('_AUTOMATIC')}"
    return Element(name, sentence, value=lambda network, _: network.template.get(said).upper() == "YES")


def _nothing(name: str, sentence: str) -> Element:
    return Element(name, sentence, xml=lambda *_: f"<{name}/>")


ELEMENTS = (
    *_OWNER[:-1],
    lock_element(),
    _OWNER[-1],
    Element("CLUSTERS", "its clusters", xml=lambda network, _: ids("CLUSTERS", network.clusters)),
    Element("CLUSTER_ID", "its first cluster, as 3.4 to 4.14 had it", classic=True,
            value=lambda network, _: min(network.clusters, default=-1)),
    Element("CLUSTER", "that cluster's name", classic=True,
            value=lambda network, view: view.cluster_name(min(network.clusters, default=-1))),
    Element("TYPE", "0 RANGED, 1 FIXED", classic=True, value=lambda network, _: network.fixed),
    _attribute("BRIDGE", "bridge on the hosts"),
    _attribute("BRIDGE_TYPE", "kind of that bridge"),
    Element("STATE", "1 ready: a network is at once", value=lambda *_: READY),
    Element("PREV_STATE", "the same", value=lambda *_: READY),
    Element("PUBLIC", "1 when its group or others may use it", classic=True,
            value=lambda network, _: network.is_public),
    Element("VLAN", "1 when it is a VLAN", classic=True, value=_is_vlan),
    Element("PARENT_NETWORK_ID", "the network it is reserved from, or empty",
            value=lambda network, _: "" if network.parent < 0 else network.parent),
    _attribute("VN_MAD", "network driver"),
    _attribute("PHYDEV", "network device of the hosts"),
    _attribute("VLAN_ID", "VLAN"),
    _attribute("OUTER_VLAN_ID", "outer VLAN"),
    _automatic("VLAN_ID_AUTOMATIC", "1 when the engine chose VLAN_ID"),
    _automatic("OUTER_VLAN_ID_AUTOMATIC", "1 when the engine chose OUTER_VLAN_ID"),
    Element("USED_LEASES", "leases in use", value=lambda network, _: network.leases.count),
    Element("TOTAL_LEASES", "the same, as 1.4 to 4.6 called it", classic=True,
            value=lambda network, _: network.leases.count),
    Element("RANGE", "IP_START and IP_END of the first range", classic=True, xml=_range),
    _nothing("VROUTERS", "none here"),
    _nothing("UPDATED_VMS", "none here"),
    _nothing("OUTDATED_VMS", "none here"),
    _nothing("UPDATING_VMS", "none here"),
    _nothing("ERROR_VMS", "none here"),
    Element("TEMPLATE", "attributes", xml=lambda network, _: template_xml(network.template)),
    Element("LEASES", "info only: IP, MAC, USED, VID of leases; of a FIXED network all, else those in use",
            xml=lambda *_: "", classic=True),
    Element("AR_POOL", "address ranges; info adds their ends, USED_LEASES and LEASES", xml=_ar_pool),
)  # fmt: skip
