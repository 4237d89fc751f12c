"""`oneuser quota` and its kin against a daemon on the wire."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes_rpc import FakeCloud

from oned.cli import oneuser

Capture = pytest.CaptureFixture[str]
USER = """<USER><ID>2</ID><NAME>ada</NAME><VM_QUOTA><VM><CPU>4</CPU><CPU_USED>3</CPU_USED><VMS>-1</VMS>
<VMS_USED>2</VMS_USED></VM></VM_QUOTA><NETWORK_QUOTA><NETWORK><ID>7</ID><LEASES>5</LEASES><LEASES_USED>1</LEASES_USED>
</NETWORK></NETWORK_QUOTA></USER>""".replace("\n", "")


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCloud]:
    with FakeCloud() as cloud:
        monkeypatch.setenv("ONE_XMLRPC", cloud.endpoint)
        cloud.methods["one.user.info"] = lambda _user: USER
        cloud.methods["one.user.quota"] = lambda user, _text: user
        cloud.methods["one.userquota.info"] = lambda: "<DEFAULT_USER_QUOTAS><VM_QUOTA/></DEFAULT_USER_QUOTAS>"
        cloud.methods["one.userquota.update"] = lambda _text: "<DEFAULT_USER_QUOTAS/>"
        yield cloud


def run(*words: str) -> int:
    return oneuser.main([*words, "--user", "oneadmin", "--password", "secret"])


def quota(folder: Path, text: str) -> str:
    file = folder / "quota.one"
    file.write_text(text)
    return str(file)


def test_quota_sends_the_file(cloud: FakeCloud, tmp_path: Path) -> None:
    assert run("quota", "2", quota(tmp_path, "VM = [ VMS = 3 ]")) == 0
    assert cloud.called("one.user.quota") == [(2, "VM = [ VMS = 3 ]")]


def test_batchquota_sends_it_for_each(cloud: FakeCloud, tmp_path: Path) -> None:
    assert run("batchquota", "2,3", quota(tmp_path, "VM = [ VMS = 3 ]")) == 0
    assert [call[0] for call in cloud.called("one.user.quota")] == [2, 3]


def test_defaultquota_changes_the_limits_of_all(cloud: FakeCloud, tmp_path: Path) -> None:
    assert run("defaultquota", quota(tmp_path, "VM = [ CPU = 3 ]")) == 0
    assert cloud.called("one.userquota.update") == [("VM = [ CPU = 3 ]",)]


def test_a_dry_run_shows_what_would_change_and_changes_nothing(
    cloud: FakeCloud, tmp_path: Path, capsys: Capture
) -> None:
    text = "VM = [ CPU = 2, VMS = 9 ]\nNETWORK = [ ID = 7, LEASES = -2 ]\nIMAGE = [ ID = 1, RVMS = 4 ]"
    assert run("quota", "2", quota(tmp_path, text), "--dry-run") == 0
    assert cloud.called("one.user.quota") == []
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0].startswith("USER 2 ada")
    assert lines[1:] == [
        "VM CPU 4 -> 2 in use: 3, more than that: nothing new until some is freed",
        "VM VMS default -> 9 in use: 2",
        "NETWORK 7 LEASES 5 -> unlimited in use: 1",
        "IMAGE 1 RVMS default -> 4 in use: 0",
        "Nothing was changed.",
    ]


def test_the_editor_begins_with_the_limits_that_hold(
    cloud: FakeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/CPU = .4./CPU = \\"6\\"/" "$1"\n')
    editor.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(editor))
    assert run("quota", "2") == 0
    [(user, text)] = cloud.called("one.user.quota")
    assert user == 2
    assert 'VM = [\n  CPU = "6",\n  VMS = "-1" ]\nNETWORK = [\n  ID = "7",\n  LEASES = "5" ]\n' in text


def test_what_is_no_quota_is_said_before_anything_is_sent(cloud: FakeCloud, tmp_path: Path, capsys: Capture) -> None:
    assert run("quota", "2", quota(tmp_path, "VMS = 3"), "--dry-run") == 255
    assert "VMS is no quota. There are VM, DATASTORE" in capsys.readouterr().err
