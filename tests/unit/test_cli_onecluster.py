"""onecluster against a daemon on the wire."""

import pytest
from fakes_rpc import FakeCloud

from oned.cli import onecluster

Capture = pytest.CaptureFixture[str]
POOL = (
    "<CLUSTER_POOL><CLUSTER><ID>100</ID><NAME>prod</NAME><HOSTS><ID>0</ID><ID>1</ID></HOSTS><DATASTORES><ID>0</ID>"
    "</DATASTORES><VNETS></VNETS><TEMPLATE><RACK>7</RACK></TEMPLATE></CLUSTER></CLUSTER_POOL>"
)


@pytest.fixture
def cloud(hosts: FakeCloud) -> FakeCloud:
    """Cluster 100 prod, hosts 0 alpha and 1 beta, datastore 0 system."""
    hosts.methods["one.clusterpool.info"] = lambda: POOL
    hosts.methods["one.cluster.info"] = lambda _oid: POOL.removeprefix("<CLUSTER_POOL>").removesuffix("</CLUSTER_POOL>")
    hosts.methods["one.datastorepool.info"] = lambda: (
        "<DATASTORE_POOL><DATASTORE><ID>0</ID><NAME>system</NAME></DATASTORE></DATASTORE_POOL>"
    )
    hosts.methods["one.vnpool.info"] = lambda *_filter: "<VNET_POOL><VNET><ID>4</ID><NAME>lan</NAME></VNET></VNET_POOL>"
    for name in (
        "delete",
        "rename",
        "update",
        "addhost",
        "delhost",
        "adddatastore",
        "deldatastore",
        "addvnet",
        "delvnet",
    ):
        hosts.methods[f"one.cluster.{name}"] = lambda cluster, *_rest: cluster
    hosts.methods["one.cluster.allocate"] = lambda _name: 101
    return hosts


def test_list_shows_how_many_members_there_are(cloud: FakeCloud, capsys: Capture) -> None:
    assert onecluster.main(["list"]) == 0
    assert capsys.readouterr().out == (
        "   ID NAME                      HOSTS VNETS DATASTORES\n"
        "  100 prod                          2     0          1\n"
    )


def test_show_tells_the_members(cloud: FakeCloud, capsys: Capture) -> None:
    assert onecluster.main(["show", "prod"]) == 0
    assert capsys.readouterr().out == (
        "CLUSTER 100 INFORMATION\nID                  : 100\nNAME                : prod\nHOSTS               : 0, 1\n"
        'VNETS               : -\nDATASTORES          : 0\n\nCLUSTER TEMPLATE\nRACK="7"\n\n'
    )


@pytest.mark.parametrize(("words", "calls"), [
    (["create", "new"], [("one.cluster.allocate", "new")]), (["delete", "prod"], [("one.cluster.delete", 100)]),
    (["addhost", "prod", "alpha,1"], [("one.cluster.addhost", 100, 0), ("one.cluster.addhost", 100, 1)]),
    (["addhost", "prod", "alpha", "beta"], [("one.cluster.addhost", 100, 0), ("one.cluster.addhost", 100, 1)]),
    (["delhost", "100", "0"], [("one.cluster.delhost", 100, 0)]),
    (["removehost", "beta", "prod"], [("one.cluster.delhost", 100, 1)]),
    (["adddatastore", "prod", "system"], [("one.cluster.adddatastore", 100, 0)]),
    (["deldatastore", "prod", "0"], [("one.cluster.deldatastore", 100, 0)]),
    (["addvnet", "prod", "lan"], [("one.cluster.addvnet", 100, 4)]),
    (["delvnet", "prod", "lan,5"], [("one.cluster.delvnet", 100, 4), ("one.cluster.delvnet", 100, 5)]),
    (["rename", "prod", "old"], [("one.cluster.rename", 100, "old")]),
])  # fmt: skip
def test_a_command_is_a_call(cloud: FakeCloud, words: list[str], calls: list[tuple[object, ...]]) -> None:
    assert onecluster.main(words) == 0
    assert [call for call in cloud.calls if "pool" not in call[0]] == calls
