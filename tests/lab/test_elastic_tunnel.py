"""Nodes in a cloud, reached through the tunnel only: they join once, take jobs under their names, and are shut out."""

import contextlib
import signal
import socket
from collections.abc import Iterator

import pytest

from tests.lab.sge_world import GROUP, MASTER_ADDRESS
from tests.lab.tunnel import CLOUD, TUNNEL, Cloud, cloud_world
from tests.lab.world import until

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timeout(180),
    # A machine that is switched off takes no leave of its TLS connection, and uvloop warns of that at its end.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@contextlib.contextmanager
def speaking(cloud: Cloud) -> Iterator[None]:
    """Somebody else speaks with OpenVPN's server."""
    assert cloud.network.vpn
    with socket.socket(socket.AF_UNIX) as wire:
        wire.connect(str(cloud.network.vpn.site.directory / "management"))
        wire.recv(1)
        yield


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with cloud_world(tmp_path_factory.mktemp("tunnel") / "a") as made:
        yield made


def test_a_node_joins_takes_a_job_under_its_name_and_is_shut_out_when_it_is_gone(cloud: Cloud) -> None:
    node = cloud.plan("ec2-01", 61)
    script = "hostname; ip -4 -o addr show tun0; env"
    job = cloud.sge.submit("-N", "there", "-l", "hostname=ec2-01", "-sync", "n", script)
    node.boot()
    assert not node.alive("ip", "route", "get", MASTER_ADDRESS), "only the tunnel leads there"
    assert "node ec2-01 10.78.0.61" in node.script("up")
    cloud.says(node, "ok")
    assert cloud.connected("ec2-01")
    until(lambda: job not in cloud.sge.admin("qstat", "-u", "*"), 30, "the job has ended")
    said = (cloud.sge.common / "home" / f"there.o{job}").read_text()
    assert said.startswith("ec2-01\n")
    assert f" {TUNNEL}.61/24 " in said
    assert not {"NODE_TOKEN", "JOIN_TOKEN"} & {line.partition("=")[0] for line in said.splitlines()}
    assert "SGE_ROOT=" in said
    hosts = node.run("cat", "/etc/hosts")
    assert hosts.startswith("127.0.0.1 localhost\n127.0.1.1 elsewhere\n")
    assert f"{MASTER_ADDRESS} sgemaster.lab sgemaster\n" in hosts

    assert cloud.network.vpn
    with speaking(cloud):
        cloud.network.gone(node.token)
        assert cloud.network.vpn.enforce() == ["ec2-01"], "OpenVPN speaks with one at a time"
    assert cloud.connected("ec2-01")
    until(lambda: cloud.network.vpn and not cloud.network.vpn.enforce(), 10, "it answers again")
    until(lambda: not cloud.connected("ec2-01"), 10, "the tunnel is cut")
    until(
        lambda: "certificate revoked" in cloud.server_log, 15, "the node was told, and is refused when it comes again"
    )
    assert not cloud.connected("ec2-01")


@pytest.mark.soak
def test_a_one_time_token_that_comes_twice_is_refused_and_the_node_is_not_trusted_any_more(cloud: Cloud) -> None:
    node = cloud.plan("ec2-02", 62).boot()
    node.script("up")
    cloud.says(node, "ok")
    thief = cloud.plan("ec2-03", 63)
    cloud.data[f"{CLOUD}.63"] = cloud.data[f"{CLOUD}.62"]
    thief.boot().script("up")
    assert "it may not join: The invitation of ec2-02 was used already, by 10.79.0.62" in thief.file("wrong")
    assert not thief.alive("test", "-e", "/run/kept/client.conf")
    cloud.says(node, "its one-time token was used again, from 10.79.0.63")
    until(lambda: cloud.heard[-1] != (node.token, "ok"), 5, "and it stays so")
    secret = cloud.data[f"{CLOUD}.62"].partition("JOIN_TOKEN=")[2].split()[0]
    commands = "cat /proc/[0-9]*/cmdline /run/onesge/*.log"
    assert secret not in node.run("sh", "-c", commands) + cloud.server_log, "secrets are in no log, no command line"
    kept = node.run("stat", "-c", "%a %n", "/run/kept/client.conf", "/run/onesge/context.sh")
    assert kept == "600 /run/kept/client.conf\n600 /run/onesge/context.sh\n"


@pytest.mark.soak
def test_a_node_that_shuts_down_leaves_at_once_and_comes_again_with_what_it_has_kept(cloud: Cloud) -> None:
    node = cloud.plan("ec2-04", 64).boot()
    node.script("up")
    until(lambda: cloud.connected("ec2-04"), 5, "it is connected")
    node.script("down")
    until(lambda: not cloud.connected("ec2-04"), 15, "the server was told, which waits 5 s")
    assert cloud.network.vpn
    assert cloud.network.vpn.connections()["ec2-04"].seconds >= 1
    assert not node.alive("pgrep", "-x", "sge_execd|openvpn")
    said = len(cloud.heard)
    assert "node ec2-04" in node.script("up"), "the one-time token is not needed again"
    until(lambda: (node.token, "ok") in cloud.heard[said:], 10, "it is well")


@pytest.mark.soak
def test_an_execd_that_came_before_its_host_was_registered_joins_when_it_is(cloud: Cloud) -> None:
    node = cloud.plan("ec2-05", 65)
    cloud.sge.admin("qconf", "-dattr", "hostgroup", "hostlist", "ec2-05", GROUP)
    for option in ("-de", "-dh"):
        cloud.sge.admin("sh", "-c", f"qconf {option} ec2-05 || true")
    node.boot().script("up")
    until(lambda: "execd has ended" in node.file("execd.log"), 30, "it is sent away")
    cloud.sge.admin("qconf", "-ah", "ec2-05")
    cloud.sge.admin("qconf", "-aattr", "hostgroup", "hostlist", "ec2-05", GROUP)
    job = cloud.sge.submit("-l", "hostname=ec2-05", "true")
    until(lambda: job not in cloud.sge.admin("qstat", "-u", "*"), 40, "it takes a job")


@pytest.mark.soak
def test_a_node_without_master_and_job_switches_itself_off_and_one_with_a_job_does_not(cloud: Cloud) -> None:
    idle, busy = cloud.plan("ec2-06", 66, dead_after=4.0), cloud.plan("ec2-07", 67, dead_after=4.0)
    cloud.sge.submit("-l", "hostname=ec2-07", "sleep", "25")
    for node in (idle, busy):
        node.boot().script("up")
        cloud.says(node, "ok")
    until(lambda: busy.alive("pgrep", "-x", "sge_shepherd.*"), 20, "it has a job")
    assert not idle.alive("sh", "-c", "sleep 6; test -e /run/off"), "there is a master"
    cloud.sge.stop_master(signal.SIGKILL)
    try:
        cloud.says(idle, "it switches itself off: no master and no job for", 20)
        until(lambda: idle.alive("test", "-e", "/run/off"), 10, "it is off")
        assert not busy.alive("test", "-e", "/run/off")
        until(lambda: busy.alive("test", "-e", "/run/off"), 45, "it goes after its job")
        assert "no master and no job" in busy.file("watch.log")
    finally:
        cloud.sge.start_master()


@pytest.mark.soak
def test_a_node_at_its_greatest_age_switches_itself_off(cloud: Cloud) -> None:
    node = cloud.plan("ec2-08", 68, life=3.0).boot()
    node.script("up")
    cloud.says(node, "it switches itself off: it is")
    until(lambda: node.alive("test", "-e", "/run/off"), 10, "it is off")
    until(lambda: not cloud.connected("ec2-08"), 15, "it has left the tunnel")


@pytest.mark.soak
def test_a_node_that_ec2_takes_back_says_so(cloud: Cloud) -> None:
    node = cloud.plan("ec2-09", 69).boot()
    node.script("up")
    cloud.says(node, "ok")
    cloud.taken_back[f"{CLOUD}.69"] = '{"action": "terminate", "time": "2026-11-27T12:00:00Z"}'
    cloud.says(node, 'EC2 takes it back: {"action": "terminate"')
