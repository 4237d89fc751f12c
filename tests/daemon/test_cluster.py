"""Clusters, in the forms of 2.x and of 3.4 and later."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from oned.client.client import Client
from oned.client.documents import Document, parse
from tests.daemon.process import Daemon, refusal, until

_NUMBERS = iter(range(1000))


@pytest.fixture(autouse=True)
def sound(simulated: Daemon) -> Iterator[None]:
    """After each of these the data base is as it must be, and the hosts are in the default cluster again."""
    yield
    assert simulated.check() == []
    for host in (simulated.host("alpha"), simulated.host("beta")):
        simulated.one.cluster.addhost(0, host)


def made(daemon: Daemon, name: str = "") -> int:
    """A new cluster."""
    return daemon.admin.number("one.cluster.allocate", name or f"c{next(_NUMBERS)}")


def shown(daemon: Daemon, cluster: int) -> Document:
    return parse(daemon.admin.text("one.cluster.info", cluster))


def members(daemon: Daemon, cluster: int, kind: str) -> list[int]:
    return [int(item.content) for item in shown(daemon, cluster).all(f"{kind}/ID")]


def test_clusters_that_users_make_begin_at_100_and_are_empty(simulated: Daemon) -> None:
    cluster = made(simulated, "racks")
    assert cluster >= 100
    assert simulated.admin.text("one.cluster.info", cluster) == (
        f"<CLUSTER><ID>{cluster}</ID><NAME>racks</NAME><HOSTS></HOSTS><DATASTORES></DATASTORES><VNETS></VNETS>"
        "<TEMPLATE><RESERVED_CPU></RESERVED_CPU><RESERVED_MEM></RESERVED_MEM></TEMPLATE></CLUSTER>"
    )


@pytest.mark.parametrize(("name", "reason"), [
    ("", "it cannot be empty"), ("a/b", "char '/' is not allowed"), ("x" * 300, "max length is 128 chars"),
])  # fmt: skip
def test_bad_names_are_refused(simulated: Daemon, name: str, reason: str) -> None:
    text, code = refusal(simulated.one.cluster.allocate, name)
    assert (text.startswith(f"[one.cluster.allocate] Invalid NAME, {reason}"), code) == (True, 8192)


def test_a_name_is_taken_once(simulated: Daemon) -> None:
    cluster = made(simulated, "once")
    told, code = refusal(simulated.one.cluster.allocate, "once")
    assert (told, code) == (
        f"[one.cluster.allocate] NAME is already taken by CLUSTER {cluster}. Choose another name.", 8192,
    )  # fmt: skip
    other = made(simulated)
    told, code = refusal(simulated.one.cluster.rename, other, "once")
    assert (told, code) == (
        f"[one.cluster.rename] cluster cannot be renamed to once because it collides with cluster {cluster}", 2048,
    )  # fmt: skip


def test_hosts_go_from_one_cluster_to_another_and_back_to_the_default(simulated: Daemon) -> None:
    alpha, first, second = simulated.host("alpha"), made(simulated), made(simulated)
    for cluster in (first, second):
        assert simulated.one.cluster.addhost(cluster, alpha) == cluster
        assert simulated.host_info(alpha).int("CLUSTER_ID") == cluster
        assert simulated.host_info(alpha).text("CLUSTER") == shown(simulated, cluster).text("NAME")
    assert (members(simulated, first, "HOSTS"), members(simulated, second, "HOSTS")) == ([], [alpha])
    told, code = refusal(simulated.one.cluster.delhost, first, alpha)
    assert (told, code) == (
        f"[one.cluster.delhost] Host [{alpha}] is not in cluster [{first}]. It is in {second}", 2048,
    )  # fmt: skip
    simulated.one.cluster.delhost(second, alpha)
    assert alpha in members(simulated, 0, "HOSTS")


def test_the_methods_of_2_x_take_the_host_first(simulated: Daemon) -> None:
    beta, cluster = simulated.host("beta"), made(simulated)
    simulated.one.cluster.add(beta, cluster)
    assert members(simulated, cluster, "HOSTS") == [beta]
    simulated.one.cluster.remove(beta)
    assert beta in members(simulated, 0, "HOSTS")


def test_a_host_can_be_made_in_a_cluster(simulated: Daemon) -> None:
    cluster = made(simulated)
    host = simulated.admin.number("one.host.allocate", "gamma", "dummy", "dummy", cluster)
    assert members(simulated, cluster, "HOSTS") == [host]
    simulated.one.host.delete(host)
    assert members(simulated, cluster, "HOSTS") == []


def test_a_datastore_is_in_as_many_clusters_as_one_likes(simulated: Daemon) -> None:
    first, second = made(simulated), made(simulated)
    for cluster in (first, second, first):
        simulated.one.cluster.adddatastore(cluster, 0)
    datastore = parse(simulated.admin.text("one.datastore.info", 0))
    assert [int(item.content) for item in datastore.all("CLUSTERS/ID")] == [0, first, second]
    assert members(simulated, first, "DATASTORES") == [0]
    simulated.one.cluster.deldatastore(first, 0)
    told, code = refusal(simulated.one.cluster.deldatastore, first, 0)
    assert (told, code) == (
        f"[one.cluster.deldatastore] Datastore [0] is not in cluster [{first}]. It is in 0, {second}", 2048,
    )  # fmt: skip
    simulated.one.cluster.deldatastore(second, 0)


def test_a_network_is_in_clusters_and_its_vms_must_run_there(simulated: Daemon) -> None:
    cluster = made(simulated)
    network = simulated.admin.number("one.vn.allocate", "NAME = lan\nBRIDGE = b\nAR = [ TYPE = ETHER, SIZE = 5 ]")
    simulated.one.cluster.addvnet(cluster, network)
    assert members(simulated, cluster, "VNETS") == [network]
    simulated.one.cluster.delvnet(0, network)
    assert "it contains 1 networks" in refusal(simulated.one.cluster.delete, cluster)[0]
    vm = parse(simulated.admin.text("oned.vm.preview", f"CPU = 1\nMEMORY = 1\nNIC = [ NETWORK_ID = {network} ]"))
    assert f"CLUSTER_ID = {cluster}" in vm.text("TEMPLATE/AUTOMATIC_REQUIREMENTS")
    simulated.one.cluster.delvnet(cluster, network)
    told, code = refusal(simulated.one.cluster.delvnet, cluster, network)
    assert (told, code) == (
        f"[one.cluster.delvnet] Virtual network [{network}] is not in cluster [{cluster}]. It is in none", 2048,
    )  # fmt: skip


def test_only_empty_clusters_that_users_made_are_deleted(simulated: Daemon) -> None:
    told, code = refusal(simulated.one.cluster.delete, 0)
    assert (told, code) == (
        "[one.cluster.delete] Cannot delete cluster. System Clusters (ID < 100) cannot be deleted. "
        "Those that can have greater numbers: onecluster list", 2048,
    )  # fmt: skip
    cluster = made(simulated)
    simulated.one.cluster.addhost(cluster, simulated.host("alpha"))
    told, code = refusal(simulated.one.cluster.delete, cluster)
    text = f"[one.cluster.delete] Cannot delete cluster. Cluster {cluster} is not empty, it contains 1 hosts."
    assert (told.startswith(text), code) == (True, 2048)
    simulated.one.cluster.remove(simulated.host("alpha"))
    simulated.one.cluster.adddatastore(cluster, 0)
    assert "it contains 1 datastores" in refusal(simulated.one.cluster.delete, cluster)[0]
    simulated.one.cluster.deldatastore(cluster, 0)
    assert simulated.one.cluster.delete(cluster) == cluster
    assert refusal(simulated.one.cluster.info, cluster)[1] == 1024


def test_what_a_cluster_keeps_back_counts_for_hosts_that_say_nothing_else(simulated: Daemon) -> None:
    alpha, cluster = simulated.host("alpha"), made(simulated)
    room = simulated.host_info(alpha).int("HOST_SHARE/MAX_CPU")
    simulated.one.cluster.update(cluster, "RESERVED_CPU = 100")
    simulated.one.cluster.addhost(cluster, alpha)
    assert simulated.host_info(alpha).int("HOST_SHARE/MAX_CPU") == room - 100
    simulated.one.cluster.update(cluster, 'RESERVED_CPU = "50%"', 1)
    assert simulated.host_info(alpha).int("HOST_SHARE/MAX_CPU") == room // 2
    simulated.one.host.update(alpha, "RESERVED_CPU = 10", 1)
    assert simulated.host_info(alpha).int("HOST_SHARE/MAX_CPU") == room - 10
    simulated.one.host.update(alpha, "RESERVED_CPU = ", 1)
    simulated.one.cluster.remove(alpha)
    assert simulated.host_info(alpha).int("HOST_SHARE/MAX_CPU") == room


def test_an_update_replaces_or_merges(simulated: Daemon) -> None:
    cluster = made(simulated)
    simulated.one.cluster.update(cluster, "A = 1\nB = 2")
    simulated.one.cluster.update(cluster, "B = 3", 1)
    assert (shown(simulated, cluster).text("TEMPLATE/A"), shown(simulated, cluster).text("TEMPLATE/B")) == ("1", "3")
    simulated.one.cluster.update(cluster, "C = 4", 0)
    assert shown(simulated, cluster).first("TEMPLATE/A") is None


def test_a_new_name_shows_in_the_documents_of_its_members(simulated: Daemon) -> None:
    alpha, cluster = simulated.host("alpha"), made(simulated)
    simulated.one.cluster.addhost(cluster, alpha)
    assert simulated.host_info(alpha).text("CLUSTER") != "renamed"
    simulated.one.cluster.rename(cluster, "renamed")
    assert simulated.host_info(alpha).text("CLUSTER") == "renamed"


def test_a_move_of_a_host_is_told(simulated: Daemon) -> None:
    alpha, cluster = simulated.host("alpha"), made(simulated)
    before = simulated.events(-1).int("LAST")
    simulated.one.cluster.addhost(cluster, alpha)
    told = [
        (event.text("KIND"), event.int("OID"), event.text("OLD"), event.text("NEW"))
        for event in simulated.events(before, 5).all("EVENT")
        if event.text("WHAT") == "cluster"
    ]
    assert told == [("HOST", alpha, "0", str(cluster))]


def test_the_pool_takes_a_boolean_too_and_clusters_last(simulated: Daemon) -> None:
    cluster = made(simulated, "lasting")
    simulated.one.cluster.addhost(cluster, simulated.host("alpha"))
    before = simulated.admin.text("one.clusterpool.info")
    assert simulated.admin.text("one.clusterpool.info", False) == before
    assert {0, cluster} <= {item.int("ID") for item in parse(before)}
    simulated.kill()
    simulated.restart()
    assert simulated.admin.text("one.clusterpool.info") == before


@pytest.mark.parametrize(("method", "arguments"), [
    ("allocate", ("x",)), ("delete", (100,)), ("update", (0, "A = 1")), ("rename", (0, "x")), ("addhost", (0, 0)),
    ("delhost", (0, 0)), ("adddatastore", (0, 0)), ("deldatastore", (0, 0)), ("add", (0, 0)), ("remove", (0,)),
    ("addvnet", (0, 0)), ("delvnet", (0, 0)),
])  # fmt: skip
def test_clusters_are_for_administrators(
    simulated: Daemon, plain_user: Client, method: str, arguments: tuple[object, ...]
) -> None:
    made(simulated)
    if "vnet" in method:
        network = simulated.admin.number("one.vn.allocate", f"NAME = n{next(_NUMBERS)}\nBRIDGE = b")
        arguments = (0, network)
    assert refusal(plain_user.call, f"one.cluster.{method}", *arguments)[1] == 512


@pytest.fixture
def scheduler(simulated: Daemon) -> Iterator[None]:
    """A scheduler that looks when something happens, and hardly otherwise."""
    command = [sys.executable, "-m", "oned.sched", "-s", "-t", "3600"]
    environment = {**simulated.environment, "ONE_XMLRPC": simulated.admin.endpoint}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        yield
        process.terminate()


@pytest.mark.usefixtures("scheduler")
@pytest.mark.parametrize("requirement", ["CLUSTER_ID = {id}", "CLUSTER = {name}"])
def test_requirements_on_clusters_follow_the_moves_of_hosts(simulated: Daemon, requirement: str) -> None:
    cluster, alpha = made(simulated), simulated.monitored("alpha")
    wanted = requirement.format(id=cluster, name=shown(simulated, cluster).text("NAME"))
    vm = simulated.allocate(f'SCHED_REQUIREMENTS = "{wanted}"')
    until(lambda: simulated.vm(vm).text("USER_TEMPLATE/SCHED_MESSAGE"), "the scheduler's message")
    assert simulated.state(vm) == "PENDING"
    simulated.one.cluster.adddatastore(cluster, 0)
    simulated.one.cluster.addhost(cluster, alpha)
    simulated.reaches(vm, "RUNNING")
    assert simulated.vm(vm).int("HISTORY_RECORDS/HISTORY/HID") == alpha
    simulated.one.vm.recover(vm, 3)
    simulated.reaches(vm, "DONE")
    simulated.one.cluster.deldatastore(cluster, 0)


@pytest.fixture(scope="module")
def plain_user(simulated: Daemon) -> Client:
    simulated.one.user.allocate("una", "secret")
    return simulated.client("una:secret")
