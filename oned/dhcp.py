"""What DHCP servers are told: an address and a name for each MAC, made of the leases of networks and of nothing else.

texts("dnsmasq", entries(leases, Naming("vm%d")))    file name → text
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv4Address
from typing import NamedTuple

DEFAULT_PATTERN = "vm%d"
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PATTERN = re.compile(r"[A-Za-z0-9-]*%(0\d{1,2})?d[A-Za-z0-9-]*")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_A_TIME = re.compile(r"\d+[smhdw]?")
_MEANS_MORE = frozenset({"ignore", "infinite", "localhost", "wpad", "isatap"})
WRITER = "onevnet dhcp"


class Refused(ValueError):
    """What keeps the leases from being told to a server, as a sentence that says what to do."""


class Lease(NamedTuple):
    """An address that a VM has of a network: MAC and IPv4 address, the VM's id and name ("" if nobody may know it)."""

    mac: str
    ip: str
    vm: int
    vm_name: str = ""

    def __str__(self) -> str:
        return f"VM {self.vm} {self.vm_name}".rstrip() + f" ({self.ip}, {self.mac})"


class Entry(NamedTuple):
    """What a server is told: who has this MAC gets this address and this name."""

    mac: str
    ip: str
    name: str


class Naming(NamedTuple):
    """How VMs are named: by their own name if that is a host name, else by a pattern.

    pattern   with the VM's id at %d, of so many digits at %03d
    numbered  use the pattern for all of them
    """

    pattern: str = DEFAULT_PATTERN
    numbered: bool = False

    def checked(self) -> "Naming":
        """The naming; Refused if the pattern makes no host names."""
        if _PATTERN.fullmatch(self.pattern) and is_host_name(self.numbered_name(0)):
            return self
        text = f"{self.pattern!r} makes no host names: letters, digits, minus signs, and one %d or %03d for the VM's id"
        raise Refused(text)

    def numbered_name(self, vm: int, ending: str = "") -> str:
        return (self.pattern % vm).lower() + ending

    def name(self, lease: Lease, which: int) -> str:
        """The host name of the VM's first, second… address. Refused if it would be too long."""
        ending = f"-{which}" if which > 1 else ""
        own = lease.vm_name.lower() + ending
        if not self.numbered and is_host_name(lease.vm_name.lower()) and is_host_name(own):
            return own
        made = self.numbered_name(lease.vm, ending)
        if not is_host_name(made):
            raise Refused(f"{made} is no host name for {lease}. Choose a shorter pattern: --names")
        return made


BY_NAME = Naming()
"""VMs by their own names, or else vm7."""


def is_host_name(text: str) -> bool:
    """Whether it is one label of a host name (RFC 1123), in small letters, that no server takes for another word.

    dnsmasq reads 45, 12h and infinite as times and ignore as an order; the other names are not for one VM to have.
    """
    return bool(_LABEL.fullmatch(text)) and not _A_TIME.fullmatch(text) and text not in _MEANS_MORE


def entries(leases: Iterable[Lease], naming: Naming = BY_NAME) -> list[Entry]:
    """An entry for each lease, by address; a VM's further addresses have its name and -2, -3…

    Raises Refused if two would have one MAC, one address or one name.
    """
    naming = naming.checked()
    ordered = sorted(leases, key=lambda lease: (IPv4Address(lease.ip), lease.mac, lease.vm))
    seen: Counter[int] = Counter()
    made = []
    for lease in ordered:
        seen[lease.vm] += 1
        mac = lease.mac.lower()
        assert _MAC.fullmatch(mac), f"{mac} is no MAC"
        made.append(Entry(mac, lease.ip, naming.name(lease, seen[lease.vm])))
    for field, remedy in _REMEDIES.items():
        _demand_different(field, remedy, made, ordered)
    return made


_REMEDIES = {
    "mac": "Leave one of the networks out, or give its ranges other MACs",
    "ip": "Leave one of the networks out: they cannot have one DHCP server",
    "name": "Rename one of the VMs (onevm rename), or name all by their ids (--numbered)",
}
_WORDS = {"mac": "MAC", "ip": "address", "name": "name"}


def _demand_different(field: str, remedy: str, made: Sequence[Entry], leases: Sequence[Lease]) -> None:
    """Refused if two entries have one value of a field."""
    first: dict[str, Lease] = {}
    for entry, lease in zip(made, leases, strict=True):
        value = getattr(entry, field)
        other = first.setdefault(value, lease)
        if other is not lease:
            raise Refused(f"Two leases have the {_WORDS[field]} {value}: {other} and {lease}. {remedy}")


Text = Callable[[Sequence[Entry], str], str]
"""Makes the text of a file, of entries and the name of who writes it."""


class Form(NamedTuple):
    """A server's form: its files, each with what makes its text."""

    sentence: str
    files: Mapping[str, Text]


def head(writer: str) -> str:
    """The first line of a file that a program writes."""
    return f"# Written by {writer}, which replaces the file: what is changed by hand is lost.\n"


def _lines(line: str) -> Text:
    """Makes a text with such a line for each entry."""
    return lambda made, writer: head(writer) + "".join(f"{line.format(**entry._asdict())}\n" for entry in made)


def _reservations(made: Sequence[Entry], _writer: str) -> str:
    """A JSON list; kea-dhcp4.conf takes it in with <?include "FILE"?>."""
    rows = ({"hw-address": entry.mac, "ip-address": entry.ip, "hostname": entry.name} for entry in made)
    return "[\n" + ",\n".join(f"  {json.dumps(row)}" for row in rows) + "\n]\n"


_HOST = 'host {name} {{ hardware ethernet {mac}; fixed-address {ip}; option host-name "{name}"; }}'
FORMS: Mapping[str, Form] = {
    "dnsmasq": Form(
        "a dhcp-hostsfile, and an addn-hosts file of the names",
        {"dhcp-hosts": _lines("{mac},{ip},{name}"), "hosts": _lines("{ip} {name}")},
    ),
    "isc": Form("host declarations of ISC dhcpd, to be included", {"dhcpd.hosts": _lines(_HOST)}),
    "kea": Form("a list of reservations of Kea, to be included", {"reservations.json": _reservations}),
}
"""Forms by the name of the server."""


def texts(form: str, made: Sequence[Entry], writer: str = WRITER) -> dict[str, str]:
    """The text of each file of a form."""
    return {name: text(made, writer) for name, text in FORMS[form].files.items()}
