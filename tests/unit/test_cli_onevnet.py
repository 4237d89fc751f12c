"""onevnet against a daemon on the wire."""

from pathlib import Path

import pytest
from fakes_rpc import FakeCloud

from oned.cli import onevnet
from oned.template.parse import parse

Capture = pytest.CaptureFixture[str]


def document(oid: int, name: str, used: int, leases: str = "", parent: str = "") -> str:
    reserved = "<PARENT_NETWORK_AR_ID>0</PARENT_NETWORK_AR_ID>" if parent else ""
    return (
        f"<VNET><ID>{oid}</ID><UID>0</UID><GID>0</GID><UNAME>oneadmin</UNAME><GNAME>oneadmin</GNAME><NAME>{name}</NAME>"
        "<PERMISSIONS><OWNER_U>1</OWNER_U><OWNER_M>1</OWNER_M></PERMISSIONS><CLUSTERS><ID>0</ID></CLUSTERS>"
        "<TYPE>0</TYPE><BRIDGE>br0</BRIDGE><STATE>1</STATE><PUBLIC>0</PUBLIC>"
        f"<PARENT_NETWORK_ID>{parent}</PARENT_NETWORK_ID><VN_MAD>bridge</VN_MAD><PHYDEV/><VLAN_ID>7</VLAN_ID>"
        f"<USED_LEASES>{used}</USED_LEASES><TEMPLATE><DNS>10.0.0.2</DNS></TEMPLATE>"
        f"<AR_POOL><AR><AR_ID>0</AR_ID><IP>10.0.0.1</IP><MAC>02:00:0a:00:00:01</MAC>{reserved}<SIZE>8</SIZE>"
        "<TYPE>IP4</TYPE><MAC_END>02:00:0a:00:00:08</MAC_END><IP_END>10.0.0.8</IP_END>"
        f"<USED_LEASES>{used}</USED_LEASES><LEASES>{leases}</LEASES></AR></AR_POOL></VNET>"
    )


LEASES = (
    "<LEASE><IP>10.0.0.1</IP><MAC>02:00:0a:00:00:01</MAC><VM>3</VM></LEASE>"
    "<LEASE><IP>10.0.0.4</IP><MAC>02:00:0a:00:00:04</MAC><VM>-1</VM></LEASE>"
    "<LEASE><IP>10.0.0.5</IP><MAC>02:00:0a:00:00:05</MAC><VNET>8</VNET></LEASE>"
)


@pytest.fixture
def cloud(cloud: FakeCloud) -> FakeCloud:
    """Networks 5 lan, with leases, and 8 part, which is reserved from it."""
    cloud.vm(3, "web", "RUNNING", host="alpha", hid=0)
    texts = {5: document(5, "lan", 3, LEASES), 8: document(8, "part", 0, parent="5")}
    cloud.methods["one.vn.info"] = lambda oid, *_rest: texts[oid]
    cloud.methods["one.vnpool.info"] = lambda *_filter: f"<VNET_POOL>{''.join(texts.values())}</VNET_POOL>"
    cloud.methods["one.clusterpool.info"] = lambda: (
        "<CLUSTER_POOL><CLUSTER><ID>100</ID><NAME>prod</NAME></CLUSTER></CLUSTER_POOL>"
    )
    for name in ("delete", "hold", "release", "addleases", "rmleases", "add_ar", "update_ar", "rm_ar", "free_ar",
                 "publish", "chown", "chmod", "rename", "lock", "unlock", "update"):  # fmt: skip
        cloud.methods[f"one.vn.{name}"] = lambda net, *_rest: net
    cloud.methods["one.vn.allocate"] = cloud.methods["one.vn.reserve"] = lambda *_arguments: 9
    return cloud


def test_list_shows_networks_and_how_full_they_are(cloud: FakeCloud, capsys: Capture) -> None:
    assert onevnet.main(["list"]) == 0
    assert capsys.readouterr().out == (
        "  ID USER         GROUP        NAME            CLUSTERS   BRIDGE       SIZE LEASES\n"
        "   5 oneadmin     oneadmin     lan             0          br0             8      3\n"
        "   8 oneadmin     oneadmin     part            0          br0             8      0\n"
    )
    assert cloud.called("one.vnpool.info") == [(-2, -1, -1)]


def test_show_has_the_ranges_and_who_has_which_address(cloud: FakeCloud, capsys: Capture) -> None:
    assert onevnet.main(["show", "lan"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("VIRTUAL NETWORK 5 INFORMATION\nID                  : 5\n")
    assert "USED LEASES         : 3 of 8\n" in out
    assert "ADDRESS RANGE 0\nIP                  : 10.0.0.1\n" in out
    assert "   0 VM 3 web           02:00:0a:00:00:01 10.0.0.1        -" in out
    assert "   0 on hold            02:00:0a:00:00:04 10.0.0.4        -" in out
    assert "   0 NET 8              02:00:0a:00:00:05 10.0.0.5        -" in out


@pytest.mark.parametrize(("words", "method", "arguments", "attributes"), [
    ("hold lan 10.0.0.2", "hold", (5,), {"LEASES": {"IP": "10.0.0.2"}}),
    ("hold lan 02:00:0a:00:00:02", "hold", (5,), {"LEASES": {"MAC": "02:00:0a:00:00:02"}}),
    ("release 5 10.0.0.4", "release", (5,), {"LEASES": {"IP": "10.0.0.4"}}),
    ("addleases lan 10.0.1.2 02:00:00:00:00:01", "addleases", (5,),
     {"LEASES": {"IP": "10.0.1.2", "MAC": "02:00:00:00:00:01"}}),
    ("rmleases lan 10.0.0.2", "rmleases", (5,), {"LEASES": {"IP": "10.0.0.2"}}),
    ("addar lan --ip 10.9.0.1 --size 4", "add_ar", (5,), {"AR": {"TYPE": "IP4", "SIZE": "4", "IP": "10.9.0.1"}}),
    ("addar lan --size 4", "add_ar", (5,), {"AR": {"TYPE": "ETHER", "SIZE": "4"}}),
    ("addar lan --size 4 --ip 10.9.0.1 --ip6_global 2001:db8::", "add_ar", (5,),
     {"AR": {"TYPE": "IP4_6", "SIZE": "4", "IP": "10.9.0.1", "GLOBAL_PREFIX": "2001:db8::"}}),
    ("updatear lan 0 --size 9", "update_ar", (5,), {"AR": {"AR_ID": "0", "SIZE": "9"}}),
    ("reserve lan --name mine --size 2 --addr-range 0", "reserve", (5,), {"NAME": "mine", "SIZE": "2", "AR_ID": "0"}),
    ("reserve lan part --size 2 --ip 10.0.0.6", "reserve", (5,), {"SIZE": "2", "IP": "10.0.0.6", "NETWORK_ID": "8"}),
])  # fmt: skip
def test_addresses_go_as_a_template(
    cloud: FakeCloud, words: str, method: str, arguments: tuple[object, ...], attributes: dict[str, object]
) -> None:
    assert onevnet.main(words.split()) == 0
    *sent, text = cloud.called(f"one.vn.{method}")[-1]
    assert (tuple(sent), dict(parse(text))) == (arguments, attributes)


@pytest.mark.parametrize(
    "text", ["AR = [ SIZE = 9, FOO = bar ]", "SIZE = 9 FOO = bar", '{"AR": {"SIZE": 9, "FOO": "bar"}}']
)
def test_a_range_is_changed_by_a_file_with_or_without_the_word_ar(cloud: FakeCloud, tmp_path: Path, text: str) -> None:
    (tmp_path / "ar").write_text(text)
    assert onevnet.main(["updatear", "lan", "0", str(tmp_path / "ar")]) == 0
    assert dict(parse(cloud.called("one.vn.update_ar")[-1][1])) == {"AR": {"AR_ID": "0", "SIZE": "9", "FOO": "bar"}}


@pytest.mark.parametrize(
    "text", ["AR = [ SIZE = 9 ] AR = [ SIZE = 8 ]", "SIZE = 9 AR = [ SIZE = 8 ]", "NIC = [ SIZE = 9 ]"]
)
def test_a_file_of_several_ranges_changes_none(cloud: FakeCloud, tmp_path: Path, text: str, capsys: Capture) -> None:
    (tmp_path / "ar").write_text(text)
    assert onevnet.main(["updatear", "lan", "0", str(tmp_path / "ar")]) == 255
    assert "attributes of one range" in capsys.readouterr().err
    assert cloud.called("one.vn.update_ar") == []


@pytest.mark.parametrize(("words", "call"), [
    ("delete lan", ("one.vn.delete", 5)), ("rmar lan 0", ("one.vn.rm_ar", 5, 0, False)),
    ("rmar lan 0 --force", ("one.vn.rm_ar", 5, 0, True)), ("freear part 0", ("one.vn.free_ar", 8, 0)),
    ("free part 0", ("one.vn.free_ar", 8, 0)), ("publish lan", ("one.vn.publish", 5, True)),
    ("unpublish lan", ("one.vn.publish", 5, False)), ("chown lan ada", ("one.vn.chown", 5, 2, -1)),
    ("chmod lan 640", ("one.vn.chmod", 5, 1, 1, 0, 1, 0, 0, 0, 0, 0)), ("rename lan wan", ("one.vn.rename", 5, "wan")),
    ("lock lan --manage", ("one.vn.lock", 5, 2)), ("unlock lan", ("one.vn.unlock", 5)),
])  # fmt: skip
def test_command_makes_the_call(cloud: FakeCloud, words: str, call: tuple[object, ...]) -> None:
    assert onevnet.main(words.split()) == 0
    assert cloud.calls[-1] == call


def test_create_sends_the_file_and_the_cluster(cloud: FakeCloud, capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "lan.one"
    path.write_text("NAME = lan\nBRIDGE = br0\n")
    assert onevnet.main(["create", str(path), "-c", "prod"]) == 0
    assert cloud.called("one.vn.allocate") == [(path.read_text(), 100)]
    assert onevnet.main(["create", str(path)]) == 0
    assert cloud.called("one.vn.allocate")[-1][1] == -1
    assert capsys.readouterr().out == "ID: 9\nID: 9\n"


@pytest.mark.parametrize(("words", "refused"), [
    ("delete part", ""), ("delete lan", "VNET 5 cannot be deleted: 3 of its leases are in use"),
    ("hold lan 10.0.0.2", ""), ("hold lan 02:00:0a:00:00:08", ""), ("hold lan 10.0.0.1", "10.0.0.1 is in use: VM 3"),
    ("hold lan 10.0.0.9", "10.0.0.9 is no address of network 5"), ("hold lan nonsense", "is no address"),
    ("release lan 10.0.0.4", ""), ("release lan 10.0.0.2", "10.0.0.2 is not on hold: it is free"),
    ("release lan 10.0.0.5", "not on hold: it is used by NET 8"), ("rmar lan 0", "3 leases of address range 0"),
    ("rmar lan 0 --force", ""), ("rmar lan 7", "has no address range 7"), ("freear part 0", ""),
    ("freear lan 0", "is not reserved"), ("reserve lan --name x --size 5", ""),
    ("reserve lan --name x --size 6", "6 addresses are wanted, 5 are free"), ("addar lan --size 3", ""),
    ("updatear lan 0 --size 5", ""), ("updatear lan 0 --size 4", "02:00:0a:00:00:05 is in use"),
    ("updatear lan 3 --size 3", "has no address range 3"),
    ("addleases lan 10.0.0.9", ""), ("rmleases lan 10.0.0.5", "10.0.0.5 is in use: NET 8"),
])  # fmt: skip
def test_dry_run_changes_nothing_and_says_what_would_be_refused(
    cloud: FakeCloud, capsys: Capture, words: str, refused: str
) -> None:
    code = onevnet.main([*words.split(), "--dry-run"])
    output = capsys.readouterr()
    assert (code, refused in output.err, bool(output.err)) == (255 if refused else 0, True, bool(refused))
    assert output.out.endswith("Nothing was changed.\n")
    assert {call[0] for call in cloud.calls} <= {"one.vn.info", "one.vnpool.info", "oned.vn.preview"}


@pytest.mark.parametrize("words", [
    "reserve lan --size 2", "reserve lan --name x", "reserve lan part --name x --size 2", "updatear lan 0",
    "rmar lan first",
])  # fmt: skip
def test_what_cannot_be_meant_is_refused_before_anything_is_sent(cloud: FakeCloud, capsys: Capture, words: str) -> None:
    assert onevnet.main(words.split()) == 255
    assert capsys.readouterr().err
    assert {call[0] for call in cloud.calls} <= {"one.vnpool.info"}
