"""What a driver on trial is checked for: a table, one row per check, each with its reason.

A check gets a Session and says what is wrong, in findings. What the engine could not live with fails; what costs it
something, or is only an older release's way, is a note. A check without a finding holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from oned.command import OBSERVES, Mad
from oned.mad import line
from oned.mad.line import Answer, Log
from oned.mad.process import INIT_LIMIT
from oned.mad.trial.objects import FIRST, PADDING
from oned.mad.trial.process import Trial
from oned.mad.trial.session import SETTLE, Finding, Session, Weight

QUIET = 1.0
"""Seconds in which a driver is to write nothing before INIT."""
END = 8.0
"""Seconds that a driver may take to end: the engine sends TERM after five, KILL after ten."""
FEW = 5.0
"""Seconds for the answer to a cancellation."""


Do = Callable[[Session], Iterator[Finding]]


@dataclass(frozen=True)
class Check:
    """A row: what is looked for, why, for which kinds; after a failure of one that `ends` nothing follows."""

    name: str
    why: str
    do: Do
    kinds: frozenset[Mad] = frozenset(Mad)
    ends: bool = False


def _starts(session: Session) -> Iterator[Finding]:
    try:
        with session.start() as trial:
            heard = trial.hear(QUIET, lambda _: True)
            if heard is not None:
                yield Finding(Weight.FAILS, f"it wrote before INIT: {heard[:200]}")
            status = trial.ends(0.01)
            if status is not None:
                yield Finding(Weight.FAILS, f"it ended at once, with status {status}")
    except OSError as error:
        yield Finding(Weight.FAILS, f"{session.launch.executable} cannot be run: {error.strerror}")


def _greets(session: Session) -> Iterator[Finding]:
    with session.start() as trial:
        trial.write("INIT\n")
        text = trial.hear(INIT_LIMIT, lambda _: True)
        greeting = line.greeting(text or "")
    if text is None:
        yield Finding(Weight.FAILS, "no answer to INIT")
    elif greeting is None:
        yield Finding(Weight.FAILS, f"the first line is no answer to INIT: {text[:200]}")
    elif not greeting.success:
        yield Finding(Weight.FAILS, f"it refuses: {greeting.reason or 'no reason given'}")
    else:
        session.objects.greeting = greeting
        if " ".join(text.split()[:2]) != "INIT SUCCESS":
            yield Finding(Weight.NOTE, f"releases from 6.0 on want INIT SUCCESS, and it is {text[:200]}")


def _verbs(session: Session) -> Iterator[Finding]:
    yield from session.transcript.findings
    answers = session.transcript.trial.answers()
    if answers and not any(answer.success for answer in answers):
        told = (
            f"no request was a SUCCESS: only the form of the answers was tried. Can it work on {session.objects.host}?"
        )
        yield Finding(Weight.NOTE, told, "all")


def _ids(session: Session) -> Iterator[Finding]:
    for answer in session.transcript.trial.answers():
        if answer.oid not in session.transcript.numbers:
            yield Finding(Weight.FAILS, f"{answer.action} is answered for {answer.oid}, of which nobody asked")


def _once(session: Session) -> Iterator[Finding]:
    trial = session.transcript.trial
    for verb, oid in sorted({(answer.action, answer.oid) for answer in trial.answers()}):
        if len(trial.answers(verb, oid)) > session.transcript.asked.count((verb, oid)) > 0:
            yield Finding(Weight.FAILS, f"{verb} {oid} is answered more than once")


def _stray_lines(session: Session) -> Iterator[Finding]:
    for text in session.transcript.trial.heard:
        if line.read(text) is None and line.greeting(text) is None:
            yield Finding(Weight.NOTE, f"a line that is no message: {text[:120]!r}")


def _whole_lines(session: Session) -> Iterator[Finding]:
    if session.transcript.trial.torn:
        yield Finding(Weight.NOTE, f"{session.transcript.trial.torn} lines came in pieces, with a pause between")


def _two_at_once(session: Session) -> Iterator[Finding]:
    verb, numbers = session.objects.ping, [session.number(), session.number()]
    with session.greeted() as trial:
        trial.write("".join(session.objects.line(verb, number) + "\n" for number in numbers))
        silent = [number for number in numbers if trial.answer(verb, number, session.limit) is None]
    if silent:
        answered = ", ".join(str(number) for number in numbers if number not in silent) or "none"
        yield Finding(Weight.FAILS, f"{verb} of {numbers[0]} and {numbers[1]} in one write: {answered} was answered")


def _in_pieces(session: Session) -> Iterator[Finding]:
    verb, number = session.objects.ping, session.number()
    request = session.objects.line(verb, number) + "\n"
    with session.greeted() as trial:
        trial.write(request[: len(request) // 2])
        early = trial.hear(SETTLE, lambda text: isinstance(line.read(text), Answer))
        trial.write(request[len(request) // 2 :])
        if early is not None:
            yield Finding(Weight.FAILS, f"half a request was answered: {early[:120]}")
        elif trial.answer(verb, number, session.limit) is None:
            yield Finding(Weight.FAILS, f"{verb} that came in two pieces has no answer")


BAD_LINES = (
    b"", b"   ", b"garbage", b"SUCCESS", b"LOG I 1 what", b"\x00\xff\xfe", b"INIT", b"POLL x y z -", b"DEPLOY -1 h f -",
    b"TRANSFER 99999999999999999999 /nowhere", b"DRIVER_CANCEL", b"DRIVER_CANCEL x",
)  # fmt: skip
"""Lines that no engine sends; a driver lives through them."""


def _bad_lines(session: Session) -> Iterator[Finding]:
    with session.greeted() as trial:
        for bad in BAD_LINES:
            trial.write(bad + b"\n")
        yield from session.alive(trial, "lines without a request")
        yield from _no_success(trial, "of a line that is no request", {session.objects.ping})


def _no_success(trial: Trial, what: str, asked: set[str]) -> Iterator[Finding]:
    """A finding for each SUCCESS that is not that of our ping."""
    trial.hear(SETTLE)
    for answer in trial.answers():
        if answer.success and (answer.action not in asked or answer.oid < FIRST) and answer.action != "INIT":
            yield Finding(Weight.FAILS, f"{answer.action} {answer.oid} {what} is a SUCCESS")


def _unknown_verb(session: Session) -> Iterator[Finding]:
    with session.greeted() as trial:
        trial.write(f"EXPLODE {session.number()} host word -\nEXPLODE {session.number()}\n")
        yield from session.alive(trial, "a verb that does not exist")
        yield from _no_success(trial, "of a verb that does not exist", {session.objects.ping})


def _too_few_words(session: Session) -> Iterator[Finding]:
    with session.greeted() as trial:
        numbers = {session.number(): verb for verb in session.objects.verbs}
        trial.write("".join(f"{verb} {number}\n" for number, verb in numbers.items()))
        yield from session.alive(trial, "requests without arguments")
        trial.hear(SETTLE)
        for number, verb in numbers.items():
            if any(answer.success for answer in trial.answers(verb, number)):
                weight = Weight.NOTE if verb in OBSERVES else Weight.FAILS
                yield Finding(weight, "a request without arguments is a SUCCESS", verb)


def _too_many_words(session: Session) -> Iterator[Finding]:
    verb = session.objects.ping
    with session.greeted() as trial:
        trial.write(f"{session.objects.line(verb, session.number())} one more\n")
        yield from session.alive(trial, "a request with surplus words")


def _long_lines(session: Session) -> Iterator[Finding]:
    objects, verb, number = session.objects, session.objects.ping, session.number()
    with session.greeted() as trial:
        session.objects = replace(objects, padding=PADDING)
        documents = objects.dialect in ("xml", "xml6")
        answer = session.ask(trial, verb, number) if documents else None
        session.objects = objects
        if documents and answer is None:
            yield Finding(Weight.FAILS, f"{verb} with a document of {PADDING // 1000} kB has no answer")
        trial.write(f"{verb} {session.number()} {'x' * PADDING}\n")
        yield from session.alive(trial, f"a line of {PADDING // 1000} kB")


def _repeats(session: Session) -> Iterator[Finding]:
    declared = session.objects.greeting.repeats
    for verb in (verb for verb in ("DEPLOY", "CANCEL", "CP", "MKFS", "TRANSFER") if verb in declared):
        if verb not in session.objects.verbs:
            continue
        number = session.number()
        with session.greeted() as first:
            before = session.ask(first, verb, number)
        with session.greeted() as second:
            after = session.ask(second, verb, number)
            _clean(session, second, verb, number)
        if before and before.success and not (after and after.success):
            told = "no answer" if after is None else f"FAILURE {after.info[:120]}"
            yield Finding(Weight.FAILS, f"done once it is SUCCESS, asked again it is {told}", verb)


def _clean(session: Session, trial: Trial, verb: str, number: int) -> None:
    undo = {"DEPLOY": "CANCEL", "CP": "RM", "MKFS": "RM"}.get(verb)
    if undo:
        session.ask(trial, undo, number)


def _cancel_of_nothing(session: Session) -> Iterator[Finding]:
    number = session.number()
    with session.greeted() as trial:
        trial.write(f"DRIVER_CANCEL {number}\n")
        yield from session.alive(trial, "DRIVER_CANCEL of what is not at work")
        for answer in trial.answers():
            if answer.oid == number:
                yield Finding(Weight.FAILS, f"DRIVER_CANCEL is answered by {answer.action}: it has log lines only")


def _cancel_at_work(session: Session) -> Iterator[Finding]:
    verb, number = session.objects.ping, session.number()
    with session.greeted() as trial:
        trial.write(f"{session.objects.line(verb, number)}\nDRIVER_CANCEL {number}\n")

        def enough(text: str) -> bool:
            message = line.read(text)
            cancelled = isinstance(message, Log) and message.cancelled == number
            return cancelled or (isinstance(message, Answer) and message.oid == number)

        if trial.hear(max(FEW, session.limit), enough) is None:
            yield Finding(Weight.FAILS, f"neither {verb} is answered, nor a log line says: Driver command for "
                          f"{number} cancelled")  # fmt: skip


def _missing_script(session: Session) -> Iterator[Finding]:
    number = session.number()
    with session.greeted() as trial:
        trial.write(f"TRANSFER {number} {session.objects.scratch}/there-is-no-such-file\n")
        answer = trial.answer("TRANSFER", number, session.limit)
    if answer is None or answer.success:
        yield Finding(Weight.FAILS, f"a script that is not there is {'a SUCCESS' if answer else 'not answered'}")


def _scripts(session: Session) -> Iterator[Finding]:
    objects = session.objects
    scripts = {
        "an empty script": (("# nothing",), True),
        "a script with an unknown command": (("EXPLODE a b",), False),
        "a script whose first line fails": (("EXPLODE a b", *objects.script(FIRST).read_text().splitlines()), False),
    }
    with session.greeted() as trial:
        for what, (lines, well) in scripts.items():
            number = session.number()
            trial.write(f"TRANSFER {number} {objects.script(number, *lines)}\n")
            answer = trial.answer("TRANSFER", number, session.limit)
            if answer is None or answer.success is not well:
                told = "no answer" if answer is None else "SUCCESS" if answer.success else f"FAILURE {answer.info[:80]}"
                yield Finding(Weight.FAILS, f"{what} is {told}", what)


def _gone_domain(session: Session) -> Iterator[Finding]:
    number = session.number()
    with session.greeted() as trial:
        answer = session.ask(trial, "POLL", number)
    if answer and answer.success and "STATE=A" in answer.info.upper():
        yield Finding(Weight.FAILS, "POLL of a domain that does not exist says that it runs")


def _failing_hook(session: Session) -> Iterator[Finding]:
    number = session.number()
    if session.objects.dialect != "classic":
        return
    with session.greeted() as trial:
        trial.write(f"EXECUTE {number} trial LOCAL /bin/false -\n")
        answer = trial.answer("EXECUTE", number, session.limit)
    if answer is None or answer.success:
        yield Finding(Weight.FAILS, f"a hook that fails is {'a SUCCESS' if answer else 'not answered'}")


def _ends_by(order: str) -> Do:
    """The check of an end: by FINALIZE, or by the end of the input."""

    def ends(session: Session) -> Iterator[Finding]:
        with session.greeted() as trial:
            before = len(trial.heard)
            trial.write(order)
            if not order:
                trial.close_input()
            status = trial.ends(END)
            if status is None:
                yield Finding(Weight.FAILS, f"it still runs {END:g} s later, and would be killed")
                return
            trial.hear(SETTLE)
            if status != 0:
                yield Finding(Weight.NOTE, f"it ends with status {status}")
            for text in trial.heard[before:]:
                if (order and isinstance(line.read(text), Answer)) or text.startswith("FINALIZE"):
                    yield Finding(Weight.NOTE, f"it answers FINALIZE: {text[:80]}")
            if trial.leftover:
                yield Finding(Weight.FAILS, "a process that it has started outlives it")

    return ends


CHECKS: tuple[Check, ...] = (
    Check("start", "The engine runs the program once and reads its first line as the answer to INIT.", _starts,
          ends=True),
    Check("greeting", "Without INIT SUCCESS no request is ever sent.", _greets, ends=True),
    Check("verbs", "A request without an answer keeps its VM, host or image waiting until the deadline.", _verbs),
    Check("ids", "An answer counts for the object that it names, whoever asked.", _ids),
    Check("once", "A second answer may be taken for that to the next request.", _once),
    Check("stray lines", "What is no message is dropped. Standard error is the place for it.", _stray_lines),
    Check("whole lines", "Older engines take a driver for dead that writes half a line and pauses.", _whole_lines),
    Check("two at once", "Requests are told apart by verb and id alone, and come as fast as the engine has them.",
          _two_at_once),
    Check("pieces", "A pipe may part a line anywhere: a request is whole when its line end has come.", _in_pieces),
    Check("bad lines", "A driver that dies of a line takes all its requests with it.", _bad_lines),
    Check("unknown verbs", "Newer engines send newer verbs: silence or FAILURE is an answer, SUCCESS is a lie.",
          _unknown_verb),
    Check("too few words", "What is done without its arguments is done to the wrong thing.", _too_few_words),
    Check("too many words", "Releases differ by a word: the request may be dropped, the driver must not die.",
          _too_many_words),
    Check("long lines", "Documents of VMs with many disks are far longer than a pipe's buffer.", _long_lines),
    Check("repeats", "Verbs in REPEATS are sent again after a crash: what is done already is a success.", _repeats),
    Check("cancel of nothing", "DRIVER_CANCEL may come when the answer is on its way: it is never answered.",
          _cancel_of_nothing),
    Check("cancel at work", "Until an answer or the log line comes the engine sends nothing more for that object.",
          _cancel_at_work),
    Check("gone domains", "An engine believes a POLL: a VM that is gone would be shown as running.", _gone_domain,
          frozenset((Mad.VMM,))),
    Check("missing script", "A transfer that has not been done must not let its VM boot.", _missing_script,
          frozenset((Mad.TM,))),
    Check("scripts", "A script stops at its first failing line; one with nothing to do is done.", _scripts,
          frozenset((Mad.TM,))),
    Check("failing hooks", "Whether a hook failed is all that the classic dialect tells.", _failing_hook,
          frozenset((Mad.HM,))),
    Check("finalize", "The engine waits five seconds for its drivers when it stops, then it kills them.",
          _ends_by("FINALIZE\n")),
    Check("end of input", "An engine that was killed cannot say FINALIZE; its successor waits for the old drivers.",
          _ends_by("")),
)  # fmt: skip


@dataclass(frozen=True)
class Result:
    """What a check found."""

    check: Check
    finding: Finding

    @property
    def weight(self) -> Weight:
        return self.finding.weight


def run(session: Session) -> Iterator[Result]:
    """The results of all checks for the session's kind of driver, as they come."""
    for check in CHECKS:
        if session.objects.mad not in check.kinds:
            continue
        found = list(check.do(session)) or [Finding(Weight.HOLDS, "")]
        for finding in found:
            yield Result(check, finding)
        if check.ends and any(finding.weight is Weight.FAILS for finding in found):
            return
