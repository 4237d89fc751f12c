"""Network drivers: the exact commands of each, and which of them are carried out."""

from collections.abc import Sequence
from typing import cast
from xml.etree import ElementTree

import pytest

from oned.drivers.lib.actions import Finished
from oned.drivers.lib.line import Voice
from oned.drivers.lib.reach.host import Host
from oned.drivers.lib.task import ActionFailed, Task
from oned.drivers.vnm.drivers import carry_out, steps
from oned.drivers.vnm.step import Nic, Step, nic_of


def nic(tap: str = "", **values: str) -> Nic:
    """A NIC of VM 7 at the bridge br7."""
    vector = ElementTree.Element("NIC")
    for name, value in {"MAC": "02:00:0a:00:00:07", "BRIDGE": "br7", **values}.items():
        ElementTree.SubElement(vector, name).text = value
    made = nic_of(7, vector, "dummy")
    return Nic(**{**vars(made), "tap": tap})


def commands(phase: str, one: Nic) -> list[str]:
    return [" ".join(step.do) for step in steps(phase, [one])]


BRIDGE = ["ip link add name br7 type bridge", "ip link set dev br7 up"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"VN_MAD": "dummy"}, []),
        ({}, []),
        ({"VN_MAD": "fw"}, []),
        ({"VN_MAD": "bridge"}, BRIDGE),
        (
            {"VN_MAD": "bridge", "PHYDEV": "eth1"},
            [*BRIDGE, "ip link set dev eth1 master br7", "ip link set dev eth1 up"],
        ),
        (
            {"VN_MAD": "802.1Q", "PHYDEV": "eth1", "VLAN_ID": "50"},
            [
                *BRIDGE, "ip link add link eth1 name eth1.50 type vlan id 50", "ip link set dev eth1.50 master br7",
                "ip link set dev eth1.50 up",
            ],
        ),
        (
            {"VN_MAD": "802.1Q", "PHYDEV": "eth1", "NETWORK_ID": "3"},
            [
                *BRIDGE, "ip link add link eth1 name eth1.5 type vlan id 5", "ip link set dev eth1.5 master br7",
                "ip link set dev eth1.5 up",
            ],
        ),
        (
            {"VN_MAD": "vxlan", "PHYDEV": "eth1", "VLAN_ID": "513"},
            [
                *BRIDGE,
                "ip link add name eth1.513 type vxlan id 513 group 239.0.2.1 dev eth1 dstport 8472 ttl 16",
                "ip link set dev eth1.513 master br7", "ip link set dev eth1.513 up",
            ],
        ),
        (
            {"VN_MAD": "ovswitch", "PHYDEV": "eth1"},
            ["ovs-vsctl --may-exist add-br br7", "ovs-vsctl --may-exist add-port br7 eth1"],
        ),
    ],
)  # fmt: skip
def test_what_is_made_before_the_domain(values: dict[str, str], expected: list[str]) -> None:
    assert commands("pre", nic(**values)) == expected


def test_open_vswitch_tags_the_tap_and_lets_only_the_own_addresses_out() -> None:
    one = nic("vnet3", VN_MAD="ovswitch", VLAN_ID="9", FILTER_IP_SPOOFING="YES", IP="10.0.0.7")
    out = "ovs-ofctl add-flow br7 cookie=0x02000a000007,in_port=vnet3,"
    mac, kept = "02:00:0a:00:00:07", "priority=40000,actions=normal"
    assert commands("post", one) == [
        "ovs-ofctl del-flows br7 cookie=0x02000a000007/-1",
        "ovs-vsctl set Port vnet3 tag=9",
        f"{out}dl_src={mac},ip,nw_src=10.0.0.7,{kept}",
        f"{out}dl_src={mac},arp,arp_sha={mac},arp_spa=10.0.0.7,{kept}",
        f"{out}dl_src={mac},udp,nw_src=0.0.0.0,tp_src=68,tp_dst=67,{kept}",
        f"{out}dl_src={mac},arp,arp_sha={mac},arp_spa=0.0.0.0,{kept}",
        f"{out}priority=39000,actions=drop",
    ]
    assert commands("clean", one) == ["ovs-ofctl del-flows br7 cookie=0x02000a000007/-1"]


def rules(one: Nic) -> list[str]:
    """The rules that the transaction adds to the tap's chains."""
    (step,) = steps("post", [one])
    assert step.do == ("nft", "-f", "-")
    begin = f"add rule bridge one {one.tap}-"
    return [line.removeprefix(begin) for line in step.stdin.splitlines() if line.startswith(begin)]


def test_the_firewall_opens_and_shuts_ports() -> None:
    assert rules(nic("vnet3", VN_MAD="fw", WHITE_PORTS_TCP="22,80:90", BLACK_PORTS_UDP="53", ICMP="drop")) == [
        "gets tcp flags & (syn | ack) == syn tcp dport != { 22, 80-90 } drop",
        "sends update @vnet3-asked { ip daddr . udp dport . udp sport }",
        "gets ip saddr . udp sport . udp dport @vnet3-asked accept",
        "sends update @vnet3-asked6 { ip6 daddr . udp dport . udp sport }",
        "gets ip6 saddr . udp sport . udp dport @vnet3-asked6 accept",
        "gets udp sport 67 udp dport 68 accept",
        "gets udp sport 547 udp dport 546 accept",
        "gets udp dport { 53 } drop",
        "gets icmp type != { echo-reply, destination-unreachable, time-exceeded, parameter-problem } drop",
        "gets icmpv6 type echo-request drop",
    ]


def test_a_guest_sends_under_its_own_addresses_only() -> None:
    assert rules(nic("vnet3", VN_MAD="bridge", FILTER_MAC_SPOOFING="YES", FILTER_IP_SPOOFING="YES", IP="10.0.0.7")) == [
        "sends ether saddr != 02:00:0a:00:00:07 drop",
        "sends arp saddr ether != 02:00:0a:00:00:07 drop",
        "sends ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept",
        "sends ip saddr != { 10.0.0.7 } drop",
        "sends arp saddr ip != { 0.0.0.0, 10.0.0.7 } drop",
        "sends ether type != { ip, arp } drop",
    ]


def test_rules_of_a_tap_that_the_engine_has_named_come_before_it() -> None:
    values = {"VN_MAD": "bridge", "TARGET": "one-7-0", "ICMP": "drop"}
    early = steps("pre", [nic("one-7-0", **values)])[-1]
    assert "add rule bridge one one-7-0-gets icmpv6 type echo-request drop" in early.stdin
    assert steps("post", [nic("one-7-0", **values)]) == []
    (late,) = steps("post", [nic("vnet3", **values)])
    assert "add rule bridge one vnet3-gets icmpv6 type echo-request drop" in late.stdin


def test_the_host_says_the_network_driver_of_nics_that_say_none() -> None:
    of_host = [driver_of("802.1Q", **values) for values in ({}, {"VN_MAD": "dummy"}, {"VN_MAD": "fw"})]
    assert of_host == ["802.1Q", "802.1Q", "fw"]
    assert [driver_of("", **values) for values in ({}, {"VN_MAD": "dummy"})] == ["", "dummy"]


def driver_of(host: str, **values: str) -> str:
    vector = ElementTree.Element("NIC")
    for name, value in values.items():
        ElementTree.SubElement(vector, name).text = value
    return nic_of(7, vector, host).driver


def test_isolation_by_hardware_address_is_for_networks_that_want_it() -> None:
    assert rules(nic("vnet3", VN_MAD="ebtables", VLAN="YES")) == [
        "sends ether saddr != 02:00:0a:00:00:07 drop",
        "gets ether saddr & ff:ff:ff:ff:ff:00 != 02:00:0a:00:00:00 drop",
    ]
    assert all(step.unless for step in steps("post", [nic("vnet3", VN_MAD="ebtables")])), "an nft is not needed"


@pytest.mark.parametrize(
    "values",
    [
        {"BRIDGE": "br7;reboot"}, {"MAC": "02:00"}, {"PHYDEV": "a b"}, {"IP": "10.0.0.1, 10.0.0.2"},
        {"WHITE_PORTS_TCP": "22 }; drop"}, {"VLAN_ID": "x"}, {"TARGET": "a/b"}, {"BRIDGE": "much-too-long-a-name"},
    ],
)  # fmt: skip
def test_words_that_no_command_could_take_are_refused(values: dict[str, str]) -> None:
    with pytest.raises(ActionFailed, match="of a NIC cannot be used on a host"):
        nic(**values)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"VN_MAD": "802.1Q", "VLAN_ID": "5"}, "needs PHYDEV"),
        ({"VN_MAD": "802.1Q", "PHYDEV": "eth1", "VLAN_ID": "5000"}, "from 1 to 4094"),
        ({"VN_MAD": "vxlan", "PHYDEV": "averylongname", "VLAN_ID": "5000"}, "rename PHYDEV"),
        ({"VN_MAD": "magic"}, "there is no network driver magic"),
    ],
)
def test_what_cannot_be_made_is_said(values: dict[str, str], reason: str) -> None:
    with pytest.raises(ActionFailed, match=reason):
        steps("pre", [nic(**values)])


class Recording:
    """A host on which some tests hold, and which notes what is done."""

    name = "recording"

    def __init__(self, *holds: str) -> None:
        self.holds, self.done = holds, list[str]()

    def run(self, argv: Sequence[str], task: Task) -> Finished:
        return Finished("", "", "", 0 if argv[-1] in self.holds else 1)

    def demand(self, argv: Sequence[str], task: Task, stdin: bytes = b"") -> str:
        self.done.append(" ".join(argv))
        return ""


def test_only_what_is_missing_is_done_and_only_once() -> None:
    host = Recording("/sys/class/net/br7")
    wanted = [Step(("make", "br7"), ("test", "-d", "/sys/class/net/br7")), Step(("up",)), Step(("up",))]
    carry_out(cast(Host, host), wanted, Task("DEPLOY", 7, Voice(1)))
    assert host.done == ["up"]
