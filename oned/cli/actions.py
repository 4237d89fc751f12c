"""Doing something to each object of a list: errors do not stop the others."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from oned.cli.command import FAILURE, CommandError, Option
from oned.cli.names import Kind
from oned.cli.output import complain, say
from oned.client.client import ClientError

DRY_RUN = Option("dry_run", ("--dry-run",), "show what would be done, and do nothing")


class Step(NamedTuple):
    """What a command does to each object: its name (for VMs: the event), the word while it is done, the call."""

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


def one_of(options: dict[str, Any], *names: str) -> str:
    """The one switch that is given among these, "" for none. Raises CommandError for several."""
    given = [name for name in names if options.get(name)]
    if len(given) > 1:
        several = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        raise CommandError(f"{several} exclude each other")
    return given[0] if given else ""


def switches(rows: Sequence[tuple[Any, ...]]) -> list[Option]:
    """A switch for each row of a table that begins with a keyword and ends with a sentence."""
    return [Option(row[0], (f"--{row[0].replace('_', '-')}",), row[-1]) for row in rows]
