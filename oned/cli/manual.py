"""The manual page of a program, written from its table of commands."""

import oned
from oned.cli.command import GENERAL, Option, Program
from oned.cli.help import explanation, spelling
from oned.client import settings

_FILES = (
    ("ONE_XMLRPC", f"URL of oned; else the one_endpoint files, else {settings.DEFAULT_ENDPOINT}"),
    (
        "ONE_AUTH",
        "file with user:password; else .one/one_auth of $ONE_LOCATION, of the home directory, of /var/lib/one",
    ),
    ("ONE_XMLRPC_TIMEOUT", "seconds to wait for an answer, 120 by default"),
)


def page(program: Program) -> str:
    """The page in roff, for section 1."""
    name = program.name
    lines = [
        f'.TH {name.upper()} 1 "" "oned {oned.__version__}" "User commands"',
        ".SH NAME",
        _text(f"{name} - {program.sentence}"),
        ".SH SYNOPSIS",
        f".B {name}",
        _text("[<options>] <command> [<arguments>]"),
        ".SH DESCRIPTION",
        _text("Lists of objects are ids, ranges and names, such as 3, 1,5, 4..9, web, web[01-12]."),
        _text("Errors go to stderr, and the exit code is then 255."),
        ".SH COMMANDS",
    ]
    for command in program.commands.values():
        lines += [".TP", f".B {_text(f'{command.verb} {command.arguments}'.rstrip())}", _text(command.sentence)]
        lines += [_text(line) for line in explanation(command) if line.strip()]
        lines += _options(command.options, nested=True)
    lines += [".SH OPTIONS OF EVERY COMMAND", *_options(GENERAL)]
    lines.append(".SH ENVIRONMENT")
    for variable, sentence in _FILES:
        lines += [".TP", f".B {_text(variable)}", _text(sentence)]
    return "\n".join(lines) + "\n"


def _options(options: tuple[Option, ...], *, nested: bool = False) -> list[str]:
    lines = [".RS"] if nested and options else []
    for option in options:
        lines += [".TP", f".B {_text(spelling(option))}", _text(option.sentence)]
    return [*lines, ".RE"] if nested and options else lines


def _text(text: str) -> str:
    """Text as roff wants it: backslashes and minus signs spelled out, no line that begins like a request."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    escaped = "".join(letter if letter.isascii() else f"\\[u{ord(letter):04X}]" for letter in escaped)
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped
