"""The life cycle as the pages show it: which command a row sends, how long it may take, which rows leave a state."""

from collections.abc import Iterator
from functools import cache

from oned import deadlines
from oned.command import Command, Mad
from oned.vm.history import Record
from oned.vm.lifecycle import LIFECYCLE
from oned.vm.machine import Site
from oned.vm.row import Row
from oned.vm.states import CLEANUP, STATES, State
from oned.vm.vm import VM

PLACE = {state: number for number, state in enumerate(STATES)}
"""State → its place in the order of the pages."""

DRIVERS = {Mad.VMM: "hypervisor driver", Mad.TM: "transfer driver", Mad.IM: "information driver"}
DESTROYS = ("delete", "recreate", "delete-db")
"""Events that are possible nearly everywhere: figures leave them out."""


def command(row: Row) -> Command | None:
    """What a row sends, for a VM that was on two hosts."""
    if row.then is None:
        return None
    vm = VM(0, "one-0", (0, 0), 0o600)
    vm.history = [Record(seq, seq, f"host{seq}", vm_mad="kvm", tm_mad="shared") for seq in range(2)]
    vm.state = row.to or ordered(row)[0]
    return row.then(vm, Site("", "", lambda mad, name, verb: deadlines.of({}, mad, name, verb)))


def words(sent: Command) -> str:
    """A command in short: its verb, with the phase of a transfer."""
    phase = sent.arguments.get("phase", "")
    return f"{sent.verb} {phase}".rstrip()


def ordered(row: Row) -> list[State]:
    """The states that a row starts from, in the order of the pages."""
    return sorted(row.start, key=PLACE.__getitem__)


def target(row: Row, state: State) -> State:
    """Where a row leads from a state."""
    return row.to or state


@cache
def leaving(state: State) -> tuple[Row, ...]:
    """The rows that start from a state, in the order of the table."""
    return tuple(row for row in LIFECYCLE if state in row.start)


@cache
def work(state: State) -> tuple[Command, ...]:
    """The commands that may be open in a state, each verb once."""
    into = [row for row in LIFECYCLE if row.then and _is_work_of(row, state)]
    sent = [found for row in into if (found := command(row))]
    return tuple({words(item): item for item in sent}.values())


def _is_work_of(row: Row, state: State) -> bool:
    stays = row.to is None and state in row.start and (row.outcome != "" or state in CLEANUP)
    return row.to is state or stays


def merged() -> list[Row]:
    """The table with one row for all states that an event leads out of in the same way."""
    alike: dict[tuple[object, ...], Row] = {}
    for row in LIFECYCLE:
        rest = (row.event, row.to, row.then, row.when, row.opens, row.stamps, row.previous)
        known = alike.get(rest)
        start = row.start | known.start if known else row.start
        stamps, previous = " ".join(row.stamps), " ".join(row.previous)
        alike[rest] = Row(
            start, row.event, row.to, row.then, when=row.when, opens=row.opens, stamps=stamps, previous=previous
        )
    return list(alike.values())


def edges() -> Iterator[tuple[State, str, State]]:
    """Every change of a state but those of deleting and recovering: from, event, to."""
    for row in LIFECYCLE:
        if row.event in DESTROYS or row.event.startswith("recover "):
            continue
        for state in ordered(row):
            if row.to is not None and row.to is not state:
                yield state, row.event, row.to
