"""onetemplate against a daemon on the wire."""

import io
import json
import sys
from pathlib import Path

import pytest
from fakes_rpc import FakeCloud

from oned.cli import onetemplate
from oned.template.parse import parse

Capture = pytest.CaptureFixture[str]
BODY = (
    "<CPU>1</CPU><CONTEXT><FILES>/srv/x</FILES></CONTEXT><MEMORY>512</MEMORY><NIC><NETWORK>lan</NETWORK></NIC>"
    "<NIC><NETWORK>dmz</NETWORK></NIC>"
)
ASKS = (
    "<USER_INPUTS><DB>M|text|Name of the data base</DB><KEY>O|text64|Key</KEY>"
    "<SIZE>M|list|How big|small,large|small</SIZE></USER_INPUTS>"
)


def document(oid: int, name: str, body: str) -> str:
    return (
        f"<VMTEMPLATE><ID>{oid}</ID><UID>2</UID><GID>1</GID><UNAME>ada</UNAME><GNAME>users</GNAME><NAME>{name}</NAME>"
        "<PERMISSIONS><OWNER_U>1</OWNER_U><OWNER_M>1</OWNER_M><GROUP_U>1</GROUP_U></PERMISSIONS>"
        f"<REGTIME>1700000000</REGTIME><TEMPLATE>{body}</TEMPLATE></VMTEMPLATE>"
    )


class Sent:
    """What was sent to one.template.*, by method."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def extra(self, number: int = -1) -> list[tuple[str, object]]:
        """The attributes of the extra template of an instantiate."""
        return list(parse(str(self.calls[number][4])))


@pytest.fixture
def sent(cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """Templates 7 web and 8 asks; nobody sits at a terminal."""
    texts = {7: document(7, "web", BODY), 8: document(8, "asks", ASKS)}
    cloud.methods["one.template.info"] = lambda oid, *_rest: texts[oid]
    cloud.methods["one.templatepool.info"] = lambda *_filter: (
        f"<VMTEMPLATE_POOL>{''.join(texts.values())}</VMTEMPLATE_POOL>"
    )
    log = Sent()

    def entering(name: str) -> None:
        def call(*arguments: object) -> int:
            log.calls.append((name, *arguments))
            return 20 + len(log.calls)

        cloud.methods[f"one.template.{name}"] = call

    for name in ("allocate", "instantiate", "clone", "delete", "update", "rename", "chown", "chmod", "lock", "unlock",
                 "publish"):  # fmt: skip
        entering(name)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return log


def at_terminal(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(typed))


def test_list_shows_the_columns_of_3_0_and_later(sent: Sent, capsys: Capture) -> None:
    assert onetemplate.main(["list", "-l", "ID,USER,GROUP,NAME,CPU,MEM"]) == 0
    assert capsys.readouterr().out == (
        "  ID USER            GROUP           NAME                         CPU     MEM\n"
        "   7 ada             users           web                            1    512M\n"
        "   8 ada             users           asks                                  0K\n"
    )


def test_show_has_its_sections(sent: Sent, capsys: Capture) -> None:
    assert onetemplate.main(["show", "web"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("TEMPLATE 7 INFORMATION\nID                  : 7\nNAME                : web\n")
    assert "OWNER               : um-\n" in out
    assert 'TEMPLATE CONTENTS\nCPU="1"\nCONTEXT=[\n  FILES="/srv/x" ]\n' in out


@pytest.mark.parametrize("form", ["--json", "--yaml", "--xml"])
def test_what_show_writes_can_be_created_again(sent: Sent, capsys: Capture, tmp_path: Path, form: str) -> None:
    assert onetemplate.main(["show", "7", form]) == 0
    (tmp_path / "t").write_text(capsys.readouterr().out)
    assert onetemplate.main(["create", str(tmp_path / "t")]) == 0
    assert list(parse(str(sent.calls[0][1]))) == [
        ("NAME", "web"), ("CPU", "1"), ("CONTEXT", {"FILES": "/srv/x"}), ("MEMORY", "512"), ("NIC", {"NETWORK": "lan"}),
        ("NIC", {"NETWORK": "dmz"}),
    ]  # fmt: skip
    assert capsys.readouterr().out == "ID: 21\n"


@pytest.mark.parametrize(("words", "call"), [
    (["clone", "web", "copy"], ("clone", 7, "copy", False)),
    (["clone", "web", "copy", "--recursive"], ("clone", 7, "copy", True)),
    (["delete", "web"], ("delete", 7, False)), (["delete", "7", "--recursive"], ("delete", 7, True)),
    (["rename", "web", "www"], ("rename", 7, "www")), (["chmod", "7", "640"], ("chmod", 7, 1, 1, 0, 1, 0, 0, 0, 0, 0)),
    (["lock", "7"], ("lock", 7, 1)), (["lock", "7", "--all"], ("lock", 7, 4)), (["unlock", "7"], ("unlock", 7)),
    (["publish", "7"], ("publish", 7, True)), (["unpublish", "7"], ("publish", 7, False)),
    (["instantiate", "web"], ("instantiate", 7, "", False, "", False)),
    (["instantiate", "web", "--hold", "--name", "a", "--persistent"], ("instantiate", 7, "a", True, "", True)),
])  # fmt: skip
def test_a_command_is_a_call(sent: Sent, words: list[str], call: tuple[object, ...]) -> None:
    assert onetemplate.main(words) == 0
    assert sent.calls == [call]


def test_instantiate_makes_several_and_numbers_their_names(sent: Sent, capsys: Capture) -> None:
    assert onetemplate.main(["instantiate", "web", "-m", "2", "--name", "n%i"]) == 0
    assert [call[2] for call in sent.calls] == ["n0", "n1"]
    assert capsys.readouterr().out == "VM ID: 21\nVM ID: 22\n"


def test_options_and_a_file_take_the_place_of_attributes(sent: Sent, tmp_path: Path) -> None:
    (tmp_path / "extra.yaml").write_text("ROLE: db\nCPU: 4\n")
    words = ["--cpu", "2", "--nic", "lan", "--memory", "1G"]
    assert onetemplate.main(["instantiate", "web", str(tmp_path / "extra.yaml"), *words]) == 0
    assert sent.extra() == [("ROLE", "db"), ("CPU", "2"), ("MEMORY", "1024"), ("NIC", {"NETWORK": "lan"})]


def test_options_complete_the_context_of_the_template(sent: Sent) -> None:
    assert onetemplate.main(["instantiate", "web", "--context", "KEY=x"]) == 0
    assert sent.extra() == [("CONTEXT", {"FILES": "/srv/x", "KEY": "x"})]


def test_answers_come_from_the_command_line(sent: Sent) -> None:
    assert onetemplate.main(["instantiate", "asks", "--user-inputs", "DB=a,b,SIZE=large,key=öl"]) == 0
    assert dict(sent.extra()) == {"DB": "a,b", "SIZE": "large", "KEY": "w7Zs"}
    assert onetemplate.main(["instantiate", "asks", "--user_inputs", "DB=a=b"]) == 0
    assert dict(sent.extra()) == {"DB": "a=b"}


@pytest.mark.parametrize(("answers", "reason"), [
    ("SIZE=huge", "SIZE must be one of small, large"), ("OTHER=1", "does not ask for OTHER; it asks for DB, KEY, SIZE"),
    ("DB", "'DB' is not NAME=VALUE"),
])  # fmt: skip
def test_wrong_answers_are_refused_before_anything_is_made(
    sent: Sent, capsys: Capture, answers: str, reason: str
) -> None:
    assert onetemplate.main(["instantiate", "asks", "--user-inputs", answers]) == 255
    assert reason in capsys.readouterr().err
    assert sent.calls == []


def test_a_terminal_is_asked_until_the_answer_is_one(
    sent: Sent, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_terminal(monkeypatch, "\norders\nline 1\nline 2\n.\nhuge\nlarge\n")
    assert onetemplate.main(["instantiate", "asks"]) == 0
    assert dict(sent.extra()) == {"DB": "orders", "KEY": "bGluZSAxCmxpbmUgMg==", "SIZE": "large"}
    told = capsys.readouterr().err
    assert "Name of the data base\n" in told
    assert "DB is needed" in told
    assert "How big (small,large)\n  SIZE [small]: " in told
    assert "SIZE must be one of small, large, not 'huge'" in told


def test_an_empty_line_takes_the_default(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    at_terminal(monkeypatch, ".\n\n")
    assert onetemplate.main(["instantiate", "asks", "--user-inputs", "DB=x"]) == 0
    assert dict(sent.extra()) == {"DB": "x"}


def test_an_end_of_the_answers_makes_nothing(sent: Sent, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    at_terminal(monkeypatch, "orders\n")
    assert onetemplate.main(["instantiate", "asks"]) == 255
    assert "nothing was made" in capsys.readouterr().err
    assert sent.calls == []


def test_a_dry_run_shows_what_the_daemon_says(cloud: FakeCloud, sent: Sent, capsys: Capture) -> None:
    asked: list[tuple[object, ...]] = []

    def preview(*arguments: object) -> str:
        asked.append(arguments)
        return (
            "<VM><ID>9</ID><UNAME>ada</UNAME><NAME>web-9</NAME><STATE>2</STATE><TEMPLATE><CPU>2</CPU></TEMPLATE>"
            "<USER_TEMPLATE><ROLE>db</ROLE></USER_TEMPLATE></VM>"
        )

    cloud.methods["oned.template.preview"] = preview
    assert onetemplate.main(["instantiate", "web", "--cpu", "2", "--hold", "--dry-run"]) == 0
    assert asked == [(7, "", True, 'CPU="2"\n', False)]
    out = capsys.readouterr().out
    assert "NAME                : web-9\n" in out
    assert "STATE               : HOLD\n" in out
    assert 'VIRTUAL MACHINE TEMPLATE\nCPU="2"\n' in out
    assert out.endswith("1 to make. Nothing was changed.\n")
    assert onetemplate.main(["instantiate", "web", "--persistent", "--dry-run"]) == 0
    assert asked[1:] == [(7, "", False, "", True)]
    assert sent.calls == []


def test_words_behind_two_minuses_are_no_options(sent: Sent) -> None:
    assert onetemplate.main(["rename", "--", "web", "-rf"]) == 0
    assert onetemplate.main(["rename", "web", "-rf"]) == 255
    assert onetemplate.main(["rename", "7", "*"]) == 0
    assert sent.calls == [("rename", 7, "-rf"), ("rename", 7, "*")]


def test_a_file_that_is_not_utf_8_is_refused_with_what_to_do(sent: Sent, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "t.one").write_bytes("NAME = Zürich".encode("latin-1"))
    assert onetemplate.main(["create", str(tmp_path / "t.one")]) == 255
    assert "it is not UTF-8 at byte 8. Convert it: iconv" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["<T><CPU>2</CPU></T>", "<T><CPU>2</CPU>", "<TEMPLATE/>"])
def test_other_xml_is_sent_as_it_is(sent: Sent, tmp_path: Path, text: str) -> None:
    (tmp_path / "t.xml").write_text(text)
    assert onetemplate.main(["update", "7", str(tmp_path / "t.xml")]) == 0
    assert sent.calls == [("update", 7, text, 0)]


def test_update_takes_json(sent: Sent, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(json.dumps({"CPU": 2, "NIC": [{"NETWORK": "a"}]}))
    assert onetemplate.main(["update", "web", str(tmp_path / "t.json"), "--append"]) == 0
    assert sent.calls == [("update", 7, 'CPU="2"\nNIC=[\n  NETWORK="a" ]\n', 1)]
