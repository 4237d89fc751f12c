"""Ways through the life cycle: how to bring a VM to the start of each row with what users, drivers and the monitor do.

Found by walking the real life cycle in memory, the cheapest way first; the daemon is then led along the same way.
"""

import copy
import heapq
from dataclasses import dataclass, field

from oned.api.vm import ACTIONS as API_ACTIONS
from oned.command import Command, Intent
from oned.document.object import PoolObject
from oned.ids import Kind
from oned.store.events import Change
from oned.store.unit import Unit
from oned.vm.fire import ROWS, Cause, Lifecycle
from oned.vm.machine import Site
from oned.vm.row import (
    Placement,
    Row,
    another_stay,
    earlier_stay,
    kept_away,
    left_host,
    may_be_elsewhere,
    power_move,
    was_stopped,
    was_undeployed,
)  # fmt: skip
from oned.vm.states import PENDING, State
from oned.vm.strays import settled
from oned.vm.vm import VM

HOSTS = ("alpha", "beta", "gamma")
GUARDS = (was_stopped, was_undeployed, kept_away, left_host, another_stay, earlier_stay, power_move,
    may_be_elsewhere,
)  # fmt: skip
MIGRATIONS = ("migrate", "migrate live", "migrate poweroff", "migrate poweroff-hard")
RECOVERIES = ("recover failure", "recover success", "recover retry", "delete", "recreate", "delete-db")
SEEN = ("seen running", "seen paused", "seen gone", "seen off")
SEEN_COSTS = 5
"""Steps that a report of the monitor is worth: it takes seconds."""
USER = frozenset([*API_ACTIONS.values(), "deploy", *MIGRATIONS, *RECOVERIES])
SITE = Site("/var/vms", "front", lambda mad, driver, verb: 60.0)


@dataclass(frozen=True)
class Step:
    """One event: the host it names, if it names one, the state it leads to, and the command it sends."""

    event: str
    host: int
    to: State
    sends: Command | None


@dataclass(frozen=True)
class Way:
    """The steps to the start of a row, and the step that is the row itself."""

    steps: tuple[Step, ...]
    start: State
    last: Step
    row: Row

    def __str__(self) -> str:
        guard = f" when {self.row.when.__name__}" if self.row.when else ""
        return f"{self.start}+{self.last.event}{guard}"


class _Desk:
    """Keeps the open commands; sends nothing."""

    def __init__(self, opened: list[Intent]) -> None:
        self.intents = opened

    def opened(self, command: Command) -> Intent:
        self.intents.append(Intent(len(self.intents), command, 1, 0.0))
        return self.intents[-1]

    def closed(self, intent: Intent) -> None:
        self.intents.remove(intent)

    def open_for(self, _kind: Kind, _oid: int) -> list[Intent]:
        return list(self.intents)

    def send(self, intent: Intent) -> None: ...
    def abandon(self, intent: Intent) -> None: ...
    def publish(self, change: Change) -> None: ...
    def prepare(self, _unit: Unit) -> None: ...
    def touched(self, _item: PoolObject) -> None: ...


@dataclass(order=True)
class _Node:
    cost: int
    serial: int
    vm: VM = field(compare=False)
    intents: list[Intent] = field(compare=False)
    steps: tuple[Step, ...] = field(compare=False)

    @property
    def verb(self) -> str:
        return self.intents[-1].command.verb if self.intents else ""

    @property
    def key(self) -> tuple[object, ...]:
        seq = self.intents[-1].command.arguments.get("seq") if self.intents else None
        is_here = bool(self.vm.history) and seq == str(self.vm.record.seq)
        return (self.vm.state, self.verb, is_here, *(guard(self.vm) for guard in GUARDS))

    def may(self, event: str) -> bool:
        """Whether somebody outside can cause the event now."""
        verb, _, outcome = event.rpartition(" ")
        if outcome in ("done", "failed"):
            return verb.upper() == self.verb
        return event in USER or event in SEEN

    def after(self, event: str) -> tuple["_Node", Row]:
        vm, desk = copy.deepcopy(self.vm), _Desk(list(self.intents))
        hid = (vm.record.hid + 1) % len(HOSTS) if vm.history else 0
        if event.startswith("cancel "):
            settled(vm, desk.intents[-1].command.arguments["seq"], success=event.endswith("done"))
        if event.endswith((" done", " failed")):
            desk.intents.clear()
        place = Placement(hid, HOSTS[hid], 0, "dummy", "dummy", 0, "/ds/0")
        cause = Cause(info=f"one-{vm.id}", placement=place)
        row = Lifecycle(SITE, lambda vm: None).fire(Unit(None, desk), vm, event, cause)  # type: ignore[arg-type]
        step = Step(event, hid, vm.state, desk.intents[-1].command if row.then else None)
        cost = self.cost + (SEEN_COSTS if event in SEEN else 1)
        return _Node(cost, 0, vm, desk.intents, (*self.steps, step)), row


def _first() -> _Node:
    vm = VM(7, "one-7", (0, 0), 0o600)
    vm.state = PENDING
    return _Node(0, 0, vm, [], ())


def ways() -> list[Way]:
    """A shortest way to each row from each of its states that can be reached."""
    found: dict[tuple[State, int], Way] = {}
    waiting, seen = [_first()], set[tuple[object, ...]]()
    while waiting:
        node = heapq.heappop(waiting)
        if node.key in seen:
            continue
        seen.add(node.key)
        for event in sorted(event for state, event in ROWS if state is node.vm.state and node.may(event)):
            after, row = node.after(event)
            after.serial = len(seen) * 1000 + len(waiting)
            found.setdefault((node.vm.state, id(row)), Way(node.steps, node.vm.state, after.steps[-1], row))
            heapq.heappush(waiting, after)
    return list(found.values())


WAYS = ways()
TO_STATE = {way.start: way.steps for way in reversed(WAYS)}
"""The steps to each state that can be reached."""
