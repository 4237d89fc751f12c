"""What guests may send and get: one nftables table of the host, with two chains for each tap.

Everything of a tap is replaced in one transaction. Both ways of a frame are looked up in a map by the tap's name, so
rules are there before the tap is, wherever the engine has named it. Bridges of many kernels follow no connections
(nf_conntrack_bridge); what is needed of that is done by rules and a set of the tap, which every nftables has.
"""

from collections.abc import Callable

from oned.drivers.vnm.step import NetworkDriver, Nic, Step

TABLE = "bridge one"
NETWORK_MASK = "ff:ff:ff:ff:ff:00"
"""Of the hardware addresses of a network, as ebtables drivers tell neighbours from others."""
ASKED = {"ip": "asked", "ip6": "asked6"}
"""Sets of a tap: whom the guest has sent UDP to, by family."""
REMEMBERED = "size 16384; flags dynamic,timeout; timeout 3m;"
_BEGIN = f"""\
add table {TABLE}
add map {TABLE} sends {{ type ifname : verdict; }}
add map {TABLE} gets {{ type ifname : verdict; }}
add chain {TABLE} prerouting {{ type filter hook prerouting priority 0; policy accept; }}
add chain {TABLE} postrouting {{ type filter hook postrouting priority 0; policy accept; }}
flush chain {TABLE} prerouting
flush chain {TABLE} postrouting
add rule {TABLE} prerouting iifname vmap @sends
add rule {TABLE} postrouting oifname vmap @gets
"""


def rules(nic: Nic) -> list[Step]:
    """The chains of the tap, as its NIC wants them."""
    found = [*_sends(nic), *_gets(nic)]
    return [_transaction(nic, found)] if found else none(nic)


def isolation(nic: Nic) -> list[Step]:
    """As `rules`; with VLAN=YES only neighbours by hardware address reach the guest, which sends under its own only."""
    if not nic.says("VLAN"):
        return rules(nic)
    network = f"{nic.own_mac.rpartition(':')[0]}:00"
    own = [f"sends ether saddr != {nic.own_mac} drop", f"gets ether saddr & {NETWORK_MASK} != {network} drop"]
    return [_transaction(nic, [*own, *_sends(nic), *_gets(nic)])]


def none(nic: Nic) -> list[Step]:
    """No chains of the tap; a host without nftables has none."""
    there = ("sh", "-c", '! nft list chain bridge one "$1-gets" >/dev/null 2>&1', "sh", nic.tap)
    forgotten = "".join(f"{_asked(nic, family)}delete set {TABLE} {nic.tap}-{ASKED[family]}\n" for family in ASKED)
    return [Step(("nft", "-f", "-"), there, stdin=_BEGIN + _without(nic) + forgotten)]


def _sends(nic: Nic) -> list[str]:
    """The guest's own addresses. With FILTER_IP_SPOOFING it sends nothing but IP and ARP: behind a VLAN's tag, or in
    another protocol, an address would not be seen.
    """
    found = []
    if nic.says("FILTER_MAC_SPOOFING"):
        found += [f"sends ether saddr != {nic.own_mac} drop", f"sends arp saddr ether != {nic.own_mac} drop"]
    four, six = nic.addresses_of(4), nic.addresses_of(6)
    if not nic.says("FILTER_IP_SPOOFING") or not nic.addresses:
        return found
    if four:
        found.append("sends ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept")
        found.append(f"sends ip saddr != {{ {', '.join(four)} }} drop")
        found.append(f"sends arp saddr ip != {{ 0.0.0.0, {', '.join(four)} }} drop")
    if six:
        found.append(f"sends ip6 saddr != {{ {', '.join(['::', nic.link_local, *six])} }} drop")
    spoken = [*(["ip", "arp"] if four else []), *(["ip6"] if six else [])]
    return [*found, f"sends ether type != {{ {', '.join(spoken)} }} drop"]


def _gets(nic: Nic) -> list[str]:
    """Ports that are open, or those that are shut. What the guest has begun itself is let in.

    Of TCP the first segment of a connection counts, so connections live on when the VM moves. Of UDP answers come from
    where the guest has sent to in the last minutes, and from DHCP servers, whom it cannot know.
    """
    found = []
    for protocol in ("tcp", "udp"):
        white, black = (_ports(nic.get(f"{colour}_PORTS_{protocol.upper()}")) for colour in ("WHITE", "BLACK"))
        if white or black:
            first = _answers(nic) if protocol == "udp" else []
            kind = "tcp flags & (syn | ack) == syn " if protocol == "tcp" else ""
            found += [*first, f"gets {kind}{protocol} dport {f'!= {white}' if white else black} drop"]
    if nic.get("ICMP").lower() in ("no", "drop"):
        answers = "echo-reply, destination-unreachable, time-exceeded, parameter-problem"
        found += [f"gets icmp type != {{ {answers} }} drop", "gets icmpv6 type echo-request drop"]
    return found


def _answers(nic: Nic) -> list[str]:
    found = []
    for family, name in ASKED.items():
        found.append(f"sends update @{nic.tap}-{name} {{ {family} daddr . udp dport . udp sport }}")
        found.append(f"gets {family} saddr . udp sport . udp dport @{nic.tap}-{name} accept")
    return [*found, "gets udp sport 67 udp dport 68 accept", "gets udp sport 547 udp dport 546 accept"]


def _asked(nic: Nic, family: str) -> str:
    """The line that makes a set of the tap, if it is not there."""
    kind = f"typeof {family} saddr . udp sport . udp dport;"
    return f"add set {TABLE} {nic.tap}-{ASKED[family]} {{ {kind} {REMEMBERED} }}\n"


def _ports(text: str) -> str:
    return f"{{ {', '.join(text.replace(':', '-').split(','))} }}" if text else ""


def _transaction(nic: Nic, found: list[str]) -> Step:
    chains = "".join(f"add chain {TABLE} {nic.tap}-{way}\n" for way in ("sends", "gets"))
    sets = "".join(_asked(nic, family) for family in ASKED) if any(" @" in rule for rule in found) else ""
    lines = (rule.partition(" ") for rule in found)
    made = "".join(f"add rule {TABLE} {nic.tap}-{way} {rule}\n" for way, _, rule in lines)
    hooked = "".join(f"add element {_entry(nic, way)}\n" for way in ("sends", "gets"))
    return Step(("nft", "-f", "-"), stdin=_BEGIN + _without(nic) + sets + chains + made + hooked)


def _entry(nic: Nic, way: str) -> str:
    return f'{TABLE} {way} {{ "{nic.tap}" : jump {nic.tap}-{way} }}'


def _without(nic: Nic) -> str:
    """Take the tap's chains away, whether they are there or not: what is added first can be deleted."""
    text = ""
    for way in ("sends", "gets"):
        chain, entry = f"{TABLE} {nic.tap}-{way}", _entry(nic, way)
        text += f"add chain {chain}\nadd element {entry}\ndelete element {entry}\n"
        text += f"flush chain {chain}\ndelete chain {chain}\n"
    return text


def _early(of: Callable[[Nic], list[Step]]) -> Callable[[Nic], list[Step]]:
    """Before the domain, for a tap whose name is known by then."""
    return lambda nic: of(nic) if nic.target else []


def _late(of: Callable[[Nic], list[Step]]) -> Callable[[Nic], list[Step]]:
    """When the domain is there, for a tap that got its name from the hypervisor."""
    return lambda nic: of(nic) if nic.tap != nic.target else []


FIREWALL = NetworkDriver(pre=_early(rules), post=_late(rules), clean=none)
EBTABLES = NetworkDriver(pre=_early(isolation), post=_late(isolation), clean=none)
