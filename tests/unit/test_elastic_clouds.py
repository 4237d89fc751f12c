"""What may let machines in a cloud be paid for that nobody uses is told."""

import socket
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from oned.cli.onesge.program import main
from oned.elastic.accounts import Account
from oned.elastic.clouds import no_server, unlooked
from oned.elastic.policy import NodeClass
from oned.elastic.tunnel import VpnSite

HERE, THERE = NodeClass("local"), NodeClass("ec2", cloud=True)


def test_nodes_in_a_cloud_without_an_account_to_look_at_are_told() -> None:
    assert unlooked([HERE, THERE], []).startswith("no EC2_ACCOUNT")
    assert unlooked([HERE, THERE], [Account("eu-central-1")]) == ""
    assert unlooked([HERE], []) == ""


def test_a_tunnel_whose_server_does_not_run_is_told(tmp_path: Path) -> None:
    site = VpnSite(tmp_path, "vpn.example.org", IPv4Network("10.78.0.0/24"))
    assert "no OpenVPN server runs" in no_server(site)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "management"))
        server.listen(1)
        assert no_server(site) == ""
    assert "no OpenVPN server runs" in no_server(site)
    assert no_server(None) == ""


def test_the_doctor_tells_both_with_what_mends_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ONE_LOCATION", str(tmp_path))
    monkeypatch.setattr("oned.elastic.sge.examine.examine", lambda place, classes, nodes: [])
    (tmp_path / "etc").mkdir()
    conf = tmp_path / "etc/onesge.conf"
    conf.write_text(
        "NODE_CLASS = [ NAME = ec2, PLACE = cloud ]\nVPN = [ REMOTE = vpn.example.org, NETWORK = 10.78.0.0/24 ]\n"
    )
    assert main(["doctor"]) == 2
    said = capsys.readouterr().out
    assert "WARNING: no EC2_ACCOUNT: instances without a node are not looked for\n" in said
    assert '$ EC2_ACCOUNT = [ REGION = "", PROFILE = "", SITE = "oned" ]' in said
    assert "ERROR: VPN is set, and no OpenVPN server runs with its configuration\n" in said
    assert f"$ openvpn --config {tmp_path}/var/onesge/vpn/server.conf\n" in said
    assert main(["doctor", "--script"]) == 2
    assert "\n# EC2_ACCOUNT = [" in capsys.readouterr().out
    conf.write_text("NODE_CLASS = [ NAME = ec2, PLACE = cloud ]\nEC2_ACCOUNT = [ REGION = eu-central-1 ]\n")
    assert main(["doctor"]) == 0
