"""oneuser against a daemon on the wire."""

import io
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes_rpc import FakeCloud

from oned.cli import oneuser

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeCloud]:
    """Users 0 oneadmin and 2 ada, group 100 staff; the credentials are given by options, so no file is there yet."""
    with FakeCloud() as cloud:
        monkeypatch.setenv("ONE_XMLRPC", cloud.endpoint)
        monkeypatch.setenv("ONE_AUTH", str(tmp_path / "new" / "auth"))
        for name in ("delete", "passwd", "chauth", "chgrp", "addgroup", "delgroup", "enable", "update"):
            cloud.methods[f"one.user.{name}"] = lambda user, *_rest: user
        cloud.methods["one.user.allocate"] = lambda *_arguments: 9
        cloud.methods["one.user.login"] = lambda *_arguments: "t0ken"
        cloud.methods["one.grouppool.info"] = lambda: (
            "<GROUP_POOL><GROUP><ID>100</ID><NAME>staff</NAME></GROUP></GROUP_POOL>"
        )
        yield cloud


def run(*words: str) -> int:
    return oneuser.main([*words, "--user", "oneadmin", "--password", "secret"])


def test_list_shows_users_with_their_quotas(cloud: FakeCloud, capsys: Capture) -> None:
    pool = cloud.methods["one.userpool.info"]()
    quotas = (
        "<QUOTAS><ID>2</ID><VM_QUOTA><VM><VMS>5</VMS><VMS_USED>2</VMS_USED><MEMORY>-1</MEMORY>"
        "<MEMORY_USED>512</MEMORY_USED><CPU>2.5</CPU><CPU_USED>1</CPU_USED></VM></VM_QUOTA></QUOTAS>"
    )
    cloud.methods["one.userpool.info"] = lambda: pool.replace("</USER_POOL>", f"{quotas}</USER_POOL>")
    assert run("list", "--csv") == 0
    assert capsys.readouterr().out == (
        "ID,NAME,GROUP,AUTH,VMS,MEMORY,CPU\n"
        "0,oneadmin,oneadmin,core,-,-,-\n"
        "2,ada,oneadmin,core,2 / 5,512M / -,1 / 2.5\n"
    )


def test_show_without_a_name_is_about_oneself(cloud: FakeCloud, capsys: Capture) -> None:
    assert run("show") == 0
    assert cloud.called("one.user.info") == [(-1,)]
    assert "NAME                : oneadmin\nGROUP               : oneadmin\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (["create", "bob", "pw"], ("one.user.allocate", "bob", "pw", "core")),
        (["create", "bob", "pw", "--driver", "public"], ("one.user.allocate", "bob", "pw", "public")),
        (
            ["create", "bob", "pw", "--group", "staff", "--group", "1"],
            ("one.user.allocate", "bob", "pw", "core", [100, 1]),
        ),
        (["delete", "ada"], ("one.user.delete", 2)),
        (["passwd", "ada", "new"], ("one.user.passwd", 2, "new")),
        (["chauth", "ada", "ldap"], ("one.user.chauth", 2, "ldap", "")),
        (["chgrp", "2", "staff"], ("one.user.chgrp", 2, 100)),
        (["addgroup", "ada", "100"], ("one.user.addgroup", 2, 100)),
        (["delgroup", "ada", "100"], ("one.user.delgroup", 2, 100)),
        (["enable", "ada"], ("one.user.enable", 2, True)),
        (["disable", "ada"], ("one.user.enable", 2, False)),
    ],
)
def test_command_makes_the_call(cloud: FakeCloud, words: list[str], call: tuple[object, ...]) -> None:
    assert run(*words) == 0
    assert cloud.calls[-1] == call


def test_password_comes_from_a_file_or_is_typed_twice(
    cloud: FakeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    (tmp_path / "pw").write_text("from file\nmore\n")
    typed = iter(["typed", "typed", "one", "other"])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda _prompt: next(typed))
    assert run("create", "bob", "-r", str(tmp_path / "pw")) == 0
    assert run("passwd") == 0
    assert run("passwd") == 255
    assert cloud.called("one.user.allocate") == [("bob", "from file", "core")]
    assert cloud.called("one.user.passwd") == [(0, "typed")]
    assert "not the same" in capsys.readouterr().err


def test_login_keeps_the_token_for_its_owner_only(cloud: FakeCloud, tmp_path: Path) -> None:
    assert run("login", "--time", "60") == 0
    kept = tmp_path / "new" / "auth"
    assert kept.read_text() == "oneadmin:t0ken\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert cloud.called("one.user.login") == [("oneadmin", "", 60, -1)]


def test_login_leaves_a_file_alone_without_force(cloud: FakeCloud, tmp_path: Path, capsys: Capture) -> None:
    kept = tmp_path / "new" / "auth"
    kept.parent.mkdir()
    kept.write_text("oneadmin:password\n")
    assert run("login", "ada") == 0
    assert kept.read_text() == "oneadmin:password\n"
    assert "ada:t0ken\n" in capsys.readouterr().out
    assert run("login", "ada", "--force") == 0
    assert kept.read_text() == "ada:t0ken\n"


def test_encode_needs_no_daemon(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("ONE_XMLRPC", "http://127.0.0.1:1/RPC2")
    assert oneuser.main(["encode", "first user", "p:w d"]) == 0
    assert capsys.readouterr().out == "first%20user:p%3Aw%20d\n"


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (["create", "bob"], ("one.user.allocate", "bob", "s3 cret", "core")),
        (["passwd", "ada"], ("one.user.passwd", 2, "s3 cret")),
    ],
)
def test_without_a_terminal_the_password_is_a_line_of_stdin(
    cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch, words: list[str], call: tuple[object, ...]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("s3 cret\r\nmore\n"))
    assert run(*words) == 0
    assert cloud.calls[-1] == call


@pytest.mark.parametrize("stdin", ["", "\n"])
@pytest.mark.parametrize("words", [["create", "bob"], ["passwd", "ada"]])
def test_an_empty_line_of_stdin_is_no_password(
    cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch, capsys: Capture, words: list[str], stdin: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
    assert run(*words) == 255
    assert "no password is on standard input; nothing was changed" in capsys.readouterr().err
    assert not cloud.called("one.user.allocate")
    assert not cloud.called("one.user.passwd")


def test_dry_run_of_deleting_says_who_cannot_be(cloud: FakeCloud, capsys: Capture) -> None:
    cloud.users[3] = "bob"
    cloud.vm(5, "web", "RUNNING")
    pool = cloud.methods["one.vmpool.info"]
    cloud.methods["one.vmpool.info"] = lambda *filters: pool(*filters).replace("<UID>0<", "<UID>2<")
    assert run("delete", "0,2,3", "--dry-run") == 255
    output = capsys.readouterr()
    assert output.err.splitlines() == [
        "USER 0 cannot be deleted: it is oneadmin",
        "USER 2 cannot be deleted: it owns VMs (5). End them, or give them away: onevm chown",
    ]
    assert [line.split()[0] for line in output.out.splitlines()[1:-1]] == ["3"]
    assert not cloud.called("one.user.delete")


def test_an_end_of_input_at_the_prompt_is_no_password(
    cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def ended(_prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("getpass.getpass", ended)
    assert run("passwd") == 255
    assert "no password was typed" in capsys.readouterr().err
    assert not cloud.called("one.user.passwd")
