"""Nodes of a batch cluster: on the own host first, in EC2 when that is full; the loop, oned and scheduler are real."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from oned import clock
from oned.client.documents import parse
from oned.elastic.accounts import Account
from oned.elastic.plan import Verb
from oned.elastic.reading import Failures
from oned.elastic.strays import Strays
from oned.elastic.tables import node
from tests.daemon.ec2_world import CONF, add, prepare, scheduling, where
from tests.daemon.elastic_cluster import Clock, Cluster
from tests.daemon.process import Daemon, until
from tests.ec2_stub import REGION, Ec2Stub

pytestmark = [pytest.mark.timeout(240), pytest.mark.soak]


NONE = Failures(0, 0.0)


class Burst(Cluster):
    """A cluster whose nodes the scheduler places: one on alpha, the others in EC2."""

    def nature(self) -> None:
        """In VMs that run an execd starts; hosts whose VM does not run are not heard of."""
        alive = {guest.node for guest in self.guests() if guest.state == "RUNNING"}
        for name in alive:
            self.batch.join(name)
        for name in self.batch.read()["hosts"].keys() - alive:
            self.batch.leave(name)


Make = Callable[[str, str], Burst]


@pytest.fixture
def engine(aws: Ec2Stub, tmp_path: Path) -> Iterator[Daemon]:
    prepare(tmp_path, aws, "alpha")
    with Daemon(tmp_path, CONF) as daemon:
        daemon.monitored("alpha")
        add(daemon, "ec2")
        with scheduling(daemon):
            yield daemon
        assert daemon.check() == []


@pytest.fixture
def make(engine: Daemon, aws: Ec2Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """A cluster by settings and keys of its class `local`; its template is of EC2 too."""
    time = Clock(clock.now)
    monkeypatch.setattr(clock, "now", time)
    monkeypatch.setattr(clock, "monotonic", time.monotonic)
    root = tmp_path / "onesge"
    root.mkdir()
    with ExitStack() as stack:

        def made(settings: str, klass: str) -> Burst:
            one = Burst(engine, root, time, settings, klass)
            stack.callback(one.close)
            image = aws.client("ec2").register_image(Name="worker")["ImageId"]
            section = f'EC2 = [ AMI = "{image}", INSTANCETYPE = "m5.large" ]\nCPU = 1\n'
            engine.one.template.update(template_of(engine), section, 1)
            return one

        yield made


@pytest.fixture
def cluster(make: Make) -> Burst:
    return make("", "")


def template_of(engine: Daemon) -> int:
    """The one template that there is."""
    return parse(engine.admin.text("one.templatepool.info", -2, -1, -1)).all("VMTEMPLATE")[0].int("ID")


def test_nodes_burst_into_ec2_one_that_is_interrupted_is_replaced_and_all_go(
    engine: Daemon, aws: Ec2Stub, cluster: Burst
) -> None:
    aws.lose_answer("RunInstances", 2)
    aws.throttle("*", 5)
    jobs = [cluster.batch.submit() for _ in range(3)]
    cluster.until(lambda: [cluster.batch.job(job)["state"] for job in jobs] == ["runs"] * 3, "the jobs run")
    places = sorted(where(engine, guest.vm) for guest in cluster.guests())
    assert places == ["alpha", "ec2", "ec2"]
    assert len(aws.instances()) == 2
    victim = aws.instances()[0]
    node = next(tag["value"] for tag in victim.get_tags() if tag["key"] == "ONESGE_NODE")
    (job,) = [job for job in jobs if cluster.batch.job(job)["host"] == node]
    aws.interrupt(victim.id)
    until(lambda: any(guest.state == "UNKNOWN" for guest in cluster.guests()), "its VM is unknown")
    cluster.until(lambda: cluster.batch.job(job)["starts"] == 2, "its job runs again")
    assert "its VM is gone: Server.SpotInstanceTermination" in {one.sentence for one in cluster.records.events(node)}
    assert victim.id not in {one.id for one in aws.instances()}
    tokens = [sent["ClientToken"] for sent in aws.requests("RunInstances")]
    assert set(tokens) <= set(cluster.tokens())
    for number in jobs:
        cluster.batch.finish(number)
    cluster.until(cluster.empty, "the end of all nodes")
    assert aws.instances() == []
    assert len(cluster.tokens()) == len(set(cluster.tokens()))


def test_without_capacity_in_ec2_own_hosts_go_on_the_class_rests_and_then_one_instance_comes(
    engine: Daemon, aws: Ec2Stub, cluster: Burst
) -> None:
    jobs = [cluster.batch.submit()]
    cluster.until(lambda: cluster.batch.job(jobs[0])["state"] == "runs", "the own host's job runs")
    aws.no_capacity()
    jobs.append(cluster.batch.submit())
    cluster.until(lambda: cluster.records.failures() and cluster.records.failures()["local"].count == 3, "it rests")
    tried = len(cluster.tokens())
    for _ in range(5):
        cluster.cycle()
    assert len(cluster.tokens()) == tried
    assert cluster.batch.job(jobs[0])["state"] == "runs"
    assert aws.instances(ended=True) == []
    aws.faults.clear()
    cluster.later(3601)
    cluster.until(lambda: cluster.batch.job(jobs[1])["state"] == "runs", "the job runs")
    assert len(aws.instances()) == 1
    for job in jobs:
        cluster.batch.finish(job)
    cluster.until(cluster.empty, "the end of all nodes")
    assert aws.instances() == []


def test_a_node_whose_instance_cannot_be_ended_is_not_gone_before_ec2_has_confirmed_its_end(
    engine: Daemon, aws: Ec2Stub, make: Make
) -> None:
    cluster = make("PROTECT = 1\nPROTECT_TIME = 36000\n", "")
    engine.one.template.update(template_of(engine), 'SCHED_REQUIREMENTS = "HYPERVISOR = ec2"\n', 1)
    aws.lose_answer("RunInstances", 1)
    aws.no_capacity()
    aws.throttle("TerminateInstances", 1_000_000)
    cluster.batch.submit()
    cluster.until(lambda: "UNREGISTERED" in cluster.nodes().values(), "the node has failed")
    until(lambda: len(aws.requests("TerminateInstances")) > 4, "its end is asked for again and again")
    until(lambda: any("not confirmed" in guest.error for guest in cluster.guests()), "EC2 was busy for too long")
    (fate,) = [step.sentence for step in cluster.cycle().steps if step.rule == "unregistered"]
    assert "its VM is still there: VM " in fate
    name = aws.instances()[0].id
    assert f"is CLEANUP_DELETE: CANCEL: its end is not confirmed: {name}: EC2 is busy (RequestLimitExceeded)" in fate
    assert len(aws.instances()) == 1
    aws.faults.clear()
    cluster.until(lambda: not cluster.nodes(), "the end of the node")
    assert aws.instances() == []


def test_an_instance_that_the_driver_started_is_ended_when_the_records_have_lost_its_node(
    aws: Ec2Stub, cluster: Burst, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, aws.environment()[name])
    jobs = [cluster.batch.submit() for _ in range(2)]
    cluster.until(lambda: [cluster.batch.job(job)["state"] for job in jobs] == ["runs"] * 2, "the jobs run")
    (instance,) = aws.instances()
    account = Account(REGION, endpoint=aws.url)
    strays = Strays([account], f"c{cluster.number}", cluster.records, cluster.lead, patience=300)
    strays.look()
    cluster.later(301)
    strays.look()
    assert [one.id for one in aws.instances()] == [instance.id]
    name = next(tag["value"] for tag in instance.get_tags() if tag["key"] == "ONESGE_NODE")
    with cluster.records.engine.begin() as connection:
        connection.execute(node.delete().where(node.c.name == name))
    strays.look()
    cluster.later(301)
    assert cluster.lead.take()
    strays.look()
    assert aws.instances() == []
    assert cluster.records.events()[-1].token == f"instance {instance.id}"


def test_a_cloud_without_capacity_rests_its_class_while_our_own_host_serves_and_is_asked_again_later(
    engine: Daemon, aws: Ec2Stub, make: Make
) -> None:
    cloud = "NODE_CLASS = [ NAME = cloud, TEMPLATE = burst, SLOTS = 1, PLACE = cloud, PRICE = 1, MAX_LIFE = 0 ]\n"
    cluster = make(f"{cloud}BURST_AFTER = 0\nPROTECT = 2\nPROTECT_TIME = 600\n", ", MAX = 1")
    copy = engine.admin.number("one.template.clone", template_of(engine), "burst")
    engine.one.template.update(copy, 'SCHED_REQUIREMENTS = "HYPERVISOR = ec2"\n', 1)
    aws.no_capacity()
    jobs = [cluster.batch.submit() for _ in range(3)]
    cluster.until(lambda: cluster.records.failures().get("cloud", NONE).count >= 2, "the class has failed twice")
    cluster.until(lambda: "runs" in cluster.batch.states(), "our own host serves")
    cluster.until(lambda: list(cluster.nodes().values()) == ["READY"], "what has failed is gone")
    failed = [entry for entry in cluster.records.events() if entry.state == "FAILED"]
    assert all("EC2 has no such instance left" in entry.sentence for entry in failed)
    asked, tokens = len(aws.requests("RunInstances")), len(cluster.tokens())
    for _ in range(5):
        assert not [step for step in cluster.cycle().steps if step.verb is Verb.UP]
    cluster.batch.finish(jobs[cluster.batch.states().index("runs")])
    cluster.until(lambda: cluster.batch.states().count("runs") == 1, "our own host takes the next job")
    assert (len(aws.requests("RunInstances")), len(cluster.tokens())) == (asked, tokens)
    assert aws.instances(ended=True) == []
    aws.faults.clear()
    cluster.later(601)
    cluster.until(lambda: cluster.batch.states().count("runs") == 2, "the cloud takes the last job")
    assert cluster.records.failures() == {}
    assert sorted(where(engine, guest.vm) for guest in cluster.guests()) == ["alpha", "ec2"]
    for job in jobs:
        if cluster.batch.job(job)["state"] == "runs":
            cluster.batch.finish(job)
    cluster.until(cluster.empty, "the end of all nodes")
    assert aws.instances() == []
    assert len(cluster.tokens()) == len(set(cluster.tokens()))
