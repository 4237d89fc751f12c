"""Bridges and what is behind them: a device of the host, a VLAN, a VXLAN, or Open vSwitch.

What is made is left when a NIC goes, as it always was: other NICs may be about to use it.
"""

from oned.drivers.lib.task import ActionFailed
from oned.drivers.vnm.step import NetworkDriver, Nic, Step

GROUPS = (239, 0)
"""Where the multicast groups of VXLANs begin: the other two bytes are of their number."""
VXLAN_PORT, TTL = 8472, 16
LONGEST_VLAN, LONGEST_NAME = 4094, 15
KEPT, REFUSED = 40000, 39000
"""Priorities of flows: what a guest may send, and what it may not."""


def _is_there(device: str) -> tuple[str, ...]:
    return ("ip", "link", "show", "dev", device)


def bridge(nic: Nic) -> list[Step]:
    """The bridge, with the device that leads out of the host, if there is one."""
    steps = [
        Step(("ip", "link", "add", "name", nic.bridge, "type", "bridge"), _is_there(nic.bridge)),
        Step(("ip", "link", "set", "dev", nic.bridge, "up")),
    ]
    return [*steps, *_plugged(nic, nic.phydev)] if nic.phydev else steps


def _plugged(nic: Nic, device: str) -> list[Step]:
    return [
        Step(("ip", "link", "set", "dev", device, "master", nic.bridge)),
        Step(("ip", "link", "set", "dev", device, "up")),
    ]


def vlan(nic: Nic) -> list[Step]:
    """The bridge of a VLAN, behind a tagged device of the host's."""
    if not nic.phydev or not 0 < nic.vlan <= LONGEST_VLAN:
        raise ActionFailed(f"802.1Q: bridge {nic.bridge} needs PHYDEV and a VLAN_ID from 1 to {LONGEST_VLAN}")
    device = _named(nic, f"{nic.phydev}.{nic.vlan}")
    add = ("ip", "link", "add", "link", nic.phydev, "name", device, "type", "vlan", "id", str(nic.vlan))
    return [*_alone(nic), Step(add, _is_there(device)), *_plugged(nic, device)]


def vxlan(nic: Nic) -> list[Step]:
    """The bridge of a VXLAN, which hosts find each other in by multicast."""
    if not nic.phydev or not nic.vlan:
        raise ActionFailed(f"vxlan: bridge {nic.bridge} needs PHYDEV and a VLAN_ID")
    device = _named(nic, f"{nic.phydev}.{nic.vlan}")
    group = ".".join(map(str, (*GROUPS, nic.vlan >> 8 & 255, nic.vlan & 255)))
    words = (
        "ip", "link", "add", "name", device, "type", "vxlan", "id", str(nic.vlan), "group", group, "dev", nic.phydev,
        "dstport", str(VXLAN_PORT), "ttl", str(TTL),
    )  # fmt: skip
    return [*_alone(nic), Step(words, _is_there(device)), *_plugged(nic, device)]


def _alone(nic: Nic) -> list[Step]:
    """The bridge without the host's device, which has all the networks in it."""
    return bridge(Nic(nic.vm, nic.mac, nic.bridge, nic.driver))


def _named(nic: Nic, name: str) -> str:
    if len(name) > LONGEST_NAME:
        raise ActionFailed(
            f"{nic.driver}: the device {name} would have more than {LONGEST_NAME} letters: rename PHYDEV"
        )
    return name


def switch(nic: Nic) -> list[Step]:
    """The bridge of Open vSwitch, with the host's device."""
    steps = [Step(("ovs-vsctl", "--may-exist", "add-br", nic.bridge))]
    if nic.phydev:
        steps.append(Step(("ovs-vsctl", "--may-exist", "add-port", nic.bridge, nic.phydev)))
    return steps


def port(nic: Nic) -> list[Step]:
    """The tag of the tap, and what the guest may send from it."""
    steps = [*unport(nic)]
    if nic.says("VLAN") or nic.get("VLAN_ID"):
        steps.append(Step(("ovs-vsctl", "set", "Port", nic.tap, f"tag={nic.vlan}")))
    flows: list[str] = []
    if nic.says("FILTER_IP_SPOOFING") and nic.addresses:
        flows = _of_addresses(nic)
    elif nic.says("FILTER_MAC_SPOOFING"):
        flows = _of_mac(nic)
    return [*steps, *(_flow(nic, flow) for flow in flows)]


def _of_mac(nic: Nic) -> list[str]:
    """All that is sent under the own MAC, but for ARP that tells of another one."""
    mac = nic.own_mac
    return [
        f"dl_src={mac},arp,arp_sha={mac},priority={KEPT},actions=normal",
        f"arp,priority={REFUSED + 2},actions=drop",
        f"dl_src={mac},priority={REFUSED + 1},actions=normal",
        f"priority={REFUSED},actions=drop",
    ]


def _of_addresses(nic: Nic) -> list[str]:
    """IP and ARP of the own addresses, and what a guest says that has none yet."""
    mac, four, six = nic.own_mac, nic.addresses_of(4), nic.addresses_of(6)
    kept = [f"ip,nw_src={ip}" for ip in four] + [f"arp,arp_sha={mac},arp_spa={ip}" for ip in four]
    if four:
        kept += ["udp,nw_src=0.0.0.0,tp_src=68,tp_dst=67", f"arp,arp_sha={mac},arp_spa=0.0.0.0"]
    if six:
        kept += [f"ipv6,ipv6_src={ip}" for ip in dict.fromkeys(("::", nic.link_local, *six))]
    allowed = [f"dl_src={mac},{match},priority={KEPT},actions=normal" for match in kept]
    return [*allowed, f"priority={REFUSED},actions=drop"]


def _flow(nic: Nic, flow: str) -> Step:
    return Step(("ovs-ofctl", "add-flow", nic.bridge, f"cookie={_cookie(nic)},in_port={nic.tap},{flow}"))


def _cookie(nic: Nic) -> str:
    """By which flows are found again: their port has only a number when it has gone, and that may be another's."""
    return f"0x{nic.own_mac.replace(':', '')}"


def unport(nic: Nic) -> list[Step]:
    """No flows of the NIC; a bridge that is not there has none, nor has a NIC without a MAC."""
    if not nic.mac:
        return []
    gone = ("sh", "-c", '! ovs-vsctl br-exists "$1" 2>/dev/null', "sh", nic.bridge)
    return [Step(("ovs-ofctl", "del-flows", nic.bridge, f"cookie={_cookie(nic)}/-1"), gone)]


BRIDGE, VLAN, VXLAN = NetworkDriver(pre=bridge), NetworkDriver(pre=vlan), NetworkDriver(pre=vxlan)
OVSWITCH = NetworkDriver(pre=switch, post=port, clean=unport)
