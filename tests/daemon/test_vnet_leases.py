"""Leases: what the NICs of VMs get, keep and give back."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import pytest

from oned.client.client import Client
from oned.client.documents import Document, parse
from oned.client.failures import ServerRefused
from tests.daemon.process import SIMULATED, Daemon, Unreachable, refusal

WORKERS = 8
CAPACITY = "CPU = 0.1\nMEMORY = 16\n"


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with two users, whose networks and leases must be sound in the end."""
    with Daemon(tmp_path_factory.mktemp("leases"), SIMULATED) as daemon:
        for name in ("ann", "bob"):
            daemon.one.user.allocate(name, "secret")
        yield daemon
        assert daemon.check() == []


_numbers = iter(range(1, 250))


def network(daemon: Daemon, size: int = 4, more: str = "") -> tuple[int, str]:
    """A network with addresses of its own, and the first three bytes of them."""
    number = next(_numbers)
    base = f"10.{number}.0"
    ar = f'AR = [ TYPE = "IP4", IP = "{base}.1", SIZE = "{size}" ]'
    template = f"NAME = lan{number}\nVN_MAD = bridge\nBRIDGE = br{number}\n{ar}\n{more}"
    return daemon.admin.number("one.vn.allocate", template), base


def vm(one: Client, nic: str, more: str = "") -> int:
    return one.number("one.vm.allocate", f"{CAPACITY}NIC = [ {nic} ]\n{more}")


def nic_of(daemon: Daemon, number: int, place: int = 0) -> dict[str, str]:
    nic = daemon.vm(number).all("TEMPLATE/NIC")[place]
    return {child.name: child.content for child in nic}


def shown(daemon: Daemon, number: int) -> Document:
    return parse(daemon.admin.text("one.vn.info", number))


def holders(daemon: Daemon, number: int) -> dict[str, int]:
    """Address → VM of each lease."""
    leases = shown(daemon, number).all("AR_POOL/AR/LEASES/LEASE")
    return {lease.text("IP"): lease.int("VM") for lease in leases}


def ended(daemon: Daemon, number: int) -> None:
    daemon.one.vm.action("terminate-hard", number)
    daemon.reaches(number, "DONE")


def test_a_nic_gets_an_address_and_what_its_network_says(nets: Daemon) -> None:
    net, base = network(nets, more="VLAN_ID = 7\nPHYDEV = eth1\nMTU = 1400")
    number = vm(nets.admin, f"NETWORK_ID = {net}")
    mac = f"02:00:0a:{int(base.split('.')[1]):02x}:00:01"
    name = f"lan{base.split('.')[1]}"
    assert nic_of(nets, number) == {
        "AR_ID": "0", "BRIDGE": f"br{base.split('.')[1]}", "CLUSTER_ID": "0", "IP": f"{base}.1", "MAC": mac,
        "MTU": "1400", "NAME": "NIC0", "NETWORK": name, "NETWORK_ID": str(net), "NIC_ID": "0", "PHYDEV": "eth1",
        "SECURITY_GROUPS": "0", "TARGET": f"one-{number}-0", "VLAN_ID": "7", "VN_MAD": "bridge",
    }  # fmt: skip
    assert nets.vm(number).text("TEMPLATE/AUTOMATIC_REQUIREMENTS") == "(CLUSTER_ID = 0)"
    assert nets.vm(number).text("TEMPLATE/AUTOMATIC_DS_REQUIREMENTS") == '("CLUSTERS/ID" @> 0)'
    assert holders(nets, net) == {f"{base}.1": number}


def test_the_nics_of_one_vm_get_different_addresses(nets: Daemon) -> None:
    net, base = network(nets)
    number = vm(nets.admin, f"NETWORK_ID = {net}", f"NIC = [ NETWORK_ID = {net}, IP = {base}.1 ]")
    assert [nic_of(nets, number, place)["IP"] for place in (0, 1)] == [f"{base}.2", f"{base}.1"]


def test_an_address_that_was_given_back_is_used_last(nets: Daemon) -> None:
    net, base = network(nets, 3)
    first = vm(nets.admin, f"NETWORK_ID = {net}")
    ended(nets, first)
    assert holders(nets, net) == {}
    given = [nic_of(nets, vm(nets.admin, f"NETWORK_ID = {net}"))["IP"] for _ in range(3)]
    assert given == [f"{base}.2", f"{base}.3", f"{base}.1"]


def test_what_cannot_be_had_is_refused_and_nothing_is_taken(nets: Daemon) -> None:
    net, base = network(nets, 2)
    other, _ = network(nets)
    vm(nets.admin, f"NETWORK_ID = {net}, IP = {base}.2")
    lacks = f"[one.vm.allocate] Cannot get IP/MAC lease from virtual network {net}."
    for nic, why in (
        (f"NETWORK_ID = {net}, IP = {base}.2", f"{base}.2 is in use"),
        (f"NETWORK_ID = {net}, IP = {base}.3", f"{base}.3 is no address of it"),
        (f'NETWORK_ID = {net}, MAC = "02:00:00:00:00:01"', "02:00:00:00:00:01 is no address of it"),
        (f"NETWORK_ID = {net}, IP = nonsense", "Expected 4 octets in 'nonsense'"),
    ):
        assert refusal(vm, nets.admin, f"NETWORK_ID = {other}", f"NIC = [ {nic} ]") == (f"{lacks} {why}", 8192)
    twice = f"NIC = [ NETWORK_ID = {net} ]\n" * 2
    assert refusal(vm, nets.admin, f"NETWORK_ID = {other}", twice)[0].startswith(f"{lacks} All its 2 addresses")
    assert (holders(nets, other), list(holders(nets, net))) == ({}, [f"{base}.2"])


def test_a_network_that_is_not_there_is_named(nets: Daemon) -> None:
    text, code = refusal(vm, nets.admin, "NETWORK_ID = 999")
    assert (text.startswith("[one.vm.allocate] Virtual network with ID: 999 does not exist"), code) == (True, 8192)
    wanted = "User 0 does not own a network with name: nowhere . Set NETWORK_UNAME or NETWORK_UID of owner in NIC."
    assert refusal(vm, nets.admin, "NETWORK = nowhere") == (f"[one.vm.allocate] {wanted}", 8192)


def test_a_network_is_named_by_its_owner_or_with_him(nets: Daemon) -> None:
    net, base = network(nets)
    name, ann = f"lan{base.split('.')[1]}", nets.client("ann:secret")
    assert nic_of(nets, vm(nets.admin, f"NETWORK = {name}"))["NETWORK_ID"] == str(net)
    assert "User 2 does not own" in refusal(vm, ann, f"NETWORK = {name}")[0]
    for owner in ("NETWORK_UNAME = oneadmin", "NETWORK_UID = 0"):
        assert nic_of(nets, vm(ann, f"NETWORK = {name}, {owner}"))["NETWORK_ID"] == str(net)


def test_a_user_needs_the_right_to_use_the_network_and_no_lock_on_it(nets: Daemon) -> None:
    net, _ = network(nets)
    ann = nets.client("ann:secret")
    rule = next(item for item in parse(nets.admin.text("one.acl.info")) if "NET/* USE" in item.text("STRING"))
    assert rule.text("STRING").startswith("@1")
    nets.one.vn.lock(net, 1)
    assert refusal(vm, ann, f"NETWORK_ID = {net}") == (f"[one.vm.allocate] User [2] : NET is locked. [{net}].", 512)
    nets.one.vn.unlock(net)
    assert nic_of(nets, vm(ann, f"NETWORK_ID = {net}"))["NETWORK_ID"] == str(net)


def test_a_nic_without_a_network_is_left_alone(nets: Daemon) -> None:
    number = vm(nets.admin, 'BRIDGE = br9, MAC = "02:00:00:00:00:09"')
    assert nic_of(nets, number) == {"BRIDGE": "br9", "MAC": "02:00:00:00:00:09", "NAME": "NIC0", "NIC_ID": "0"}


def test_no_network_is_chosen_for_a_nic_of_a_vm_that_is_there(nets: Daemon) -> None:
    resting = vm(nets.admin, "BRIDGE = br9")
    nets.one.vm.deploy(resting, nets.monitored("alpha"))
    nets.reaches(resting, "RUNNING")
    nets.one.vm.action("poweroff-hard", resting)
    nets.reaches(resting, "POWEROFF")
    for given in ("NETWORK_MODE = auto", "NETWORK = lan1, NETWORK_MODE = auto"):
        text, code = refusal(nets.admin.call, "one.vm.attachnic", resting, f"NIC = [ {given} ]")
        assert ("a network is chosen when a VM is deployed. Name its network" in text, code) == (True, 8192), text
    assert len(nets.vm(resting).all("TEMPLATE/NIC")) == 1


def test_a_nic_without_a_network_has_a_mac_or_none(nets: Daemon) -> None:
    for given in ("zz", "02:00:00:00:09", "02:00:00:00:00:0g"):
        text, code = refusal(vm, nets.admin, f'BRIDGE = br9, MAC = "{given}"')
        assert (text, code) == (
            f"[one.vm.allocate] MAC of the NIC: {given!r} is no MAC. It has six bytes, as 02:00:0a:00:00:01", 8192
        )  # fmt: skip


def test_nic_default_fills_what_nics_do_not_say(nets: Daemon) -> None:
    net, _ = network(nets)
    number = vm(nets.admin, f"NETWORK_ID = {net}, MODEL = e1000", "NIC_DEFAULT = [ MODEL = virtio, FILTER = clean ]")
    assert (nic_of(nets, number)["MODEL"], nic_of(nets, number)["FILTER"]) == ("e1000", "clean")


def test_what_the_network_says_counts_and_not_what_the_user_writes(nets: Daemon) -> None:
    net, base = network(nets)
    number = vm(nets.admin, f'NETWORK_ID = {net}, BRIDGE = other, VLAN_ID = 9, AR_ID = 5, IP6 = ""')
    nic = nic_of(nets, number)
    assert (nic["BRIDGE"], nic["AR_ID"], "VLAN_ID" in nic) == (f"br{base.split('.')[1]}", "0", False)


# --- many at once, and what outlives the engine ---


def at_once(daemon: Daemon, count: int, call: Callable[[Client, int], int]) -> tuple[list[int], list[str]]:
    """What so many calls answer that run side by side, each over a connection of its own: numbers, and refusals."""
    answered: list[int] = []
    refused: list[str] = []

    def work(clients: int) -> None:
        one = daemon.client("oneadmin:opennebula")
        for number in range(clients, count, WORKERS):
            try:
                answered.append(call(one, number))
            except ServerRefused as error:
                refused.append(error.text)

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, range(WORKERS)))
    return answered, refused


def instantiated(daemon: Daemon, net: int) -> Callable[[Client, int], int]:
    """Calls of one.vm.allocate and one.template.instantiate in turn, for one NIC in the network."""
    text = f"NAME = t{net}\n{CAPACITY}NIC = [ NETWORK_ID = {net} ]"
    template = daemon.admin.number("one.template.allocate", text)

    def call(one: Client, number: int) -> int:
        if number % 2:
            return vm(one, f"NETWORK_ID = {net}")
        return one.number("one.template.instantiate", template, f"vm{number}", False, "")

    return call


def test_200_at_once_for_100_addresses_get_exactly_100(nets: Daemon) -> None:
    net, base = network(nets, 100)
    made, refused = at_once(nets, 200, instantiated(nets, net))
    assert (len(made), len(refused)) == (100, 100)
    assert all(f"Cannot get IP/MAC lease from virtual network {net}." in text for text in refused)
    had = holders(nets, net)
    assert set(had) == {f"{base}.{number}" for number in range(1, 101)}
    assert sorted(had.values()) == sorted(made)
    assert {nic_of(nets, number)["IP"]: number for number in made} == had


def test_a_network_is_deleted_or_used_but_never_both(nets: Daemon) -> None:
    for _ in range(20):
        net, _ = network(nets, 4)

        def call(one: Client, number: int, net: int = net) -> int:
            return one.number("one.vn.delete", net) if number == 3 else vm(one, f"NETWORK_ID = {net}")

        answered, refused = at_once(nets, 4, call)
        if any("virtual network with leases in use" in text for text in refused):
            assert len(holders(nets, net)) == len(answered) == 3
        else:
            assert refusal(nets.one.vn.info, net)[1] == 1024
            assert answered == [net]
            assert len(refused) == 3


def test_leases_outlive_the_engine(root: Path) -> None:
    with Daemon(root, SIMULATED) as daemon:
        net, base = network(daemon, 8)
        made = [vm(daemon.admin, f"NETWORK_ID = {net}") for _ in range(3)]
        daemon.one.vn.hold(net, f"LEASES = [ IP = {base}.5 ]")
        ended(daemon, made[0])
        before = daemon.admin.text("one.vn.info", net)
        for end in (daemon.stop, daemon.kill):
            end()
            daemon.restart()
            assert daemon.admin.text("one.vn.info", net) == before
        assert refusal(vm, daemon.admin, f"NETWORK_ID = {net}, IP = {base}.2")[1] == 8192
        assert nic_of(daemon, vm(daemon.admin, f"NETWORK_ID = {net}, IP = {base}.1"))["IP"] == f"{base}.1"
        assert daemon.check() == []


def test_an_engine_that_is_killed_has_given_what_it_answered(root: Path) -> None:
    with Daemon(root, SIMULATED) as daemon:
        net, _ = network(daemon, 250)
        made: list[int] = []
        once = Lock()

        def work(_worker: int) -> None:
            one = daemon.client("oneadmin:opennebula")
            try:
                while True:
                    made.append(vm(one, f"NETWORK_ID = {net}"))
                    if len(made) >= 60 and once.acquire(blocking=False):
                        daemon.kill()
            except Unreachable:
                return

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        daemon.restart()
        had = holders(daemon, net)
        assert set(made) <= set(had.values())
        assert len(set(had.values())) == len(had)
        assert daemon.check() == []


def test_a_forced_removal_of_a_range_ends_its_leases(nets: Daemon) -> None:
    net, base = network(nets)
    number = vm(nets.admin, f"NETWORK_ID = {net}")
    nets.one.vn.rm_ar(net, 0, True)
    assert (holders(nets, net), nic_of(nets, number)["IP"]) == ({}, f"{base}.1")
    assert nets.one.vn.delete(net) == net
    ended(nets, number)


def test_a_reservation_gives_its_own_addresses(nets: Daemon) -> None:
    net, base = network(nets)
    child = nets.admin.number("one.vn.reserve", net, f"NAME = part{net}\nSIZE = 2\nIP = {base}.2")
    given = [nic_of(nets, vm(nets.admin, f"NETWORK_ID = {child}"))["IP"] for _ in range(2)]
    assert given == [f"{base}.2", f"{base}.3"]
    assert "All its 2 addresses are in use" in refusal(vm, nets.admin, f"NETWORK_ID = {child}")[0]
    rest = [nic_of(nets, vm(nets.admin, f"NETWORK_ID = {net}"))["IP"] for _ in range(2)]
    assert rest == [f"{base}.1", f"{base}.4"]


def test_a_vm_that_is_powered_off_gets_and_gives_back_a_nic(simulated: Daemon) -> None:
    net, base = network(simulated)
    number = vm(simulated.admin, f"NETWORK_ID = {net}")
    another = f"NIC = [ NETWORK_ID = {net}, MODEL = virtio ]"
    text, code = refusal(simulated.one.vm.attachnic, number, another)
    assert (f"Could not add a new NIC to VM {number}, wrong state PENDING" in text, code) == (True, 2048)
    simulated.one.vm.deploy(number, simulated.monitored("alpha"))
    simulated.reaches(number, "RUNNING")
    simulated.one.vm.action("poweroff-hard", number)
    simulated.reaches(number, "POWEROFF")
    assert simulated.admin.number("one.vm.attachnic", number, another) == number
    nic = nic_of(simulated, number, 1)
    assert [nic[key] for key in ("NIC_ID", "IP", "MODEL", "TARGET")] == ["1", f"{base}.2", "virtio", f"one-{number}-1"]
    assert simulated.state(number) == "POWEROFF"
    assert "NIC_ID 9, it does not exist" in refusal(simulated.one.vm.detachnic, number, 9)[0]
    assert "it has not one NIC" in refusal(simulated.one.vm.attachnic, number, "A = 1")[0]
    simulated.one.vm.detachnic(number, 0)
    assert holders(simulated, net) == {f"{base}.2": number}
    simulated.one.vm.action("resume", number)
    simulated.reaches(number, "RUNNING")
    ended(simulated, number)
    assert holders(simulated, net) == {}
    assert simulated.check() == []


def test_a_nic_in_a_network_of_another_cluster_is_not_attached(simulated: Daemon) -> None:
    net, _ = network(simulated)
    elsewhere = simulated.admin.number("one.cluster.allocate", "elsewhere")
    simulated.one.cluster.addvnet(elsewhere, net)
    simulated.one.cluster.delvnet(0, net)
    number = simulated.allocate()
    simulated.one.vm.deploy(number, simulated.monitored("alpha"))
    simulated.reaches(number, "RUNNING")
    simulated.one.vm.action("poweroff-hard", number)
    simulated.reaches(number, "POWEROFF")
    text, code = refusal(simulated.one.vm.attachnic, number, f"NIC = [ NETWORK_ID = {net} ]")
    assert (f"VM {number} is in cluster 0, and network {net} is not" in text, code) == (True, 2048)
    assert holders(simulated, net) == {}
