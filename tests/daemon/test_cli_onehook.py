"""onehook against a real daemon, and the hook that comes with oned."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.conftest import QUIET
from tests.daemon.process import SIMULATED, Daemon, until

SHIPPED = Path(__file__).resolve().parents[2] / "share/hooks/note_event"
HOOKS = f"""\
VM_HOOK = [ NAME = "note", ON = "CREATE", COMMAND = "{SHIPPED}", ARGUMENTS = "$ID $NAME created" ]
VM_HOOK = [ NAME = "wrong", ON = "DONE", COMMAND = "/bin/sh -c", ARGUMENTS = "'echo out; echo no luck >&2; exit 9'" ]
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("onehook"), QUIET + SIMULATED + HOOKS) as daemon:
        vm = daemon.allocate('NAME = "first of all"')
        daemon.one.vm.action("terminate", vm)
        until(lambda: "failed" in onehook(daemon, "log"), "the end of the hooks")
        yield daemon


def onehook(daemon: Daemon, *words: str, status: int = 0) -> str:
    command = [Path(sys.executable).with_name("onehook"), *words]
    environment = {**daemon.environment, "ONE_XMLRPC": daemon.admin.endpoint, "TZ": os.environ.get("TZ", "UTC")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def test_the_hook_that_comes_with_oned_notes_events(engine: Daemon) -> None:
    [line] = (engine.var / "events").read_text().splitlines()
    stamp, rest = line.split(" ", 1)
    assert stamp.isdecimal()
    assert rest == "0 first of all created"


def test_list_has_a_line_per_hook_with_its_newest_state(engine: Daemon) -> None:
    _, note, wrong = onehook(engine, "list").splitlines()
    assert note.split()[:4] == ["0", "note", "VM", "CREATE"]
    assert note.split()[-2:] == ["1", "done"]
    assert wrong.split()[-1] == "failed"


def test_show_has_the_declaration_and_one_execution_all_that_it_wrote(engine: Daemon) -> None:
    assert "ARGUMENTS           : $ID $NAME created" in onehook(engine, "show", "note")
    shown = onehook(engine, "show", "wrong", "-e", "1")
    assert "RC                  : 9" in shown
    assert "OUTPUT\nout\n" in shown
    assert "ERRORS\nno luck\n" in shown
    assert "has no execution 77" in onehook(engine, "show", "wrong", "-e", "77", status=255)


def test_log_is_filtered_by_result_hook_and_time(engine: Daemon) -> None:
    assert [line.split()[:2] for line in onehook(engine, "log", "--error").splitlines()[1:]] == [["1", "1"]]
    assert [line.split()[:2] for line in onehook(engine, "log", "--hook-id", "note").splitlines()[1:]] == [["0", "0"]]
    assert len(onehook(engine, "log", "--until", "2001-01-01").splitlines()) == 1
    assert "is not a time" in onehook(engine, "log", "--since", "noon", status=255)


def test_retry_executes_again_and_refuses_what_is_not_there(engine: Daemon) -> None:
    assert onehook(engine, "retry", "note", "0") == "ID: 2\n"
    until(lambda: len((engine.var / "events").read_text().splitlines()) == 2, "the second line")
    assert "Error getting hook execution [99]" in onehook(engine, "retry", "note", "99", status=255)
    assert engine.check() == []


def test_arguments_that_are_long_or_have_line_ends_keep_the_tables_whole(tmp_path: Path) -> None:
    hook = 'VM_HOOK = [ NAME = "long", ON = "CREATE", COMMAND = "/bin/true", ARGUMENTS = "$ID $WORD" ]'
    with Daemon(tmp_path, f"{QUIET}{SIMULATED}{hook}\n") as daemon:
        daemon.allocate(f'WORD = "{"z" * 5000}\nmore"')
        until(lambda: " done " in onehook(daemon, "log"), "the end of the hook")
        [_, line] = onehook(daemon, "log").splitlines()
        assert line.rstrip().endswith("… (5009 characters)")
        assert len(line) < 300
        shown = onehook(daemon, "show", "long", "-e", "0")
        assert "characters)" in shown
        assert len(shown) < 3000
        assert "z" * 5000 + "\nmore" in onehook(daemon, "show", "long", "-x")
