"""Nodes of a batch cluster: on the own host first, in EC2 when that is full; the loop, oned and scheduler are real."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from oned import clock
from oned.client.documents import parse
from oned.elastic.accounts import Account
from oned.elastic.strays import Strays
from oned.elastic.tables import node
from tests.daemon.ec2_world import CONF, add, prepare, scheduling, where
from tests.daemon.elastic_cluster import Clock, Cluster
from tests.daemon.process import Daemon, until
from tests.ec2_stub import REGION, Ec2Stub

pytestmark = [pytest.mark.timeout(240), pytest.mark.soak]


class Burst(Cluster):
    """A cluster whose nodes the scheduler places: one on alpha, the others in EC2."""

    def nature(self) -> None:
        """In VMs that run an execd starts; hosts whose VM does not run are not heard of."""
        alive = {guest.node for guest in self.guests() if guest.state == "RUNNING"}
        for name in alive:
            self.batch.join(name)
        for name in self.batch.read()["hosts"].keys() - alive:
            self.batch.leave(name)


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
def cluster(engine: Daemon, aws: Ec2Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Burst]:
    time = Clock(clock.now)
    monkeypatch.setattr(clock, "now", time)
    root = tmp_path / "onesge"
    root.mkdir()
    made = Burst(engine, root, time)
    image = aws.client("ec2").register_image(Name="worker")["ImageId"]
    template = parse(engine.admin.text("one.templatepool.info", -2, -1, -1)).all("VMTEMPLATE")[0].int("ID")
    section = f'EC2 = [ AMI = "{image}", INSTANCETYPE = "m5.large" ]\nCPU = 1\n'
    engine.one.template.update(template, section, 1)
    yield made
    made.close()


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
