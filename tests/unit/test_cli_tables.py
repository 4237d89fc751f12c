"""What is read from the tables of commands: help, manual page, completion; and how fast a program starts."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest

import oned
from oned.cli import completion, manual, onehost, oneuser, onevm
from oned.cli.command import FAILURE, VERBOSE, Program
from oned.cli.names import expand
from oned.cli.units import age, duration, mebibytes, quantity, share, size
from tests.needs import need_programs

WIDE = (
    f"<VM><ID>7</ID><NAME>{'n' * 40}</NAME><STATE>3</STATE><LCM_STATE>3</LCM_STATE><HISTORY_RECORDS><HISTORY>"
    f"<HOSTNAME>{'h' * 19}</HOSTNAME></HISTORY></HISTORY_RECORDS></VM>"
)

PROGRAMS = [onevm.program, onehost.program, oneuser.program]
HEAVY = ["argparse", "dataclasses", "inspect", "logging", "http.client", "xmlrpc.client", "asyncio", "yaml", "json",
         "subprocess", "lxml", "email", "urllib.request"]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_every_command_is_in_help_manual_and_completion(program: Program) -> None:
    texts = [program.help(), manual.page(program), completion.bash(program), completion.zsh(program)]
    for command in program.commands.values():
        assert command.sentence
        assert all(command.verb.replace("-", "\\-") in text or command.verb in text for text in texts)
        own = program.help(command)
        for option in command.options:
            assert all(flag in own for flag in option.flags)
            assert all(flag in completion.bash(program) and flag in completion.zsh(program) for flag in option.flags)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_no_flag_means_two_things_in_one_program(program: Program) -> None:
    flags = [flag for option in program.options() for flag in option.flags]
    assert len(flags) == len(set(flags))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_positional_words_fit_the_functions(program: Program) -> None:
    for command in program.commands.values():
        words = command.arguments.replace("[all | mine | group | <user>]", "[<filter>]").split()
        code = command.function.__code__
        optional = sum(word.startswith("[") for word in words)
        assert len(words) == code.co_argcount - 1, command.verb
        assert len(command.function.__defaults__ or ()) >= optional, command.verb


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_whatever_a_function_must_be_told_by_option_is_an_option_of_its_command(program: Program) -> None:
    for command in program.commands.values():
        code = command.function.__code__
        wanted = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
        assert {*wanted} <= {option.keyword for option in (VERBOSE, *command.options)}, command.verb


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_completion_is_shell_that_completes(program: Program) -> None:
    script = completion.bash(program) + f"\nCOMP_WORDS=({program.name} sh); COMP_CWORD=1; _{program.name}\n"
    done = subprocess.run(
        ["bash", "-euc", script + 'printf "%s\\n" "${COMPREPLY[@]}"'], capture_output=True, text=True, check=True
    )
    assert "show" in done.stdout.split()


def test_completion_offers_the_options_of_the_verb() -> None:
    script = completion.bash(onevm.program) + "\nCOMP_WORDS=(onevm migrate --l); COMP_CWORD=2; _onevm\n"
    done = subprocess.run(
        ["bash", "-euc", script + 'echo "${COMPREPLY[@]}"'], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["--live"]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_manual_page_is_roff(program: Program) -> None:
    need_programs("groff")
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww"], input=manual.page(program), capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert program.sentence in done.stdout


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], []])
@pytest.mark.parametrize("module", ["onevm", "onehost", "oneuser"])
def test_version_and_help_import_nothing_heavy(module: str, arguments: list[str]) -> None:
    script = (
        f"import sys; from oned.cli.{module} import main; code = main({arguments!r}); "
        f"print(*[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == "\n"
    assert done.stdout == f"{module} {oned.__version__}\n" if arguments == ["--version"] else "Usage" in done.stdout


def on_terminal(script: str, columns: int) -> str:
    """What a script writes when its stdout is a terminal of so many columns."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    subprocess.run([sys.executable, "-c", script], stdout=its, check=True)
    os.close(its)
    written = os.read(ours, 65536).decode().replace("\r\n", "\n")
    os.close(ours)
    return written


def test_columns_on_a_terminal_share_what_is_free_and_states_have_colours() -> None:
    script = (
        "from oned.cli.vm_views import VM_TABLE; from oned.cli.table import Wishes; "
        f"from oned.client.documents import parse; vm = parse({WIDE!r}); "
        "VM_TABLE.show([vm], Wishes(columns='ID,NAME,STAT,HOST'))"
    )
    header, row = on_terminal(script, 50).splitlines()
    assert header == "\x1b[1m\x1b[4m  ID NAME                   STAT HOST" + " " * 13 + "\x1b[0m"
    assert row == "   7 " + "n" * 22 + " \x1b[32mrunn\x1b[0m " + "h" * 17
    plain = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert plain.splitlines()[1] == f"   7 {'n' * 40} runn {'h' * 19}"


def test_help_of_a_command_shows_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert onevm.main(["deploy", "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Usage: onevm deploy <vm-list> <host> [<datastore>] [<options>]\n")
    assert "--enforce" in out


def test_closed_pipe_ends_the_command_without_a_trace() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", "from oned.cli.onevm import main; import sys; sys.exit(main(['--help']))"],
        stdout=writer, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(writer)
    assert done.returncode == FAILURE
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("3", ["3"]),
        ("web", ["web"]),
        ("1,5", ["1", "5"]),
        ("4..6", ["4", "5", "6"]),
        ("web[08-10].lan", ["web08.lan", "web09.lan", "web10.lan"]),
        ("a[3+4]b,7", ["a3b", "a4b", "7"]),
        (" 1 , 2 ,", ["1", "2"]),
        ("[1-3]", ["1", "2", "3"]),
    ],
)
def test_list_of_objects_is_expanded(text: str, members: list[str]) -> None:
    assert list(expand(text)) == members


def test_sizes_times_and_shares_are_readable() -> None:
    assert [size(kib) for kib in (0, 512, 1024, 1536, 524288, 16777216)] == ["0K", "512K", "1M", "1.5M", "512M", "16G"]
    assert size(1536, raw=True) == "1536"
    assert [mebibytes(text) for text in ("512", "512M", "2G", "1.5g", "2048K")] == [512, 512, 2048, 1536, 2]
    assert quantity("1.5G") == 1.5 * 1024**2
    assert quantity("1G") > quantity("900M")  # type: ignore[operator]
    assert quantity("alpha") is None
    assert share(100, 800) == "100 / 800 (12%)"
    assert share(1, 0) == "-"
    assert duration(2 * 86400 + 3 * 3600 + 4 * 60 + 59) == "  2d 03h04"
    assert duration(1106 * 86400 + 15 * 3600) == "1106d 15h"
    assert age(0) == "-"
    with pytest.raises(ValueError, match="not a size"):
        mebibytes("much")
