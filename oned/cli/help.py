"""The help of a program and of its commands, as text."""

from oned.cli.command import GENERAL, Command, Option, Program

_INDENT = 26


def program_help(program: Program) -> str:
    """Usage, general options, and a line for each command; classic names at the end."""
    lines = [f"{program.name}: {program.sentence}", "", f"Usage: {program.name} [<options>] <command> [<arguments>]"]
    lines += ["", "Options of every command:", *map(_option, GENERAL)]
    commands = program.commands.values()
    lines += ["", "Commands:", *(_command(row) for row in commands if not row.classic)]
    classic = [_command(row._replace(sentence=f"is {row.classic}")) for row in commands if row.classic]
    if classic:
        lines += ["", "Classic names:", *classic]
    lines += ["", *_notes(program)]
    return "\n".join(lines) + "\n"


def command_help(program: Program, command: Command) -> str:
    """Usage of one command, the whole of its docstring, and its options."""
    lines = [f"Usage: {program.usage(command)}", "", command.sentence]
    lines += explanation(command)
    if command.options:
        lines += ["", "Options:", *map(_option, command.options)]
    lines += ["", "Options of every command:", *map(_option, GENERAL)]
    return "\n".join(lines) + "\n"


def explanation(command: Command) -> list[str]:
    """What the docstring says behind its first line."""
    _, _, rest = (command.function.__doc__ or "").strip().partition("\n")
    return [line.removeprefix("    ") for line in rest.rstrip().split("\n")] if rest.strip() else []


def _notes(program: Program) -> list[str]:
    return [
        "A list of objects is written as ids, ranges and names: 3  1,5  4..9  web  web[01-12]",
        "Words behind -- are no options, for names that begin with a minus.",
        f"`{program.name} <command> --help` shows the options of a command.",
    ]


def _command(command: Command) -> str:
    return _two_columns(f"{command.verb} {command.arguments}".rstrip(), command.sentence)


def _option(option: Option) -> str:
    return _two_columns(spelling(option), option.sentence)


def spelling(option: Option) -> str:
    """All spellings of an option, with the placeholder of its value."""
    return ", ".join(option.flags) + (f" {option.value}" if option.value else "")


def _two_columns(left: str, right: str) -> str:
    if len(left) >= _INDENT:
        return f"  {left}\n  {'':{_INDENT}}{right}"
    return f"  {left:{_INDENT}}{right}"
