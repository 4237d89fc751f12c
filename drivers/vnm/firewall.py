"""What guests may send and get: one nftables table of the host, with two chains for each tap.

Everything of a tap is replaced in one transaction. Both ways of a frame are looked up in a map by the tap's name.
"""

from oned.drivers.vnm.step import NetworkDriver, Nic, Step

TABLE = "bridge one"
NETWORK_MASK = "ff:ff:ff:ff:ff:00"
"""Of the hardware addresses of a network, as ebtables drivers tell neighbours from others."""
ANSWERS = 32768
"""The first port that guests ask from: to those and later ones UDP answers come."""
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
    network = f"{nic.mac.rpartition(':')[0]}:00"
    own = [f"sends ether saddr != {nic.mac} drop", f"gets ether saddr & {NETWORK_MASK} != {network} drop"]
    return [_transaction(nic, [*own, *_sends(nic), *_gets(nic)])]


def none(nic: Nic) -> list[Step]:
    """No chains of the tap; a host without nftables has none."""
    there = ("sh", "-c", '! nft list chain bridge one "$1-gets" >/dev/null 2>&1', "sh", nic.tap)
    return [Step(("nft", "-f", "-"), there, stdin=_BEGIN + _without(nic))]


def _sends(nic: Nic) -> list[str]:
    found = []
    if nic.says("FILTER_MAC_SPOOFING"):
        found.append(f"sends ether saddr != {nic.mac} drop")
    if nic.says("FILTER_IP_SPOOFING") and nic.addresses:
        four = [ip for ip in nic.addresses if ":" not in ip]
        six = [ip for ip in nic.addresses if ":" in ip]
        if four:
            found.append(f"sends ip saddr != {{ 0.0.0.0, {', '.join(four)} }} drop")
            found.append(f"sends arp saddr ip != {{ 0.0.0.0, {', '.join(four)} }} drop")
        found.append(f"sends ip6 saddr != {{ ::, {', '.join(six)} }} drop" if six else "sends ether type ip6 drop")
    return found


def _gets(nic: Nic) -> list[str]:
    """Ports that are open, or those that are shut.

    Bridges of many kernels follow no connections, so this does without: of TCP the first segment of a connection
    counts, of UDP what goes to ports below those that guests ask from.
    """
    found = []
    for protocol, first in (("tcp", "tcp flags & (syn | ack) == syn"), ("udp", f"udp dport < {ANSWERS}")):
        white, black = (_ports(nic.get(f"{colour}_PORTS_{protocol.upper()}")) for colour in ("WHITE", "BLACK"))
        if white:
            found.append(f"gets {first} {protocol} dport != {white} drop")
        elif black:
            found.append(f"gets {first} {protocol} dport {black} drop")
    if nic.get("ICMP").lower() in ("no", "drop"):
        found.append("gets meta l4proto { icmp, ipv6-icmp } drop")
    return found


def _ports(text: str) -> str:
    return f"{{ {', '.join(text.replace(':', '-').split(','))} }}" if text else ""


def _transaction(nic: Nic, found: list[str]) -> Step:
    chains = "".join(f"add chain {TABLE} {nic.tap}-{way}\n" for way in ("sends", "gets"))
    lines = (rule.partition(" ") for rule in found)
    made = "".join(f"add rule {TABLE} {nic.tap}-{way} {rule}\n" for way, _, rule in lines)
    hooked = "".join(f"add element {_entry(nic, way)}\n" for way in ("sends", "gets"))
    return Step(("nft", "-f", "-"), stdin=_BEGIN + _without(nic) + chains + made + hooked)


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


FIREWALL = NetworkDriver(post=rules, clean=none)
EBTABLES = NetworkDriver(post=isolation, clean=none)
