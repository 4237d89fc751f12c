"""onesge with a real Grid Engine whose nodes are in EC2, which a stub plays, and EC2 in trouble: nothing is lost.

What boots in an instance is a machine of namespaces with a real execd.
"""

import importlib.util
from collections.abc import Iterator

import pytest

from oned.elastic.reading import Failures
from tests.daemon.ec2_world import CONF, add, prepare
from tests.daemon.process import Daemon
from tests.ec2_stub import Ec2Stub
from tests.lab.elastic_sge import Site, lasts, runs, works
from tests.lab.sge_world import SgeWorld, sge_world
from tests.needs import need

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]
NONE = Failures(0, 0.0)


class CloudSite(Site):
    """A site whose VMs are all placed in EC2."""

    def __init__(self, sge: SgeWorld, oned: Daemon, aws: Ec2Stub) -> None:
        super().__init__(sge, oned, nodes=24)
        self.aws = aws
        self.host = add(oned, "ec2")
        image = aws.client("ec2").register_image(Name="worker")["ImageId"]
        oned.one.template.update(self.template, f'EC2 = [ AMI = "{image}", INSTANCETYPE = "m5.large" ]\n', 1)

    def instance_of(self, name: str) -> str:
        """The instance of a node."""
        named = {(tag["key"], tag["value"]): one.id for one in self.aws.instances() for tag in one.get_tags()}
        return str(named["ONESGE_NODE", name])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudSite]:
    need(importlib.util.find_spec("moto") and importlib.util.find_spec("flask_cors"), "moto is not installed")
    root = tmp_path_factory.mktemp("site")
    with sge_world(root / "sge") as sge, Ec2Stub() as aws:  # in the network of the front-end, as oned
        sge.configure(max_unheard="00:00:06")
        (root / "oned").mkdir()
        prepare(root / "oned", aws, "alpha")
        with Daemon(root / "oned", CONF) as oned, CloudSite(sge, oned, aws) as made:
            yield made
            assert oned.check() == []


def test_through_throttling_lost_answers_and_an_interruption_each_node_has_one_instance_and_every_job_runs(
    site: CloudSite,
) -> None:
    aws = site.aws
    aws.lose_answer("RunInstances", 2)
    aws.throttle("*", 5)
    with runs(site, "MASTER_GRACE = 1\n"):
        jobs = [site.job("-r", "y", *lasts("seen")) for _ in range(2)]
        places = site.placed(*jobs)
        assert len(aws.instances()) == 2
        victim = site.instance_of(places[0])
        aws.throttle("*", 5)
        site.crash(places[0])
        aws.interrupt(victim)
        site.until(lambda: site.place(jobs[0]) not in ("", places[0]), 90, "its job runs on another instance")
        assert site.place(jobs[1]) == places[1]
        site.let_end("seen")
        site.until(lambda: all(map(site.ended, jobs)), 60, "all jobs have run")
    assert aws.instances() == []
    assert "LOST" in {entry.state for entry in site.records.events(places[0])}
    sent = aws.requests("RunInstances")
    assert len(sent) > len(aws.instances(ended=True)) == 3
    assert {one["ClientToken"] for one in sent} <= set(site.tokens())


def test_without_capacity_in_ec2_the_class_rests_and_is_asked_again_and_its_job_runs(site: CloudSite) -> None:
    aws, before = site.aws, len(site.tokens())
    started = len(aws.instances(ended=True))
    aws.no_capacity()
    with runs(site, "PROTECT = 2\nPROTECT_TIME = 6\n"):
        job = site.job(*works(1))
        site.until(lambda: site.records.failures().get("local", NONE).count >= 2, 60, "two starts have failed")
        site.until(lambda: not site.records.nodes(), 30, "what has failed is gone")
        assert (len(site.tokens()), len(aws.instances(ended=True))) == (before + 2, started)
        aws.faults.clear()
        site.until(lambda: site.ended(job), 90, "the job has run")
        assert site.records.failures() == {}
    failed = [entry.sentence for entry in site.records.events() if entry.state == "FAILED"]
    assert len(failed) == 2
    assert all("EC2 has no such instance left" in sentence for sentence in failed)
    assert aws.instances() == []
