"""Doing something to each object of a list: errors do not stop the others, and nothing is done in a dry run."""

from collections.abc import Callable
from typing import Any, NamedTuple

from oned.cli.command import FAILURE, Option
from oned.cli.names import Kind
from oned.cli.output import complain, say
from oned.client.client import Client, ClientError
from oned.client.documents import Document, parse
from oned.client.states import host_state, vm_state

DRY_RUN = Option("dry_run", ("--dry-run",), "show what would be done, and do nothing")


class Step(NamedTuple):
    """What a command does to each object: the word for a dry run, the word while it is done, the call."""

    action: str
    doing: str
    call: Callable[[int], object]


def each(kind: Kind, ids: list[int], step: Step, *, verbose: bool = False) -> list[int]:
    """Do it to each object; the ids of those that it worked for. What failed was written to stderr."""
    done = []
    for oid in ids:
        if verbose:
            say(f"{kind.word} {oid}: {step.doing}")
        try:
            step.call(oid)
            done.append(oid)
        except ClientError as error:
            complain(str(error))
    return done


def apply(kind: Kind, ids: list[int], step: Step, *, verbose: bool = False) -> int:
    """Do it to each object; the exit code."""
    return 0 if len(each(kind, ids, step, verbose=verbose)) == len(ids) else FAILURE


def preview(one: Client, kind: Kind, ids: list[int], action: str) -> int:
    """Write the objects that an action would touch, with their states; the exit code."""
    code = 0
    say(f"{kind.word:>6} {'NAME':<20} {'STATE':<26} {'HOST':<15} ACTION")
    for oid in ids:
        try:
            say(_preview_line(parse(one.text(f"{kind.space}.info", oid)), action))
        except ClientError as error:
            complain(str(error))
            code = FAILURE
    say("Nothing was changed.")
    return code


def _preview_line(document: Document, action: str) -> str:
    state, host = "", ""
    if document.name == "VM":
        state = vm_state(document)
        record = document.last("HISTORY_RECORDS/HISTORY")
        host = record.text("HOSTNAME") if record else ""
    elif document.name == "HOST":
        state = host_state(document)
    return f"{document.text('ID'):>6} {document.text('NAME'):<20} {state:<26} {host or '-':<15} {action}"


def switched(options: dict[str, Any], *names: str) -> str:
    """The one switch that is given among these, "" for none. Raises ValueError for several."""
    given = [name for name in names if options.get(name)]
    if len(given) > 1:
        raise ValueError(" and ".join(f"--{name.replace('_', '-')}" for name in given))
    return given[0] if given else ""
