"""Nodes in a cloud, reached through the tunnel only: they join once, take jobs under their names, and are shut out."""

from collections.abc import Iterator

import pytest

from tests.lab.sge_world import MASTER_ADDRESS
from tests.lab.tunnel import TUNNEL, Cloud, cloud_world
from tests.lab.world import until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with cloud_world(tmp_path_factory.mktemp("tunnel") / "a") as made:
        yield made


def test_a_node_joins_takes_a_job_under_its_name_and_is_shut_out_when_it_is_gone(cloud: Cloud) -> None:
    node = cloud.plan("ec2-01", 61)
    job = cloud.sge.submit("-N", "there", "-l", "hostname=ec2-01", "-sync", "n", "hostname; ip -4 -o addr show tun0")
    node.boot()
    assert not node.alive("ping", "-c1", "-W1", MASTER_ADDRESS), "only the tunnel leads there"
    assert "node ec2-01 10.78.0.61" in node.script("up")
    cloud.says(node, "ok")
    assert cloud.connected("ec2-01")
    until(lambda: job not in cloud.sge.admin("qstat", "-u", "*"), 30, "the job has ended")
    said = (cloud.sge.common / "home" / f"there.o{job}").read_text()
    assert said.startswith("ec2-01\n")
    assert f" {TUNNEL}.61/24 " in said
    hosts = node.run("cat", "/etc/hosts")
    assert hosts.startswith("127.0.0.1 localhost\n127.0.1.1 elsewhere\n")
    assert f"{MASTER_ADDRESS} sgemaster.lab sgemaster\n" in hosts

    cloud.network.gone(node.token)
    until(lambda: not cloud.connected("ec2-01"), 10, "the tunnel is cut")
    node.run("sh", "-c", "kill $(cat /run/onesge/tunnel.child)")
    until(lambda: "certificate revoked" in cloud.server_log, 15, "it is refused when it comes again")
    assert not cloud.connected("ec2-01")
