"""The file of known host keys, as OpenSSH writes it."""

import base64
import hashlib
import hmac
from pathlib import Path

import pytest

from oned.drivers.lib.reach.known import Untrusted, check_key, known_names

ED, RSA = "ssh-ed25519", "ssh-rsa"


def hashed(name: str) -> str:
    salt = b"0123456789abcdefghij"
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


def check(tmp_path: Path, text: str, *names: str, kind: str = ED, key: str = "AAAA") -> None:
    path = tmp_path / "known_hosts"
    path.write_text(text)
    check_key(path, names or ("host01",), kind, key)


@pytest.mark.parametrize(
    "line",
    [
        "host01 ssh-ed25519 AAAA",
        "other,host01,10.0.0.1 ssh-ed25519 AAAA a comment",
        "HOST01 ssh-ed25519 AAAA",
        "host* ssh-ed25519 AAAA",
        "host?1,!host11 ssh-ed25519 AAAA",
        f"{hashed('host01')} ssh-ed25519 AAAA",
        "host01 ssh-ed25519 BBBB\nhost01 ssh-ed25519 AAAA",
        "# host01 ssh-ed25519 BBBB\n\n   \nhost01\tssh-ed25519\tAAAA",
    ],
)
def test_a_key_that_is_known_passes(tmp_path: Path, line: str) -> None:
    check(tmp_path, f"{line}\n")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "host011 ssh-ed25519 AAAA",
        "host*,!host01 ssh-ed25519 AAAA",
        "[host01]:2222 ssh-ed25519 AAAA",
        f"{hashed('host02')} ssh-ed25519 AAAA",
        "|1|no base64|x ssh-ed25519 AAAA",
        "@cert-authority host01 ssh-ed25519 AAAA",
        "host01 ssh-rsa BBBB",
        "host01 ssh-ed25519",
    ],
)
def test_a_key_that_is_not_known_is_refused_with_the_way_to_know_it(tmp_path: Path, line: str) -> None:
    with pytest.raises(Untrusted, match=r"is not in .*known_hosts\. Take it once, .*ssh-keyscan host01 >> "):
        check(tmp_path, f"{line}\n")


def test_another_key_of_the_same_type_is_a_change_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(Untrusted, match=r"has changed: .*known_hosts line 3 has another one \(ssh-ed25519\)"):
        check(tmp_path, f"# ours\nhost02 {ED} AAAA\nhost01 {ED} BBBB\n")


def test_a_revoked_key_is_refused_though_it_is_known(tmp_path: Path) -> None:
    with pytest.raises(Untrusted, match="is revoked"):
        check(tmp_path, f"host01 {ED} AAAA\n@revoked host01 {ED} AAAA\n")


def test_a_host_with_another_port_has_a_name_of_its_own(tmp_path: Path) -> None:
    name = known_names("host01", 2222)
    check(tmp_path, f"[host01]:2222 {ED} AAAA\n", name)
    check(tmp_path, f"{hashed('[host01]:2222')} {ED} AAAA\n", name)
    with pytest.raises(Untrusted, match=r"ssh-keyscan -p 2222 host01"):
        check(tmp_path, f"host01 {ED} AAAA\n", name)


def test_a_host_is_known_by_its_name_or_by_its_address(tmp_path: Path) -> None:
    check(tmp_path, f"10.0.0.1 {ED} AAAA\n", "host01", "10.0.0.1")


def test_without_the_file_nothing_is_known(tmp_path: Path) -> None:
    with pytest.raises(Untrusted, match=r"cannot be read \(No such file or directory\), so no host key is known"):
        check_key(tmp_path / "none", ("host01",), RSA, "AAAA")
