"""share/doc/failures.md: for every state what it means, who is at work, what goes wrong, and the ways out."""

from collections.abc import Iterator

from oned.command import Command
from oned.docs.markdown import code, heading, joined, table
from oned.docs.transitions import DRIVERS, PLACE, command, leaving, target, words, work
from oned.docs.ways import RECOVER, command_of
from oned.vm.row import Row
from oned.vm.states import CLEANUP, DONE, FAILED, WAITS_FOR_DRIVER, State

HEAD = """# The failure handbook

This page is made from the [life-cycle table](lifecycle.md); `make docs` writes it.

First look: `onevm explain N` says why the VM is as it is, `onevm show N` shows the error of the last failed step
(USER_TEMPLATE/ERROR), and the VM's log has the driver's words. Then find the state below and take a way out.

Every operation has a deadline ([settings.md](settings.md), TIMEOUT of the driver). A missed deadline counts as a
failure of the step. When a driver dies, or oned is killed, commands that may be repeated are sent again; a boot with a
known deploy id is asked about; the others count as failed. So no VM waits for ever; who does not want to wait says
how the step ended:

| command | the open step ... |
| --- | --- |
| `onevm recover N --success` | counts as done |
| `onevm recover N --failure` | counts as failed |
| `onevm recover N --retry` | is done again |
| `onevm recover N --delete` | is given up: the VM is removed from its host and ends |
| `onevm recover N --recreate` | is given up: the VM is removed from its host and begins anew |
| `onevm recover N --delete-db` | is given up: the VM ends, and nothing is done on its host |
"""
OUTCOMES = {"success": "done", "failure": "failed"}


def page() -> str:
    """The page."""
    return joined(HEAD, *(_section(state) for state in PLACE))


def _section(state: State) -> str:
    parts = [heading(2, str(state)), f"Meaning: {state.sentence}.\n"]
    if not _is_reached(state):
        parts.append("No row of the table leads here in this release.\n")
    if state in WAITS_FOR_DRIVER:
        parts += [_at_work(state), _wrong(state)]
    ways = list(_ways(state))
    if ways:
        parts += ["Ways out:\n", table(("command", "the VM goes to", "sends"), ways)]
    return joined(*parts)


def _is_reached(state: State) -> bool:
    return any(row.to is state for other in PLACE for row in leaving(other)) or state.name == "PENDING"


def _at_work(state: State) -> str:
    rows = ((code(words(item)), DRIVERS[item.mad], _seconds(item)) for item in work(state))
    return joined("At work:\n", table(("command", "driver", "deadline"), rows))


def _seconds(sent: Command) -> str:
    return f"{sent.deadline:.0f} s"


def _wrong(state: State) -> str:
    rows = [
        (f"`{row.event}`, or its deadline", _where(row, state))
        for row in leaving(state)
        if row.outcome == "failed" and not row.when
    ]
    if state in CLEANUP:
        return "A failure of a driver does not keep the VM: the removal goes on.\n"
    return joined("What goes wrong:\n", table(("event", "the VM goes to"), rows))


def _where(row: Row, state: State) -> str:
    to = target(row, state)
    return f"{code(to)}: {to.sentence}"


def _ways(state: State) -> Iterator[tuple[str, ...]]:
    if state in WAITS_FOR_DRIVER:
        yield from _recoveries(state)
    for row in leaving(state):
        line = command_of(row.event) if row.by_user else ""
        if line and not (row.to is None and row.then is None and state in FAILED | {DONE}):
            yield code(line), _to(row, state), _sends(row)


def _recoveries(state: State) -> Iterator[tuple[str, ...]]:
    """Recovering while a command is open raises the event that the driver owes."""
    for how, outcome in OUTCOMES.items():
        places = dict.fromkeys(target(row, state) for row in leaving(state) if row.outcome == outcome)
        yield code(command_of(f"{RECOVER}{how}")), ", ".join(map(code, places)), ""
    yield code(command_of(f"{RECOVER}retry")), "(stays)", "the open command again"


def _to(row: Row, state: State) -> str:
    to = code(target(row, state)) if row.to else "(stays)"
    return f"{to}, if: {(row.when.__doc__ or '').rstrip('.').lower()}" if row.when else to


def _sends(row: Row) -> str:
    sent = command(row)
    return code(words(sent)) if sent else ""
