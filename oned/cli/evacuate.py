"""onehost flush: the VMs of a host go elsewhere, a few at a time, until none is left that can."""

import time
from typing import NamedTuple

from oned.cli.command import FAILURE, CommandError
from oned.cli.output import complain, say
from oned.cli.wait import Events
from oned.client.client import Client, ServerRefused
from oned.client.documents import Document, parse
from oned.client.states import vm_state
from oned.errors import StillEnding
from oned.sched.evacuation import MOVABLE, Move, Plan, plan
from oned.sched.place import Rules
from oned.sched.settings import of_this_machine
from oned.setting import ConfigError

_DISABLED = 1
_PAUSE = 0.1
"""Seconds between two looks at the engine at least: events may come faster."""
_LONGEST_WAIT, _SOON = 20.0, 2.0
_STEP = 0
"""one.vm.migrate: saved, where it is not moved live."""


class Manner(NamedTuple):
    """How a host is emptied.

    cold     save the memory instead of moving live
    jobs     so many VMs at a time
    timeout  seconds for all of it
    rules    how hosts are chosen
    """

    cold: bool
    jobs: int
    timeout: float
    rules: Rules


def rules() -> Rules:
    """The policies by which hosts are chosen. Raises CommandError for a sched.conf that cannot be read."""
    try:
        return of_this_machine()
    except ConfigError as error:
        raise CommandError(f"the scheduler's policy is not known: {error}") from None


def show_plan(one: Client, host: int, closed: list[int]) -> int:
    """Write what would become of each VM of the host, which goes to none of the closed hosts; 0 if all could go."""
    found = plan(one, host, rules(), closed=closed)
    say(f"{'VM':>6} {'NAME':<20} {'STATE':<10} {'TO':<15} WHY")
    for move in found.moves:
        say(f"{move.vm:>6} {move.name:<20} {move.state:<10} {move.host.name:<15} {move.why}")
    for stays in found.stays:
        say(f"{stays.vm:>6} {stays.name:<20} {stays.state:<10} {'-':<15} {stays.why}")
    say("Nothing was changed.")
    return FAILURE if found.stays else 0


def disable(one: Client, hosts: list[int], manner: Manner) -> None:
    """Keep new VMs from all the hosts, before the first is emptied: none goes to the next."""
    if manner.jobs < 1:
        raise CommandError("--jobs is 1 at least")
    for host in hosts:
        one.call("one.host.status", host, _DISABLED)


def evacuate(one: Client, host: int, manner: Manner) -> int:
    """Move the VMs of a disabled host, and say what was left and why; the exit code."""
    return _Evacuation(one, host, manner).run()


class _Evacuation:
    def __init__(self, one: Client, host: int, manner: Manner) -> None:
        self._one, self._host, self._manner = one, host, manner
        self._deadline = time.monotonic() + manner.timeout
        self._events = Events(one)
        self._going: dict[int, Move] = {}
        self._failed: dict[int, str] = {}
        self._later: dict[int, str] = {}
        self._moved = 0

    def run(self) -> int:
        while True:
            self._look()
            found = plan(self._one, self._host, self._manner.rules)
            self._start(found)
            waits = bool(self._going or self._later) or any(vm.passes for vm in found.stays)
            left = self._deadline - time.monotonic()
            if not waits or left <= 0:
                return self._end(found)
            self._events.next(min(left, _SOON if self._later else _LONGEST_WAIT))
            time.sleep(_PAUSE)

    def _start(self, found: Plan) -> None:
        """Begin as many moves as may be under way."""
        self._later.clear()
        for move in found.moves:
            if len(self._going) >= self._manner.jobs:
                return
            if move.vm not in self._failed and move.vm not in self._going:
                self._migrate(move)

    def _migrate(self, move: Move) -> None:
        live = move.state == "RUNNING" and not self._manner.cold
        try:
            self._one.call("one.vm.migrate", move.vm, move.host.id, live, True, -1, _STEP)
        except ServerRefused as refusal:
            passes = StillEnding.SAYS in refusal.text
            (self._later if passes else self._failed)[move.vm] = refusal.text
            return
        self._going[move.vm] = move
        say(f"VM {move.vm} {move.name}: {'live ' if live else ''}to {move.host.name} ({move.why})")

    def _look(self) -> None:
        """See which of the moves under way have ended, and how."""
        for move in list(self._going.values()):
            vm = parse(self._one.text("one.vm.info", move.vm))
            state = vm_state(vm)
            if state in (*MOVABLE, "UNKNOWN", "DONE", "FAILED") or state.endswith("_FAILURE"):
                del self._going[move.vm]
                self._ended(move, vm, state)

    def _ended(self, move: Move, vm: Document, state: str) -> None:
        record = vm.last("HISTORY_RECORDS/HISTORY")
        there = record is not None and record.int("HID") == move.host.id
        if there and state == move.state:
            self._moved += 1
            say(f"VM {move.vm} {move.name}: is on {move.host.name}, {self._moved} moved, {len(self._going)} going")
        elif state != "DONE":
            error = vm.text("USER_TEMPLATE/ERROR")
            self._failed[move.vm] = f"the move to {move.host.name} ended in {state}. {error}".strip()

    def _end(self, found: Plan) -> int:
        left = {vm.vm: (vm.name, vm.why) for vm in found.stays}
        left |= {move.vm: (move.name, "there was no time for it") for move in found.moves}
        left |= {move.vm: (move.name, f"is still on its way to {move.host.name}") for move in self._going.values()}
        left |= {vm: (left.get(vm, ("", ""))[0], why) for vm, why in (self._failed | self._later).items()}
        for vm, (name, why) in sorted(left.items()):
            complain(f"VM {vm} {name} stays: {why}")
        say(f"Host {self._host} is disabled. {self._moved} moved, {len(left)} left.")
        return FAILURE if left else 0
