"""Nodes as VMs of a real oned with simulated hosts: addresses and names, one VM for a token, and its end."""

import itertools
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from oned.client.client import Client, Value
from oned.client.documents import parse
from oned.elastic.node import PLANNED
from oned.elastic.policy import NodeClass
from oned.elastic.provider import Provider, ProviderDown, Refusal
from oned.elastic.reading import Addresses, Node
from oned.elastic.records import Lease, Record
from tests.daemon.process import ADMIN, Daemon, until

numbers = itertools.count()
NETWORK = """
BRIDGE = br0
VN_MAD = dummy
SGE = YES
AR = [ TYPE = IP4, IP = 10.{number}.0.1, SIZE = 1, NAME = master-twin ]
AR = [ TYPE = IP4, IP = 10.{number}.1.1, SIZE = 3 ]
"""


class Site:
    """A network for nodes and a class with a template in it; its nodes have the cluster of the test's own."""

    def __init__(self, oned: Daemon) -> None:
        number = next(numbers)
        self.oned, self.number = oned, number
        self.network = oned.admin.number("one.vn.allocate", f"NAME = net{number}\n{NETWORK.format(number=number)}", -1)
        template = f'NAME = worker{number}\nCPU = 0.1\nMEMORY = 64\nNIC = [ NETWORK = "net{number}" ]\n'
        self.template = oned.one.template.allocate(template + "CONTEXT = [ SITE = here ]\nEC2 = [ AMI = ami-1 ]\n")
        self.klass = NodeClass("local", template=f"worker{number}")
        self.provider = self.provider_as("cluster")

    def provider_as(self, cluster: str, one: Client | None = None) -> Provider:
        return Provider(
            one or self.oned.admin,
            f"{cluster}{self.number}",
            "wn%03d",
            lambda record, klass: {"NODE_NAME": record.lease.name},
        )

    def record(self, lease: Lease, token: str) -> Record:
        return Record(Node(lease.name, "local", PLANNED, 0, f"{token}-{self.number}"), lease)

    def records(self, count: int) -> list[Record]:
        leases = self.provider.leases(self.klass, count, ())
        return [self.record(lease, f"token{place}") for place, lease in enumerate(leases)]

    def start(self, record: Record, provider: Provider | None = None) -> int | str:
        return (provider or self.provider).start([(record, self.klass)])[record.node.token]

    def holders(self) -> dict[str, int]:
        leases = parse(self.oned.admin.text("one.vn.info", self.network)).all("AR_POOL/AR/LEASES/LEASE")
        return {lease.text("IP"): lease.int("VM") for lease in leases}


@pytest.fixture
def site(simulated: Daemon, sound: None) -> Iterator[Site]:
    site = Site(simulated)
    yield site
    for guest in site.provider.guests():
        site.provider.stop({guest.token: True})


def test_addresses_have_the_names_of_the_network_or_of_the_pattern_and_those_of_nodes_are_left_out(site: Site) -> None:
    leases = site.provider.leases(site.klass, 10, ())
    assert [lease.name for lease in leases] == ["master-twin", "wn002", "wn003", "wn004"]
    net = f"10.{site.number}"
    assert (leases[1].ip, leases[1].mac) == (f"{net}.1.1", f"02:00:0a:{site.number:02x}:01:01")
    taken = site.record(replace(leases[0], name="wn003"), "other")
    assert [lease.name for lease in site.provider.leases(site.klass, 1, [taken])] == ["wn002"]


def test_addresses_are_counted_with_those_that_nodes_have_and_without_those_of_others(site: Site) -> None:
    network = site.network
    assert site.provider.addresses([site.klass], ()) == {"local": Addresses(network, 4)}
    first, second = site.records(2)
    site.provider.hold([first])
    assert site.provider.addresses([site.klass], [first]) == {"local": Addresses(network, 4)}
    assert site.provider.addresses([site.klass], [first, second]) == {"local": Addresses(network, 4)}
    assert site.provider.addresses([site.klass], ()) == {"local": Addresses(network, 3)}
    assert site.provider.addresses([replace(site.klass, template="nothing")], ()) == {}


def test_a_held_address_is_kept_for_the_node_and_becomes_its_vms(site: Site) -> None:
    first, second = site.records(2)
    assert site.provider.hold([first, second]) == {}
    assert site.provider.hold([first]) == {}
    assert set(site.holders().values()) == {-1}
    vm = site.start(first)
    assert site.holders() == {first.lease.ip: vm, second.lease.ip: -1}
    assert site.provider.hold([first]) == {}


def test_a_vm_has_the_name_the_address_the_context_and_the_token_of_its_node(site: Site) -> None:
    (record,) = site.records(1)
    vm = site.oned.vm(int(site.start(record)))
    assert vm.text("NAME") == record.lease.name
    assert (vm.text("TEMPLATE/NIC/IP"), vm.text("TEMPLATE/NIC/MAC")) == (record.lease.ip, record.lease.mac)
    assert (vm.text("TEMPLATE/CONTEXT/NODE_NAME"), vm.text("TEMPLATE/CONTEXT/SITE")) == (record.lease.name, "here")
    ec2 = vm.first("USER_TEMPLATE/EC2") or vm.first("TEMPLATE/EC2")
    assert ec2 is not None
    assert (ec2.text("AMI"), ec2.text("CLIENTTOKEN")) == ("ami-1", record.node.token)
    assert f"ONESGE_NODE={record.lease.name}" in ec2.text("TAGS").split(",")


def test_a_class_that_names_an_image_starts_its_ami_and_says_what_to_do_without_one(site: Site) -> None:
    image = f"NAME = disk{site.number}\nSOURCE = /none\nFORMAT = raw\nSIZE = 1"
    oid = site.oned.admin.number("one.image.allocate", image, 1)
    section = f"EC2 = [ IMAGE = disk{site.number}, REGION = eu, INSTANCETYPE = m5.large ]"
    site.oned.one.template.update(site.template, section, 1)
    with pytest.raises(Refusal, match=f"class local: image disk{site.number} is no AMI in eu: onesge image publish"):
        site.records(1)
    site.oned.one.image.update(oid, "EC2_AMI = [ REGION = eu, AMI = ami-7 ]\nEC2_AMI = [ REGION = us, AMI = ami-8 ]", 1)
    (record,) = site.records(1)
    vm = site.oned.vm(int(site.start(record)))
    ec2 = vm.first("USER_TEMPLATE/EC2") or vm.first("TEMPLATE/EC2")
    assert ec2 is not None
    assert [ec2.text(name) for name in ("AMI", "INSTANCETYPE", "IMAGE")] == ["ami-7", "m5.large", ""]


def test_a_template_or_a_network_that_just_anybody_gave_the_name_is_never_taken(site: Site) -> None:
    name = f"bob{site.number}"
    bob = site.oned.people(name)[name]
    his = f"CPU = 0.1\nMEMORY = 16\nNIC = [ NETWORK_ID = {site.network} ]\n"
    bob.number("one.template.allocate", f"NAME = worker{site.number}\n{his}")
    foreign = bob.number("one.template.allocate", f"NAME = his{site.number}\n{his}")
    network = "BRIDGE = b\nVN_MAD = dummy\nSGE = YES\nAR = [ TYPE = IP4, IP = 10.250.0.1, SIZE = 1 ]"
    twin = site.oned.admin.number("one.vn.allocate", f"NAME = bobs{site.number}\n{network}", -1)
    site.oned.one.vn.chown(twin, parse(bob.text("one.user.info", -1)).int("ID"), -1)
    site.oned.one.vn.rename(twin, f"net{site.number}")
    (record,) = site.records(1)
    assert record.lease.network == site.network
    assert site.oned.vm(int(site.start(record))).int("TEMPLATE/TEMPLATE_ID") == site.template
    with pytest.raises(Refusal, match=f"template his{site.number} is {name}'s, and only those of our own user"):
        site.provider.leases(replace(site.klass, template=f"his{site.number}"), 1, ())
    for named in (str(foreign), f"{name}/his{site.number}"):
        assert site.provider.leases(replace(site.klass, template=named), 1, ())


def test_a_node_that_is_started_again_gets_the_vm_that_it_has(site: Site) -> None:
    (record,) = site.records(1)
    vm = site.start(record)
    assert site.start(record) == vm
    assert [guest.vm for guest in site.provider.guests()] == [vm]
    assert [(seen.vm, seen.token) for seen in site.provider.vms().items] == [(vm, record.node.token)]


def test_a_vm_that_was_ordered_before_without_an_answer_and_is_made_only_now_is_the_nodes(site: Site) -> None:
    (record,) = site.records(1)

    class Late(Client):
        """Of two orders the first is done only when the second is there."""

        def call(self, method: str, *arguments: Value) -> Value:
            if method == "one.template.instantiate":
                super().call(method, *arguments)
            return super().call(method, *arguments)

    with closing(Late(site.oned.endpoint, ADMIN, 60)) as late:
        vm = site.start(record, site.provider_as("cluster", late))
    assert [(guest.vm, guest.token) for guest in site.provider.guests()] == [(vm, record.node.token)]
    assert site.holders() == {record.lease.ip: vm}


def test_the_vms_of_another_cluster_and_of_nobody_are_not_ours(site: Site) -> None:
    site.oned.allocate()
    others = site.provider_as("other")
    first, second = site.records(2)
    site.start(first)
    vm = site.start(second, others)
    assert [guest.vm for guest in others.guests()] == [vm]
    others.stop({second.node.token: True})
    until(lambda: not others.guests())


def test_an_address_that_somebody_took_is_refused_and_stays_his(site: Site) -> None:
    (record,) = site.records(1)
    nic = f'NIC = [ NETWORK = "net{site.number}", IP = "{record.lease.ip}" ]'
    vm = site.oned.allocate(nic)
    assert site.provider.hold([record]) == {record.node.token: f"{record.lease.ip} was taken by VM {vm}"}
    assert "in use" in str(site.start(record))
    assert site.holders() == {record.lease.ip: vm}


def test_an_address_whose_network_is_gone_is_refused_and_those_of_others_are_kept(site: Site) -> None:
    first, second = site.records(2)
    gone = replace(second, lease=replace(second.lease, network=9999))
    refused = site.provider.hold([first, gone])
    assert list(refused) == [gone.node.token]
    assert "9999" in refused[gone.node.token]
    assert site.holders() == {first.lease.ip: -1}


@pytest.mark.parametrize("state", ["PENDING", "RUNNING"])
def test_a_vm_that_is_stopped_goes_and_its_address_can_be_held_and_let_go(site: Site, state: str) -> None:
    (record,) = site.records(1)
    vm = int(site.start(record))
    if state == "RUNNING":
        site.oned.one.vm.deploy(vm, site.oned.host("alpha"))
        site.oned.reaches(vm, state)
        assert site.provider.vms().items[0].running
    site.provider.stop({record.node.token: False})
    until(lambda: not site.provider.guests())
    assert site.holders() == {}
    site.provider.keep(record.lease)
    assert site.holders() == {record.lease.ip: -1}
    for _ in range(2):
        site.provider.release(record.lease)
    assert site.holders() == {}


def test_a_vm_without_a_node_is_reaped_and_until_then_its_console_tells_of_it(site: Site) -> None:
    (record,) = site.records(1)
    vm = int(site.start(record))
    assert "is PENDING" in site.provider.console(record.node.token)
    site.provider.reap([vm])
    until(lambda: not site.provider.guests())
    assert site.provider.console(record.node.token) == "There is no VM of it.\n"


def test_a_class_without_a_template_or_a_network_for_nodes_is_refused_with_what_to_do(site: Site) -> None:
    with pytest.raises(Refusal, match="class x: there is no template none"):
        site.provider.leases(NodeClass("x", template="none"), 1, ())
    with pytest.raises(Refusal, match="Error getting"):
        site.provider.leases(NodeClass("x", template="9999"), 1, ())
    site.oned.one.template.allocate(f"NAME = bare{site.number}\nCPU = 1\nMEMORY = 64\n")
    with pytest.raises(Refusal, match="Put one into a network with SGE = YES"):
        site.provider.leases(NodeClass("x", template=f"bare{site.number}"), 1, ())


def test_an_oned_that_does_not_answer_is_told_apart_from_one_that_refuses(site: Site) -> None:
    nobody = site.provider_as("cluster", Client("http://127.0.0.1:9/RPC2", "oneadmin:opennebula", 1))
    with pytest.raises(ProviderDown, match="cannot reach oned"):
        nobody.vms()
