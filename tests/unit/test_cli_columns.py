"""The columns of lists: options of 5.8 and later, and the files that describe them."""

from pathlib import Path

import pytest
from fakes_rpc import FakeCloud

from oned.cli import onehost, onevm

Capture = pytest.CaptureFixture[str]

FILE = """
:ID:
  :desc: ONE identifier for the machine
  :size: 6
:NAME:
  :size: 2
  :left: true
  :expand: false
:STAT:
  :desc: what it does
  :size: 3
:default:
- :STAT
- :ID
- :NAME
:short:
- :NAME
"""


@pytest.fixture
def places(cloud: FakeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Where the files of columns may be, of the home and of the location."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ONE_LOCATION", str(tmp_path / "location"))
    found = {"home": tmp_path / "home/.one/cli", "location": tmp_path / "location/etc/cli"}
    for folder in found.values():
        folder.mkdir(parents=True)
    return found


def listed(capsys: Capture, *words: str) -> list[str]:
    """The lines of the list."""
    assert onevm.main(["list", *words]) == 0
    return capsys.readouterr().out.splitlines()


def refused(capsys: Capture, *words: str) -> str:
    assert onevm.main(["list", *words]) == 255
    return capsys.readouterr().err


def test_a_pager_is_refused_by_nobody(cloud: FakeCloud, capsys: Capture) -> None:
    assert listed(capsys, "--no-pager") == listed(capsys)


def test_columns_have_the_size_asked_for(cloud: FakeCloud, capsys: Capture) -> None:
    assert listed(capsys, "-l", "ID,NAME,STAT", "--size", "name=3,STAT=6")[:2] == ["  ID NAM   STAT", "   3 web   runn"]
    assert "is not a width" in refused(capsys, "--size", "NAME")
    assert "there is no column X" in refused(capsys, "--size", "X=3")


@pytest.mark.parametrize("option", ["--adjust", "--expand"])
def test_columns_are_as_wide_as_their_cells(cloud: FakeCloud, capsys: Capture, option: str) -> None:
    words = ("-l", "USER,NAME", "--size", "USER=3")
    assert listed(capsys, *words)[1].startswith("one web")
    assert listed(capsys, "-l", "GROUP,NAME", option, "group,NAME")[1].startswith("oneadmin web")
    assert "there is no column X" in refused(capsys, option, "X")


def test_an_adjusted_column_is_never_cut(cloud: FakeCloud, capsys: Capture) -> None:
    assert listed(capsys, "-l", "USER,ID", "--size", "USER=3", "--adjust", "USER")[1].startswith("oneadmin ")


def test_the_share_of_an_expanding_column_is_taken(cloud: FakeCloud, capsys: Capture) -> None:
    assert listed(capsys, "--expand", "NAME=0.6,HOST=0.4") == listed(capsys)


def test_the_file_of_the_location_describes_columns(places: dict[str, Path], capsys: Capture) -> None:
    (places["location"] / "onevm.yaml").write_text(FILE)
    assert listed(capsys)[:2] == ["STA     ID NA", "run      3 we"]
    assert listed(capsys, "--listconf", "short")[:2] == ["NA", "we"]
    assert listed(capsys, "-c", "short") == listed(capsys, "-l", "NAME")
    assert "STAT           : what it does" in listed(capsys, "--describe")


def test_the_file_of_the_home_goes_before(places: dict[str, Path], capsys: Capture) -> None:
    (places["location"] / "onevm.yaml").write_text(FILE)
    (places["home"] / "onevm.yaml").write_text(":default:\n- :ID\n")
    assert listed(capsys)[0] == "  ID"


def test_a_file_of_another_command_is_not_read(places: dict[str, Path], capsys: Capture) -> None:
    before = listed(capsys)
    (places["location"] / "onehost.yaml").write_text(":default:\n- :ID\n")
    assert listed(capsys) == before
    assert onehost.main(["list"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "  ID"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[", "cannot be read"), ("- a\n", "does not describe columns"),
        (":default:\n- :UNKNOWN\n", "no column UNKNOWN"),
        (":NAME: 7\n", "NAME is not described"), (":NAME:\n  :size: wide\n", "size of NAME is not a number"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_is_named(places: dict[str, Path], capsys: Capture, text: str, told: str) -> None:
    path = places["location"] / "onevm.yaml"
    path.write_text(text)
    said = refused(capsys)
    assert (said.startswith(str(path)), told in said) == (True, True), said


def test_a_list_that_is_not_there_is_refused(places: dict[str, Path], capsys: Capture) -> None:
    assert "there is no list short" in refused(capsys, "--listconf", "short")
    (places["home"] / "onevm.yaml").write_text(FILE)
    assert "has no list long; it has default, short" in refused(capsys, "--listconf", "long")


def test_the_short_option_of_another_command_keeps_its_meaning(cloud: FakeCloud, capsys: Capture) -> None:
    assert onehost.main(["list", "--listconf", "default"]) == 0
    assert "-c, --cluster" in onehost.program.help(onehost.program.commands["create"])
    assert "-c" not in onehost.program.help(onehost.program.commands["list"]).split()
