"""share/doc/commands.md: every program, command, option and column."""

from collections.abc import Iterable, Iterator

from oned.cli import (
    cluster_views,
    host_views,
    oneacct,
    oneacl,
    onegroup,
    oneuser,
    template_views,
    vm_views,
    vnet_views,
)
from oned.cli.command import GENERAL, Command, Option
from oned.cli.help import explanation, spelling
from oned.cli.table import OPTIONS as OF_LISTS
from oned.cli.table import Table
from oned.docs.helptext import Entry
from oned.docs.markdown import anchor, code, codes, heading, joined, table
from oned.docs.programs import PROGRAMS, Helped, Tabled

HEAD = """# Commands

This page is made from the tables of commands; `make docs` writes it. The manual pages in `share/man/` and the
completion files in `share/completion/` say the same.

A list of objects is ids, ranges and names: `3`, `1,5`, `4..9`, `web`, `web[01-12]`. Errors go to standard error, and
the exit code is then 255.
"""
LISTS: dict[str, Table] = {
    "onevm": vm_views.VM_TABLE, "onehost": host_views.HOST_TABLE, "oneuser": oneuser.USER_TABLE,
    "onetemplate": template_views.TEMPLATE_TABLE, "onecluster": cluster_views.CLUSTER_TABLE,
    "onegroup": onegroup.GROUP_TABLE, "oneacl": oneacl.RULE_TABLE, "oneacct": oneacct.STAY_TABLE,
    "onevnet": vnet_views.VNET_TABLE,
}  # fmt: skip
"""Program → the columns of its list."""


def page() -> str:
    """The page."""
    return joined(
        HEAD,
        table(("program", "what it does"), map(_program_row, PROGRAMS)),
        heading(2, "Options of every one* command"),
        _options(GENERAL),
        heading(2, "Options of every list"),
        _options(OF_LISTS),
        *(part for program in PROGRAMS for part in _program(program)),
    )


def _program_row(program: Tabled | Helped) -> tuple[str, str]:
    return f"[{program.name}](#{anchor(program.name)})", program.sentence


def _program(program: Tabled | Helped) -> Iterator[str]:
    yield heading(2, program.name)
    if isinstance(program, Tabled):
        yield from _tabled(program)
    else:
        yield from _helped(program)


def _tabled(program: Tabled) -> Iterator[str]:
    listed = program.commands()
    yield table(("command", "what it does"), (_command_row(row) for row in listed if not row.classic))
    classic = [_classic_row(row) for row in listed if row.classic]
    if classic:
        yield table(("classic name", "is written today"), classic)
    if program.name in LISTS:
        yield from _columns(program.name, LISTS[program.name])
    for row in listed:
        if not row.classic and (_own(row) or explanation(row)):
            yield heading(3, f"{program.name} {row.verb}")
            yield "\n".join(line.strip() for line in explanation(row)).strip() + "\n"
            yield _options(_own(row))


def _columns(name: str, shown: Table) -> Iterator[str]:
    yield f"Columns of `{name} list` (without `-l`: {codes(column.name for column in shown.default)}):\n"
    yield table(("column", "shows"), ((code(column.name), column.sentence) for column in shown.columns.values()))


def _command_row(row: Command) -> tuple[str, str]:
    return code(f"{row.verb} {row.arguments}".rstrip()), row.sentence


def _classic_row(row: Command) -> tuple[str, str]:
    return code(row.verb), code(row.classic)


def _own(row: Command) -> list[Option]:
    """The options that are not those of every list."""
    return [option for option in row.options if option not in OF_LISTS]


def _options(options: Iterable[Option]) -> str:
    listed = list(options)
    return table(("option", ""), ((code(spelling(item)), item.sentence) for item in listed)) if listed else ""


def _helped(program: Helped) -> Iterator[str]:
    told = program.help()
    yield code(told.usage) + "\n"
    yield from (f"{text}\n" for text in told.texts)
    yield _entries(told.options)
    for name, verb in program.verbs().items():
        yield heading(3, f"{program.name} {name}")
        yield code(verb.usage) + "\n"
        yield from (f"{text}\n" for text in _sentences(program, name))
        yield _entries(entry for entry in verb.entries if "--help" not in entry.term)


def _sentences(program: Helped, name: str) -> Iterator[str]:
    for entry in program.help().arguments:
        if entry.term.split()[0] == name:
            yield entry.sentence[:1].upper() + entry.sentence[1:] + "."


def _entries(entries: Iterable[Entry]) -> str:
    listed = list(entries)
    return table(("argument", ""), ((code(entry.term), entry.sentence) for entry in listed)) if listed else ""
