"""What network drivers are made of: a NIC, and commands each with the test that tells whether it is needed."""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from oned.drivers.lib.task import ActionFailed

_INTERFACE = re.compile(r"[A-Za-z0-9_.:-]{1,15}")
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")
_PORTS = re.compile(r"\d{1,5}([:-]\d{1,5})?(,\d{1,5}([:-]\d{1,5})?)*")
DUMMY = "dummy"
"""The network driver that does nothing, of networks that do not say theirs."""
FIRST_VLAN = 2
"""Number of the VLAN of network 0; others follow."""


@dataclass(frozen=True)
class Step:
    """A command of a host.

    unless  a command that ends with status 0 where the step is not needed
    stdin   what the command reads
    """

    do: tuple[str, ...]
    unless: tuple[str, ...] = ()
    stdin: str = ""


@dataclass(frozen=True)
class Nic:
    """A network interface of a VM. All words fit a command line and a rule: they are checked here.

    driver  name of the network driver
    target  the name that the engine has given to its device on the host; empty if the hypervisor finds one
    tap     its device on the host; before the domain runs the target
    vlan    number of the VLAN or VXLAN, 0 for none
    """

    vm: int
    mac: str
    bridge: str
    driver: str
    tap: str = ""
    target: str = ""
    phydev: str = ""
    vlan: int = 0
    addresses: tuple[str, ...] = ()
    values: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str:
        return dict(self.values).get(name, "")

    @property
    def own_mac(self) -> str:
        """What it is held to. Errors: ActionFailed, if it has none."""
        if not self.mac:
            raise ActionFailed(
                f"a NIC at the bridge {self.bridge} has no MAC to hold it to: give it one, or no filters"
            )
        return self.mac

    @property
    def link_local(self) -> str:
        """The IPv6 address that a guest gives itself by its MAC: it finds its neighbours under that."""
        if told := [ip for ip in self.addresses_of(6) if ipaddress.ip_address(ip).is_link_local]:
            return told[0]
        first, *rest = bytes.fromhex(self.own_mac.replace(":", ""))
        identity = bytes([first ^ 2, *rest[:2], 0xFF, 0xFE, *rest[2:]])
        return str(ipaddress.IPv6Address(bytes.fromhex("fe80000000000000") + identity))

    def addresses_of(self, version: int) -> list[str]:
        return [ip for ip in self.addresses if ipaddress.ip_address(ip).version == version]

    def says(self, name: str) -> bool:
        return self.get(name).upper() in ("YES", "1", "TRUE")


@dataclass(frozen=True)
class NetworkDriver:
    """What is done before a domain starts, when its taps are there, and when it has gone."""

    pre: Callable[[Nic], list[Step]] = lambda nic: []
    post: Callable[[Nic], list[Step]] = lambda nic: []
    clean: Callable[[Nic], list[Step]] = lambda nic: []


def nic_of(vm: int, vector: Element, default: str) -> Nic:
    """The NIC of a VM's document. Errors: ActionFailed, for words that no command could take."""
    values = tuple((child.tag, (child.text or "").strip()) for child in vector)
    said = dict(values)
    addresses = tuple(said[name] for name in ("IP", "IP6", "IP6_GLOBAL", "IP6_LINK", "IP6_ULA") if said.get(name))
    mac = said.get("MAC", "").lower()
    _demand(not mac or bool(_MAC.fullmatch(mac)), "MAC", mac)
    for name in ("BRIDGE", "PHYDEV", "TARGET"):
        _demand(not said.get(name) or bool(_INTERFACE.fullmatch(said[name])), name, said.get(name, ""))
    for name in ("WHITE_PORTS_TCP", "WHITE_PORTS_UDP", "BLACK_PORTS_TCP", "BLACK_PORTS_UDP"):
        _demand(not said.get(name) or bool(_PORTS.fullmatch(said[name])), name, said.get(name, ""))
    for address in addresses:
        _demand(_is_address(address), "IP", address)
    return Nic(
        vm=vm,
        mac=mac,
        bridge=said.get("BRIDGE", ""),
        driver=_driver(said.get("VN_MAD", ""), default),
        tap=said.get("TARGET", ""),
        target=said.get("TARGET", ""),
        phydev=said.get("PHYDEV", ""),
        vlan=_vlan(said),
        addresses=addresses,
        values=values,
    )


def _driver(own: str, of_host: str) -> str:
    """The NIC's own network driver (5.0 and later), else the host's (3.2 to 4.14): networks then had none, so dummy."""
    return of_host if own in ("", DUMMY) and of_host else own


def _demand(fits: bool, name: str, value: str) -> None:
    if not fits:
        raise ActionFailed(f"{name}={value!r} of a NIC cannot be used on a host: correct it in its network")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _vlan(said: dict[str, str]) -> int:
    number = said.get("VLAN_ID") or said.get("NETWORK_ID", "")
    _demand(not number or (number.isdigit() and int(number) < 1 << 24), "VLAN_ID", number)
    if not number:
        return 0
    return int(number) if said.get("VLAN_ID") else FIRST_VLAN + int(number)
