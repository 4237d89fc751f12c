"""A driver on trial: its processes, what it was asked, and what is found of that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from oned.command import Mad
from oned.mad import line
from oned.mad.line import Answer
from oned.mad.process import INIT_LIMIT, Launch
from oned.mad.trial.objects import FIRST, Objects, judge
from oned.mad.trial.process import Trial

SETTLE = 0.3
"""Seconds in which a driver might write what it should not."""


class Weight(Enum):
    """How much a finding counts."""

    HOLDS = "holds"
    NOTE = "note"
    FAILS = "fails"


@dataclass(frozen=True)
class Finding:
    """What was seen, of what part of the check (a verb, a line), and how much it counts."""

    weight: Weight
    seen: str
    about: str = ""


@dataclass(frozen=True)
class Transcript:
    """What was found of each verb, the process that was asked, the ids that it was asked about, and the requests."""

    findings: list[Finding]
    trial: Trial
    numbers: set[int]
    asked: list[tuple[str, int]]


class Session:
    """A program with its requests, of which each check starts processes of its own."""

    def __init__(self, launch: Launch, objects: Objects, limit: float) -> None:
        self.launch, self.objects, self.limit = launch, objects, limit
        self._next = FIRST

    def number(self) -> int:
        """The id of an object that no request was about yet."""
        self._next += 1
        return self._next

    def start(self) -> Trial:
        """A process that has not been greeted."""
        return Trial(self.launch)

    def greeted(self) -> Trial:
        """A process that has answered INIT: what it says to that was looked at before."""
        trial = self.start()
        trial.write("INIT\n")
        trial.hear(INIT_LIMIT, lambda text: line.greeting(text) is not None)
        return trial

    def ask(self, trial: Trial, verb: str, oid: int) -> Answer | None:
        """The answer to a request; what it tells of where things are is remembered."""
        trial.write(self.objects.line(verb, oid) + "\n")
        answer = trial.answer(verb, oid, self.limit)
        if answer and answer.success and answer.info and verb in ("DEPLOY", "CP", "CLONE", "MKFS"):
            self.objects.sources[oid] = answer.info.split()[0]
        return answer

    def alive(self, trial: Trial, what: str) -> Iterator[Finding]:
        """A finding, if the driver does not answer a good request after that."""
        verb = self.objects.ping
        if self.ask(trial, verb, self.number()) is None:
            status = trial.ends(SETTLE)
            gone = "it does not answer any more" if status is None else f"it ended with status {status}"
            yield Finding(Weight.FAILS, f"after {what} {gone}")

    @cached_property
    def transcript(self) -> Transcript:
        """One process asked for each verb in turn: several checks look at what it said."""
        objects, base = self.objects, self.number()
        offsets = {"CLONE": 1, "MKFS": 2} if objects.mad is Mad.DS else {}
        wanted = [(verb, base + offsets.get(verb, 0)) for verb in objects.verbs]
        numbers = {number for _, number in wanted}
        self._next = max(numbers)
        with self.greeted() as trial:
            findings = [_of_verb(self, trial, verb, number) for verb, number in wanted]
            if objects.mad is Mad.DS:
                rest = [
                    ("RM", number) for number in sorted(numbers & set(objects.sources)) if ("RM", number) not in wanted
                ]
                for verb, number in rest:
                    self.ask(trial, verb, number)
                wanted += rest
            trial.hear(SETTLE)
        return Transcript(findings, trial, numbers, wanted)


def _of_verb(session: Session, trial: Trial, verb: str, oid: int) -> Finding:
    answer, objects = session.ask(trial, verb, oid), session.objects
    if answer is None:
        weight = Weight.NOTE if objects.may_lack(verb) else Weight.FAILS
        return Finding(weight, f"no answer within {session.limit:g} s: the engine waits until its deadline", verb)
    if not answer.success:
        if not answer.info:
            return Finding(Weight.NOTE, "FAILURE without a reason: the owner of the VM reads it", verb)
        return Finding(Weight.HOLDS, f"FAILURE: {answer.info[:120]}", verb)
    wrong = judge(objects, verb, oid, answer.info)
    return Finding(Weight.FAILS if wrong else Weight.HOLDS, wrong or f"SUCCESS {answer.info[:80]}".rstrip(), verb)
