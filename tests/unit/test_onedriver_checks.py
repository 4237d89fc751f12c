"""The checks of `onedriver test`: each is seen failing, on a program with that one fault, and a good one passes all."""

import os
from pathlib import Path

import pytest

from oned.command import Mad
from oned.mad.process import Launch
from oned.mad.section import section
from oned.mad.trial import checks
from oned.mad.trial.checks import CHECKS
from oned.mad.trial.objects import Objects
from oned.mad.trial.session import Session, Weight

PROGRAM = Path(__file__).parents[1] / "broken_driver.py"
KINDS = {"vmm": Mad.VMM, "im": Mad.IM, "tm": Mad.TM, "datastore": Mad.DS, "hm": Mad.HM}
FAILS, NOTE = Weight.FAILS, Weight.NOTE
SILENT = ("silent-DEPLOY", "silent-REBOOT", "silent-MONITOR", "first-only", "drops")
"""Faults that show in an answer that does not come."""


def session(root: Path, kind: str, fault: str = "", protocol: str = "", program: Path = PROGRAM) -> Session:
    vector = {"NAME": "x", "EXECUTABLE": str(program), "ARGUMENTS": f"{kind} {fault}", "PROTOCOL": protocol}
    found = section(KINDS[kind], vector)
    environment = {"PATH": os.environ["PATH"]}
    launch = Launch("x", program, found.arguments, root, environment, root / "errors", root / "lock")
    (root / "var").mkdir(exist_ok=True)
    return Session(launch, Objects(found, root, root / "var", "h1"), 0.7 if fault in SILENT else 15.0)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that are for real drivers are short here."""
    monkeypatch.setattr(checks, "END", 3.0)
    monkeypatch.setattr(checks, "FEW", 0.7)


@pytest.mark.parametrize(("kind", "protocol"), [
    ("vmm", ""), ("vmm", "plain12"), ("vmm", "xml"), ("im", ""), ("im", "2"), ("im", "4"), ("tm", ""),
    ("tm", "datastore"), ("datastore", ""), ("hm", ""), ("hm", "argv"),
])  # fmt: skip
def test_a_program_that_keeps_the_protocol_fails_no_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, protocol: str
) -> None:
    monkeypatch.setattr(checks, "QUIET", 0.2)
    monkeypatch.setattr(checks, "SETTLE", 0.05)
    found = list(checks.run(session(tmp_path, kind, protocol=protocol)))
    assert [result for result in found if result.weight is FAILS] == []
    assert {result.check.name for result in found} == {c.name for c in CHECKS if KINDS[kind] in c.kinds}


FAULTS = [
    ("vmm", "early", "start", FAILS, "it wrote before INIT: Starting up"),
    ("vmm", "ends", "start", FAILS, "it ended at once, with status 9"),
    ("im", "babble", "greeting", FAILS, "the first line is no answer to INIT: Hello"),
    ("im", "refuses", "greeting", FAILS, "it refuses: no libvirt"),
    ("im", "odd-init", "greeting", NOTE, "releases from 6.0 on want INIT SUCCESS, and it is INIT FINE"),
    ("vmm", "silent-DEPLOY", "verbs", FAILS, "no answer within 0.7 s: the engine waits until its deadline"),
    ("vmm", "silent-REBOOT", "verbs", NOTE, "no answer within 0.7 s: the engine waits until its deadline"),
    ("vmm", "no-reason", "verbs", NOTE, "FAILURE without a reason: the owner of the VM reads it"),
    ("vmm", "all-fail", "verbs", NOTE,
     "no request was a SUCCESS: only the form of the answers was tried. Can it work on h1?"),
    ("vmm", "two-words", "verbs", FAILS, "the deploy id is not one word: one two"),
    ("vmm", "no-id", "verbs", FAILS, "it gives no deploy id"),
    ("vmm", "bad-state", "verbs", FAILS, "STATE=r is none of a, p, e, d and -"),
    ("vmm", "bad-poll", "verbs", FAILS, 'the word "something" is no NAME=VALUE: readers stop there'),
    ("im", "nothing", "verbs", FAILS, 'no NAME=VALUE in the monitor information "well"'),
    ("im", "no-numbers", "verbs", FAILS, "TOTALCPU is no whole number: VMs find no room on the host"),
    ("datastore", "bad-size", "verbs", FAILS, "the size is no whole number of MiB: large"),
    ("datastore", "no-source", "verbs", FAILS, "it does not tell where the image is"),
    ("datastore", "no-room", "verbs", FAILS, "it does not have TOTAL_MB, FREE_MB and USED_MB: USED_MB=1"),
    ("datastore", "silent-MONITOR", "verbs", NOTE, "no answer within 0.7 s: the engine waits until its deadline"),
    ("vmm", "other-id", "ids", FAILS, "DEPLOY is answered for 999999501, of which nobody asked"),
    ("vmm", "twice", "once", FAILS, "DEPLOY 999999001 is answered more than once"),
    ("vmm", "stray", "stray lines", NOTE, "a line that is no message: 'Warning: something'"),
    ("vmm", "torn", "whole lines", NOTE, "1 lines came in pieces, with a pause between"),
    ("tm", "first-only", "two at once", FAILS,
     "TRANSFER of 999999001 and 999999002 in one write: 999999001 was answered"),
    ("tm", "by-pieces", "pieces", FAILS, "half a request was answered: TRANSFER FAILURE 999999001 no script"),
    ("im", "dies-of-garbage", "bad lines", FAILS, "after lines without a request it ended with status 7"),
    ("vmm", "does-anything", "unknown verbs", FAILS, "EXPLODE 999999001 of a verb that does not exist is a SUCCESS"),
    ("vmm", "does-without", "too few words", FAILS, "a request without arguments is a SUCCESS"),
    ("vmm", "counts", "too many words", FAILS, "after a request with surplus words it ended with status 8"),
    ("im", "short-buffer", "long lines", FAILS, "after a line of 200 kB it ended with status 6"),
    ("vmm", "once-only", "repeats", FAILS, "done once it is SUCCESS, asked again it is FAILURE there is one already"),
    ("vmm", "answers-cancel", "cancel of nothing", FAILS,
     "DRIVER_CANCEL is answered by DRIVER_CANCEL: it has log lines only"),
    ("im", "drops", "cancel at work", FAILS,
     "neither MONITOR is answered, nor a log line says: Driver command for 999999001 cancelled"),
    ("vmm", "immortal", "gone domains", FAILS, "POLL of a domain that does not exist says that it runs"),
    ("tm", "believes", "missing script", FAILS, "a script that is not there is a SUCCESS"),
    ("tm", "ignores", "scripts", FAILS, "a script with an unknown command is SUCCESS"),
    ("hm", "always-well", "failing hooks", FAILS, "a hook that fails is a SUCCESS"),
    ("im", "stays", "finalize", FAILS, "it still runs 3 s later, and would be killed"),
    ("im", "status", "finalize", NOTE, "it ends with status 3"),
    ("im", "answers-finalize", "finalize", NOTE, "it answers FINALIZE: FINALIZE SUCCESS"),
    ("im", "leaves-a-child", "finalize", FAILS, "a process that it has started outlives it"),
    ("im", "stays-on", "end of input", FAILS, "it still runs 3 s later, and would be killed"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "fault", "name", "weight", "seen"), FAULTS, ids=lambda value: str(value)[:20])
def test_each_fault_is_found_by_its_check(
    tmp_path: Path, kind: str, fault: str, name: str, weight: Weight, seen: str
) -> None:
    tried = session(tmp_path, kind, fault)
    by_name = {check.name: check for check in CHECKS}
    if name not in ("start", "greeting"):
        assert list(by_name["greeting"].do(tried)) == []
    found = [(finding.weight, finding.seen) for finding in by_name[name].do(tried)]
    assert (weight, seen) in found


def test_every_check_is_seen_failing() -> None:
    assert {name for _, _, name, _, _ in FAULTS} == {check.name for check in CHECKS}
    notes = {check.name for check in CHECKS} - {name for _, _, name, weight, _ in FAULTS if weight is FAILS}
    assert notes == {"stray lines", "whole lines"}


@pytest.mark.parametrize(("fault", "seen"), [
    ("no-document", "the driver's answer cannot be read: well"), ("another", "it does not tell what the command wrote"),
])  # fmt: skip
def test_a_hooks_document_is_read(tmp_path: Path, fault: str, seen: str) -> None:
    tried = session(tmp_path, "hm", fault, "argv")
    answers = next(check for check in CHECKS if check.name == "verbs")
    assert any(finding.seen.startswith(seen) for finding in answers.do(tried) if finding.weight is FAILS)


def test_a_program_that_is_not_there_is_the_only_result(tmp_path: Path) -> None:
    found = list(checks.run(session(tmp_path, "im", program=Path("/nowhere/driver"))))
    assert [(result.check.name, result.finding.seen) for result in found] == [
        ("start", "/nowhere/driver cannot be run: No such file or directory")
    ]


def test_a_program_that_does_not_answer_init_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "INIT_LIMIT", 0.5)
    found = list(checks.run(session(tmp_path, "im", "mute")))
    assert (found[-1].check.name, found[-1].finding.seen) == ("greeting", "no answer to INIT")


def test_nothing_follows_a_refused_greeting(tmp_path: Path) -> None:
    found = list(checks.run(session(tmp_path, "im", "refuses")))
    assert [(result.check.name, result.weight) for result in found] == [("start", Weight.HOLDS), ("greeting", FAILS)]


def test_a_failure_with_its_reason_holds(tmp_path: Path) -> None:
    answers = next(check for check in CHECKS if check.name == "verbs")
    found = {finding.about: finding for finding in answers.do(session(tmp_path, "vmm", "reason"))}
    assert (found["SAVE"].weight, found["SAVE"].seen) == (Weight.HOLDS, "FAILURE: disk full")
