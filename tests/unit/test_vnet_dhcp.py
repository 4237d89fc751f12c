"""What DHCP servers are told of leases: three forms, and that no MAC, address or name is there twice."""

import json
import random
import re
import subprocess
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from oned.dhcp import Entry, Lease, Naming, Refused, entries, is_host_name, texts
from tests.needs import need_programs

WEB = Lease("02:00:0A:00:00:05", "10.0.0.5", 3, "Web")
MAIL = Lease("02:00:0a:00:00:04", "10.0.0.4", 12, "mail_server")
HEAD = "# Written by onevnet dhcp, which replaces the file: what is changed by hand is lost.\n"


def lease(number: int, name: str, vm: int) -> Lease:
    return Lease(f"02:00:0a:00:{number >> 8:02x}:{number & 255:02x}", str(IPv4Address(0x0A000000 + number)), vm, name)


def test_dnsmasq_gets_addresses_by_mac_and_names() -> None:
    assert texts("dnsmasq", entries([WEB, MAIL])) == {
        "dhcp-hosts": f"{HEAD}02:00:0a:00:00:04,10.0.0.4,vm12\n02:00:0a:00:00:05,10.0.0.5,web\n",
        "hosts": f"{HEAD}10.0.0.4 vm12\n10.0.0.5 web\n",
    }


def test_dhcpd_gets_host_declarations() -> None:
    assert texts("isc", entries([WEB, MAIL], Naming("wn%03d"))) == {
        "dhcpd.hosts": HEAD
        + "host wn012 { hardware ethernet 02:00:0a:00:00:04; fixed-address 10.0.0.4; "
        + 'option host-name "wn012"; }\n'
        + 'host web { hardware ethernet 02:00:0a:00:00:05; fixed-address 10.0.0.5; option host-name "web"; }\n'
    }


def test_kea_gets_reservations() -> None:
    assert texts("kea", entries([WEB, MAIL])) == {
        "reservations.json": "[\n"
        '  {"hw-address": "02:00:0a:00:00:04", "ip-address": "10.0.0.4", "hostname": "vm12"},\n'
        '  {"hw-address": "02:00:0a:00:00:05", "ip-address": "10.0.0.5", "hostname": "web"}\n]\n'
    }
    assert json.loads(texts("kea", [])["reservations.json"]) == []


def test_dhcpd_itself_takes_the_declarations(tmp_path: Path) -> None:
    need_programs("dhcpd")
    hosts = tmp_path / "dhcpd.hosts"
    hosts.write_text(texts("isc", entries([WEB, MAIL]))["dhcpd.hosts"])
    conf = tmp_path / "dhcpd.conf"
    conf.write_text(f'subnet 10.0.0.0 netmask 255.255.255.0 {{ }}\ninclude "{hosts}";\n')
    checked = subprocess.run(["/usr/sbin/dhcpd", "-t", "-cf", conf], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_kea_itself_takes_the_reservations(tmp_path: Path) -> None:
    need_programs("kea-dhcp4")
    reservations, conf = tmp_path / "reservations.json", tmp_path / "kea-dhcp4.conf"
    conf.write_text(
        '{ "Dhcp4": { "interfaces-config": { "interfaces": [] }, "lease-database": { "type": "memfile",'
        ' "persist": false }, "subnet4": [ { "id": 1, "subnet": "10.0.0.0/24", "reservations":'
        f' <?include "{reservations}"?> }} ] }} }}'
    )
    for made, status in ((entries([WEB, MAIL]), 0), ([], 0), ([Entry(WEB.mac, "10.1.0.5", "web")], 1)):
        reservations.write_text(texts("kea", made)["reservations.json"])
        checked = subprocess.run(["/usr/sbin/kea-dhcp4", "-t", conf], capture_output=True, text=True, check=False)
        assert checked.returncode == status, checked.stdout + checked.stderr


def test_dnsmasq_itself_takes_the_files(tmp_path: Path) -> None:
    need_programs("dnsmasq")
    for name, text in texts("dnsmasq", entries([WEB, MAIL])).items():
        (tmp_path / name).write_text(text)
    command = ["/usr/sbin/dnsmasq", "--test", "-C", "/dev/null", f"--dhcp-hostsfile={tmp_path}/dhcp-hosts"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("name", ["", "-a", "a-", "a.b", "a_b", "ä", "a" * 64, "45", "12h", "infinite", "ignore",
                                  "localhost", "wpad", "a\n", "a b"])  # fmt: skip
def test_a_vm_whose_name_is_no_host_name_is_named_by_the_pattern(name: str) -> None:
    assert [entry.name for entry in entries([lease(1, name, 7)], Naming("node%04d"))] == ["node0007"]


def test_further_addresses_of_a_vm_have_a_number_behind_its_name() -> None:
    made = entries([lease(9, "web", 3), lease(2, "web", 3), lease(4, "a" * 63, 5), lease(5, "a" * 63, 5)])
    assert [entry.name for entry in made] == ["web", "a" * 63, "vm5-2", "web-2"]


def test_numbered_names_do_not_ask_what_vms_are_called() -> None:
    made = entries([lease(1, "web", 3), lease(2, "web", 4)], Naming("wn%d", numbered=True))
    assert [entry.name for entry in made] == ["wn3", "wn4"]


@pytest.mark.parametrize(("second", "sentence"), [
    (Lease("02:00:0a:00:00:05", "10.0.0.6", 4, "b"), "Two leases have the MAC 02:00:0a:00:00:05: VM 3 Web (10.0.0.5, "
     "02:00:0A:00:00:05) and VM 4 b (10.0.0.6, 02:00:0a:00:00:05). Leave one of the networks out"),
    (Lease("02:00:0a:00:00:06", "10.0.0.5", 4, "b"), "Two leases have the address 10.0.0.5: "),
    (Lease("02:00:0a:00:00:06", "10.0.0.6", 4, "WEB"), "Two leases have the name web: VM 3 Web (10.0.0.5, 02:00:0A:00:"
     "00:05) and VM 4 WEB (10.0.0.6, 02:00:0a:00:00:06). Rename one of the VMs (onevm rename)"),
])  # fmt: skip
def test_two_leases_with_one_mac_address_or_name_are_refused(second: Lease, sentence: str) -> None:
    with pytest.raises(Refused) as refused:
        entries([WEB, second])
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize("pattern", ["", "vm", "%d", "vm%s", "vm_%d", "-%d", "%d-", "v%d%d", "vm%03x", "é%d",
                                     "a" * 63 + "%d", "v%999d"])  # fmt: skip
def test_a_pattern_that_makes_no_host_names_is_refused(pattern: str) -> None:
    with pytest.raises(Refused, match="makes no host names"):
        entries([WEB], Naming(pattern))


names = some.text(max_size=70) | some.from_regex(r"[a-cA-C0-9-]{1,4}", fullmatch=True)
leases = some.lists(
    some.builds(lease, some.integers(1, 400), names, some.integers(0, 60)), max_size=25, unique_by=lambda one: one.ip
)


@given(leases, some.booleans())
def test_what_is_told_is_unique_and_each_name_is_a_host_name(found: list[Lease], numbered: bool) -> None:
    names = [one.vm_name.lower() for one in found]
    try:
        made = entries(found, Naming("vm%d", numbered))
    except Refused:
        assert not numbered, "ids make different names"
        assert len({one.vm for one in found}) > 1, "the names of one VM differ"
        assert any(names.count(name) > 1 or re.fullmatch(r".*-\d+", name) for name in names)
        return
    assert {(entry.mac, entry.ip) for entry in made} == {(one.mac, one.ip) for one in found}
    uniques: list[Callable[[Entry], str]] = [lambda e: e.mac, lambda e: e.ip, lambda e: e.name]
    for field in uniques:
        assert len({field(entry) for entry in made}) == len(found)
    assert all(is_host_name(entry.name) for entry in made)


@given(leases, some.randoms())
def test_the_order_of_leases_makes_no_difference(found: list[Lease], chance: random.Random) -> None:
    shuffled = list(found)
    chance.shuffle(shuffled)
    naming = Naming("vm%d", numbered=True)
    assert texts("dnsmasq", entries(shuffled, naming)) == texts("dnsmasq", entries(found, naming))
