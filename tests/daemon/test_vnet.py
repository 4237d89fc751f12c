"""Networks: how each era makes, shows and changes them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.client.documents import Document, parse
from tests.daemon.process import SIMULATED, Daemon, refusal

RANGE = 'AR = [ TYPE = "IP4", IP = "10.0.0.1", SIZE = "4" ]'


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("nets"), "NETWORK_SIZE = 30\n" + SIMULATED) as daemon:
        for name in ("ann", "bob"):
            daemon.one.user.allocate(name, "secret")
        yield daemon
        assert daemon.check() == []


_names = iter(f"net{number}" for number in range(1000))


def network(daemon: Daemon, template: str = RANGE, *more: object) -> int:
    """A network of a name of its own."""
    given = f"NAME = {next(_names)}\nBRIDGE = br0\n{template}"
    return daemon.admin.number("one.vn.allocate", given, *more)  # type: ignore[arg-type]


def shown(daemon: Daemon, number: int) -> Document:
    return parse(daemon.admin.text("one.vn.info", number))


def addresses(document: Document) -> list[str]:
    """The addresses of the classic list of leases."""
    return [lease.text("IP") for lease in document.all("LEASES/LEASE")]


def test_a_range_has_the_ends_and_macs_that_its_first_address_gives(nets: Daemon) -> None:
    found = shown(nets, network(nets))
    ar = found.all("AR_POOL/AR")[0]
    assert [(key, ar.text(key)) for key in ("AR_ID", "IP", "IP_END", "MAC", "MAC_END", "SIZE", "USED_LEASES")] == [
        ("AR_ID", "0"), ("IP", "10.0.0.1"), ("IP_END", "10.0.0.4"), ("MAC", "02:00:0a:00:00:01"),
        ("MAC_END", "02:00:0a:00:00:04"), ("SIZE", "4"), ("USED_LEASES", "0"),
    ]  # fmt: skip
    assert (found.int("STATE"), found.text("BRIDGE"), found.text("TEMPLATE/SECURITY_GROUPS")) == (1, "br0", "0")


def test_a_pool_entry_lists_ranges_without_their_leases(nets: Daemon) -> None:
    number = network(nets)
    pool = parse(nets.admin.text("one.vnpool.info", -2, number, number))
    (entry,) = pool.all("VNET")
    assert pool.name == "VNET_POOL"
    assert (entry.all("LEASES"), entry.all("AR_POOL/AR/LEASES"), entry.all("AR_POOL/AR/IP_END")) == ([], [], [])
    assert entry.text("AR_POOL/AR/IP") == "10.0.0.1"


def test_a_ranged_network_of_old_becomes_a_range_and_shows_its_old_elements(nets: Daemon) -> None:
    found = shown(nets, network(nets, "TYPE = RANGED\nNETWORK_ADDRESS = 192.168.1.0/29\nGATEWAY = 192.168.1.1"))
    assert (found.int("TYPE"), found.text("RANGE/IP_START"), found.text("RANGE/IP_END")) == (
        0, "192.168.1.1", "192.168.1.6")  # fmt: skip
    assert [found.text(f"TEMPLATE/{name}") for name in ("NETWORK_ADDRESS", "NETWORK_MASK", "GATEWAY", "TYPE")] == [
        "192.168.1.0", "255.255.255.248", "192.168.1.1", ""]  # fmt: skip
    assert found.text("AR_POOL/AR/SIZE") == "6"


def test_a_ranged_network_that_says_no_size_has_that_of_the_configuration(nets: Daemon) -> None:
    found = shown(nets, network(nets, "TYPE = ranged\nNETWORK_ADDRESS = 192.168.1.0"))
    assert found.text("AR_POOL/AR/SIZE") == "30"


def test_a_fixed_network_lists_all_its_leases_and_takes_more(nets: Daemon) -> None:
    number = network(
        nets, 'TYPE = FIXED\nLEASES = [ IP = 10.1.0.9 ]\nLEASES = [ IP = 10.1.0.4, MAC = "02:ab:0:0:0:1" ]'
    )
    found = shown(nets, number)
    assert (found.int("TYPE"), found.all("RANGE"), found.int("TOTAL_LEASES")) == (1, [], 0)
    assert [(lease.text("IP"), lease.text("MAC"), lease.text("USED"), lease.text("VID"))
            for lease in found.all("LEASES/LEASE")] == [
        ("10.1.0.4", "02:ab:00:00:00:01", "0", "-1"), ("10.1.0.9", "02:00:0a:01:00:09", "0", "-1"),
    ]  # fmt: skip
    assert nets.admin.number("one.vn.addleases", number, "LEASES = [ IP = 10.1.0.5 ]") == number
    assert nets.admin.number("one.vn.rmleases", number, "LEASES = [ IP = 10.1.0.9 ]") == number
    assert addresses(shown(nets, number)) == ["10.1.0.4", "10.1.0.5"]
    assert "overlaps" in refusal(nets.one.vn.addleases, number, "LEASES = [ IP = 10.1.0.5 ]")[0]
    assert refusal(nets.one.vn.rmleases, number, "LEASES = [ IP = 10.1.0.9 ]")[1] == 8192


def test_leases_come_and_go_in_fixed_networks_only(nets: Daemon) -> None:
    number = network(nets)
    for method, command in (("addleases", "onevnet addar"), ("rmleases", "onevnet rmar")):
        text, code = refusal(nets.admin.call, f"one.vn.{method}", number, "LEASES = [ IP = 10.0.0.9 ]")
        assert (command in text, code) == (True, 8192)


def test_a_held_address_is_shown_as_each_era_shows_it_and_let_go(nets: Daemon) -> None:
    number = network(nets)
    nets.one.vn.hold(number, "LEASES = [ IP = 10.0.0.2 ]")
    nets.one.vn.hold(number, 'LEASES = [ MAC = "02:00:0a:00:00:03" ]')
    found = shown(nets, number)
    assert [(lease.text("IP"), lease.text("USED"), lease.text("VID")) for lease in found.all("LEASES/LEASE")] == [
        ("10.0.0.2", "1", "-1"), ("10.0.0.3", "1", "-1")]  # fmt: skip
    assert [lease.int("VM") for lease in found.all("AR_POOL/AR/LEASES/LEASE")] == [-1, -1]
    assert found.int("USED_LEASES") == 2
    for wrong in ("IP = 10.0.0.2", "IP = 10.0.0.9", "IP = 10.0.0.1, AR_ID = 7"):
        assert refusal(nets.one.vn.hold, number, f"LEASES = [ {wrong} ]") == (
            "[one.vn.hold] Address is not part of the address range or in use.", 8192)  # fmt: skip
    assert "on hold" in refusal(nets.one.vn.release, number, "LEASES = [ IP = 10.0.0.1 ]")[0]
    nets.one.vn.release(number, "LEASES = [ IP = 10.0.0.2 ]\nLEASES = [ IP = 10.0.0.3 ]")
    assert shown(nets, number).int("USED_LEASES") == 0


def test_a_network_with_leases_in_use_is_not_deleted(nets: Daemon) -> None:
    number = network(nets)
    nets.one.vn.hold(number, "LEASES = [ IP = 10.0.0.2 ]")
    text, code = refusal(nets.one.vn.delete, number)
    assert text.startswith(
        "[one.vn.delete] Cannot delete virtual network. Can not remove a virtual network with leases"
    )
    assert code == 2048
    nets.one.vn.release(number, "LEASES = [ IP = 10.0.0.2 ]")
    assert nets.one.vn.delete(number) == number
    assert refusal(nets.one.vn.info, number) == (
        f"[one.vn.info] Error getting virtual network [{number}]. See onevnet list",
        1024,
    )


@pytest.mark.parametrize(("template", "why"), [
    ("BRIDGE = br0", "Invalid NAME, it cannot be empty"), ("NAME = x1", "No BRIDGE in template for Virtual Network"),
    ("NAME = x1\nBRIDGE = br0\nTYPE = STAR", "TYPE of a network is RANGED or FIXED, not STAR"),
    ("NAME = x1\nBRIDGE = br0\nAR = [ TYPE = IP4, SIZE = 1 ]", "needs IP"),
    (f"NAME = x1\nBRIDGE = br0\n{RANGE}\n{RANGE}", "overlaps range 0"),
    ("NAME = a/b\nBRIDGE = br0", "is not allowed"), ("NAME = ", "Invalid NAME"), ("NAME", "Parse error"),
])  # fmt: skip
def test_a_network_that_cannot_be_is_refused_with_the_reason(nets: Daemon, template: str, why: str) -> None:
    text, code = refusal(nets.one.vn.allocate, template)
    assert (why in text, code) == (True, 8192), text


def test_a_name_is_taken_once_by_each_owner(nets: Daemon) -> None:
    number = nets.admin.number("one.vn.allocate", "NAME = twice\nBRIDGE = br0")
    text, code = refusal(nets.one.vn.allocate, "NAME = twice\nBRIDGE = br0")
    assert (text.startswith(f"[one.vn.allocate] NAME is already taken by NET {number}."), code) == (True, 8192)
    nets.one.vn.chown(number, 2, 1)
    assert nets.admin.number("one.vn.allocate", "NAME = twice\nBRIDGE = br0") > number


def test_bridges_and_vlans_are_made_for_networks_that_do_not_name_them(nets: Daemon) -> None:
    number = nets.admin.number(
        "one.vn.allocate", "NAME = vlan\nVN_MAD = 802.1Q\nPHYDEV = eth0\nAUTOMATIC_VLAN_ID = YES"
    )
    found = shown(nets, number)
    assert [found.text(name) for name in ("BRIDGE", "VLAN_ID", "VLAN_ID_AUTOMATIC", "VLAN", "PHYDEV", "VN_MAD")] == [
        f"onebr{number}", str(2 + number), "1", "1", "eth0", "802.1Q"]  # fmt: skip


def test_an_update_leaves_ranges_and_what_makes_the_network(nets: Daemon) -> None:
    number = network(nets, f"{RANGE}\nGATEWAY = 10.0.0.1\nDNS = 10.0.0.2")
    nets.one.vn.update(number, 'DNS = 10.0.0.3\nAR = [ TYPE = "IP4", IP = "10.9.0.1", SIZE = "9" ]\nTYPE = FIXED')
    found = shown(nets, number)
    assert [found.text(f"TEMPLATE/{name}") for name in ("GATEWAY", "DNS", "BRIDGE", "TYPE")] == [
        "", "10.0.0.3", "br0", ""]  # fmt: skip
    assert [ar.text("IP") for ar in found.all("AR_POOL/AR")] == ["10.0.0.1"]
    nets.one.vn.update(number, "GATEWAY = 10.0.0.1\nBRIDGE = br7", 1)
    found = shown(nets, number)
    assert [found.text(name) for name in ("TEMPLATE/GATEWAY", "TEMPLATE/DNS", "BRIDGE")] == [
        "10.0.0.1", "10.0.0.3", "br7"]  # fmt: skip
    assert refusal(nets.one.vn.update, number, "A = 1", 2)[1] == 4096


def test_the_same_update_twice_changes_nothing(nets: Daemon) -> None:
    number = network(nets)
    nets.one.vn.update(number, "B = 1\nA = 2\nBRIDGE = br0", 0)
    before = nets.admin.text("one.vn.info", number)
    nets.one.vn.update(number, "B = 1\nA = 2\nBRIDGE = br0", 0)
    assert nets.admin.text("one.vn.info", number) == before


def test_ranges_are_added_changed_and_removed(nets: Daemon) -> None:
    number = network(nets)
    nets.one.vn.add_ar(
        number, 'AR = [ TYPE = "IP6", SIZE = "2", GLOBAL_PREFIX = "2001:db8::", MAC = "02:00:00:00:00:01" ]'
    )
    added = shown(nets, number).all("AR_POOL/AR")[1]
    assert [added.text(name) for name in ("AR_ID", "MAC_END", "IP6_GLOBAL", "IP6_GLOBAL_END")] == [
        "1", "02:00:00:00:00:02", "2001:db8::ff:fe00:1", "2001:db8::ff:fe00:2"]  # fmt: skip
    nets.one.vn.update_ar(number, "AR = [ AR_ID = 0, SIZE = 9, GATEWAY = 10.0.0.1 ]")
    ar = shown(nets, number).all("AR_POOL/AR")[0]
    assert [ar.text(name) for name in ("SIZE", "IP_END", "GATEWAY")] == ["9", "10.0.0.9", "10.0.0.1"]
    nets.one.vn.hold(number, "LEASES = [ IP = 10.0.0.5 ]")
    assert "10.0.0.5 is in use" in refusal(nets.one.vn.update_ar, number, "AR = [ AR_ID = 0, SIZE = 4 ]")[0]
    assert "cannot be changed" in refusal(nets.one.vn.update_ar, number, "AR = [ AR_ID = 0, IP = 10.0.0.2 ]")[0]
    assert "has no address range 9" in refusal(nets.one.vn.update_ar, number, "AR = [ AR_ID = 9, SIZE = 4 ]")[0]
    assert "are in use" in refusal(nets.one.vn.rm_ar, number, 0)[0]
    nets.one.vn.rm_ar(number, 0, True)
    nets.one.vn.rm_ar(number, 1)
    assert shown(nets, number).all("AR_POOL/AR") == []
    nets.one.vn.add_ar(number, RANGE)
    assert shown(nets, number).text("AR_POOL/AR/AR_ID") == "2"
    assert "overlaps" in refusal(nets.one.vn.add_ar, number, RANGE)[0]
    assert "has no AR" in refusal(nets.one.vn.add_ar, number, "LEASES = [ IP = 1.2.3.4 ]")[0]


def test_a_reservation_is_a_network_of_its_own_and_goes_back(nets: Daemon) -> None:
    number = network(nets, 'AR = [ TYPE = "IP4", IP = "10.0.0.1", SIZE = "10" ]\nGATEWAY = 10.0.0.1')
    bob = nets.client("bob:secret")
    child = bob.number("one.vn.reserve", number, "NAME = mine\nSIZE = 2\nNOTE = kept")
    found = shown(nets, child)
    assert [found.text(name) for name in ("UNAME", "PARENT_NETWORK_ID", "BRIDGE", "TEMPLATE/GATEWAY")] == [
        "bob", str(number), "br0", "10.0.0.1"]  # fmt: skip
    assert found.text("TEMPLATE/NOTE") == "kept"
    ar = found.all("AR_POOL/AR")[0]
    assert [ar.text(name) for name in ("IP", "IP_END", "PARENT_NETWORK_AR_ID")] == ["10.0.0.1", "10.0.0.2", "0"]
    leases = shown(nets, number).all("AR_POOL/AR/LEASES/LEASE")
    assert [(lease.text("IP"), lease.int("VNET")) for lease in leases] == [("10.0.0.1", child), ("10.0.0.2", child)]
    assert bob.number("one.vn.reserve", number, f"SIZE = 3\nNETWORK_ID = {child}\nIP = 10.0.0.6") == child
    assert shown(nets, number).int("USED_LEASES") == 5
    bob.call("one.vn.free_ar", child, 0)
    assert [ar.text("IP") for ar in shown(nets, child).all("AR_POOL/AR")] == ["10.0.0.6"]
    bob.call("one.vn.delete", child)
    assert shown(nets, number).int("USED_LEASES") == 0


def test_what_cannot_be_reserved_is_refused_and_nothing_is_taken(nets: Daemon) -> None:
    number = network(nets, 'AR = [ TYPE = "IP4", IP = "10.0.0.1", SIZE = "10" ]')
    other = network(nets)
    child = nets.admin.number("one.vn.reserve", number, "NAME = first\nSIZE = 4\nAR_ID = 0")
    for wrong, why, code in (
        ("NAME = second", "SIZE must be greater than 0", 8192), ("NAME = x\nSIZE = 16385", "at most 16384", 8192),
        ("SIZE = 2", "Invalid NAME", 8192),
        ("NAME = second\nSIZE = 7", "Not enough free addresses", 8192),
        ("NAME = second\nSIZE = 2\nIP = 10.0.0.4", "or in use", 8192),
        ("NAME = second\nSIZE = 2\nIP = 10.0.0.10", "or in use", 8192),
        ("NAME = second\nSIZE = 2\nIP = nowhere", "Wrong address", 8192),
        ("NAME = second\nSIZE = 2\nAR_ID = 7", "has no address range 7", 8192),
        ("NAME = first\nSIZE = 2", "NAME is already taken", 8192),
        (f"SIZE = 2\nNETWORK_ID = {other}", "is no reservation", 2048),
        ("SIZE = 2\nNETWORK_ID = 9999", "Error getting virtual network [9999]", 1024),
    ):  # fmt: skip
        text, refused = refusal(nets.one.vn.reserve, number, wrong)
        assert (why in text, refused) == (True, code), text
    assert "reserved network" in refusal(nets.one.vn.reserve, child, "NAME = third\nSIZE = 1")[0]
    assert "is a reservation" in refusal(nets.one.vn.add_ar, child, RANGE)[0]
    assert "and stays" in refusal(nets.one.vn.update_ar, child, "AR = [ AR_ID = 0, SIZE = 9 ]")[0]
    assert "is not reserved" in refusal(nets.one.vn.free_ar, number, 0)[0]
    assert shown(nets, number).int("USED_LEASES") == 4


def test_publish_opens_a_network_to_all_and_lists_it_as_2_x_did(nets: Daemon) -> None:
    number = network(nets)
    quiet = nets.client("bob:secret")

    def listed(*arguments: int) -> bool:
        found = parse(quiet.text("one.vnpool.info", *arguments)).all("VNET")
        return number in [item.int("ID") for item in found]

    assert not listed(-1)
    nets.one.vn.publish(number, True)
    found = shown(nets, number)
    assert (found.int("PUBLIC"), found.int("PERMISSIONS/GROUP_U"), found.int("PERMISSIONS/OTHER_U")) == (1, 1, 1)
    assert (listed(-1), listed(-1, -1, -1), listed(-2), listed()) == (True, False, True, True)
    nets.one.vn.publish(number, False)
    assert (shown(nets, number).int("PUBLIC"), listed(-1)) == (0, False)
    assert shown(nets, network(nets, f"{RANGE}\nPUBLIC = YES")).int("PUBLIC") == 1
    assert refusal(nets.one.vnpool.info, -3) == ("[one.vnpool.info] Incorrect filter_flag, must be >= -2.", 4096)


def test_a_network_is_in_clusters_and_its_vms_run_there_only(nets: Daemon) -> None:
    first, second = (nets.admin.number("one.cluster.allocate", name) for name in ("east", "west"))
    number = network(nets, RANGE, first)
    found = shown(nets, number)
    assert ([item.content for item in found.all("CLUSTERS/ID")], found.text("CLUSTER")) == ([str(first)], "east")
    assert [item.content for item in parse(nets.admin.text("one.cluster.info", first)).all("VNETS/ID")] == [str(number)]
    assert "is not empty" in refusal(nets.one.cluster.delete, first)[0]
    nets.one.cluster.addvnet(second, number)
    vm = nets.allocate(f"NIC = [ NETWORK_ID = {number} ]")
    wanted = f"(CLUSTER_ID = {first} | CLUSTER_ID = {second})"
    assert nets.vm(vm).text("TEMPLATE/AUTOMATIC_REQUIREMENTS") == wanted
    other = network(nets, 'AR = [ TYPE = "IP4", IP = "10.3.0.1", SIZE = "4" ]')
    both = f"NIC = [ NETWORK_ID = {number} ]\nNIC = [ NETWORK_ID = {other} ]"
    assert "Incompatible clusters" in refusal(nets.allocate, both)[0]
    nets.one.cluster.delvnet(first, number)
    assert "is not in cluster" in refusal(nets.one.cluster.delvnet, first, number)[0]
    assert refusal(nets.one.vn.allocate, "NAME = x9\nBRIDGE = br0", 4711)[1] == 1024


def test_a_user_makes_no_networks_and_changes_only_what_he_may(nets: Daemon) -> None:
    ann = nets.client("ann:secret")
    assert refusal(ann.call, "one.vn.allocate", "NAME = hers\nBRIDGE = br0") == (
        "[one.vn.allocate] User [2] : Not authorized to perform CREATE NET. "
        "Ask oneadmin for a rule: oneacl create", 512)  # fmt: skip
    number = network(nets)
    assert "MANAGE NET" in refusal(ann.call, "one.vn.hold", number, "LEASES = [ IP = 10.0.0.1 ]")[0]
    nets.one.vn.chown(number, 2, 1)
    ann.call("one.vn.update", number, "DNS = 10.0.0.3", 1)
    assert refusal(ann.call, "one.vn.update", number, "BRIDGE = br9", 1) == (
        "[one.vn.update] User [2] : Virtual Network Template includes a restricted attribute BRIDGE.", 512)  # fmt: skip
    assert "restricted attribute PHYDEV" in refusal(
        ann.call, "one.vn.update_ar", number, "AR = [ AR_ID = 0, PHYDEV = eth9 ]")[0]  # fmt: skip
    assert "ADMIN NET" in refusal(ann.call, "one.vn.rm_ar", number, 0)[0]


def test_locks_and_names_and_recovery_are_those_of_all_objects(nets: Daemon) -> None:
    number = network(nets)
    nets.one.vn.lock(number, 3)
    assert shown(nets, number).int("LOCK/LOCKED") == 3
    assert refusal(nets.one.vn.add_ar, number, RANGE)[1] == 512
    nets.one.vn.unlock(number)
    nets.one.vn.rename(number, "renamed")
    assert (shown(nets, number).text("NAME"), shown(nets, number).all("LOCK")) == ("renamed", [])
    assert "wrong state READY" in refusal(nets.one.vn.recover, number, 2)[0]
    assert "Wrong recovery operation code" in refusal(nets.one.vn.recover, number, 4)[0]


def test_a_strict_engine_shows_elements_of_the_schema_only(root: Path) -> None:
    with Daemon(root, "STRICT_SCHEMA = YES\n" + SIMULATED) as daemon:
        found = shown(daemon, network(daemon, "TYPE = FIXED\nLEASES = [ IP = 10.1.0.9 ]"))
        names = [child.name for child in found]
    assert names == [
        "ID", "UID", "GID", "UNAME", "GNAME", "NAME", "PERMISSIONS", "CLUSTERS", "BRIDGE", "BRIDGE_TYPE", "STATE",
        "PREV_STATE", "PARENT_NETWORK_ID", "VN_MAD", "PHYDEV", "VLAN_ID", "OUTER_VLAN_ID", "VLAN_ID_AUTOMATIC",
        "OUTER_VLAN_ID_AUTOMATIC", "USED_LEASES", "VROUTERS", "UPDATED_VMS", "OUTDATED_VMS", "UPDATING_VMS",
        "ERROR_VMS", "TEMPLATE", "AR_POOL",
    ]  # fmt: skip


def test_a_network_may_be_given_as_xml(nets: Daemon) -> None:
    given = "<VNET><NAME>of-xml</NAME><BRIDGE>br0</BRIDGE><AR><TYPE>ETHER</TYPE><SIZE>3</SIZE></AR></VNET>"
    found = shown(nets, nets.admin.number("one.vn.allocate", given))
    assert (found.text("AR_POOL/AR/MAC")[:5], found.text("AR_POOL/AR/TYPE")) == ("02:00", "ETHER")


def test_what_a_network_shows_makes_one_that_shows_the_same(nets: Daemon) -> None:
    number = network(nets, f"{RANGE}\nNOTE = \"a<b & 'c'\"")
    found = shown(nets, number)
    attributes = "".join(f'{item.name} = "{item.content}"\n' for item in found.first("TEMPLATE") or ())
    ar = ", ".join(f'{item.name} = "{item.content}"' for item in found.all("AR_POOL/AR")[0] if item.name != "LEASES")
    again = shown(nets, nets.admin.number("one.vn.allocate", f"NAME = again\n{attributes}AR = [ {ar} ]"))

    def rest(document: Document) -> list[object]:
        return [child.to_dict() for child in document if child.name not in ("ID", "NAME")]

    assert rest(again) == rest(found)


def test_changes_of_several_ranges_are_made_together_or_not_at_all(nets: Daemon) -> None:
    number = network(nets, f'{RANGE}\nAR = [ TYPE = "IP4", IP = "10.0.0.9", SIZE = "4" ]')
    before = nets.admin.text("one.vn.info", number)
    for second in ("AR_ID = 7, SIZE = 2", "AR_ID = 1, IP = 10.0.0.2", "AR_ID = 1, SIZE = none"):
        given = f"AR = [ AR_ID = 0, SIZE = 2 ]\nAR = [ {second} ]"
        assert refusal(nets.one.vn.update_ar, number, given)[1] == 8192
        assert nets.admin.text("one.vn.info", number) == before
    nets.one.vn.update_ar(number, "AR = [ AR_ID = 0, SIZE = 2 ]\nAR = [ AR_ID = 1, SIZE = 2 ]")
    assert [ar.text("SIZE") for ar in shown(nets, number).all("AR_POOL/AR")] == ["2", "2"]


@pytest.mark.parametrize("text", ["\u00b2", "\u0663", "9" * 5000, "-1", "1.0", "0x1"])
def test_what_is_no_number_is_refused_as_such(nets: Daemon, text: str) -> None:
    number = network(nets)
    wanted = (
        (nets.one.vn.allocate, (f"NAME = n\nBRIDGE = b\nAR = [ TYPE = ETHER, SIZE = {text} ]",)),
        (nets.one.vn.update_ar, (number, f"AR = [ AR_ID = {text}, SIZE = 2 ]")),
        (nets.one.vn.reserve, (number, f"NAME = n\nSIZE = {text}")),
        (nets.one.vn.reserve, (number, f"NAME = n\nSIZE = 1\nAR_ID = {text}")),
        (nets.one.vm.allocate, (f"CPU = 1\nMEMORY = 1\nNIC = [ NETWORK_ID = {text} ]",)),
    )
    for call, arguments in wanted:
        answer, code = refusal(call, *arguments)
        assert (code, "daemon's log" in answer) == (8192, False), answer


def test_a_reservation_of_an_ipv6_range_has_the_attributes_of_a_range_only(nets: Daemon) -> None:
    number = network(nets, 'AR = [ TYPE = "IP6", SIZE = "8", GLOBAL_PREFIX = "2001:db8::", ULA_PREFIX = "fd00::" ]')
    child = nets.admin.number("one.vn.reserve", number, "NAME = six\nSIZE = 2")
    stored = parse(nets.admin.text("one.vnpool.info", -2, child, child)).all("VNET/AR_POOL/AR")[0]
    assert [item.name for item in stored] == [
        "AR_ID", "GLOBAL_PREFIX", "MAC", "PARENT_NETWORK_AR_ID", "SIZE", "TYPE", "ULA_PREFIX"]  # fmt: skip
