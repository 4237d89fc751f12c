"""Manual pages in roff."""

from collections.abc import Iterable

import oned
from oned.cli import manual
from oned.docs.helptext import Entry, HelpText
from oned.docs.programs import PROGRAMS, Helped, Tabled

_MANUALS = {1: "User commands", 8: "System administration"}


def page(program: Tabled | Helped) -> str:
    """The manual page of a program."""
    return manual.page(program.table) if isinstance(program, Tabled) else _helped(program)


def _helped(program: Helped) -> str:
    told = program.help()
    lines = [
        f'.TH {program.name.upper()} {program.section} "" "oned {oned.__version__}" "{_MANUALS[program.section]}"',
        ".SH NAME",
        _text(f"{program.name} - {program.sentence}"),
        ".SH SYNOPSIS",
        f".B {_text(told.usage)}",
        ".SH DESCRIPTION",
        *_paragraphs(told.texts),
    ]
    if program.has_commands:
        lines += [".SH COMMANDS", *_commands(program)]
    lines += [".SH OPTIONS", *_entries(told.options), ".SH SEE ALSO", _text(_others(program))]
    return "\n".join(lines) + "\n"


def _commands(program: Helped) -> Iterable[str]:
    sentences = {entry.term.split()[0]: entry.sentence for entry in program.help().arguments}
    for name, told in program.verbs().items():
        yield from (".TP", f".B {_text(told.usage)}", _text(sentences[name]))
        listed = _own(told)
        if listed:
            yield from (".RS", *_entries(listed), ".RE")


def _own(told: HelpText) -> list[Entry]:
    """What a command takes beside --help."""
    return [entry for entry in told.entries if "--help" not in entry.term]


def _entries(listed: Iterable[Entry]) -> Iterable[str]:
    for entry in listed:
        yield from (".TP", f".B {_text(entry.term)}", _text(entry.sentence))


def _paragraphs(texts: Iterable[str]) -> Iterable[str]:
    for number, text in enumerate(texts):
        yield from ((".PP", _text(text)) if number else (_text(text),))


def _others(program: Helped) -> str:
    return ", ".join(f"{other.name}({other.section})" for other in PROGRAMS if other.name != program.name)


def _text(text: str) -> str:
    """Text as roff wants it: backslashes and minus signs spelled out, no line that begins like a request."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped
