"""Why the daemon would refuse to change a network, as its document tells."""

from collections.abc import Callable

from oned.cli import sections
from oned.cli.output import say
from oned.cli.preview import NO_SUCH_METHOD
from oned.cli.vnet_views import holder, size
from oned.client.client import Client, Faulted
from oned.client.documents import Document, parse

Refusal = Callable[[Document], str]


def asked(one: Client, change: str, template: str, otherwise: Refusal) -> Refusal:
    """What the daemon itself says of a change; of one that does not preview networks, what the document tells.

    The refusal raises ClientError.
    """

    def refusal(net: Document) -> str:
        try:
            one.text("oned.vn.preview", net.int("ID"), change, template)
        except Faulted as fault:
            if fault.code != NO_SUCH_METHOD:
                raise
            return otherwise(net)
        return ""

    return refusal


def update(one: Client, net: int, text: str, *, append: bool) -> int:
    """Write the attributes that the network would have after an update; the exit code. The refusal is raised."""
    found = parse(one.text("oned.vn.preview", net, "update_append" if append else "update", text))
    sections.template(f"VIRTUAL NETWORK {net} TEMPLATE", found.first("TEMPLATE"))
    say("Nothing was changed.")
    return 0


def in_use(net: Document) -> str:
    """Why a network cannot be deleted."""
    used, oid = net.int("USED_LEASES"), net.text("ID")
    reason = f"VNET {oid} cannot be deleted: {used} of its leases are in use. onevnet show {oid} lists them"
    return reason if used else ""


def not_held(address: str) -> Refusal:
    """Why an address cannot be let go."""

    def refusal(net: Document) -> str:
        who = _holder(net, address)
        return "" if who == "on hold" else f"{address} is not on hold: it is {f'used by {who}' if who else 'free'}"

    return refusal


def not_free(address: str) -> Refusal:
    """Why an address cannot be held or removed."""

    def refusal(net: Document) -> str:
        who = _holder(net, address)
        if who:
            return f"{address} is in use: {who}"
        inside = any(_inside(ar, address) for ar in net.all("AR_POOL/AR"))
        return "" if inside else f"{address} is no address of network {net.text('ID')}"

    return refusal


def range_in_use(number: int, *, force: bool = False, reserved: bool = False) -> Refusal:
    """Why a range cannot be removed, or given back."""

    def refusal(net: Document) -> str:
        found = next((ar for ar in net.all("AR_POOL/AR") if ar.int("AR_ID") == number), None)
        if found is None:
            return f"Virtual network {net.text('ID')} has no address range {number}"
        if reserved and not found.text("PARENT_NETWORK_AR_ID"):
            return f"Address range {number} is not reserved from another network. Use rmar"
        used = found.int("USED_LEASES")
        return f"{used} leases of address range {number} are in use" if used and not force else ""

    return refusal


def too_small(number: int, size: int | None) -> Refusal:
    """Why a range cannot be changed: it is not there, or leases would fall out of it."""

    def refusal(net: Document) -> str:
        found = next((ar for ar in net.all("AR_POOL/AR") if ar.int("AR_ID") == number), None)
        if found is None:
            return f"Virtual network {net.text('ID')} has no address range {number}"
        beyond = [] if size is None else _beyond(found, size)
        return f"SIZE of address range {number} cannot be {size}: {beyond[0]} is in use" if beyond else ""

    return refusal


def _beyond(ar: Document, size: int) -> list[str]:
    """The MACs in use that are no longer in a range of that size."""
    first = int(ar.text("MAC").replace(":", ""), 16)
    used = [lease.text("MAC") for lease in ar.all("LEASES/LEASE")]
    return [mac for mac in used if int(mac.replace(":", ""), 16) - first >= size]


def too_few(wanted: int) -> Refusal:
    """Why so many addresses cannot be reserved. That they must stand in a row only the daemon checks."""

    def refusal(net: Document) -> str:
        free = size(net) - net.int("USED_LEASES")
        return "" if wanted <= free else f"{wanted} addresses are wanted, {free} are free in VNET {net.text('ID')}"

    return refusal


def _holder(net: Document, address: str) -> str:
    leases = net.all("AR_POOL/AR/LEASES/LEASE")
    found = next((lease for lease in leases if address.lower() in (lease.text("IP"), lease.text("MAC"))), None)
    return holder(found, {}) if found is not None else ""


def _inside(ar: Document, address: str) -> bool:
    """Whether the address is between the first and the last one of a range."""
    key = "MAC" if address.count(":") == 5 else "IP"
    first, last = ar.text(key), ar.text(f"{key}_END")
    return bool(first) and _number(first) <= _number(address) <= _number(last)


def _number(address: str) -> list[int]:
    base = 16 if ":" in address else 10
    try:
        return [int(part, base) for part in address.replace(":", ".").split(".")]
    except ValueError:
        return []
