"""onevm create and update: templates from files, options and an editor."""

from pathlib import Path

import pytest
from fakes_rpc import FakeCloud

from oned.cli import onevm

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def allocated(cloud: FakeCloud) -> list[tuple[str, bool]]:
    """What was allocated: the text and whether it is on hold. Ids begin with 10."""
    made: list[tuple[str, bool]] = []

    def allocate(text: str, hold: bool = False) -> int:
        made.append((text, hold))
        return 9 + len(made)

    cloud.methods["one.vm.allocate"] = allocate
    return made


def test_create_sends_a_file_as_it_is(allocated: list[tuple[str, bool]], tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "vm.one").write_text("NAME = web # mine\nCPU = 1\n")
    assert onevm.main(["create", str(tmp_path / "vm.one"), "--hold", "-m", "2"]) == 0
    assert allocated == [("NAME = web # mine\nCPU = 1\n", True)] * 2
    assert capsys.readouterr().out == "ID: 10\nID: 11\n"


def test_create_makes_a_template_of_options(allocated: list[tuple[str, bool]]) -> None:
    words = ["--name", "w%i", "--cpu", "0.5", "--memory", "1G", "--disk", "7", "--disk", "/srv/x.img", "--nic", "lan"]
    assert onevm.main(["create", *words, "--boot", "hd", "--context", "A=b c", "-m", "2", "--rank", "FREE_CPU"]) == 0
    assert [text.partition("\n")[0] for text, _ in allocated] == ['NAME="w0"', 'NAME="w1"']
    assert allocated[1][0].partition("\n")[2] == (
        'CPU="0.5"\nMEMORY="1024"\nSCHED_RANK="FREE_CPU"\nDISK=[\n  IMAGE_ID="7" ]\nDISK=[\n  SOURCE="/srv/x.img" ]\n'
        'NIC=[\n  NETWORK="lan" ]\nOS=[\n  BOOT="hd" ]\nCONTEXT=[\n  A="b c" ]\n'
    )


def test_create_completes_a_file_by_options(allocated: list[tuple[str, bool]], tmp_path: Path) -> None:
    (tmp_path / "vm.one").write_text("NAME = web\nCPU = 1\nOS = [ ARCH = x86_64 ]\n")
    assert onevm.main(["submit", str(tmp_path / "vm.one"), "--cpu", "2", "--boot", "net"]) == 0
    assert allocated[0][0] == 'NAME="web"\nCPU="2"\nOS=[\n  ARCH="x86_64",\n  BOOT="net" ]\n'


def test_create_dry_run_shows_what_the_daemon_would_make(
    cloud: FakeCloud, allocated: list[tuple[str, bool]], capsys: Capture
) -> None:
    asked: list[tuple[str, bool]] = []

    def preview(text: str, hold: bool) -> str:
        asked.append((text, hold))
        return "<VM><ID>10</ID><UNAME>ada</UNAME><NAME>web</NAME><STATE>1</STATE><TEMPLATE><CPU>2</CPU></TEMPLATE></VM>"

    cloud.methods["oned.vm.preview"] = preview
    assert onevm.main(["create", "--name", "web", "--dry-run"]) == 0
    assert asked == [('NAME="web"\n', False)]
    assert 'STATE               : PENDING\n\nVIRTUAL MACHINE TEMPLATE\nCPU="2"\n' in capsys.readouterr().out
    assert allocated == []


def test_create_dry_run_checks_and_makes_nothing(
    allocated: list[tuple[str, bool]], tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "good.one").write_text("NAME = web")
    (tmp_path / "bad.one").write_text("NAME = web\nCPU 1")
    assert onevm.main(["create", str(tmp_path / "good.one"), "--dry-run"]) == 0
    assert onevm.main(["create", str(tmp_path / "bad.one"), "--dry-run"]) == 255
    output = capsys.readouterr()
    assert 'NAME="web"' in output.out
    assert "Nothing was changed." in output.out
    assert "syntax error, unexpected" in output.err
    assert allocated == []


def test_update_takes_a_file(cloud: FakeCloud, tmp_path: Path) -> None:
    cloud.methods["one.vm.update"] = lambda vm, *_rest: vm
    (tmp_path / "new").write_text("A=1")
    assert onevm.main(["update", "3", str(tmp_path / "new"), "--append"]) == 0
    assert cloud.called("one.vm.update") == [(3, "A=1", 1)]


def test_update_edits_the_user_template(cloud: FakeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.methods["one.vm.update"] = lambda vm, *_rest: vm
    cloud.vms[3]["error"] = "old"
    editor = tmp_path / "my editor"
    editor.write_text('#!/bin/sh\nsed -i s/old/new/ "$1"\n')
    editor.chmod(0o755)
    monkeypatch.setenv("VISUAL", f"'{editor}'")
    assert onevm.main(["update", "web"]) == 0
    assert cloud.called("one.vm.update") == [(3, 'ERROR="new"\n', 0)]


def test_updateconf_takes_a_file_or_edits_the_sections_that_can_be_changed(
    cloud: FakeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.methods["one.vm.updateconf"] = lambda vm, *_rest: vm
    cloud.methods["one.vm.info"] = lambda vm, *_rest: (
        "<VM><ID>3</ID><TEMPLATE><CPU>1</CPU><OS><ARCH>i686</ARCH></OS><DISK><SIZE>1</SIZE></DISK></TEMPLATE></VM>"
    )
    (tmp_path / "new").write_text("OS = [ ARCH = i386 ]")
    assert onevm.main(["updateconf", "3", str(tmp_path / "new"), "--append"]) == 0
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i s/i686/x86_64/ "$1"\n')
    editor.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(editor))
    assert onevm.main(["updateconf", "3"]) == 0
    assert cloud.called("one.vm.updateconf") == [
        (3, "OS = [ ARCH = i386 ]", 1),
        (3, 'OS=[\n  ARCH="x86_64" ]\n', 0),
    ]


def test_update_without_a_change_sends_nothing(
    cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    for editor, message in (
        ("true", "as before"),
        ("false", "left with 1"),
        ("/nowhere/vi", "cannot start the editor"),
    ):
        monkeypatch.setenv("VISUAL", editor)
        assert onevm.main(["update", "web"]) == 255
        assert message in capsys.readouterr().err
    assert cloud.called("one.vm.update") == []
