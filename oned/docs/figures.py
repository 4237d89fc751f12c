"""The figures of the life cycle, in the language of mermaid: parts of the table that fit a screen."""

from collections.abc import Iterable
from typing import NamedTuple

from oned.docs.markdown import block
from oned.docs.transitions import PLACE, edges, leaving
from oned.vm.states import BY_NAME, CLEANUP, FAILED, STABLE, WAITS_FOR_DRIVER, Family, State

SEEN = "seen "
Edge = tuple[State, str, State]


class Figure(NamedTuple):
    """A figure: its title, the states it is about, and whether it shows what the monitor changes."""

    title: str
    states: Family
    monitor: bool = False


def _family(names: str) -> Family:
    return Family(BY_NAME[name] for name in names.split())


FIGURES = (
    Figure("From submission to the end", _family("PENDING HOLD PROLOG BOOT RUNNING SHUTDOWN EPILOG DONE")),
    Figure(
        "Suspend and power off: on the same host",
        _family("RUNNING UNKNOWN SAVE_SUSPEND SUSPENDED BOOT_SUSPENDED SHUTDOWN_POWEROFF POWEROFF BOOT_POWEROFF"),
    ),
    Figure(
        "Stop and undeploy: away from the host",
        _family(
            "RUNNING UNKNOWN SAVE_STOP EPILOG_STOP STOPPED PENDING HOLD PROLOG_RESUME BOOT_STOPPED SUSPENDED POWEROFF "
            "SHUTDOWN_UNDEPLOY EPILOG_UNDEPLOY UNDEPLOYED PROLOG_UNDEPLOY BOOT_UNDEPLOY"
        ),
    ),
    Figure(
        "Migrate",
        _family(
            "RUNNING MIGRATE SAVE_MIGRATE PROLOG_MIGRATE BOOT BOOT_MIGRATE POWEROFF PROLOG_MIGRATE_POWEROFF SUSPENDED "
            "PROLOG_MIGRATE_SUSPEND UNKNOWN PROLOG_MIGRATE_UNKNOWN"
        ),
    ),
    Figure("The end", _family("RUNNING UNKNOWN SHUTDOWN SUSPENDED POWEROFF STOPPED UNDEPLOYED EPILOG DONE")),
    Figure("Removed by delete, or to begin anew by recreate", _family("CLEANUP_DELETE DONE CLEANUP_RESUBMIT PENDING")),
    Figure("Lost and found", _family("RUNNING UNKNOWN BOOT_UNKNOWN SUSPENDED POWEROFF"), monitor=True),
)


def changes_in_place() -> list[State]:
    """States that go back to where they came from, done or failed: hot-plug, snapshots, resizing."""
    elsewhere = Family(state for figure in FIGURES for state in figure.states)
    return [state for state in PLACE if state in WAITS_FOR_DRIVER - CLEANUP - elsewhere and _comes_back(state)]


def drawn(figure: Figure) -> list[Edge]:
    """The edges of a figure."""
    return [edge for edge in _without_failures() if figure.states >= {edge[0], edge[2]} and _is_shown(figure, edge)]


def _is_shown(figure: Figure, edge: Edge) -> bool:
    return figure.monitor or not edge[1].startswith(SEEN)


def mermaid(figure: Figure) -> str:
    """A figure as a block."""
    return _flowchart(drawn(figure), "TB")


def failures() -> str:
    """The figure of failed steps: where each leads, and how it is tried again."""
    failed = [(start, event, to) for start, event, to in edges() if event.endswith(" failed") and to in FAILED]
    retried = [
        (state, "recover retry", row.to)
        for state in PLACE
        if state in FAILED
        for row in leaving(state)
        if row.event == "recover retry" and row.to is not None
    ]
    return _flowchart([*failed, *retried], "LR")


def _without_failures() -> list[Edge]:
    return [(start, event, to) for start, event, to in edges() if not event.endswith(" failed")]


def _comes_back(state: State) -> bool:
    origins = {start for start, _, to in edges() if to is state}
    return bool(origins) and {row.to for row in leaving(state) if row.outcome} == origins


def _flowchart(found: Iterable[Edge], direction: str) -> str:
    events: dict[tuple[State, State], list[str]] = {}
    for start, event, to in found:
        names = events.setdefault((start, to), [])
        if event not in names:
            names.append(event)
    shown = dict.fromkeys(state for pair in events for state in pair)
    nodes = [f"  {state}([{state}])" if state in STABLE - FAILED else f"  {state}[{state}]" for state in shown]
    arrows = [f'  {start} -->|"{", ".join(names)}"| {to}' for (start, to), names in events.items()]
    return block([f"flowchart {direction}", *nodes, *arrows], "mermaid")
