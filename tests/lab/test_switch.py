"""Frames of a guest at a port of a real Open vSwitch, which switches in its own process: no kernel has to know it."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.lab.frames import TCP, UDP, arp, ip, tcp, udp
from tests.lab.test_firewall import FILTERS, LLDP, MAC, OTHER, OWN, OWN6, PEER, PEER6, STRANGER, TAP, Wires, nic
from tests.lab.world import until
from tests.needs import need_programs

pytestmark = pytest.mark.lab

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
COOKIE = "cookie=0x2000a4d0007"


class Switch(Wires):
    """A host with the switch, a guest and a peer, whose port is in VLAN 9."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._stack = ExitStack()
        self.run("ovsdb-tool", "create", f"{directory}/conf.db", SCHEMA)
        self._start("ovsdb-server", f"{directory}/conf.db", f"--remote=punix:{directory}/db.sock")
        until((directory / "db.sock").exists, 10, "the data base of the switch")
        self.run("ovs-vsctl", "--no-wait", "init")
        self._start("ovs-vswitchd", f"unix:{directory}/db.sock")
        self.run("ovs-vsctl", "--timeout=10", "add-br", "br7", "--", "set", "bridge", "br7", "datapath_type=netdev")

    def run(self, *argv: str) -> str:
        return self.host.run(*argv)

    def _start(self, *argv: str) -> None:
        with self.host.entered():
            process = self._stack.enter_context(subprocess.Popen([*argv, "-vconsole:off"]))
        self._stack.callback(process.terminate)

    def close(self) -> None:
        self._stack.close()
        super().close()

    def connect(self, values: Mapping[str, str]) -> None:
        """What driver and hypervisor do for a NIC of these attributes."""
        one = nic(VN_MAD="ovswitch", VLAN_ID="9", **values)
        self.carry_out("pre", one)
        for name, inside, address in ((TAP, self.guest, MAC), ("peer", self.peer, OTHER)):
            self.run(*f"ip link add {name} type veth peer name eth0 address {address} netns {inside.path}".split())
            self.run("ip", "link", "set", name, "up")
            inside.run("ip", "link", "set", "eth0", "up")
            self.run("ovs-vsctl", "add-port", "br7", name)
        self.run("ovs-vsctl", "set", "Port", "peer", "tag=9")
        self.carry_out("post", one)
        self.carry_out("post", one)

    def flows(self) -> str:
        return self.run("ovs-ofctl", "dump-flows", "br7")


@pytest.fixture
def switch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Switch]:
    need_programs("ovs-vswitchd", "ovsdb-server", "ip")
    for name in ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"):
        monkeypatch.setenv(name, str(tmp_path))
    with closing(Switch(tmp_path)) as made:
        yield made


def out(source: str = OWN, target: str = PEER, by: str = MAC) -> bytes:
    return ip(by, OTHER, source, target, UDP, udp(1, 1))


def test_a_guest_sends_under_its_own_addresses_only_and_in_its_vlan(switch: Switch) -> None:
    switch.connect(FILTERS)
    assert switch.run("ovs-vsctl", "get", "Port", TAP, "tag").strip() == "9"
    assert switch.sent(out(), out(STRANGER), out(by=OTHER), out("0.0.0.0"), LLDP) == [True, False, False, False, False]
    asks = ip(MAC, OTHER, "0.0.0.0", "255.255.255.255", UDP, udp(68, 67))
    assert switch.sent(asks, arp(MAC, OWN, MAC, PEER), arp(MAC, "0.0.0.0", MAC, PEER)) == [True, True, True]
    assert switch.sent(arp(MAC, STRANGER, MAC, PEER), arp(MAC, OWN, OTHER, PEER)) == [False, False]
    six = [out(source, PEER6) for source in (OWN6, "fe80::aff:fe4d:7", "::", "fd00::50")]
    assert switch.sent(*six) == [True, True, True, False]
    assert switch.got(ip(OTHER, MAC, PEER, OWN, TCP, tcp(1, 1, 2))) == [True]


def test_a_guest_that_is_held_to_its_mac_may_have_any_address(switch: Switch) -> None:
    switch.connect({"FILTER_MAC_SPOOFING": "YES"})
    assert switch.sent(out(), out(STRANGER), out(by=OTHER), LLDP) == [True, True, False, True]
    assert switch.sent(arp(MAC, STRANGER, MAC, PEER), arp(MAC, OWN, OTHER, PEER)) == [True, False]


def test_flows_go_though_their_port_has_gone_before(switch: Switch) -> None:
    switch.connect(FILTERS)
    assert switch.flows().count(COOKIE) == 8
    switch.run("ovs-vsctl", "del-port", "br7", TAP)
    for _ in range(2):
        switch.carry_out("clean", nic(VN_MAD="ovswitch", **FILTERS))
    assert COOKIE not in switch.flows()
    switch.run("ovs-vsctl", "del-br", "br7")
    switch.carry_out("clean", nic(VN_MAD="ovswitch", **FILTERS))
