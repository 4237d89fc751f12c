"""Commands as rows of one table: parsing, help, manual page and completion are read from it.

    program = Program("onevm", "manages virtual machines")

    @program.command("deploy", "<vm-list> <host> [<datastore>]", ENFORCE)
    def deploy(one: Client, vms: IdList, host: HostId, datastore: DatastoreId = -1, *, enforce: bool) -> int:
        \"\"\"Starts the given VMs on the host.\"\"\"

The words behind the verb fill the positional parameters, converted as their annotations say (see `names`); options fill
the keyword-only ones. A function gives an exit code or None for 0.

A verb may be two words, as in `onesge node list`; the first of them alone is then the same as with `list`.
"""

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import oned
from oned.client.client import Client, ClientError

if TYPE_CHECKING:
    import argparse

_TAKES_MORE = 0x08
"""The code flag of a function with **keywords: it gets all options that it does not name."""

FAILURE = 255
"""The exit code of every error: classic tools leave with -1."""

Function = Callable[..., int | None]


class CommandError(Exception):
    """The command cannot be done as it was given; the text is for the user."""


class Option(NamedTuple):
    """An option: the keyword it fills, its spellings, its sentence; a value's placeholder, none for a switch."""

    keyword: str
    flags: tuple[str, ...]
    sentence: str
    value: str = ""
    convert: Callable[[str], object] = str
    repeated: bool = False

    @property
    def default(self) -> object:
        """What the keyword holds when the option is not given."""
        return [] if self.repeated else None if self.value else False


class Command(NamedTuple):
    """A verb of a program; of an old verb also what it is written like today."""

    verb: str
    arguments: str
    options: tuple[Option, ...]
    function: Function
    sentence: str
    classic: str = ""


USER = Option("user", ("--user",), "name of the user to call as", "NAME")
PASSWORD = Option("password", ("--password",), "password or token of that user", "SECRET")
ENDPOINT = Option("endpoint", ("--endpoint",), "URL of oned, such as http://localhost:2633/RPC2", "URL")
VERBOSE = Option("verbose", ("-v", "--verbose"), "say what is done")
HELP = Option("help", ("-h", "--help"), "show this help, or with a command the help of it")
VERSION = Option("version", ("-V", "--version"), "show the version")
GENERAL = (USER, PASSWORD, ENDPOINT, VERBOSE, HELP, VERSION)
"""Options that every command takes."""


class Program:
    """A command line program: its verbs, and how a line is understood and done."""

    def __init__(self, name: str, sentence: str) -> None:
        self.name = name
        self.sentence = sentence
        self.commands: dict[str, Command] = {}

    def command(
        self, verb: str, arguments: str = "", *options: Option, classic: str = ""
    ) -> Callable[[Function], Function]:
        """Enter the decorated function as a verb; the first line of its docstring is the sentence of the help.

        classic  what an old verb is written like today
        """

        def enter(function: Function) -> Function:
            self.add(Command(verb, arguments, options, function, first_line(function), classic))
            return function

        return enter

    def add(self, command: Command) -> None:
        """Enter a verb that was made from a row of another table."""
        assert command.verb not in self.commands, f"{self.name} {command.verb} is there already"
        self.commands[command.verb] = command

    def alias(self, verb: str, of: str, sentence: str = "") -> None:
        """A second, classic name of a verb."""
        row = self.commands[of]
        self.add(row._replace(verb=verb, classic=of, sentence=sentence or f"Classic name of {of}. {row.sentence}"))

    def groups(self) -> dict[str, list[str]]:
        """First words of verbs of two words, each with the second ones."""
        found: dict[str, list[str]] = {}
        for verb in self.commands:
            first, _, second = verb.partition(" ")
            if second:
                found.setdefault(first, []).append(second)
        return found

    def options(self) -> list[Option]:
        """Every option of any verb, each once, general ones first."""
        rows = [*GENERAL, *(option for command in self.commands.values() for option in command.options)]
        return list(dict.fromkeys(rows))

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Do a command line; the exit code. Errors go to stderr."""
        words = list(sys.argv[1:] if arguments is None else arguments)
        try:
            code = self._run(words)
            sys.stdout.flush()
            return code
        except (ClientError, CommandError) as error:
            sys.stderr.write(f"{error}\n")
            return FAILURE
        except KeyboardInterrupt:
            return 130
        except BrokenPipeError:
            return _nobody_reads()
        except OSError as error:
            sys.stderr.write(f"{self.name}: {error}\n")
            return _nobody_reads()

    def _run(self, words: list[str]) -> int:
        if not words:
            sys.stdout.write(self.help())
            return 0
        if words[0] in VERSION.flags:
            sys.stdout.write(f"{self.name} {oned.__version__}\n")
            return 0
        if words[0] in HELP.flags and len(words) == 1:
            sys.stdout.write(self.help())
            return 0
        return self._do(words)

    def _do(self, words: list[str]) -> int:
        given, words = self._parse(words)
        command, rest = self._verb(words)
        if given.pop("version", False):
            return self._run(list(VERSION.flags[:1]))
        if given.pop("help", False) or command is None:
            sys.stdout.write(self.help(command))
            if words and command is None:
                sys.stderr.write(f"{self._unknown(words)}\n")
            return FAILURE if words and command is None else 0
        with _client(given) as one:
            return (
                command.function(one, *self._positional(one, command, rest), **_keywords(self.name, command, given))
                or 0
            )

    def _verb(self, words: list[str]) -> tuple[Command | None, list[str]]:
        """The command that the words begin with, and the words behind its verb."""
        for count in (2, 1):
            command = self.commands.get(" ".join(words[:count]))
            if command and words:
                return command, words[count:]
        return (self.commands.get(f"{words[0]} list"), []) if len(words) == 1 else (None, words)

    def _unknown(self, words: list[str]) -> str:
        """That there is no such command."""
        seconds = self.groups().get(words[0])
        if seconds:
            return f"{self.name} {words[0]} is followed by one of: {', '.join(seconds)}"
        return f"{self.name} has no command {words[0]!r}"

    def _parse(self, words: list[str]) -> tuple[dict[str, Any], list[str]]:
        """The options given, and the other words: all that follow a "--". Raises CommandError."""
        import argparse

        parser = argparse.ArgumentParser(prog=self.name, add_help=False, argument_default=argparse.SUPPRESS)
        options = self._options_for(words)
        for option in options:
            _add_option(parser, option)
        parser.error = _refuse  # type: ignore[method-assign,assignment]
        end = words.index("--") if "--" in words else len(words)
        known, rest = parser.parse_known_args(_joined(words[:end], options))
        strange = [word for word in rest if word.startswith("-") and not _is_word(word)]
        if strange:
            command = self._among(words)
            verb = f" {command.verb}" if command else ""
            raise CommandError(f"invalid option: {strange[0]}. See {self.name}{verb} --help")
        return vars(known), rest + words[end + 1 :]

    def _options_for(self, words: list[str]) -> list[Option]:
        """All options; where those of two verbs have a spelling in common, it is that of the verb among the words."""
        verb = self._among(words)
        taken: set[str] = set()
        chosen = []
        for option in dict.fromkeys([*GENERAL, *(verb.options if verb else ()), *self.options()]):
            flags = tuple(flag for flag in option.flags if flag not in taken)
            taken.update(flags)
            if flags:
                chosen.append(option._replace(flags=flags))
        return chosen

    def _among(self, words: list[str]) -> Command | None:
        """The first command whose verb is among the words."""
        verbs = (" ".join(words[place : place + count]) for place in range(len(words)) for count in (2, 1))
        return next((self.commands[verb] for verb in verbs if verb in self.commands), None)

    def _positional(self, one: Client, command: Command, words: list[str]) -> list[object]:
        """The words as the parameters of the function want them."""
        code = command.function.__code__
        names = code.co_varnames[1 : code.co_argcount]
        optional = len(command.function.__defaults__ or ())
        several = command.arguments.endswith("...")
        if len(words) < len(names) - optional:
            raise CommandError(self._too_few(command, len(names) - optional))
        if len(words) > len(names) and not several:
            raise CommandError(f"Wrong number of arguments\nUsage: {self.usage(command)}")
        if several and len(words) > len(names):
            words = [*words[: len(names) - 1], ",".join(words[len(names) - 1 :])]
        kinds = [command.function.__annotations__.get(name, str) for name in names]
        return [_convert(one, kind, word) for kind, word in zip(kinds, words, strict=False)]

    def _too_few(self, command: Command, needed: int) -> str:
        count = "one parameter" if needed == 1 else f"{needed} parameters"
        return f"Command {command.verb} requires {count} to run.\nUsage: {self.usage(command)}"

    def usage(self, command: Command) -> str:
        """One line: how the command is written."""
        line = f"{self.name} {command.verb} {command.arguments}".rstrip()
        return f"{line} [<options>]" if command.options else line

    def help(self, command: Command | None = None) -> str:
        """The help of the program, or of one command."""
        from oned.cli.help import command_help, program_help

        return program_help(self) if command is None else command_help(self, command)


def _nobody_reads() -> int:
    """Let the interpreter's last flush of stdout go nowhere; the exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return FAILURE


def first_line(function: Function) -> str:
    """The first line of a function's docstring."""
    return (function.__doc__ or "").strip().partition("\n")[0]


def _is_word(word: str) -> bool:
    """A lone minus stands for stdin, and negative numbers are values."""
    return word == "-" or word.lstrip("-").isdigit()


def _refuse(message: str) -> None:
    raise CommandError(message)


def _joined(words: list[str], options: list[Option]) -> list[str]:
    """The words with each option and its value as one, for a value may begin with a minus: `-o -NAME`."""
    with_value = {flag for option in options if option.value for flag in option.flags}
    joined = []
    rest = iter(words)
    for word in rest:
        value = next(rest, None) if word in with_value else None
        joined.append(word if value is None else f"{word}{'=' if word.startswith('--') else ''}{value}")
    return joined


def _add_option(parser: "argparse.ArgumentParser", option: Option) -> None:
    if not option.value:
        parser.add_argument(*option.flags, dest=option.keyword, action="store_true")
        return
    action = "append" if option.repeated else "store"
    parser.add_argument(*option.flags, dest=option.keyword, type=_checked(option), action=action)


def _checked(option: Option) -> Callable[[str], object]:
    """The option's conversion, with an error text that says what was wanted."""

    def convert(text: str) -> object:
        try:
            return option.convert(text)
        except ValueError as error:
            detail = str(error) if option.convert not in (int, float) else f"{text!r} is not a number"
            raise CommandError(f"{option.flags[-1]}: {detail}") from None

    return convert


def _keywords(program: str, command: Command, given: dict[str, Any]) -> dict[str, object]:
    """The keyword arguments of the function: options given, defaults for the others."""
    code = command.function.__code__
    wanted = list(code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount])
    offered = {option.keyword: option for option in (VERBOSE, *command.options)}
    if code.co_flags & _TAKES_MORE:
        wanted += [keyword for keyword in offered if keyword not in wanted]
    for keyword in given:
        if keyword not in offered:
            flag = f"--{keyword.replace('_', '-')}"
            raise CommandError(f"{command.verb} has no option {flag}. See {program} {command.verb} --help")
    return {name: given.get(name, offered[name].default) for name in wanted}


def _convert(one: Client, kind: Any, word: str) -> object:
    """The word as the annotation wants it: by the `convert(one, word)` of its mark, else as it is."""
    for choice in (kind, *getattr(kind, "__args__", ())):
        for mark in getattr(choice, "__metadata__", ()):
            return mark.convert(one, word)
    return word


def _client(given: dict[str, Any]) -> Client:
    """The client that the general options ask for; they are taken out."""
    user, password = given.pop("user", None), given.pop("password", None)
    endpoint = given.pop("endpoint", None)
    if (user is None) != (password is None):
        raise CommandError("--user and --password go together")
    return Client(endpoint, None if user is None else f"{user}:{password}")
