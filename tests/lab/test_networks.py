"""Networks of guests on a host of the lab: real bridges, a real VXLAN, and rules that nftables takes."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.drivers.lib.testing import DriverProcess
from tests.lab.guests import Guest, guest_world, kvm_driver
from tests.lab.world import World
from tests.needs import need_programs

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    need_programs("nft")
    with guest_world(tmp_path_factory.mktemp("lab") / "a", 1) as made:
        yield made


def ask(driver: DriverProcess, guest: Guest, verb: str, nic: str) -> str:
    """The answer to a request as the daemon writes it, with one NIC in the VM's document."""
    place = f"{guest.place}/deployment.0"
    document = (
        f"<VMM_DRIVER_ACTION_DATA><HOST>host01</HOST><DEPLOY_ID>{'' if verb == 'DEPLOY' else guest.name}</DEPLOY_ID>"
        f"<LOCAL_DEPLOYMENT_FILE>{guest.location}/var/vms/{guest.vid}/deployment.0</LOCAL_DEPLOYMENT_FILE>"
        f"<REMOTE_DEPLOYMENT_FILE>{place}</REMOTE_DEPLOYMENT_FILE>"
        f"<VM><TEMPLATE><NIC>{nic}</NIC></TEMPLATE></VM></VMM_DRIVER_ACTION_DATA>"
    )
    return driver.ask(f"{verb} {guest.vid} {base64.b64encode(document.encode()).decode()}", 90) or ""


def ports(lab: World, bridge: str) -> list[str]:
    return sorted(lab.run("host01", "ls", f"/sys/class/net/{bridge}/brif").split())


def table(lab: World) -> str:
    return lab.run("host01", "nft", "list", "table", "bridge", "one")


def test_a_guest_gets_its_bridge_and_its_rules_and_leaves_no_rules_behind(lab: World, tmp_path: Path) -> None:
    guest = Guest(lab, tmp_path, 1)
    guest.prepare("host01")
    deployment = tmp_path / "var/vms/1/deployment.0"
    deployment.write_text(deployment.read_text().replace("br0", "onebr7"))
    nic = (
        "<VN_MAD>vxlan</VN_MAD><PHYDEV>br0</PHYDEV><VLAN_ID>77</VLAN_ID><BRIDGE>onebr7</BRIDGE>"
        "<MAC>02:00:0a:4d:00:01</MAC><IP>10.77.0.1</IP><FILTER_IP_SPOOFING>YES</FILTER_IP_SPOOFING>"
        "<WHITE_PORTS_TCP>22,80:90</WHITE_PORTS_TCP><ICMP>drop</ICMP>"
    )
    with kvm_driver(lab, tmp_path) as driver:
        assert ask(driver, guest, "DEPLOY", nic) == "DEPLOY SUCCESS 1 one-1"
        assert ask(driver, guest, "DEPLOY", nic) == "DEPLOY SUCCESS 1 one-1"
        link, tap = ports(lab, "onebr7")
        assert link == "br0.77"
        (shown,) = json.loads(lab.run("host01", "ip", "-d", "-j", "link", "show", "br0.77"))
        assert (shown["linkinfo"]["info_data"]["id"], shown["linkinfo"]["info_data"]["group"]) == (77, "239.0.0.77")
        rules = table(lab)
        assert rules.count(f'"{tap}" : jump {tap}-gets') == 1
        assert "tcp dport != { 22, 80-90 } drop" in rules
        assert "ip saddr 10.77.0.1" in rules.replace("!= ", "").replace("{ ", "")
        assert ask(driver, guest, "CANCEL", nic) == "CANCEL SUCCESS 1 -"
        assert tap not in table(lab)
        assert ports(lab, "onebr7") == ["br0.77"], "bridges stay for other guests"


def test_rules_are_there_before_the_guest_and_go_with_it_however_it_ends(lab: World, tmp_path: Path) -> None:
    guest = Guest(lab, tmp_path, 3)
    guest.prepare("host01")
    deployment = tmp_path / "var/vms/3/deployment.0"
    right = deployment.read_text()
    nic = (
        "<VN_MAD>fw</VN_MAD><BRIDGE>br0</BRIDGE><MAC>02:00:0a:4d:00:03</MAC><TARGET>one-3-0</TARGET>"
        "<FILTER_MAC_SPOOFING>YES</FILTER_MAC_SPOOFING>"
    )
    with kvm_driver(lab, tmp_path) as driver:
        deployment.write_text("<domain/>")
        assert ask(driver, guest, "DEPLOY", nic).startswith("DEPLOY FAILURE 3")
        assert "one-3-0" not in table(lab), "nothing is left of a guest that did not start"
        deployment.write_text(right)
        assert ask(driver, guest, "DEPLOY", nic) == "DEPLOY SUCCESS 3 one-3"
        assert "one-3-0" in ports(lab, "br0")
        assert "jump one-3-0-sends" in table(lab)
        lab.run("host01", "virsh", "destroy", "one-3")
        assert ask(driver, guest, "CANCEL", nic) == "CANCEL SUCCESS 3 -"
        assert "one-3-0" not in table(lab), "not of one that has ended by itself either"


def test_a_guest_whose_rules_cannot_be_set_does_not_run(lab: World, tmp_path: Path) -> None:
    guest = Guest(lab, tmp_path, 2)
    guest.prepare("host01")
    nic = "<VN_MAD>ovswitch</VN_MAD><BRIDGE>br0</BRIDGE><MAC>02:00:0a:4d:00:02</MAC>"
    with kvm_driver(lab, tmp_path) as driver:
        answer = ask(driver, guest, "DEPLOY", nic)
        assert answer.startswith("DEPLOY FAILURE 2 host01: ovs-vsctl")
        assert guest.state(driver, "host01") == "d"
