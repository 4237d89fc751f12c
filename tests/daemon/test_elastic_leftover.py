"""Hosts of the batch system that were nodes, and that no node has any more."""

from pathlib import Path

import pytest

from oned.cli.onesge import conf
from oned.cli.onesge.doctor import _nodes
from oned.client.client import Client
from oned.elastic.batch import Member
from oned.elastic.plan import Verb
from oned.elastic.records import Records
from tests.daemon.elastic_cluster import Cluster, runs
from tests.daemon.process import ADMIN, Daemon


def gone(cluster: Cluster) -> Member:
    """wn001 has been a node and is gone; somebody has the batch system know it again."""
    cluster.batch.finish(runs(cluster))
    cluster.until(cluster.empty)
    record = cluster.records.past("wn001")[0]
    member = Member("wn001", record.lease.ip, 1)
    cluster.batch.register([member, Member("wn004", f"10.9.{cluster.number}.4", 1)])
    cluster.batch.enable(["wn001", "wn004"])
    cluster.cycle()
    return member


def hosts(cluster: Cluster) -> dict[str, bool]:
    """The hosts of the batch system, and whether jobs may start there."""
    return {name: host["enabled"] for name, host in cluster.batch.read()["hosts"].items()}


def reaped(cluster: Cluster) -> list[tuple[str, str, str]]:
    return [(one.token, one.rule, one.result) for one in cluster.records.events() if one.event == "reap"]


def test_a_host_that_was_a_node_is_drained_and_removed_after_a_while_and_others_are_not(small: Cluster) -> None:
    gone(small)
    small.later(290)
    small.cycle()
    assert hosts(small) == {"wn001": True, "wn004": True}
    small.later(15)
    small.cycle()
    assert hosts(small) == {"wn001": False, "wn004": True}
    small.cycle()
    assert hosts(small) == {"wn004": True}
    assert reaped(small) == [("host wn001", "left over", "done"), ("host wn001", "left over, empty", "done")]
    assert small.records.left().keys() == {"wn001"}
    small.cycle()
    assert small.records.left() == {}


@pytest.mark.soak
def test_the_time_of_a_host_is_counted_over_a_new_start_and_begins_anew_when_a_node_has_it(small: Cluster) -> None:
    gone(small)
    small.later(200)
    small.start()
    small.cycle()
    small.later(105)
    assert [step.rule for step in small.cycles.look().steps] == ["left over"]
    job = small.batch.submit()
    small.until(lambda: small.batch.job(job)["state"] == "runs")
    assert small.node().node.name == "wn001"
    assert "wn001" not in small.records.left()
    small.batch.finish(job)


def test_a_host_that_becomes_a_node_in_the_same_cycle_stays(small: Cluster) -> None:
    gone(small)
    small.batch.drain(["wn001"])
    small.later(150)
    small.cycle()
    small.later(160)
    job = small.batch.submit()
    made = small.cycle()
    assert [(step.verb, step.rule) for step in made.steps][1:] == [(Verb.REAP, "left over, empty")]
    small.until(lambda: small.batch.job(job)["state"] == "runs")
    assert [entry.event for entry in small.records.events() if entry.event in ("reap", "failed")] == []
    small.batch.finish(job)


def test_a_host_whose_address_a_vm_of_another_has_is_left_alone(small: Cluster) -> None:
    member = gone(small)
    small.later(150)
    small.cycle()
    nic = f'NIC = [ NETWORK = "nodes{small.number}", IP = {member.address} ]'
    other = small.oned.admin.number("one.vm.allocate", f"CPU = 0.1\nMEMORY = 16\n{nic}")
    small.later(160)
    assert Verb.REAP not in {step.verb for step in small.cycle().steps}
    small.oned.one.vm.action("terminate-hard", other)
    small.cycle()
    assert hosts(small)["wn001"] is False


@pytest.mark.soak
def test_a_host_that_is_heard_is_left_to_a_person(small: Cluster) -> None:
    gone(small)
    small.undead = {"wn001"}
    small.batch.join("wn001")
    small.later(305)
    (note,) = small.cycle().notes
    assert note.startswith("No node has 1 hosts of the batch system that were nodes: wn001. Nothing is done with them")
    assert hosts(small) == {"wn001": True, "wn004": True}


def test_after_a_loss_of_the_records_no_host_is_touched(small: Cluster) -> None:
    gone(small)
    for path in small.root.glob("onesge.db*"):
        path.unlink()
    small.start()
    small.cycle()
    small.later(1000)
    small.cycle()
    small.cycle()
    assert hosts(small) == {"wn001": True, "wn004": True}


def test_the_doctor_knows_the_names_of_nodes_whose_network_has_its_own(simulated: Daemon, tmp_path: Path) -> None:
    (tmp_path / "onesge.conf").write_text(f'DATABASE = "{tmp_path}/own.db"\n')
    Records(tmp_path / "own.db").close()
    net = simulated.admin.number(
        "one.vn.allocate",
        'NAME = called\nBRIDGE = br0\nVN_MAD = dummy\nSGE = YES\nNODE_NAMES = "ec2-%02d"\n'
        "AR = [ TYPE = IP4, IP = 10.60.0.1, SIZE = 1, NAME = big ]\n",
        -1,
    )
    with Client(simulated.endpoint, ADMIN, 60) as one:
        nodes = _nodes(conf.load(str(tmp_path / "onesge.conf")), one)
    simulated.one.vn.delete(net)
    assert nodes is not None
    names = ("wn001", "ec2-01", "big", "ec2-1", "sgemaster")
    assert [name for name in names if nodes.lacks(name)] == ["wn001", "ec2-01", "big"]
