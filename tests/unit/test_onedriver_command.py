"""The command onedriver: which driver it takes, what it prints, and its exit status."""

import json
import os
import sys
from pathlib import Path

import pytest

from oned.mad.trial import checks
from oned.mad.trial.checks import CHECKS
from oned.onedriver import main
from tests.needs import need_programs

BROKEN = Path(__file__).parents[1] / "broken_driver.py"
OTHERS = Path(__file__).parents[1] / "drivers_of_others"
PAGE = Path(__file__).parents[2] / "share/doc/drivers.md"
CONF = """\
VM_MAD = [ NAME = "kvm", EXECUTABLE = "one_vmm_mine", ARGUMENTS = "vmm", TYPE = "kvm", PROTOCOL = "plain" ]
IM_MAD = [ NAME = "im_kvm", EXECUTABLE = "one_im_mine", ARGUMENTS = "im", PROTOCOL = "2" ]
TM_MAD = [ NAME = "tm_nfs", EXECUTABLE = "one_tm_mine", ARGUMENTS = "tm" ]
"""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ONE_LOCATION whose drivers keep the protocol."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "var").mkdir()
    (tmp_path / "lib/mads").mkdir(parents=True)
    (tmp_path / "etc/oned.conf").write_text(CONF)
    for name in ("one_vmm_mine", "one_im_mine", "one_tm_mine"):
        (tmp_path / "lib/mads" / name).symlink_to(BROKEN)
    monkeypatch.setenv("ONE_LOCATION", str(tmp_path))
    monkeypatch.setattr(checks, "QUIET", 0.2)
    monkeypatch.setattr(checks, "SETTLE", 0.05)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(list(words))
    told = capsys.readouterr()
    return status, told.out, told.err


def test_a_driver_of_oned_conf_is_found_by_its_name(engine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, told, errors = run(capsys, "test", "nfs", "--limit", "5")
    assert (status, errors) == (0, "")
    assert told.splitlines()[0] == "holds  start"
    assert told.splitlines()[-1] == "tm_nfs, dialect classic: 21 results, 0 fail, 0 notes"


def test_a_name_of_two_drivers_needs_the_kind(engine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, errors = run(capsys, "test", "kvm")
    assert (status, errors) == (
        255, "onedriver: drivers of several kinds are called kvm. Say which with --kind: vmm, im\n")  # fmt: skip
    status, told, _ = run(capsys, "test", "kvm", "--kind", "im", "--limit", "5")
    assert (status, told.splitlines()[-1]) == (0, "im_kvm, dialect 2: 19 results, 0 fail, 0 notes")


def test_a_trial_leaves_nothing_behind_in_var(engine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "test", "vmm_kvm", "--limit", "5")[0] == 0
    assert [path.name for path in (engine / "var").iterdir() if path.is_dir()] == []


def test_a_broken_program_is_told_with_the_reason_and_status_1(
    engine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = ("--program", str(BROKEN), "--arguments", "im no-numbers", "--limit", "5")
    status, told, _ = run(capsys, "test", "x", "--kind", "im", *program)
    assert status == 1
    lines = told.splitlines()
    number = next(number for number, text in enumerate(lines) if text.startswith("fails"))
    assert " ".join(lines[number].split()) == (
        "fails verbs: MONITOR TOTALCPU is no whole number: VMs find no room on the host"
    )
    assert lines[number + 1].strip() == next(check.why for check in CHECKS if check.name == "verbs")


def test_json_has_every_result_with_its_reason(engine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = ("--program", str(BROKEN), "--arguments", "tm believes", "--limit", "5")
    status, told, _ = run(capsys, "test", "x", "--kind", "tm", *program, "--json")
    document = json.loads(told)
    assert (status, document["driver"], document["dialect"], document["fails"]) == (1, "tm_x", "classic", 1)
    found = [row for row in document["results"] if row["result"] == "fails"]
    assert [(row["check"], row["seen"]) for row in found] == [
        ("missing script", "a script that is not there is a SUCCESS")
    ]
    assert found[0]["why"] == "A transfer that has not been done must not let its VM boot."


def test_what_a_driver_says_when_it_dies_is_shown(
    engine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "dies"
    program.write_text("#!/bin/sh\necho no libvirt here >&2\nexit 1\n")
    program.chmod(0o755)
    status, told, _ = run(capsys, "test", "x", "--kind", "vmm", "--program", str(program))
    assert status == 1
    assert told.endswith("Its standard error ends with:\n  no libvirt here\n")


@pytest.mark.parametrize(("words", "told"), [
    (("test", "nobody"), "there is no driver nobody in oned.conf. onedriver list shows them"),
    (("test", "x", "--program", "/bin/cat"), "which kind of driver /bin/cat is only --kind tells"),
    (("test", "x", "--program", "/bin/cat", "--kind", "im", "--protocol", "9"), 'PROTOCOL = "9" is none of 2, 3, 4'),
])  # fmt: skip
def test_what_cannot_be_tried_is_refused_with_what_to_do(
    engine: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    status, _, errors = run(capsys, *words)
    assert status == 255
    assert told in errors


def test_the_list_has_kind_name_dialect_and_program(engine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, told, _ = run(capsys, "list")
    rows = [line.split() for line in told.splitlines()]
    assert ["vmm", "kvm", "plain", "one_vmm_mine"] in rows
    assert ["tm", "nfs", "-", "one_tm_mine"] in rows


def test_the_page_and_the_command_name_every_check(capsys: pytest.CaptureFixture[str]) -> None:
    _, told, _ = run(capsys, "checks")
    assert [line[:18].strip() for line in told.splitlines()] == [check.name for check in CHECKS]
    page = PAGE.read_text()
    assert [check.name for check in CHECKS if f"| {check.name} |" not in page] == []


@pytest.mark.parametrize(("name", "kind", "program", "arguments"), [
    ("dummy", "vmm", "one_vmm_dummy", ""), ("dummy", "im", "one_im_dummy", ""), ("dummy", "tm", "one_tm_dummy", ""),
    ("shared", "tm", "one_tm", ""), ("fs", "datastore", "one_datastore_fs", ""),
    ("dummy", "datastore", "one_datastore_dummy", ""), ("hm", "hm", "one_hm", ""),
])  # fmt: skip
def test_what_comes_with_oned_passes(
    engine: Path, capsys: pytest.CaptureFixture[str], name: str, kind: str, program: str, arguments: str
) -> None:
    path = str(Path(sys.executable).parent / program)
    status, told, _ = run(capsys, "test", name, "--kind", kind, "--program", path, "--arguments", arguments)
    assert (status, [line for line in told.splitlines() if line.startswith(("fails", "note"))]) == (0, [])


@pytest.mark.parametrize(("kind", "program", "protocol"), [
    ("im", "im_2", "2"), ("im", "im_3", "3"), ("im", "im_4", "4"), ("tm", "tm_classic", "classic"),
    ("datastore", "image_fs", "classic"), ("datastore", "datastore_fs", "xml"), ("hm", "hm_exec", "classic"),
    ("vmm", "vmm_plain", "plain"), ("vmm", "vmm_plain12", "plain12"), ("vmm", "vmm_xml", "xml"),
    ("tm", "tm_datastore", "datastore"), ("vmm", "vmm_xml", "xml6"), ("datastore", "datastore_fs", "xml6"),
])  # fmt: skip
def test_what_others_wrote_keeps_most_of_it(
    engine: Path, capsys: pytest.CaptureFixture[str], kind: str, program: str, protocol: str
) -> None:
    """They count words and drop what they do not know; none fails a check that its release would have passed."""
    need_programs("perl", "ruby")
    os.symlink(OTHERS / "tm_site", engine / "etc/tm_site")
    (engine / "lib/tm_commands").mkdir()
    os.symlink(OTHERS / "tm_site", engine / "lib/tm_commands/site")
    arguments = {
        "tm_classic": "tm_site/tm_site.conf", "tm_datastore": "-d shared",
        "vmm_xml": "6.10" if protocol == "xml6" else "4.10", "datastore_fs": "-d fs 6" if protocol == "xml6" else "",
    }.get(program, "")  # fmt: skip
    program = str(OTHERS / program)
    words = ("-k", kind, "-p", program, f"--arguments={arguments}", "-d", protocol, "-l", "2")
    status, told, _ = run(capsys, "test", "shared", *words)
    assert (status, [line for line in told.splitlines() if line.startswith("fails")]) == (0, [])
