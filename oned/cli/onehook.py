"""onehook: the hooks of oned.conf, and what became of their executions."""

import base64
import binascii
import time
from collections.abc import Sequence
from typing import Any

from oned.cli.command import CommandError, Option, Program
from oned.cli.lists import Listing, add_list, show_each
from oned.cli.names import HOOKS, HookId, HookList
from oned.cli.output import FORMATS, dump, facts, heading, say
from oned.cli.table import OPTIONS, Column, Table, Wishes
from oned.cli.units import moment
from oned.client.client import Client
from oned.client.documents import Document, parse

program = Program("onehook", "shows the hooks of oned.conf and repeats their executions")

EXECUTION = Option("execution", ("-e", "--execution"), "number of one execution, shown with all it wrote", "ID", int)
SINCE = Option("since", ("--since",), "from this time on: YYYY-MM-DD, or with HH:MM:SS", "TIME")
UNTIL = Option("until", ("--until",), "up to this time", "TIME")
HOOK = Option("hook", ("--hook-id",), "of one hook only, id or name", "HOOK")
FAILED = Option("failed", ("--error",), "only those that failed")
WELL = Option("well", ("--success",), "only those that succeeded")

SHOWN, IN_TABLE = 2000, 120
"""Characters of a command that are shown; -x, -j and -y have all."""

_RESULTS = {(True, False): -1, (False, True): 1}
_TIMES = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")


def _records(document: Document) -> list[Document]:
    return document.all("HOOKLOG/HOOK_EXECUTION_RECORD")


def _newest(hook: Document) -> str:
    first = hook.first("HOOKLOG/HOOK_EXECUTION_RECORD")
    return first.text("STATE") if first else "-"


def _object(record: Document) -> str:
    return f"{record.text('RESOURCE')} {record.text('RESOURCE_ID')}"


def _code(record: Document) -> str:
    ended = record.text("STATE") not in ("waiting", "running")
    return record.text("EXECUTION_RESULT/CODE") if ended else "-"


def _brief(text: str, most: int = IN_TABLE) -> str:
    """The text on one line, cut where it is too long to be read."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most]}… ({len(line)} characters)"


HOOK_TABLE = Table(
    (
        Column("ID", 4, "number of the hook", lambda hook: hook.text("ID")),
        Column("NAME", 20, "name of the hook", lambda hook: hook.text("NAME"), left=True, expand=True),
        Column("RESOURCE", 8, "kind of the objects", lambda hook: hook.text("TEMPLATE/RESOURCE"), left=True),
        Column("ON", 8, "the event", lambda hook: hook.text("TEMPLATE/ON"), left=True),
        Column("COMMAND", 30, "what is executed", lambda hook: hook.text("TEMPLATE/COMMAND"), left=True, expand=True),
        Column("RUNS", 4, "executions that are kept", lambda hook: str(len(_records(hook)))),
        Column("LAST", 7, "state of the newest one", _newest, left=True),
    ),
    default="ID,NAME,RESOURCE,ON,COMMAND,RUNS,LAST",
)
RECORD_TABLE = Table(
    (
        Column("HOOK", 4, "number of the hook", lambda record: record.text("HOOK_ID")),
        Column("ID", 6, "number of the execution", lambda record: record.text("EXECUTION_ID")),
        Column("TIMESTAMP", 14, "when the event was", lambda record: moment(record.int("TIMESTAMP"))),
        Column("OBJECT", 10, "for what", _object, left=True),
        Column("EVENT", 8, "the event", lambda record: record.text("EVENT"), left=True),
        Column("STATE", 7, "what became of it", lambda record: record.text("STATE"), left=True),
        Column("RC", 4, "exit code; 255: it gave none", _code),
        Column("SECONDS", 7, "how long it took", lambda record: record.text("SECONDS")),
        Column(
            "ARGUMENTS", 30, "its arguments", lambda record: _brief(record.text("ARGUMENTS")), left=True, expand=True
        ),
    ),
    default="HOOK,ID,TIMESTAMP,OBJECT,EVENT,STATE,RC,SECONDS,ARGUMENTS",
)


add_list(
    program,
    Listing(
        "hooks",
        pool=lambda one, _word: parse(one.text(HOOKS.pool)),
        rows=lambda pool: pool.all("HOOK"),
        table=HOOK_TABLE,
    ),
)


@program.command("show", "<hook-list>...", EXECUTION, *FORMATS)
def show(one: Client, hooks: HookList, *, execution: int | None, **formats: Any) -> None:
    """Shows hooks with their last executions, or one execution with all that it wrote."""
    if execution is None:
        show_each(one, HOOKS, hooks, _view, formats)
        return
    for hook in hooks:
        record = _execution(parse(one.text("one.hook.info", hook)), execution)
        if not dump(record, **{option.keyword: bool(formats[option.keyword]) for option in FORMATS}):
            _view_execution(record)


def _execution(hook: Document, number: int) -> Document:
    found = [record for record in _records(hook) if record.int("EXECUTION_ID") == number]
    if not found:
        raise CommandError(f"hook {hook.text('NAME')} has no execution {number}; onehook show lists what is kept")
    return found[0]


def _view(hook: Document) -> None:
    facts(f"HOOK {hook.text('ID')} INFORMATION", (("ID", hook.text("ID")), ("NAME", hook.text("NAME")),
                                                  ("TYPE", hook.text("TYPE"))))  # fmt: skip
    template = hook.first("TEMPLATE")
    facts("HOOK TEMPLATE", ((row.name, row.content) for row in template or () if row.content))
    if records := _records(hook):
        heading("EXECUTION LOG")
        RECORD_TABLE.show(records, Wishes())


def _view_execution(record: Document) -> None:
    facts(f"EXECUTION {record.text('EXECUTION_ID')}", (
        ("OBJECT", _object(record)), ("EVENT", record.text("EVENT")), ("TIME", moment(record.int("TIMESTAMP"))),
        ("STATE", record.text("STATE")), ("RC", _code(record)), ("ATTEMPT", record.text("ATTEMPT")),
        ("SECONDS", record.text("SECONDS")), ("COMMAND", _brief(record.text("EXECUTION_RESULT/COMMAND"), SHOWN)),
    ))  # fmt: skip
    for title, name in (("OUTPUT", "STDOUT"), ("ERRORS", "STDERR")):
        if text := _unpacked(record.text(f"EXECUTION_RESULT/{name}")):
            heading(title)
            say(text.rstrip("\n"))
            say()


def _unpacked(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return text


@program.command("log", "", SINCE, UNTIL, HOOK, FAILED, WELL, *OPTIONS, *FORMATS)
def log(
    one: Client, *, since: str | None, until: str | None, hook: str | None, failed: bool, well: bool, **options: Any
) -> None:
    """Lists the executions of all hooks that are kept, oldest first."""
    wishes = Wishes(**{name: options[name] for name in Wishes._fields})
    if wishes.describe:
        RECORD_TABLE.describe()
        return
    chosen = -1 if hook is None else HOOKS.id(one, hook)
    answer = one.text("one.hooklog.info", _time(since), _time(until), chosen, _RESULTS.get((failed, well), 0))
    document = parse(answer)
    if not dump(document, **{option.keyword: bool(options[option.keyword]) for option in FORMATS}):
        RECORD_TABLE.show(document.all("HOOK_EXECUTION_RECORD"), wishes)


def _time(text: str | None) -> int:
    """Epoch seconds of a time of this place; -1 for none."""
    if text is None:
        return -1
    for form in _TIMES:
        try:
            return int(time.mktime(time.strptime(text, form)))
        except ValueError:
            continue
    raise CommandError(f"{text!r} is not a time such as 2026-09-15 or '2026-09-15 17:24:29'")


@program.command("retry", "<hook> <execution>")
def retry(one: Client, hook: HookId, execution: str) -> None:
    """Executes once more what an execution did, with the same arguments."""
    if not execution.isdecimal():
        raise CommandError(f"{execution!r} is not the number of an execution; onehook show {hook} lists them")
    say(f"ID: {one.number('one.hook.retry', hook, int(execution))}")


def main(argv: Sequence[str] | None = None) -> int:
    """The program; the exit code."""
    return program.main(argv)
