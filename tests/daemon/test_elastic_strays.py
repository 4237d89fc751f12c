"""Instances in EC2 that no node has: they are found by their tags and ended, and no other ones are."""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.cli.onesge.program import main
from oned.elastic import daemon, strays
from oned.elastic.accounts import Account
from oned.elastic.changes import Why
from oned.elastic.images.aws import session
from oned.elastic.leader import Lead
from oned.elastic.records import Lease, Records
from oned.elastic.strays import Strays
from tests.daemon.elastic_cluster import Clock, cluster
from tests.daemon.process import Daemon, until
from tests.ec2_stub import REGION, Ec2Stub


class Cloud:
    """The stub, with instances that have the tags which the driver gives to those of nodes."""

    def __init__(self, aws: Ec2Stub) -> None:
        self.aws, self.client = aws, aws.client("ec2")
        self.image = self.client.register_image(Name="worker")["ImageId"]

    def start(self, token: str, **other: str) -> str:
        tags = {"ONESGE_CLUSTER": "night", "ONESGE_NODE": "wn007", "ONE_SITE": "oned", "ONE_TOKEN": token} | other
        listed = [{"Key": name, "Value": value} for name, value in tags.items() if value]
        tagged = [{"ResourceType": "instance", "Tags": listed}]
        made = self.client.run_instances(ImageId=self.image, MinCount=1, MaxCount=1, TagSpecifications=tagged)
        return str(made["Instances"][0]["InstanceId"])

    def there(self) -> set[str]:
        return {instance.id for instance in self.aws.instances()}


class Service:
    """The records, and who looks for what they do not have."""

    def __init__(self, path: Path, time: Clock, url: str) -> None:
        self.records, self.time = Records(path), time
        self.lead = Lead(self.records)
        assert self.lead.take()
        self.account = Account(REGION, endpoint=url)
        self.eyes = Strays([self.account], "night", self.records, self.lead, patience=300)

    def node(self, token: str) -> None:
        with self.lead.writing() as changes:
            changes.plan(token, "small", Lease(0, "wn001", "02:00:0a:09:00:01", "10.9.0.1"), "", Why("demand"))

    def look(self, after: float = 0.0) -> None:
        self.time.ahead += after
        assert self.lead.take()
        self.eyes.look()

    def reaped(self) -> list[tuple[str, str, str]]:
        return [(one.token, one.rule, one.result) for one in self.records.events() if one.event == "reap"]


@pytest.fixture(scope="module", autouse=True)
def keys() -> Iterator[None]:
    """What boto3 has read of keys is forgotten in the end."""
    session.cache_clear()
    yield
    session.cache_clear()


@pytest.fixture
def cloud(aws: Ec2Stub, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, aws.environment()[name])
    monkeypatch.setattr(strays, "ATTEMPTS", 1)
    return Cloud(aws)


@pytest.fixture
def empty(cloud: Cloud, tmp_path: Path, time: Clock) -> Iterator[Service]:
    """A service that never had a node."""
    made = Service(tmp_path / "onesge.db", time, cloud.aws.url)
    yield made
    made.lead.resign()
    made.records.close()


@pytest.fixture
def service(empty: Service) -> Service:
    """A service with one node."""
    empty.node("of a node")
    return empty


def test_an_instance_that_no_node_has_is_ended_and_all_others_stay(cloud: Cloud, service: Service) -> None:
    kept = {
        cloud.start("of a node"),
        cloud.start("of another cluster", ONESGE_CLUSTER="nightly"),
        cloud.start("of no cluster", ONESGE_CLUSTER=""),
        cloud.start("of another oned", ONE_SITE="two"),
        cloud.start("", Name="tagged by hand"),
    }
    stray, halted = cloud.start("of nobody"), cloud.start("of nobody, and halted")
    cloud.client.stop_instances(InstanceIds=[halted])
    service.look()
    service.look(after=290)
    assert cloud.there() == kept | {stray, halted}
    service.look(after=11)
    assert cloud.there() == kept
    lines = [(f"instance {one}", "orphan", result) for one in (stray, halted) for result in ("begun", "done")]
    assert sorted(service.reaped()) == sorted(lines)
    assert "It was started for wn007" in service.records.events()[-1].sentence


def test_the_instance_of_a_node_that_is_gone_is_one_that_no_node_has(cloud: Cloud, service: Service) -> None:
    cloud.start("of a node")
    with service.lead.writing() as changes:
        changes.update("of a node", state="GONE")
    service.look()
    assert len(cloud.there()) == 1
    service.look(after=301)
    assert cloud.there() == set()


def test_what_was_seen_only_now_is_not_ended_however_old_it_is(cloud: Cloud, service: Service) -> None:
    stray = cloud.start("of nobody")
    service.look(after=9999)
    assert cloud.there() == {stray}


def test_nothing_is_ended_while_ec2_does_not_answer(
    cloud: Cloud, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    stray = cloud.start("of nobody")
    service.look()
    cloud.aws.throttle("DescribeInstances", 2)
    for _ in range(2):
        service.look(after=400)
    assert cloud.there() == {stray}
    assert service.reaped() == []
    assert caplog.text.count("RequestLimitExceeded") == 1
    cloud.aws.throttle("TerminateInstances")
    service.look()
    assert cloud.there() == {stray}
    assert service.reaped() == [(f"instance {stray}", "orphan", "begun")]
    service.look()
    assert cloud.there() == set()
    assert service.reaped()[1:] == [(f"instance {stray}", "orphan", "done")]
    assert f"Instance {stray} is ended, rule orphan" in caplog.text


def test_nothing_is_ended_where_the_records_never_had_a_node(
    cloud: Cloud, empty: Service, caplog: pytest.LogCaptureFixture
) -> None:
    stray = cloud.start("of nobody")
    empty.look()
    empty.look(after=400)
    assert cloud.there() == {stray}
    assert "never had a node" in caplog.text


def test_a_service_that_waits_for_another_one_does_not_look(cloud: Cloud, service: Service) -> None:
    waiting = Strays([service.account], "night", service.records, Lead(service.records), patience=0)
    cloud.start("of nobody")
    waiting.look()
    assert cloud.aws.requests("DescribeInstances") == []


def test_a_person_ends_at_once_what_neither_oned_nor_ec2_has_a_node_for(
    simulated: Daemon,
    cloud: Cloud,
    tmp_path: Path,
    time: Clock,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    account = f'EC2_ACCOUNT = [ REGION = "{REGION}", ENDPOINT = "{cloud.aws.url}" ]\n'
    monkeypatch.setenv("ONE_LOCATION", str(tmp_path))
    monkeypatch.setenv("ONE_AUTH", str(simulated.root / ".one/one_auth"))
    reap = ["node", "reap", "--config", str(tmp_path / "onesge.conf")]
    with cluster(simulated, tmp_path, time, account) as made:
        made.batch.submit()
        made.until(made.nodes, "a node")
        name = f"c{made.number}"
        vm = simulated.allocate(f'ONESGE = [ CLUSTER = "{name}", NODE = "wn003", TOKEN = "lost" ]')
        kept = {cloud.start(made.node().node.token, ONESGE_CLUSTER=name), cloud.start("of another cluster")}
        of_vm, stray = (cloud.start(token, ONESGE_CLUSTER=name) for token in ("lost", "of nobody"))
        cloud.aws.throttle("TerminateInstances")
        assert main(reap) == 255
        assert "RequestLimitExceeded" in capsys.readouterr().err
        assert simulated.state(vm) == "DONE"
        assert main([*reap, "--dry-run"]) == 0
        assert f"Instance {stray} of {REGION}, started " in capsys.readouterr().out
        assert stray in cloud.there()
        assert main(reap) == 0
        assert f"Instance {of_vm} of" in capsys.readouterr().out
        assert cloud.there() == kept
        told = [(one.token, one.rule, one.result) for one in made.records.events() if one.event == "reap"]
        assert {(f"vm {vm}", "by hand", "done"), (f"instance {stray}", "by hand", "done")} <= set(told)


@pytest.mark.soak
def test_the_service_looks_by_itself(
    simulated: Daemon, cloud: Cloud, tmp_path: Path, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = f'EC2_ACCOUNT = [ REGION = "{REGION}", ENDPOINT = "{cloud.aws.url}" ]\nORPHAN_TIME = 0\n'
    monkeypatch.setattr(daemon, "EVERY", 0.2)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    with cluster(simulated, tmp_path, time, account) as made:
        made.batch.submit()
        made.until(made.nodes, "a node")
        made.lead.resign()
        stray = cloud.start("of nobody", ONESGE_CLUSTER=f"c{made.number}")

        def end() -> None:
            try:
                until(lambda: stray not in cloud.there(), "the end of the instance")
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

        ends = threading.Thread(target=end)
        ends.start()
        try:
            daemon.run(made.service)
        finally:
            ends.join()
            for number, handler in handlers.items():
                signal.signal(number, handler)
        reaped = [(one.token, one.rule) for one in made.records.events() if one.event == "reap"]
        assert (f"instance {stray}", "orphan") in reaped
