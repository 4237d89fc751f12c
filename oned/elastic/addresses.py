"""The addresses of a network for nodes, each with the name that goes with it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from oned.client.documents import Document
from oned.elastic.records import Lease

SGE = "SGE"
"""The attribute of a network whose addresses are for nodes when it is YES."""
NAMES = "NODE_NAMES"
"""The attribute of a network that is the pattern of the names of its nodes."""
ON_HOLD = -1
_NUMBER = re.compile(r"%(0[1-9])?d")


@dataclass(frozen=True)
class _Range:
    """So many addresses in a row. before: addresses of the network that are in earlier ranges."""

    ip: int
    mac: int
    size: int
    name: str
    before: int


class Network:
    """A network of its document, as `one.vn.info` gives it."""

    def __init__(self, document: Document) -> None:
        self.id, self.name = document.int("ID"), document.text("NAME")
        self._ranges: list[_Range] = []
        self._holders: dict[str, int] = {}
        before = 0
        for found in document.all("AR_POOL/AR"):
            size = found.int("SIZE")
            if found.text("IP"):
                ip, mac = int(IPv4Address(found.text("IP"))), int(found.text("MAC").replace(":", ""), 16)
                self._ranges.append(_Range(ip, mac, size, found.text("NAME"), before))
            before += size
            for lease in found.all("LEASES/LEASE"):
                self._holders[lease.text("IP")] = lease.int("VM", ON_HOLD)

    def holder(self, ip: str) -> int | None:
        """The VM that has an address, ON_HOLD for one that is held, None for a free one."""
        return self._holders.get(ip)

    def lease(self, ip: str, pattern: str) -> Lease | None:
        """An address with its name, whoever has it; None when the network does not have it. pattern: as of `free`."""
        for found in self._ranges:
            place = int(IPv4Address(ip)) - found.ip
            if 0 <= place < found.size:
                return Lease(self.id, _name(found, place, pattern), _mac(found.mac + place), ip)
        return None

    def free(self, pattern: str) -> Iterator[Lease]:
        """The free addresses with their names, in their order.

        pattern  of names where a range has none. A range of one address with a NAME gives it that name, a NAME with
                 a % is a pattern for its range. The number in a name is the place in the network, from 1
        """
        for found in self._ranges:
            for place in range(found.size):
                ip = str(IPv4Address(found.ip + place))
                if ip not in self._holders:
                    yield Lease(self.id, _name(found, place, pattern), _mac(found.mac + place), ip)


def patterns(networks: Document) -> frozenset[str]:
    """How nodes are called whose networks say so themselves, of a pool of networks: patterns, and whole names."""
    ours = [net for net in networks.all("VNET") if net.text(f"TEMPLATE/{SGE}").upper() == "YES"]
    ranges = [(found.text("NAME"), found.int("SIZE")) for net in ours for found in net.all("AR_POOL/AR")]
    own = {name for name, size in ranges if "%" in name or size == 1}
    return frozenset((own | {net.text(f"TEMPLATE/{NAMES}") for net in ours}) - {""})


def fits(pattern: str, name: str) -> bool:
    """Whether a name is one of a pattern, for any number; a pattern without a number is a name."""
    form = _NUMBER.search(pattern)
    if not form:
        return name == pattern
    head, tail = pattern[: form.start()], pattern[form.end() :]
    number = name[len(head) : len(name) - len(tail)]
    whole = number.isascii() and number.isdecimal() and f"{int(number):0{form[1] or 1}d}" == number
    return whole and name == f"{head}{number}{tail}"


def _name(found: _Range, place: int, pattern: str) -> str:
    if found.name and "%" not in found.name and found.size == 1:
        return found.name
    shape, number = found.name if "%" in found.name else pattern, found.before + place + 1
    return _NUMBER.sub(lambda wanted: f"{number:0{wanted[1] or 1}d}", shape)


def _mac(number: int) -> str:
    return ":".join(f"{number:012x}"[at : at + 2] for at in range(0, 12, 2))
