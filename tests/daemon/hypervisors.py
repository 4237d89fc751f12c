"""Hypervisors that a test plays by its hosts' truth: what runs where, and what their drivers say of it."""

import os
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.daemon.process import Scripted, until

STEPS = {"migrate live": ("MIGRATE",), "migrate": ("SAVE", "TRANSFER", "RESTORE"),
         "migrate poweroff": ("SHUTDOWN", "TRANSFER", "DEPLOY")}  # fmt: skip
"""The verbs of a move."""
ANSWERS = ("success", "failure", "none", "late", "twice", "early")
"""What a driver says of the step that goes wrong. `none`: nothing until it dies; `late`: after it died or oned did;
`early`: before it is done, and of another verb at first."""
TRUTHS = {"old": ("alpha",), "new": ("beta",), "both": ("alpha", "beta"), "neither": ()}
"""Where the VM runs after that step."""
BEFORE = ("SAVE", "SHUTDOWN", "TRANSFER")
"""Steps that are done before anything knows of the VM on the new host."""


def seed() -> int:
    """SEED=number in the environment replays a run."""
    return int(os.environ.get("SEED") or random.SystemRandom().randrange(2**32))


@dataclass
class Fault:
    """What goes wrong in the move of one VM: at a step, what the driver says of it, and where the VM runs then."""

    kind: str
    step: str
    answer: str
    truth: str

    @classmethod
    def drawn(cls, dice: random.Random) -> "Fault":
        kind = dice.choice((*STEPS, "migrate live"))
        step = dice.choice(STEPS[kind])
        return cls(kind, step, dice.choice(ANSWERS), dice.choice(truths(step)))


def truths(step: str) -> tuple[str, ...]:
    """Where a VM may run after a step of its move."""
    return ("old", "neither") if step in BEFORE else tuple(TRUTHS)


def every() -> Iterator[Fault]:
    """All that can go wrong."""
    for kind, steps in STEPS.items():
        for step in steps:
            for answer in ANSWERS:
                yield from (Fault(kind, step, answer, truth) for truth in truths(step))


@dataclass
class Hypervisors:
    """Both drivers of a daemon, each request answered as it comes; VMs of `faults` have theirs once.

    runs     the VMs of each host
    unheard  what will be said when somebody died
    silent   the hosts that cannot be asked
    obeys    whether a command that was given up ends
    polled   the hosts that were asked about a VM, each time
    hang     verbs on hosts, ("CANCEL", "beta"), that are not done before `go_on`
    hung     what was heard of them
    """

    daemon: Scripted
    faults: dict[int, Fault] = field(default_factory=dict)
    runs: dict[str, set[int]] = field(default_factory=lambda: {"alpha": set(), "beta": set()})
    unheard: deque[tuple[str, str]] = field(default_factory=deque)
    cancels: list[tuple[int, str]] = field(default_factory=list)
    at_fault: set[int] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    obeys: bool = True
    polled: list[str] = field(default_factory=list)
    hang: set[tuple[str, str]] = field(default_factory=set)
    hung: list[tuple[str, list[str]]] = field(default_factory=list)

    def serve_until(self, happened: Callable[[], object], what: str) -> None:
        """Answer all that is asked until something has happened."""

        def look() -> object:
            self.serve()
            return happened()

        until(look, what)

    def serve(self) -> None:
        """Answer what has been asked so far."""
        for mad in ("VM_MAD", "TM_MAD"):
            for line in self.daemon.fakes[mad].lines():
                self._hear(mad, line.split())

    def where(self, vm: int) -> list[str]:
        """The hosts that run it."""
        return [host for host, vms in self.runs.items() if vm in vms]

    def says(self, mad: str, text: str) -> None:
        self.daemon.fakes[mad].answers(text)

    def go_on(self) -> None:
        """Do at last what hung."""
        self.hang.clear()
        while self.hung:
            self._hear(*self.hung.pop(0))

    def late_ones(self) -> None:
        """Say what nobody waits for any more."""
        while self.unheard:
            self.says(*self.unheard.popleft())

    def _hear(self, mad: str, words: list[str]) -> None:
        verb, vm = words[0], int(words[1]) if len(words) > 1 else -1
        if verb == "DRIVER_CANCEL":
            if self.obeys:
                self.says(mad, f"LOG I {vm} Driver command for {vm} cancelled")
            return
        if (verb, *words[2:3]) in self.hang:
            self.hung.append((mad, words))
            return
        fault = self.faults.get(vm)
        if fault is not None and verb == fault.step and self._is_of_the_move(fault, words):
            del self.faults[vm]
            self.at_fault.add(vm)
            self._go_wrong(mad, fault, verb, vm)
            return
        if words[2:3] and words[2] in self.silent and verb in ("POLL", "CANCEL"):
            self.says(mad, f"{verb} FAILURE {vm} no route to {words[2]}")
            return
        self._act(verb, vm, words[2:])
        self.says(mad, f"{verb} SUCCESS {vm} {self._info(verb, vm, words[2:])}")

    def _is_of_the_move(self, fault: Fault, words: list[str]) -> bool:
        return words[0] != "TRANSFER" or words[2].endswith(".migrate")

    def _go_wrong(self, mad: str, fault: Fault, verb: str, vm: int) -> None:
        for host, vms in self.runs.items():
            vms.add(vm) if host in TRUTHS[fault.truth] else vms.discard(vm)
        success, failure = f"{verb} SUCCESS {vm} one-{vm}", f"{verb} FAILURE {vm} it is broken"
        if fault.answer == "late":
            self.unheard.append((mad, success))
        said = {"success": [success], "failure": [failure], "twice": [success, success],
                "early": [f"CANCEL SUCCESS {vm} -", f"{verb} SUCCESS {vm + 100000} -", failure]}  # fmt: skip
        for text in said.get(fault.answer, []):
            self.says(mad, text)

    def _act(self, verb: str, vm: int, words: list[str]) -> None:
        """What a hypervisor does that works."""
        host = words[0] if verb != "TRANSFER" else ""
        if verb in ("DEPLOY", "RESTORE"):
            self.runs[host].add(vm)
        elif verb in ("SAVE", "SHUTDOWN", "CANCEL"):
            self.runs[host].discard(vm)
        elif verb == "MIGRATE":
            self.runs[host].discard(vm)
            self.runs[words[2]].add(vm)
        if verb == "CANCEL":
            self.cancels.append((vm, host))

    def _info(self, verb: str, vm: int, words: list[str]) -> str:
        if verb == "POLL":
            self.polled.append(words[0])
            return f"STATE={'a' if vm in self.runs[words[0]] else 'd'}"
        return f"one-{vm}" if verb == "DEPLOY" else "-"
