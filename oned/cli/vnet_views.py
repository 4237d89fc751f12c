"""How networks are listed and shown."""

from oned.cli import sections
from oned.cli.names import VMS
from oned.cli.output import facts
from oned.cli.table import Column, Table
from oned.cli.vm_views import section
from oned.client.client import Client
from oned.client.documents import Document

_ON_HOLD = "-1"


def _clusters(net: Document) -> str:
    return ",".join(item.content for item in net.all("CLUSTERS/ID")) or "-"


def size(net: Document) -> int:
    """The number of addresses of a network."""
    return sum(ar.int("SIZE") for ar in net.all("AR_POOL/AR"))


def _kind(net: Document) -> str:
    return {"0": "R", "1": "F"}.get(net.text("TYPE"), "-")


VNET_TABLE = Table(
    (
        Column("ID", 4, "id of the network", lambda net: net.text("ID")),
        Column("USER", 12, "name of the owner", lambda net: net.text("UNAME"), left=True,
               number=lambda net: net.text("UID")),
        Column("GROUP", 12, "name of the group", lambda net: net.text("GNAME"), left=True,
               number=lambda net: net.text("GID")),
        Column("NAME", 15, "name of the network", lambda net: net.text("NAME"), left=True, expand=True),
        Column("CLUSTERS", 10, "ids of its clusters", _clusters, left=True),
        Column("TYPE", 4, "as releases up to 4.6 have it: R ranged, F fixed", _kind),
        Column("BRIDGE", 10, "bridge on the hosts", lambda net: net.text("BRIDGE"), left=True),
        Column("VN_MAD", 8, "network driver", lambda net: net.text("VN_MAD"), left=True),
        Column("VLAN", 5, "VLAN id", lambda net: net.text("VLAN_ID") or "-"),
        Column("PARENT", 6, "network it is reserved from", lambda net: net.text("PARENT_NETWORK_ID") or "-"),
        Column("PUBLIC", 3, "others may use it", lambda net: "yes" if net.int("PUBLIC") else "no", left=True),
        Column("SIZE", 6, "addresses it has", lambda net: str(size(net))),
        Column("LEASES", 6, "leases in use", lambda net: net.text("USED_LEASES")),
    ),
    default="ID,USER,GROUP,NAME,CLUSTERS,BRIDGE,SIZE,LEASES",
)  # fmt: skip
_LEASES = Table(
    (
        Column("AR", 4, "range", lambda lease: lease.text("AR_ID")),
        Column("OWNER", 18, "who has it", lambda lease: lease.text("OWNER"), left=True),
        Column("MAC", 17, "MAC", lambda lease: lease.text("MAC"), left=True),
        Column("IP", 15, "IPv4 address", lambda lease: lease.text("IP") or "-", left=True),
        Column("IP6", 39, "IPv6 address", lambda lease: lease.text("IP6") or lease.text("IP6_GLOBAL") or "-",
               left=True),
    ),
    default="AR,OWNER,MAC,IP,IP6",
)  # fmt: skip


def show_vnet(one: Client, net: Document) -> None:
    """Write the network in sections, its ranges and its leases."""
    facts(f"VIRTUAL NETWORK {net.text('ID')} INFORMATION", _information(net))
    sections.permissions(net)
    sections.template("VIRTUAL NETWORK TEMPLATE", net.first("TEMPLATE"))
    for ar in net.all("AR_POOL/AR"):
        rows = [(item.name, item.content) for item in ar if item.name not in ("AR_ID", "LEASES")]
        facts(f"ADDRESS RANGE {ar.text('AR_ID')}", rows)
    section("LEASES", _leases(one, net), _LEASES)


def _information(net: Document) -> list[tuple[str, str]]:
    return [
        ("ID", net.text("ID")),
        ("NAME", net.text("NAME")),
        ("USER", net.text("UNAME")),
        ("GROUP", net.text("GNAME")),
        ("LOCK", sections.lock(net)),
        ("CLUSTERS", _clusters(net)),
        ("BRIDGE", net.text("BRIDGE")),
        ("STATE", "READY" if net.text("STATE") == "1" else net.text("STATE")),
        ("VN_MAD", net.text("VN_MAD")),
        ("PHYSICAL DEVICE", net.text("PHYDEV") or "-"),
        ("VLAN ID", net.text("VLAN_ID") or "-"),
        ("PARENT NETWORK", net.text("PARENT_NETWORK_ID") or "-"),
        ("USED LEASES", f"{net.text('USED_LEASES')} of {size(net)}"),
    ]


def _leases(one: Client, net: Document) -> list[Document]:
    """The leases in use, each with its range and the words of who has it."""
    leases = [(ar, lease) for ar in net.all("AR_POOL/AR") for lease in ar.all("LEASES/LEASE")]
    named = {vm.text("ID"): vm.text("NAME") for vm in VMS.objects(one)} if leases else {}
    for ar, lease in leases:
        lease.children += [
            Document("AR_ID", ar.text("AR_ID")),
            Document("OWNER", holder(lease, named)),
        ]
    return [lease for _, lease in leases]


def holder(lease: Document, named: dict[str, str]) -> str:
    """Who has a lease: `VM 3 web`, `NET 5`, `on hold`."""
    if lease.text("VNET"):
        return f"NET {lease.text('VNET')}"
    vm = lease.text("VM")
    return "on hold" if vm == _ON_HOLD else f"VM {vm} {named.get(vm, '')}".rstrip()
