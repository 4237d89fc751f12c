"""The tunnel's authority: certificates of nodes, one-time tokens, what is revoked, and what nobody else may read."""

import logging
import subprocess
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from cryptography import x509

from oned.elastic.report import JoinRefused
from oned.elastic.tunnel import VpnSite, server_config
from oned.elastic.vpn import Vpn
from tests.needs import need_programs

TOKEN, OTHER = "8f0c9a52-0000-4000-8000-000000000001", "8f0c9a52-0000-4000-8000-000000000002"


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


CLOCK = Clock()


@pytest.fixture
def vpn(tmp_path: Path) -> Vpn:
    site = VpnSite(tmp_path / "vpn", "vpn.example.org", IPv4Network("10.78.0.0/24"), names=("10.77.0.1",))
    made = Vpn(site, CLOCK)
    made.make()
    return made


def inside(configuration: str, tag: str) -> str:
    return configuration.partition(f"<{tag}>\n")[2].partition(f"</{tag}>")[0]


def verified(vpn: Vpn, certificate: str, tmp_path: Path) -> str:
    """What openssl says of a certificate that a server is shown."""
    need_programs("openssl")
    (tmp_path / "shown").write_text(certificate)
    directory = vpn.site.directory
    done = subprocess.run(
        ["openssl", "verify", "-crl_check", "-CAfile", directory / "ca.crt", "-CRLfile", directory / "crl.pem",
         "-purpose", "sslclient", tmp_path / "shown"], capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_a_node_gets_its_configuration_once(vpn: Vpn, tmp_path: Path) -> None:
    join = vpn.invite("ec2-01", TOKEN)
    configuration = vpn.redeem(join, "203.0.113.9")
    assert "remote vpn.example.org 1194\n" in configuration
    shown = x509.load_pem_x509_certificate(inside(configuration, "cert").encode())
    assert shown.subject.rfc4514_string() == "CN=ec2-01"
    assert inside(configuration, "key").startswith("-----BEGIN PRIVATE KEY-----")
    assert verified(vpn, inside(configuration, "cert"), tmp_path).endswith("shown: OK\n")
    with pytest.raises(JoinRefused, match=r"The invitation of ec2-01 was used already, by 203\.0\.113\.9"):
        vpn.redeem(join, "203.0.113.66")
    assert vpn.misused(TOKEN).startswith("its one-time token was used again, from 203.0.113.66")
    assert vpn.misused(OTHER) == ""


def test_an_invitation_expires_and_is_valid_again_when_it_is_repeated(vpn: Vpn) -> None:
    join = vpn.invite("ec2-01", TOKEN)
    CLOCK.now += vpn.site.join_time + 1
    with pytest.raises(JoinRefused, match="ec2-01 is no longer valid"):
        vpn.redeem(join, "203.0.113.9")
    assert vpn.invite("ec2-01", TOKEN) == join, "a start that is done again tells the same node the same"
    assert vpn.redeem(join, "203.0.113.9")
    assert vpn.invite("ec2-01", TOKEN) == join
    with pytest.raises(JoinRefused, match="used already"):
        vpn.redeem(join, "203.0.113.9")


def test_a_token_that_was_never_given_opens_nothing(vpn: Vpn) -> None:
    vpn.invite("ec2-01", TOKEN)
    for guess in ("", TOKEN, "../invite", "x" * 43):
        with pytest.raises(JoinRefused, match="no invitation with this token"):
            vpn.redeem(guess, "203.0.113.9")


def test_a_revoked_certificate_is_on_the_list_and_its_name_can_have_another(vpn: Vpn, tmp_path: Path) -> None:
    first = vpn.redeem(vpn.invite("ec2-01", TOKEN), "203.0.113.9")
    unused = vpn.invite("ec2-02", OTHER)
    assert [one.name for one in vpn.revoke(TOKEN)] == ["ec2-01"]
    assert vpn.revoke("ec2-01") == []
    assert "certificate revoked" in verified(vpn, inside(first, "cert"), tmp_path)
    vpn.revoke("ec2-02")
    with pytest.raises(JoinRefused, match="ec2-02 is no longer valid"):
        vpn.redeem(unused, "203.0.113.9")
    second = vpn.redeem(vpn.invite("ec2-01", "8f0c9a52-0000-4000-8000-000000000003"), "203.0.113.9")
    assert verified(vpn, inside(second, "cert"), tmp_path).endswith("shown: OK\n")
    assert "certificate revoked" in verified(vpn, inside(first, "cert"), tmp_path), "earlier ones stay on the list"


def test_certificates_end_a_day_after_their_node_and_are_forgotten_then(vpn: Vpn) -> None:
    vpn.redeem(vpn.invite("ec2-01", TOKEN, life=3600), "203.0.113.9")
    assert vpn.certificates()[0].ends == CLOCK.now + 3600 + 86400
    CLOCK.now += 2 * 86400
    vpn.invite("ec2-02", OTHER)
    vpn.revoke("ec2-02")
    assert [one.name for one in vpn.certificates()] == ["ec2-02"]


def test_what_is_secret_is_the_owners_and_in_no_log(vpn: Vpn, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.DEBUG)
    join = vpn.invite("ec2-01", TOKEN)
    configuration = vpn.redeem(join, "203.0.113.9")
    with pytest.raises(JoinRefused) as refused:
        vpn.redeem(join, "203.0.113.9")
    vpn.revoke("ec2-01")
    key = inside(configuration, "key").splitlines()[1]
    files = [path for path in vpn.site.directory.rglob("*") if path.is_file()]
    open_to_all = {path.name for path in files if path.stat().st_mode & 0o077}
    assert open_to_all <= {"ca.crt", "crl.pem", "server.crt", "server.conf", "server.names", "event", ".lock"}
    assert not any(key in path.read_text() or join in path.read_text() for path in files), "the node has them alone"
    for word in (key, join, TOKEN):
        assert word not in caplog.text + str(refused.value)
    assert "ec2-01 has taken its certificate, from 203.0.113.9" in caplog.text


def test_making_it_again_changes_nothing_but_what_the_site_changes(vpn: Vpn) -> None:
    def texts() -> dict[str, str]:
        return {path.name: path.read_text() for path in vpn.site.directory.iterdir() if path.is_file()}

    before = texts()
    assert not vpn.make()
    assert texts() == before
    Vpn(replace(vpn.site, port=443, protocol="tcp"), CLOCK).make()
    assert {name for name, text in texts().items() if text != before[name]} == {"server.conf"}
    Vpn(replace(vpn.site, names=("10.77.0.1", "onesge.lan")), CLOCK).make()
    shown = x509.load_pem_x509_certificate(texts()["server.crt"].encode())
    names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["vpn.example.org", "onesge.lan"]
    assert texts()["ca.crt"] == before["ca.crt"]


def test_the_servers_configuration_names_its_routes(vpn: Vpn) -> None:
    text = server_config(replace(vpn.site, routes=(IPv4Network("10.77.0.0/24"),)))
    assert 'push "route 10.77.0.0 255.255.255.0"\n' in text
    assert "server 10.78.0.0 255.255.255.0 nopool\n" in text


def test_the_servers_events_are_read_the_last_of_each_node(vpn: Vpn) -> None:
    events = vpn.site.directory / "events"
    events.write_text(
        "100 up ec2-01 10.78.0.61 203.0.113.9 0\nhalf a line\n160 down ec2-01 10.78.0.61 203.0.113.9 60\n"
        "170 up ec2-02 10.78.0.62 203.0.113.10 0\n"
    )
    found = vpn.connections()
    assert (found["ec2-01"].up, found["ec2-01"].seconds, found["ec2-02"].up) == (False, 60.0, True)
    events.write_text(events.read_text() + "x\n" * (1 << 19))
    assert vpn.connections() == found
    events.write_text("180 up ec2-01 10.78.0.61 203.0.113.9 0\n")
    assert vpn.connections()["ec2-01"].up
    assert vpn.connections()["ec2-02"] == found["ec2-02"], "it is in the file before"


def test_a_damaged_record_hides_no_other_and_brings_no_revoked_certificate_back(vpn: Vpn, tmp_path: Path) -> None:
    first = vpn.redeem(vpn.invite("ec2-01", TOKEN), "203.0.113.9")
    vpn.revoke("ec2-01")
    (record,) = (vpn.site.directory / "issued").iterdir()
    record.write_text("{")
    vpn.invite("ec2-02", OTHER)
    assert [one.name for one in vpn.certificates()] == ["ec2-02"]
    vpn.revoke("ec2-02")
    assert "certificate revoked" in verified(vpn, inside(first, "cert"), tmp_path)
