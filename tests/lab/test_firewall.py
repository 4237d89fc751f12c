"""Frames between a guest's tap and another port of its bridge, past the rules that a network driver has set."""

import json
import socket
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from xml.etree import ElementTree

import pytest

from oned.drivers.lib.line import Voice
from oned.drivers.lib.reach import host_at
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import Task
from oned.drivers.vnm.drivers import carry_out, steps
from oned.drivers.vnm.step import Nic, nic_of
from tests.lab import frames
from tests.lab.frames import ACK, ICMP, ICMP6, SYN, TCP, UDP, Namespace, arp, arrived, icmp, ip, tagged, tcp, udp
from tests.lab.world import until
from tests.needs import need_programs

pytestmark = pytest.mark.lab

MAC, OTHER = "02:00:0a:4d:00:07", "02:00:0a:4d:00:63"
OWN, PEER, STRANGER = "10.77.0.7", "10.77.0.99", "10.77.0.50"
OWN6, PEER6, LINK_LOCAL = "fd00::7", "fd00::63", "fe80::aff:fe4d:7"
TAP = "one-7-0"
FILTERS = {"FILTER_MAC_SPOOFING": "YES", "FILTER_IP_SPOOFING": "YES"}

LLDP = frames.ether(OTHER, MAC, 0x88CC, bytes(40) + frames.mark())


class Wires:
    """A host with a bridge, a guest behind its tap, and a peer at another port."""

    def __init__(self) -> None:
        self.host, self.guest, self.peer = Namespace(), Namespace(), Namespace()

    def close(self) -> None:
        for namespace in (self.host, self.guest, self.peer):
            namespace.close()

    def carry_out(self, phase: str, nic: Nic) -> None:
        """As the driver does it on this machine, in the host's network."""
        with self.host.entered():
            carry_out(host_at("localhost", Settings("vmm_kvm")), steps(phase, [nic]), Task(phase, 7, Voice(1)))

    def plug(self) -> None:
        """What the hypervisor does once the bridge is there: the tap, and with it the guest; and another one's."""
        ends = ((TAP, self.guest, MAC, OWN, OWN6), ("peer", self.peer, OTHER, PEER, PEER6))
        for name, inside, address, four, six in ends:
            self.host.run(*f"ip link add {name} type veth peer name eth0 address {address} netns {inside.path}".split())
            self.host.run(*f"ip link set {name} master br7 up".split())
            inside.run("sh", "-c", f"ip addr add {four}/24 dev eth0; ip addr add {six}/64 dev eth0 nodad; "
                                   "ip link set lo up; ip link set eth0 up")  # fmt: skip

        until(self._forwards, 5, "the bridge forwards")

    def _forwards(self) -> bool:
        ports = json.loads(self.host.run("bridge", "-json", "link", "show"))
        return [port["state"] for port in ports] == ["forwarding"] * 2

    def sent(self, *them: bytes) -> list[bool]:
        """Which frames of the guest reach the peer."""
        with closing(self.guest.wire("eth0")) as guest, closing(self.peer.wire("eth0")) as peer:
            return arrived(guest, peer, them, ip(MAC, OTHER, OWN, PEER, TCP, tcp(1, 1, ACK)))

    def got(self, *them: bytes) -> list[bool]:
        """Which frames of the peer reach the guest."""
        with closing(self.guest.wire("eth0")) as guest, closing(self.peer.wire("eth0")) as peer:
            return arrived(peer, guest, them, ip(OTHER, MAC, PEER, OWN, TCP, tcp(1, 1, ACK)))

    def rules(self) -> str:
        return self.host.run("nft", "list", "table", "bridge", "one")


def nic(**values: str) -> Nic:
    vector = ElementTree.Element("NIC")
    own = {"VN_MAD": "bridge", "BRIDGE": "br7", "MAC": MAC, "IP": OWN, "IP6": OWN6, "TARGET": TAP}
    for name, value in {**own, **values}.items():
        ElementTree.SubElement(vector, name).text = value
    return nic_of(7, vector, "")


@contextmanager
def wired(values: Mapping[str, str]) -> Iterator[Wires]:
    """A guest with a NIC of these attributes, whose rules were there before its tap was."""
    need_programs("nft", "ip")
    with closing(Wires()) as made:
        made.carry_out("pre", nic(**{**values, "VN_MAD": "bridge"}))
        made.plug()
        yield made


@pytest.fixture
def open_ports() -> Iterator[Wires]:
    with wired({"WHITE_PORTS_TCP": "22,80:90", "WHITE_PORTS_UDP": "53", "ICMP": "drop"}) as made:
        yield made


@pytest.fixture
def filtered() -> Iterator[Wires]:
    with wired(FILTERS) as made:
        yield made


def to_guest(protocol: int, payload: bytes, source: str = PEER, target: str = OWN) -> bytes:
    return ip(OTHER, MAC, source, target, protocol, payload)


def from_guest(protocol: int, payload: bytes, source: str = OWN, target: str = PEER) -> bytes:
    return ip(MAC, OTHER, source, target, protocol, payload)


def test_open_ports_are_reached_and_others_are_not(open_ports: Wires) -> None:
    asks = [to_guest(TCP, tcp(5000, port, SYN)) for port in (22, 80, 85, 90, 21, 91, 6000)]
    assert open_ports.got(*asks) == [True, True, True, True, False, False, False]
    six = [to_guest(TCP, tcp(5000, port, SYN), PEER6, OWN6) for port in (22, 21)]
    assert open_ports.got(*six) == [True, False]
    assert open_ports.got(*(to_guest(UDP, udp(5000, port)) for port in (53, 54, 40000))) == [True, False, False]


def test_what_the_guest_begins_is_answered(open_ports: Wires) -> None:
    answers = [to_guest(TCP, tcp(80, 5000, SYN | ACK)), to_guest(UDP, udp(53, 40000)), to_guest(UDP, udp(53, 40001))]
    six = to_guest(UDP, udp(53, 40000), PEER6, OWN6)
    assert open_ports.got(*answers, six) == [True, False, False, False], "nothing was asked yet"
    assert open_ports.sent(from_guest(UDP, udp(40000, 53)), from_guest(UDP, udp(40000, 53), OWN6, PEER6)) == [True] * 2
    stranger = to_guest(UDP, udp(53, 40000), STRANGER)
    assert open_ports.got(*answers, six, stranger) == [True, True, False, True, False]


def test_a_guest_that_is_not_to_be_pinged_can_ping_and_hears_of_errors(open_ports: Wires) -> None:
    kinds = [to_guest(ICMP, icmp(kind)) for kind in (8, 0, 3, 11, 5)]
    assert open_ports.got(*kinds) == [False, True, True, True, False], "redirects neither"
    six = [to_guest(ICMP6, icmp(kind), PEER6, OWN6) for kind in (128, 129, 2, 135, 136)]
    assert open_ports.got(*six) == [False, True, True, True, True], "neighbours are found"


def test_black_ports_are_shut_and_others_are_not() -> None:
    with wired({"BLACK_PORTS_TCP": "25", "BLACK_PORTS_UDP": "53:60"}) as shut:
        them = [to_guest(TCP, tcp(5000, port, SYN)) for port in (25, 26)]
        assert shut.got(*them, *(to_guest(UDP, udp(5000, port)) for port in (57, 61))) == [False, True, False, True]


def test_real_connections_go_to_open_ports_only(open_ports: Wires) -> None:
    with (
        closing(open_ports.guest.open(socket.AF_INET, socket.SOCK_STREAM)) as server,
        closing(open_ports.peer.open(socket.AF_INET, socket.SOCK_STREAM)) as client,
        closing(open_ports.peer.open(socket.AF_INET, socket.SOCK_STREAM)) as refused,
    ):
        server.bind((OWN, 80))
        server.listen()
        refused.settimeout(0.3)
        with pytest.raises(TimeoutError):
            refused.connect((OWN, 22000))
        client.connect((OWN, 80))
        with server.accept()[0] as connection:
            connection.sendall(b"hello")
            assert client.recv(5) == b"hello"


def test_a_guest_sends_under_its_own_addresses_only(filtered: Wires) -> None:
    own, spoofed = from_guest(UDP, udp(1, 1)), from_guest(UDP, udp(1, 1), STRANGER)
    foreign_mac = ip(OTHER, frames.BROADCAST, OWN, PEER, UDP, udp(1, 1))
    unset = from_guest(UDP, udp(1, 1), "0.0.0.0")
    assert filtered.sent(own, spoofed, foreign_mac, unset) == [True, False, False, False]
    assert filtered.sent(tagged(spoofed, 5), tagged(own, 5)) == [False, False], "tags hide addresses"
    assert filtered.sent(frames.ether(OTHER, MAC, 0x88CC, bytes(40) + frames.mark())) == [False], (
        "nothing but IP and ARP"
    )
    six = [from_guest(UDP, udp(1, 1), source, PEER6) for source in (OWN6, LINK_LOCAL, "::", "fd00::50", "fe80::1")]
    assert filtered.sent(*six) == [True, True, True, False, False]


def test_a_guest_tells_of_no_address_but_its_own(filtered: Wires) -> None:
    own, probe = arp(MAC, OWN, MAC, PEER), arp(MAC, "0.0.0.0", MAC, PEER)
    of_others = [arp(MAC, STRANGER, MAC, PEER), arp(MAC, OWN, OTHER, PEER), arp(OTHER, OWN, OTHER, PEER)]
    assert filtered.sent(own, probe, *of_others) == [True, True, False, False, False]


def test_a_guest_without_filters_sends_what_it_likes() -> None:
    with wired({}) as made:
        spoofed = from_guest(UDP, udp(1, 1), STRANGER)
        lies = [arp(MAC, STRANGER, MAC, PEER), arp(OTHER, OWN, OTHER, PEER), tagged(spoofed, 5), LLDP]
        assert made.sent(spoofed, *lies, from_guest(UDP, udp(1, 1), "fd00::50", PEER6)) == [True] * 6


def test_a_guest_of_one_family_does_not_speak_the_other() -> None:
    with wired({**FILTERS, "IP6": ""}) as made:
        assert made.sent(from_guest(UDP, udp(1, 1)), from_guest(UDP, udp(1, 1), LINK_LOCAL, PEER6)) == [True, False]


def test_isolation_lets_neighbours_in_only() -> None:
    with wired({"VN_MAD": "ebtables", "VLAN": "YES"}) as made:
        made.carry_out("pre", nic(VN_MAD="ebtables", VLAN="YES"))
        far = ip("02:00:0a:4d:01:01", MAC, PEER, OWN, UDP, udp(1, 1))
        assert made.got(to_guest(UDP, udp(1, 1)), far) == [True, False]


def test_a_filtered_guest_gets_its_address_by_dhcp(tmp_path: Path) -> None:
    need_programs("dnsmasq", "busybox")
    with wired({**FILTERS, "WHITE_PORTS_UDP": "53"}) as made:
        words = ["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=eth0", "--bind-interfaces",
                 "--no-ping", f"--dhcp-range={PEER},static,255.255.255.0", f"--dhcp-host={MAC},{OWN}", "--user=root",
                 f"--dhcp-leasefile={tmp_path}/leases", f"--pid-file={tmp_path}/pid"]  # fmt: skip
        made.guest.run("ip", "addr", "flush", "dev", "eth0")
        with made.peer.entered():
            server = subprocess.Popen(["/usr/sbin/dnsmasq", *words])
        try:
            words = ["busybox", "udhcpc", "-f", "-n", "-q", "-i", "eth0", "-t", "20", "-T", "1", "-s", "/bin/true"]
            made.guest.run(*words)
            assert f"{MAC} {OWN}" in (tmp_path / "leases").read_text()
        finally:
            server.terminate()
            server.wait()


def test_rules_may_be_set_again_and_go_whole(open_ports: Wires) -> None:
    before = open_ports.rules()
    assert open_ports.sent(from_guest(UDP, udp(40000, 53))) == [True]
    for _ in range(2):
        open_ports.carry_out("pre", nic(WHITE_PORTS_TCP="22,80:90", WHITE_PORTS_UDP="53", ICMP="drop"))
    assert open_ports.got(to_guest(UDP, udp(53, 40000))) == [True], "whom the guest has asked is not forgotten"
    assert [line for line in open_ports.rules().splitlines() if "elements" not in line and "expires" not in line] == [
        line for line in before.splitlines() if "elements" not in line
    ]
    open_ports.carry_out("pre", nic())
    assert open_ports.got(to_guest(TCP, tcp(5000, 6000, SYN))) == [True], "a NIC without ports has none shut"
    assert TAP not in open_ports.rules()
    open_ports.carry_out("pre", nic(BLACK_PORTS_UDP="1"))
    open_ports.carry_out("clean", nic())
    open_ports.carry_out("clean", nic())
    assert TAP not in open_ports.rules()


def test_many_processes_may_set_up_one_network_at_once() -> None:
    need_programs("nft", "ip")
    with closing(Wires()) as made:
        programs = 8
        with made.host.entered(), ThreadPoolExecutor(programs) as pool:
            made.host.run(*["ip", "link", "add", "eth1", "type", "veth", "peer", "name", "eth2"])
            wanted = [
                nic(VN_MAD="vxlan", PHYDEV="eth1", VLAN_ID="9", TARGET=f"one-{vm}-0", MAC=f"02:00:00:00:00:0{vm}",
                    ICMP="drop") for vm in range(programs)
            ]  # fmt: skip
            list(pool.map(_unlocked, wanted))
        assert sorted(port["ifname"] for port in json.loads(made.host.run("bridge", "-json", "link", "show"))) == [
            "eth1.9"
        ]
        assert made.rules().count("jump one-") == 2 * programs


def _unlocked(nic: Nic) -> None:
    """What another driver's process does, which knows nothing of our lock."""
    host, task = host_at("localhost", Settings("vmm_kvm")), Task("DEPLOY", nic.vm, Voice(1))
    host.name = nic.tap
    carry_out(host, steps("pre", [nic]), task)
