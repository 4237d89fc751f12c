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
    if nic.says("FILTER_MAC_SPOOFING") or nic.says("FILTER_IP_SPOOFING"):
        steps += [_flow(nic, f"{flow},priority={KEPT},actions=normal") for flow in _allowed(nic)]
        steps.append(_flow(nic, f"priority={REFUSED},actions=drop"))
    return steps


def _allowed(nic: Nic) -> list[str]:
    if not nic.says("FILTER_IP_SPOOFING"):
        return [f"dl_src={nic.mac}"]
    own = [address for address in nic.addresses if ":" not in address]
    six = [address for address in nic.addresses if ":" in address]
    flows = [flow for ip in own for flow in (f"dl_src={nic.mac},ip,nw_src={ip}", f"dl_src={nic.mac},arp,arp_spa={ip}")]
    return [*flows, *(f"dl_src={nic.mac},ipv6,ipv6_src={ip}" for ip in six)]


def _flow(nic: Nic, flow: str) -> Step:
    return Step(("ovs-ofctl", "add-flow", nic.bridge, f"in_port={nic.tap},{flow}"))


def unport(nic: Nic) -> list[Step]:
    """No flows of the tap."""
    return [Step(("ovs-ofctl", "del-flows", nic.bridge, f"in_port={nic.tap}"))]


BRIDGE, VLAN, VXLAN = NetworkDriver(pre=bridge), NetworkDriver(pre=vlan), NetworkDriver(pre=vxlan)
OVSWITCH = NetworkDriver(pre=switch, post=port, clean=unport)
