"""onesge vpn as it is called: the server is made once, certificates are listed and revoked."""

import json
from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from oned.cli.command import FAILURE
from oned.cli.onesge.program import main
from oned.elastic.changes import Why
from oned.elastic.leader import Lead
from oned.elastic.records import Lease, Records
from oned.elastic.report import JoinRefused
from oned.elastic.tunnel import VpnSite
from oned.elastic.vpn import Vpn

CONF = """\
REPORT = [ URL = "https://10.77.0.1:2634" ]
VPN = [ REMOTE = vpn.example.org, NETWORK = 10.78.0.0/24, ROUTES = 10.77.0.0/24 ]
"""

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """What onesge writes, in a location with the settings above."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/onesge.conf").write_text(CONF)
    monkeypatch.setenv("ONE_LOCATION", str(tmp_path))

    def run_line(line: str, code: int = 0) -> str:
        assert main(line.split()) == code
        written = capsys.readouterr()
        return written.err if code else written.out

    return run_line


@pytest.fixture
def vpn(run: Run, tmp_path: Path) -> Vpn:
    directory = tmp_path / "var/onesge/vpn"
    said = run("vpn init")
    assert f"{directory} has a new authority\n" in said
    assert f"openvpn --config {directory}/server.conf\n" in said
    return Vpn(VpnSite(directory, "vpn.example.org", IPv4Network("10.78.0.0/24")))


def test_a_second_init_keeps_the_authority(run: Run, vpn: Vpn) -> None:
    before = vpn.authority.certificate.read_text()
    assert "has the authority that was there\n" in run("vpn init")
    assert vpn.authority.certificate.read_text() == before
    assert run("vpn server-config") == vpn.site.configuration.read_text()


def test_certificates_are_listed_with_who_is_connected(run: Run, vpn: Vpn) -> None:
    join = vpn.invite("ec2-01", "token-1")
    vpn.invite("ec2-02", "token-2")
    vpn.redeem(join, "203.0.113.9")
    with pytest.raises(JoinRefused):
        vpn.redeem(join, "203.0.113.66")
    (vpn.site.directory / "events").write_text("9999999999 up ec2-01 10.78.0.61 203.0.113.9 0\n")
    first, second = json.loads(run("vpn list --json"))["CERTIFICATE_POOL"]["CERTIFICATE"]
    assert (first["NAME"], first["STATE"], first["FROM"], first["UP"]) == ("ec2-01", "taken", "203.0.113.9", "YES")
    assert first["ADDRESS"] == "10.78.0.61"
    assert "from 203.0.113.66" in first["WRONG"]
    assert (second["NAME"], second["STATE"]) == ("ec2-02", "invited")
    assert "PRIVATE KEY" not in run("vpn --json")


def test_certificates_are_revoked_by_name_and_what_has_none_is_told(run: Run, vpn: Vpn) -> None:
    for number in (1, 2):
        vpn.invite(f"ec2-0{number}", f"token-{number}")
    assert run("vpn revoke ec2-[01-02]").splitlines() == [
        "ec2-01: its certificate is revoked",
        "ec2-02: its certificate is revoked",
    ]
    assert run("vpn list --csv -l NAME,STATE") == "NAME,STATE\nec2-01,revoked\nec2-02,revoked\n"
    assert "ec2-01 has no certificate that is valid" in run("vpn revoke ec2-01", FAILURE)


def test_the_node_of_a_revoked_certificate_is_drained_at_once_and_that_of_its_successor_is_not(
    run: Run, vpn: Vpn, tmp_path: Path
) -> None:
    records = Records(tmp_path / "var/onesge.db")
    lead = Lead(records)
    lead.take()
    with lead.writing() as changes:
        for number in (1, 2):
            lease = Lease(3, f"ec2-0{number}", f"02:00:0a:4e:00:{number:02x}", f"10.78.0.{number}")
            changes.plan(f"token-{number}", "ec2", lease, "", Why("demand", "a task waits"))
    vpn.invite("ec2-01", "token-1")
    vpn.invite("ec2-02", "token of an older one")
    assert run("vpn revoke ec2-01,ec2-02").splitlines() == [
        "ec2-01: its certificate is revoked, and the node is drained",
        "ec2-02: its certificate is revoked",
    ]
    assert [(order.verb, order.subject) for order in records.orders()] == [("drain", "ec2-01")]
    lead.resign()
    records.close()


def test_a_revocation_that_is_not_in_force_yet_is_told(run: Run, vpn: Vpn, monkeypatch: pytest.MonkeyPatch) -> None:
    vpn.redeem(vpn.invite("ec2-01", "token-1"), "203.0.113.9")
    monkeypatch.setattr(Vpn, "enforce", lambda _: ["ec2-01"])
    said = run("vpn revoke ec2-01", FAILURE)
    assert "ec2-01 may still be in the tunnel: OpenVPN's server does not answer. `onesge run` tries again" in said


def test_without_a_tunnel_in_the_settings_there_is_a_hint(run: Run, tmp_path: Path) -> None:
    (tmp_path / "etc/onesge.conf").write_text("")
    assert "etc/onesge.conf has no VPN." in run("vpn init", FAILURE)
    (tmp_path / "etc/onesge.conf").write_text(CONF.replace("https", "http"))
    assert "it begins with https://" in run("vpn list", FAILURE)


def test_a_place_that_cannot_be_written_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file, no directory")
    assert ": Not a directory" in run("vpn init", FAILURE)
