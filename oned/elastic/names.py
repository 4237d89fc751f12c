"""Names of nodes in force: what a master, nodes, a DHCP server and a VPN server are told, from the one table of leases.

texts(entries, site)             what each file holds; nothing is done
Names(site).publish(entries)     the files have it, and the servers know
"""

import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path

from oned import dhcp
from oned.dhcp import is_host_name
from oned.elastic.node import HOLD
from oned.server_files import Files, NotDone, Server, replace

WRITER = "onesge"
HOSTS = "hosts"
"""The file of names and addresses, for name servers and nodes."""
_STATE = ".published"
_BEGIN, _END = "# onesge: begin", "# onesge: end"


class Refused(ValueError):
    """Entries that do not go together, as a sentence that says which; nothing was written."""


@dataclass(frozen=True)
class Entry:
    """A node in the table of leases.

    mac    of its lease; "" where no DHCP server of ours can see it
    ip     of its lease
    vpn    its fixed address in the tunnel; "" without one. A node in a cloud is known by this address
    token  of the node
    """

    name: str
    mac: str
    ip: str
    vpn: str = ""
    cloud: bool = False
    token: str = ""

    @property
    def address(self) -> str:
        """What its name leads to, and back."""
        return self.vpn or self.ip


@dataclass(frozen=True)
class NameSite:
    """Where the names of a site go.

    directory  of the files of the DHCP and name servers, and of the state
    form       of the DHCP server: dnsmasq, isc or kea; "" for none
    domain     of the nodes; names are served with and without it
    netmask    of the tunnel
    ccd        client-config-dir of OpenVPN; None without a VPN
    etc_hosts  a hosts file with other lines too, where a block of it is ours: /etc/hosts of the master
    masters    lines for the hosts file: the master's address and its names
    server     how the DHCP and name server is told
    hold       seconds that a name and an address are kept from others after they were freed
    """

    directory: Path
    form: str = "dnsmasq"
    domain: str = ""
    netmask: str = "255.255.255.0"
    ccd: Path | None = None
    etc_hosts: Path | None = None
    masters: tuple[str, ...] = ()
    server: Server = field(default_factory=Server)
    hold: float = HOLD


@dataclass(frozen=True)
class Published:
    """What became of the entries.

    changed  the files that are others now
    waiting  names that were left out, each with the reason: their name or address was another's a moment ago
    """

    changed: tuple[Path, ...] = ()
    waiting: Mapping[str, str] = field(default_factory=dict)


def texts(entries: Collection[Entry], site: NameSite) -> dict[str, str]:
    """The text of each file in the site's directory: of the DHCP server, and `hosts`. Raises Refused."""
    ordered = check(entries)
    made: dict[str, str] = {}
    if site.form:
        seen = [dhcp.Entry(entry.mac, entry.ip, entry.name) for entry in ordered if entry.mac and not entry.cloud]
        made = dhcp.texts(site.form, seen, WRITER)
    return made | {HOSTS: dhcp.head(WRITER) + hosts_lines(ordered, site)}


def hosts_lines(entries: Iterable[Entry], site: NameSite) -> str:
    """The lines of a hosts file: the master's, then each node's, with and without the domain."""
    ends = (f".{site.domain} ", "") if site.domain else ("",)
    nodes = (f"{entry.address} {''.join(entry.name + end for end in ends)}" for entry in entries)
    return "".join(f"{line}\n" for line in (*site.masters, *nodes))


def ccd_texts(entries: Collection[Entry], site: NameSite) -> dict[str, str]:
    """The text of each node's file in OpenVPN's client-config-dir, by its name: the fixed address. Raises Refused."""
    line = "ifconfig-push {} {}\n"
    return {
        entry.name: dhcp.head(WRITER) + line.format(entry.vpn, site.netmask) for entry in check(entries) if entry.vpn
    }


def check(entries: Collection[Entry]) -> list[Entry]:
    """The entries by address. Refused if a name is none for a host, or two have one name, MAC or address."""
    ordered = sorted(entries, key=lambda entry: (IPv4Address(entry.address), entry.name))
    for entry in ordered:
        if not is_host_name(entry.name):
            raise Refused(f"{entry.name!r} is no host name: it takes small letters, digits and minus signs")
    for word, value in _UNIQUE.items():
        first: dict[str, Entry] = {}
        for entry in ordered:
            if (of := value(entry)) and (other := first.setdefault(of, entry)) is not entry:
                raise Refused(f"{other.name} and {entry.name} have one {word}, {of}. Give one of them another lease")
    return ordered


_UNIQUE: Mapping[str, Callable[[Entry], str]] = {
    "name": lambda entry: entry.name,
    "address": lambda entry: entry.address,
    "MAC": lambda entry: entry.mac.lower(),
    "address of a lease": lambda entry: entry.ip,
}


def with_block(text: str, lines: str) -> str:
    """A hosts file with our block of lines, in place of an earlier one; what others wrote stays as it is."""
    kept: list[str] = []
    ours = False
    for line in text.splitlines():
        ours = ours or line == _BEGIN
        if not ours:
            kept.append(line)
        ours = ours and line != _END
    return "".join(f"{line}\n" for line in kept) + (f"{_BEGIN}\n{lines}{_END}\n" if lines else "")


class Names:
    """The names of a site, in force. One process publishes at a time."""

    def __init__(self, site: NameSite, clock: Callable[[], float] = time.time) -> None:
        self._site, self._clock = site, clock
        site.directory.mkdir(parents=True, exist_ok=True)

    def publish(self, entries: Collection[Entry]) -> Published:
        """Let every file have these entries and no others, and tell the server if any has changed.

        Called before a node is registered with the batch system, and again when it has gone. A name or an address that
        was another's a moment ago (`hold`) is left out and told as waiting: whoever remembers the old pair would
        refuse the new one. So is one of the master's. Raises Refused, and NotDone with why; then it is called again.
        """
        check(entries)
        past = _Past.read(self._site.directory / _STATE, self._site)
        past.note(entries, self._clock())
        waiting = {
            entry.name: reason for entry in entries if (reason := _of_master(entry, self._site) or past.forbids(entry))
        }
        going = [entry for entry in entries if entry.name not in waiting]
        past.write(going)
        changed = self._publish_ccd(going)  # a node without its file is refused by the VPN server for good
        return Published((*changed, *self._publish_files(going)), waiting)

    def _publish_files(self, entries: Collection[Entry]) -> list[Path]:
        site = self._site
        made = texts(entries, site)
        paths = {name: site.directory / name for name in made}
        if site.etc_hosts:
            present = _read(site.etc_hosts)
            made["etc"], paths["etc"] = with_block(present, hosts_lines(check(entries), site)), site.etc_hosts
        return Files(paths, site.server).update(made)

    def _publish_ccd(self, entries: Collection[Entry]) -> list[Path]:
        """Files of nodes that are no more are removed: only those that we wrote."""
        if not (ccd := self._site.ccd):
            return []
        wanted, changed = ccd_texts(entries, self._site), []
        try:
            ccd.mkdir(parents=True, exist_ok=True)
            changed = [ccd / name for name, text in wanted.items() if replace(ccd / name, text)]
            for path in ccd.iterdir():
                if path.name not in wanted and _read(path).startswith(dhcp.head(WRITER)):
                    path.unlink(missing_ok=True)
                    changed.append(path)
        except OSError as error:
            raise NotDone(f"{error.filename or ccd} cannot be written: {error.strerror}") from None
        return changed


def _of_master(entry: Entry, site: NameSite) -> str:
    """Why a node cannot be called so, "" if it can: names and addresses of the master are its own."""
    for line in site.masters:
        address, *names = line.split()
        if entry.name in {name.partition(".")[0].lower() for name in names}:
            return f"{entry.name} is the name of the master"
        if address in (entry.address, entry.ip):
            return f"{address} is the master's"
    return ""


def _read(path: Path) -> str:
    with suppress(FileNotFoundError, IsADirectoryError):
        return path.read_text()
    return ""


class _Past:
    """Who had which name and address: those of now, and those that went less than `hold` seconds ago."""

    def __init__(
        self, path: Path, hold: float, present: dict[str, Sequence[str]], freed: list[tuple[str, str, str, float]]
    ) -> None:
        self._path, self._hold, self._present, self._freed = path, hold, present, freed

    @classmethod
    def read(cls, path: Path, site: NameSite) -> "_Past":
        """What the last publication left; where that cannot be read, what its hosts file has, without MACs."""
        try:
            found = json.loads(path.read_text())
            return cls(path, site.hold, dict(found["present"]), [(*words, float(at)) for *words, at in found["freed"]])
        except (OSError, ValueError, KeyError, TypeError):
            return cls(path, site.hold, _present(_read(site.directory / HOSTS), site.masters), [])

    def note(self, entries: Collection[Entry], now: float) -> None:
        """What was there and is not any more was freed now, and so was what a clock that was ahead freed later."""
        there = {entry.name: (entry.address, entry.mac) for entry in entries}
        kept = [freed for freed in self._freed if now - self._hold < freed[3]]
        self._freed = [(name, address, mac, min(at, now)) for name, address, mac, at in kept]
        for name, (address, mac) in self._present.items():
            if there.get(name) != (address, mac):
                self._freed.append((name, address, mac, now))

    def forbids(self, entry: Entry) -> str:
        """Why an entry has to wait, or ""."""
        for name, address, mac, _ in self._freed:
            if name == entry.name and address != entry.address:
                return f"{name} was {address} less than {self._hold:g} s ago"
            if name != entry.name and (address == entry.address or (mac and mac == entry.mac)):
                return f"{entry.address} was {name}'s less than {self._hold:g} s ago"
        return ""

    def write(self, entries: Collection[Entry]) -> None:
        """For the next publication, of this process or of another. Raises NotDone."""
        present = {entry.name: (entry.address, entry.mac) for entry in entries}
        text = json.dumps({"present": present, "freed": self._freed}) + "\n"
        try:
            replace(self._path, text)
        except OSError as error:
            raise NotDone(f"{self._path} cannot be written: {error.strerror}") from None


def _present(hosts: str, masters: Collection[str]) -> dict[str, Sequence[str]]:
    """Names with their addresses, and no MAC, of a hosts file of ours."""
    lines = [line.split() for line in hosts.splitlines() if line not in masters and not line.startswith("#")]
    return {words[-1]: (words[0], "") for words in lines if len(words) > 1}
