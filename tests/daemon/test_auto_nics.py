"""NETWORK_MODE = auto: networks chosen when a VM is placed, by the scheduler or by who deploys it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oned.client.documents import Document, parse
from tests.daemon.process import SIMULATED, Daemon, refusal, until

CAPACITY = "CPU = 0.1\nMEMORY = 16\n"
AUTO = "NIC = [ NETWORK_MODE = auto{} ]\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("auto"), SIMULATED) as daemon:
        daemon.monitored("alpha")
        yield daemon
        assert daemon.check() == []


@pytest.fixture(autouse=True)
def nets(site: Daemon) -> Iterator[tuple[int, int]]:
    """Networks `lan`, of two addresses, and `dmz`, of one."""
    ar = 'AR = [ TYPE = IP4, IP = "10.{}.0.1", SIZE = {} ]\nDNS = 10.9.9.9'
    made = [
        site.admin.number("one.vn.allocate", f"NAME = {name}\nVN_MAD = bridge\nBRIDGE = b{name}\n{ar.format(*row)}")
        for name, row in (("lan", (1, 2)), ("dmz", (2, 1)))
    ]
    yield made[0], made[1]
    for vm in parse(site.admin.text("one.vmpool.info", -2, -1, -1, -1)).all("VM"):
        site.one.vm.recover(vm.int("ID"), 3)
        site.reaches(vm.int("ID"), "DONE")
    for number in made:
        site.one.vn.delete(number)


@contextmanager
def scheduling(site: Daemon) -> Iterator[None]:
    """A scheduler that looks when something happens, and hardly otherwise."""
    command = [sys.executable, "-m", "oned.sched", "-s", "-t", "3600"]
    environment = {**site.environment, "ONE_XMLRPC": site.admin.endpoint}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def nics(site: Daemon, vm: int) -> list[Document]:
    return site.vm(vm).all("TEMPLATE/NIC")


def used(site: Daemon, *nets: int) -> list[int]:
    return [parse(site.admin.text("one.vn.info", net)).int("USED_LEASES") for net in nets]


def explained(site: Daemon, vm: int) -> str:
    return parse(site.admin.text("oned.vm.explain", vm)).text("SUMMARY")


def test_the_scheduler_chooses_a_network_for_each_nic(site: Daemon, nets: tuple[int, int]) -> None:
    rank = ', SCHED_RANK = "ID"'
    more = "CONTEXT = [ NETWORK = YES ]"
    vm = site.allocate(AUTO.format(rank) + AUTO.format(', SCHED_REQUIREMENTS = "NAME = lan"') + more)
    assert [nic.text("NETWORK_ID") for nic in nics(site, vm)] == ["", ""]
    assert (used(site, *nets), site.vm(vm).first("TEMPLATE/CONTEXT/ETH0_IP")) == ([0, 0], None)
    with scheduling(site):
        site.reaches(vm, "RUNNING")
    found = [(nic.text("NETWORK"), nic.text("IP"), nic.text("BRIDGE"), nic.text("TARGET")) for nic in nics(site, vm)]
    assert found == [("dmz", "10.2.0.1", "bdmz", f"one-{vm}-0"), ("lan", "10.1.0.1", "blan", f"one-{vm}-1")]
    context = site.vm(vm).first("TEMPLATE/CONTEXT")
    assert context is not None
    told = [context.text(name) for name in ("ETH0_IP", "ETH1_IP", "ETH0_DNS")]
    assert (told, used(site, *nets)) == (["10.2.0.1", "10.1.0.1", "10.9.9.9"], [1, 1])
    domain = Path(site.var, "vms", str(vm), "deployment.0").read_text()
    assert "bdmz" in domain
    site.one.vm.action("terminate-hard", vm)
    site.reaches(vm, "DONE")
    assert used(site, *nets) == [0, 0]


def test_a_vm_waits_until_there_is_an_address_and_is_told_why(site: Daemon, nets: tuple[int, int]) -> None:
    only = AUTO.format(', SCHED_REQUIREMENTS = "NAME = dmz"')
    with scheduling(site):
        first = site.allocate(only)
        site.reaches(first, "RUNNING")
        second = site.allocate(only)
        why = "NIC 0: no network that it could be in has a free address"
        until(lambda: why in explained(site, second), "the reason")
        site.one.vm.action("terminate-hard", first)
        site.reaches(second, "RUNNING")
    assert used(site, *nets) == [0, 1]


def test_who_deploys_by_hand_names_the_networks(site: Daemon, nets: tuple[int, int]) -> None:
    vm, host = site.allocate(AUTO.format("")), site.host("alpha")
    lan, choice = nets[0], "NIC = [ NIC_ID = {}, NETWORK_ID = {} ]"
    for given, why, code in (
        ("", "no network was chosen for it", 2048),
        ("NIC = [ NIC_ID = 0, NETWORK = lan ]", "no network was chosen for it", 2048),
        (choice.format(7, lan), "waits for no network to be chosen", 2048),
        (choice.format(0, 999), "Virtual network with ID: 999 does not exist", 8192),
        ("NIC = [", "", 8192),
    ):
        text, number = refusal(site.admin.call, "one.vm.deploy", vm, host, False, -1, given)
        assert (why in text, number) == (True, code), text
    assert (site.state(vm), used(site, *nets)) == ("PENDING", [0, 0])
    site.admin.call("one.vm.deploy", vm, host, False, -1, choice.format(0, lan))
    site.reaches(vm, "RUNNING")
    assert (nics(site, vm)[0].text("NETWORK_ID"), used(site, *nets)) == (str(lan), [1, 0])


def test_what_refuses_a_deploy_leaves_no_lease_behind(site: Daemon, nets: tuple[int, int]) -> None:
    uid, host = site.admin.number("one.user.allocate", "eve", "secret"), site.host("alpha")
    site.one.user.quota(uid, f"NETWORK = [ ID = {nets[0]}, LEASES = 1 ]")
    eve = site.client("eve:secret")
    first, second = (eve.number("one.vm.allocate", CAPACITY + AUTO.format("")) for _ in range(2))
    choice = f"NIC = [ NIC_ID = 0, NETWORK_ID = {nets[0]} ]"
    site.admin.call("one.vm.deploy", first, host, False, -1, choice)
    text, code = refusal(site.admin.call, "one.vm.deploy", second, host, False, -1, choice)
    assert ("limit of 1 reached for LEASES" in text, code) == (True, 512), text
    until(lambda: parse(site.admin.text("one.datastore.info", 0)).int("TOTAL_MB"), "the measure")
    large = site.allocate(AUTO.format("") + "DISK = [ TYPE = fs, FORMAT = raw, SIZE = 600000 ]", hold=True)
    assert "Not enough room" in refusal(site.admin.call, "one.vm.deploy", large, host, True, -1, choice)[0]
    assert (used(site, *nets), site.state(second), site.state(large)) == ([1, 0], "PENDING", "HOLD")
    cluster = site.admin.number("one.cluster.allocate", "elsewhere")
    site.one.cluster.addvnet(cluster, nets[1])
    site.one.cluster.delvnet(0, nets[1])
    other = f"NIC = [ NIC_ID = 0, NETWORK_ID = {nets[1]} ]"
    assert f"network {nets[1]} is not" in refusal(site.admin.call, "one.vm.deploy", second, host, False, -1, other)[0]
    site.reaches(first, "RUNNING")


def test_a_vm_that_got_its_network_is_bound_to_the_clusters_of_it(site: Daemon, nets: tuple[int, int]) -> None:
    vm = site.allocate(AUTO.format(""))
    assert site.vm(vm).first("TEMPLATE/AUTOMATIC_REQUIREMENTS") is None
    choice = f"NIC = [ NIC_ID = 0, NETWORK_ID = {nets[0]} ]"
    site.admin.call("one.vm.deploy", vm, site.host("alpha"), False, -1, choice)
    assert site.vm(vm).text("TEMPLATE/AUTOMATIC_REQUIREMENTS") == "(CLUSTER_ID = 0)"
    assert site.vm(vm).text("TEMPLATE/NIC/AR_ID") == "0"
    site.reaches(vm, "RUNNING")
