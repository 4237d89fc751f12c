"""share/doc/lifecycle.md: the states, the figures and the whole table."""

from collections.abc import Iterable

from oned.docs import figures
from oned.docs.markdown import code, codes, heading, joined, table
from oned.docs.transitions import command, merged, ordered, words
from oned.docs.ways import command_of
from oned.host.states import STATUS, UP, HostState
from oned.vm.row import Row
from oned.vm.states import FAILED, HOLDS_ROOM, LIVE, STABLE, STATES, WAITS_FOR_DRIVER, Family, State

HEAD = """# The life cycle of a VM

This page is made from `oned/vm/states.py` and `oned/vm/lifecycle.py`; `make docs` writes it. What to do when a step
fails is in [failures.md](failures.md).

A VM is in one state at a time: a pair of the numbers STATE and LCM_STATE of its document. LCM_STATE counts only while
STATE is 3 (ACTIVE). A change of the state is a row of the table below: from a state, at an event, to a state. Events
are caused by users (`onevm`), by the scheduler (deploy, migrate), by drivers (`<verb> done`, `<verb> failed`) or by
the monitor (`seen ...`). An event without a row is refused, and nothing is changed.
"""
TABLE_HEAD = """Of several rows with the same state and event the first whose condition holds is taken. "Sends" is the
command that leaves for a driver once the change is on disk. A history record is one stay of a VM on a host; "times" are
those set on the record of now, or on the one before it.
"""
FAMILIES: tuple[tuple[str, Family, str], ...] = (
    ("waits", WAITS_FOR_DRIVER, "an operation is open: its answer, its deadline or a recovery moves the VM on"),
    ("failed", FAILED, "a step failed: nothing goes on until somebody recovers or deletes the VM"),
    ("live", LIVE, "asked about by the monitor; only here do its reports change the state"),
    ("room", HOLDS_ROOM, "the VM counts against the capacity of its host"),
    ("stable", STABLE, "no operation is open"),
)
"""Word, states, meaning."""
RECORDS = {"NEW": "new, on the chosen host", "COPY": "new, on the same host", "BACK": "new, back on the host before"}


def page() -> str:
    """The page."""
    return joined(
        HEAD,
        heading(2, "States of a VM"),
        table(("word", "meaning"), ((code(word), meaning) for word, _, meaning in FAMILIES)),
        table(("state", "STATE/LCM", "`onevm list`", "meaning", "families"), map(_state, STATES)),
        *_figures(),
        heading(2, "The table"),
        TABLE_HEAD,
        table(("from", "event", "by", "condition", "to", "sends", "record", "times"), map(_row, merged())),
        heading(2, "States of a host"),
        table(("state", "number", "meaning", ""), map(_host_state, HostState)),
    )


def _state(state: State) -> tuple[str, ...]:
    kinds = codes(word for word, family, _ in FAMILIES if state in family)
    return code(state), f"{state.number}/{state.lcm}", code(state.short), state.sentence, kinds


def _figures() -> Iterable[str]:
    yield heading(2, "Figures")
    yield "Rounded states are stable. Failed steps have a figure of their own; deleting is possible everywhere.\n"
    for figure in figures.FIGURES:
        yield heading(3, figure.title)
        yield figures.mermaid(figure)
    yield heading(3, "Failed steps")
    yield "Steps that are not here lead back to a stable state when they fail: see the table.\n"
    yield figures.failures()
    yield heading(3, "Changes in place")
    yield "These end where they began, done or failed:\n"
    yield table(("state", "meaning"), ((code(state), state.sentence) for state in figures.changes_in_place()))


def _row(row: Row) -> tuple[str, ...]:
    sent = command(row)
    return (
        codes(ordered(row)),
        row.event,
        _cause(row),
        (row.when.__doc__ or "").rstrip(".") if row.when else "",
        code(row.to) if row.to else "(stays)",
        code(words(sent)) if sent else "",
        RECORDS[row.opens.name] if row.opens else "",
        ", ".join([*row.stamps, *(f"{name} of the one before" for name in row.previous)]),
    )


def _cause(row: Row) -> str:
    if row.outcome:
        return "driver"
    return "monitor" if not row.by_user else code(command_of(row.event)) or "user"


def _host_state(state: HostState) -> tuple[str, ...]:
    asked = next((f"one.host.status {number}" for number, wanted in STATUS.items() if wanted is state), "")
    return code(state.name), str(int(state)), state.sentence, "takes VMs" if state in UP else code(asked)
