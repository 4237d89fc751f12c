"""Hosts in EC2 beside hosts of one's own, under a real oned and scheduler, with the stub for Amazon."""

import base64
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.client.documents import parse
from oned.elastic.node import PLANNED
from oned.elastic.policy import NodeClass
from oned.elastic.provider import Provider
from oned.elastic.reading import Node
from oned.elastic.records import Record
from tests.daemon.ec2_world import CONF, add, allow, host_of, prepare, scheduling, where
from tests.daemon.process import Daemon, until
from tests.ec2_stub import Ec2Stub

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def engine(aws_server: Ec2Stub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One local host of one core, and the host `ec2` of three instances of two cores."""
    root = tmp_path_factory.mktemp("ec2")
    prepare(root, aws_server, "small")
    (root / "etc/ec2/hosts/wrong").write_text("EC2_PROFILE=bad\n")
    with Daemon(root, CONF) as daemon:
        daemon.monitored("small")
        add(daemon, "ec2")
        image = daemon.admin.number("one.image.allocate", "NAME = os\nTYPE = OS\nSOURCE = /img/os\nSIZE = 10", 1)
        until(lambda: parse(daemon.admin.text("one.image.info", image)).int("STATE") == 1, "the image")
        yield daemon
        assert daemon.check() == []


@pytest.fixture
def template(engine: Daemon, aws: Ec2Stub) -> Iterator[str]:
    """What is a VM of one core here and an instance there. All VMs are gone afterwards, and so are their instances."""
    image = aws.client("ec2").register_image(Name="debian")["ImageId"]
    yield f'EC2 = [ AMI = "{image}", INSTANCETYPE = "m5.large", TAGS = "cluster=sge" ]\n'
    for vm in parse(engine.admin.text("one.vmpool.info", -2, -1, -1, -1)).all("VM"):
        engine.one.vm.recover(vm.int("ID"), 3)
        engine.reaches(vm.int("ID"), "DONE")
    assert aws.instances() == []


def node(engine: Daemon, template: str) -> tuple[Provider, Record, NodeClass]:
    """A node of a batch cluster whose class has the template, planned."""
    addresses = "AR = [ TYPE = IP4, IP = 10.1.1.1, SIZE = 1 ]"
    engine.admin.number("one.vn.allocate", f"NAME = nodes\nVN_MAD = dummy\nBRIDGE = br0\nSGE = YES\n{addresses}", -1)
    worker = f"NAME = worker\nCPU = 1\nMEMORY = 64\nNIC = [ NETWORK = nodes ]\nCONTEXT = [ SITE = here ]\n{template}"
    engine.one.template.allocate(worker)
    klass = NodeClass("cloud", template="worker")
    provider = Provider(engine.admin, "night", "wn%03d", lambda record, _: {"NODE_NAME": record.lease.name})
    (lease,) = provider.leases(klass, 1, ())
    return provider, Record(Node(lease.name, "cloud", PLANNED, 0, "token-of-wn001"), lease), klass


def test_vms_fill_the_own_host_first_and_then_ec2_and_those_without_a_section_wait(
    engine: Daemon, aws: Ec2Stub, template: str
) -> None:
    disk = 'DISK = [ IMAGE = "os" ]\nDISK = [ TYPE = swap, SIZE = 64 ]\n'
    vms = [engine.allocate(f"NAME = node{number}\nCPU = 1\n{disk}{template}") for number in range(3)]
    at_home = engine.allocate("CPU = 1")
    wish = engine.allocate(f'{template}CPU = 1\nSCHED_REQUIREMENTS = "HYPERVISOR = ec2"')
    with scheduling(engine):
        for vm in (*vms, wish):
            engine.reaches(vm, "RUNNING")
        assert [where(engine, vm) for vm in (*vms, wish)] == ["small", "ec2", "ec2", "ec2"]
        until(lambda: "no section EC2" in engine.admin.text("one.vm.info", at_home), "the reason")
    assert engine.state(at_home) == "PENDING"
    names = [engine.vm(vm).text("DEPLOY_ID") for vm in (*vms[1:], wish)]
    assert sorted(names) == sorted(one.id for one in aws.instances())
    until(lambda: engine.vm(vms[1]).first("MONITORING/AWS_STATE"), "what the host tells of the VM")
    told = engine.vm(vms[1])
    assert told.text("MONITORING/IP") == aws.backend("us-east-1").get_instance(names[0]).public_ip
    until(lambda: engine.host_info(host_of(engine, "ec2")).text("TEMPLATE/EC2_INSTANCES") == "3", "three are seen")
    host = engine.host_info(host_of(engine, "ec2"))
    assert host.text("TEMPLATE/HYPERVISOR") == "ec2"
    assert (host.text("TEMPLATE/COST"), host.text("TEMPLATE/EC2_COST_HOUR")) == ("0.096", "0.288")
    assert host.int("HOST_SHARE/MAX_CPU") == 600


@pytest.mark.parametrize("moment", [pytest.param("pending", marks=pytest.mark.soak), "lost", "driver"])
def test_an_oned_or_a_driver_that_is_killed_between_the_start_and_its_answer_leaves_one_instance(
    engine: Daemon, aws: Ec2Stub, template: str, moment: str
) -> None:
    if moment == "lost":
        aws.lose_answer("RunInstances", 1_000)
    else:
        aws.pending_looks = 1_000_000
    vm = engine.allocate(template)
    engine.one.vm.deploy(vm, host_of(engine, "ec2"))
    until(aws.instances, "the instance")
    if moment == "driver":
        engine.kill_driver("one_vmm_ec2")
    else:
        engine.kill()
    aws.faults.clear()
    aws.grown()
    if moment != "driver":
        engine.restart()
    engine.reaches(vm, "RUNNING")
    assert [one.id for one in aws.instances(ended=True)] == [engine.vm(vm).text("DEPLOY_ID")]
    assert len({sent["ClientToken"] for sent in aws.requests("RunInstances")}) == 1


def test_a_vm_whose_start_failed_tells_why_and_is_started_by_a_retry(
    engine: Daemon, aws: Ec2Stub, template: str
) -> None:
    aws.no_capacity(times=1)
    vm = engine.allocate(template)
    engine.one.vm.deploy(vm, host_of(engine, "ec2"))
    engine.reaches(vm, "BOOT_FAILURE")
    assert "EC2 has no such instance left" in engine.vm(vm).text("USER_TEMPLATE/ERROR")
    engine.one.vm.recover(vm, 2)
    engine.reaches(vm, "RUNNING")


def test_a_vm_that_is_deleted_before_anybody_knows_its_instance_takes_that_along(
    engine: Daemon, aws: Ec2Stub, template: str
) -> None:
    aws.pending_looks = 1_000_000
    vm = engine.allocate(template)
    engine.one.vm.deploy(vm, host_of(engine, "ec2"))
    until(aws.instances, "the instance")
    engine.one.vm.recover(vm, 3)
    engine.reaches(vm, "DONE")
    assert aws.instances() == []


def test_an_interrupted_instance_makes_its_vm_unknown_with_the_reason(
    engine: Daemon, aws: Ec2Stub, template: str
) -> None:
    vm = engine.allocate(template)
    engine.one.vm.deploy(vm, host_of(engine, "ec2"))
    engine.reaches(vm, "RUNNING")
    until(lambda: engine.vm(vm).first("MONITORING/AWS_STATE"), "a look at it while it runs")
    aws.interrupt(engine.vm(vm).text("DEPLOY_ID"))
    engine.reaches(vm, "UNKNOWN")
    assert engine.vm(vm).text("MONITORING/AWS_STATE_REASON") == "Server.SpotInstanceTermination"
    first = engine.vm(vm).text("DEPLOY_ID")
    engine.one.vm.action("boot", vm)
    engine.reaches(vm, "RUNNING")
    assert engine.vm(vm).text("DEPLOY_ID") not in ("", first)


def test_a_vm_that_boots_again_and_is_deleted_before_that_is_answered_takes_its_second_instance_along(
    engine: Daemon, aws: Ec2Stub, template: str
) -> None:
    vm = engine.allocate(template)
    engine.one.vm.deploy(vm, host_of(engine, "ec2"))
    engine.reaches(vm, "RUNNING")
    until(lambda: engine.vm(vm).first("MONITORING/AWS_STATE"), "a look at it while it runs")
    aws.interrupt(engine.vm(vm).text("DEPLOY_ID"))
    engine.reaches(vm, "UNKNOWN")
    aws.pending_looks = 1_000_000
    engine.one.vm.action("boot", vm)
    until(aws.instances, "the second instance")
    assert engine.state(vm) == "BOOT_UNKNOWN"
    engine.one.vm.recover(vm, 3)
    engine.reaches(vm, "DONE")
    assert aws.instances() == []


def test_a_node_of_a_batch_cluster_has_one_token_from_its_plan_to_its_instance(
    engine: Daemon, aws: Ec2Stub, template: str
) -> None:
    provider, record, klass = node(engine, template)
    vm = int(provider.start([(record, klass)])[record.node.token])
    engine.one.vm.deploy(vm, host_of(engine, "ec2"))
    engine.reaches(vm, "RUNNING")
    (sent,) = aws.requests("RunInstances")
    told = base64.b64decode(sent["UserData"]).decode()
    assert sent["ClientToken"] == "token-of-wn001"
    assert f"NODE_NAME='{record.lease.name}'" in told.splitlines()
    tags = {tag["key"]: tag["value"] for tag in aws.instances()[0].get_tags()}
    assert tags.items() >= {"ONESGE_CLUSTER": "night", "ONESGE_NODE": record.lease.name, "cluster": "sge"}.items()
    aws.refuse_key("testing")
    provider.stop({record.node.token: True})
    engine.reaches(vm, "RUNNING")
    engine.one.vm.recover(vm, 3)
    until(lambda: "its end is not confirmed" in provider.vms().items[0].trouble, "the reason")
    provider.stop({record.node.token: True})
    (seen,) = provider.vms({record.node.token: vm}).items
    assert seen.trouble.startswith(f"VM {vm} is CLEANUP_DELETE: CANCEL: its end is not confirmed: EC2 does not take")
    aws.refused_keys.clear()
    until(lambda: not provider.guests(), "the end of the node")
    assert aws.instances() == []


def test_a_host_with_a_wrong_key_is_an_error_with_the_reason_and_no_other(engine: Daemon, aws: Ec2Stub) -> None:
    aws.refuse_key("AKIABAD")
    wrong = add(engine, "wrong")
    error = engine.host_info(wrong).text("TEMPLATE/ERROR")
    assert "EC2 does not take the key of host wrong" in error
    assert engine.host_info(host_of(engine, "ec2")).int("STATE") == 2
    everything = engine.log() + "".join(path.read_text() for path in Path(engine.var).glob("*.log"))
    assert "AKIABAD" not in everything
    assert "verysecret" not in everything
    engine.one.host.delete(wrong)


def refused_while_deleted(engine: Daemon, aws: Ec2Stub, template: str) -> int:
    """A VM with an instance that was deleted while EC2 refused the key; it says that its end is not confirmed."""
    vm = engine.allocate(template)
    engine.one.vm.deploy(vm, host_of(engine, "ec2"))
    engine.reaches(vm, "RUNNING")
    aws.refuse_key("testing")
    engine.one.vm.recover(vm, 3)
    until(lambda: "its end is not confirmed" in engine.vm(vm).text("USER_TEMPLATE/ERROR"), "the reason")
    assert "does not take the key" in engine.vm(vm).text("USER_TEMPLATE/ERROR")
    return vm


def test_a_vm_that_is_deleted_while_ec2_refuses_is_removed_once_its_instance_has_ended(
    engine: Daemon, aws: Ec2Stub, template: str
) -> None:
    vm = refused_while_deleted(engine, aws, template)
    engine.kill()
    engine.restart()
    assert (engine.state(vm), len(aws.instances())) == ("CLEANUP_DELETE", 1)
    aws.refused_keys.clear()
    engine.reaches(vm, "DONE")
    assert aws.instances() == []
    assert engine.vm(vm).text("USER_TEMPLATE/ERROR") == ""


def test_a_person_may_give_an_instance_up_that_ec2_does_not_let_us_end(
    engine: Daemon, aws: Ec2Stub, template: str
) -> None:
    vm = refused_while_deleted(engine, aws, template)
    engine.one.vm.recover(vm, 0)
    engine.reaches(vm, "DONE")
    aws.refused_keys.clear()
    (instance,) = aws.instances()
    aws.client("ec2").terminate_instances(InstanceIds=[instance.id])


def lose_answers(_engine: Daemon, aws: Ec2Stub, rng: random.Random) -> None:
    aws.lose_answer(rng.choice(["RunInstances", "DescribeInstances", "TerminateInstances"]), rng.randint(1, 5))


def be_busy(_engine: Daemon, aws: Ec2Stub, rng: random.Random) -> None:
    aws.throttle("*", rng.randint(1, 30))


def be_empty(_engine: Daemon, aws: Ec2Stub, rng: random.Random) -> None:
    aws.no_capacity(rng.randint(1, 3))


def kill_oned(engine: Daemon, _aws: Ec2Stub, _rng: random.Random) -> None:
    engine.kill()
    engine.restart()


def kill_driver(engine: Daemon, _aws: Ec2Stub, _rng: random.Random) -> None:
    if "one_vmm_ec2" in engine.drivers():
        engine.kill_driver("one_vmm_ec2")


def interrupt(_engine: Daemon, aws: Ec2Stub, rng: random.Random) -> None:
    if living := aws.instances():
        aws.interrupt(rng.choice(living).id)


TROUBLES = (lose_answers, be_busy, be_empty, kill_oned, kill_driver, interrupt)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(3))
def test_after_all_that_can_go_wrong_each_vm_has_one_instance_and_afterwards_there_is_none(
    engine: Daemon, aws: Ec2Stub, template: str, seed: int
) -> None:
    rng = random.Random(seed)
    allow(engine.root, aws, 20)
    aws.pending_looks = 3
    vms = [engine.allocate(template) for _ in range(12)]
    for vm in vms:
        engine.one.vm.deploy(vm, host_of(engine, "ec2"))
    for _ in range(6):
        rng.choice(TROUBLES)(engine, aws, rng)
        time.sleep(rng.uniform(0, 0.7))
    aws.faults.clear()
    aws.grown()
    for vm in vms:
        if engine.reaches(vm, "RUNNING", "BOOT_FAILURE", "UNKNOWN") == "BOOT_FAILURE":
            engine.one.vm.recover(vm, 2)
    until(lambda: settled(engine, aws, vms), "one instance for each VM")
    for vm in vms[6:]:
        engine.one.vm.recover(vm, 3)
        engine.reaches(vm, "DONE")
    assert len(aws.instances()) == 6
    allow(engine.root, aws, 3)


def settled(engine: Daemon, aws: Ec2Stub, vms: list[int]) -> bool:
    """Whether each VM runs as the one living instance of its name; one that is lost is started again."""
    living, found = {one.id for one in aws.instances()}, set()
    for vm in vms:
        state, name = engine.state(vm), engine.vm(vm).text("DEPLOY_ID")
        if state == "UNKNOWN":
            engine.one.vm.action("boot", vm)
        if state == "RUNNING" and name in living:
            found.add(name)
    return len(found) == len(vms) and found == living
