"""A host as drivers reach it: the same commands on this machine and, through a real sshd, on another one."""

import os
import threading
import time
from pathlib import Path

import pytest

from oned.drivers.hook import hm
from oned.drivers.lib import actions
from oned.drivers.lib.actions import Finished
from oned.drivers.lib.reach import host_at
from oned.drivers.lib.reach.host import Host
from oned.drivers.lib.request import HookRequest
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Cancelled, Task
from tests.lab.reaching import host01, lab, settings, task
from tests.lab.world import until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]

NASTY = (
    "",
    " ",
    "a b",
    "$HOME",
    "`id`",
    "$(id)",
    "'",
    '"',
    "\\",
    "*",
    "~",
    ";exit 3",
    "&",
    "|cat",
    "\n",
    "é",
    "-n",
    "!x",
)


@pytest.fixture(params=["localhost", "host01"])
def host(request: pytest.FixtureRequest, settings: Settings) -> Host:
    return host_at(request.param, settings)


# -- on both ways ------------------------------------------------------------------------------------------------------


def test_a_command_tells_its_outputs_and_its_status(host: Host, task: Task) -> None:
    finished = host.run(["sh", "-c", "cat; echo wrong >&2; exit 7"], task, stdin=b"given\n")
    where = "" if host.local else "host01: "
    assert finished == Finished("given\n", "wrong\n", f"{where}sh ended with status 7: wrong", 7)


@pytest.mark.parametrize("word", NASTY)
def test_shell_characters_in_a_word_are_just_characters(host: Host, task: Task, word: str) -> None:
    assert host.demand(["printf", "%s|", word, "end"], task) == f"{word}|end|"


def test_ten_megabytes_of_errors_hold_nothing_up_and_are_cut(host: Host, task: Task) -> None:
    finished = host.run(["sh", "-c", "head -c 10000000 /dev/zero | tr '\\0' x >&2; echo done"], task, 20)
    assert (finished.output, finished.status) == ("done\n", 0)
    assert len(finished.errors) == 1 << 20


def test_a_command_that_ignores_term_ends_with_all_it_started_at_its_deadline(
    host: Host, task: Task, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    script = f"trap '' TERM; echo $$ >>{pids}; (trap '' TERM; sh -c 'echo $$ >>{pids}; sleep 67' & wait) & wait"
    began = time.monotonic()
    finished = host.run(["sh", "-c", script], task, 1.0)
    assert finished.status is None
    assert "sh did not end within 1 seconds" in finished.problem
    assert time.monotonic() - began < 8
    namespace = os.readlink("/proc/self/ns/pid") if host.local else ""
    until(lambda: not sleepers(namespace), 5, "what it started has ended")


def test_what_a_command_leaves_behind_holds_nothing_up_and_ends(
    host: Host, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "LINGER", 0.5)
    finished = host.run(["sh", "-c", "(trap '' TERM HUP; sleep 67 & wait) & sleep 0.1; echo done; exit 3"], task, 30)
    assert (finished.output, finished.status) == ("done\n", 3)
    until(lambda: not sleepers(os.readlink("/proc/self/ns/pid") if host.local else ""), 5, "it has ended")


@pytest.mark.parametrize(("script", "output", "problem"), [
    ("head -c 10000000 /dev/zero | tr '\\0' x >&2; echo done", "done\n", ""),
    ("trap '' TERM; (trap '' TERM; sleep 67 & wait) & wait", "", "host01: sh did not end within 3 seconds"),
    ("(trap '' TERM HUP; sleep 67 & wait) & sleep 0.1; echo done", "done\n", ""),
])  # fmt: skip
def test_hooks_that_run_on_a_host_hold_nothing_up(
    settings: Settings, task: Task, script: str, output: str, problem: str
) -> None:
    finished = hm.run_there(HookRequest(0, "any", ("sh", "-c", script), where="host01", timeout=3.0), task)
    assert (finished.output, finished.problem) == (output, problem)
    until(lambda: not sleepers(""), 5, "what it started has ended")


def sleepers(namespace: str) -> list[str]:
    """The processes `sleep 67` of a pid namespace; of any but this one, if that is empty."""
    found = []
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{process}/cmdline").read_bytes()
            own = os.readlink(f"/proc/{process}/ns/pid")
        except OSError:
            continue
        if words == b"sleep\x0067\x00" and (
            own == namespace or (not namespace and own != os.readlink("/proc/self/ns/pid"))
        ):
            found.append(process)
    return found


def test_a_cancelled_action_ends_its_command(host: Host, task: Task) -> None:
    threading.Timer(0.5, task.cancel).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        host.run(["sleep", "60"], task, 60)
    assert time.monotonic() - began < 5
    until(lambda: not sleepers(os.readlink("/proc/self/ns/pid") if host.local else ""), 5, "the command has ended")


def test_a_missing_program_is_a_sentence(host: Host, task: Task) -> None:
    with pytest.raises(ActionFailed, match="no-such-program"):
        host.demand(["no-such-program"], task)


def test_a_file_is_written_whole_with_its_mode_and_read_back(host: Host, task: Task, tmp_path: Path) -> None:
    path, data = str(tmp_path / "new dir" / "it's"), os.urandom(300_000)
    host.write(path, data, task, 0o750)
    assert host.read(path, task) == data
    assert host.demand(["stat", "-c", "%a", path], task) == "750\n"
    with pytest.raises(ActionFailed, match="larger than 1000 bytes"):
        host.read(path, task, 1000)
    assert os.listdir(tmp_path / "new dir") == ["it's"]


def test_a_file_that_cannot_be_written_is_an_error_and_leaves_nothing(host: Host, task: Task, tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    (tmp_path / "place/file").mkdir()
    (tmp_path / "place/file/x").touch()
    with pytest.raises(ActionFailed, match=r"cannot create|Permission denied"):
        host.write("/proc/version", b"x", task)


def test_a_tree_arrives_with_modes_and_links(host: Host, task: Task, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "below").mkdir(parents=True)
    (tree / "below/program").write_text("#!/bin/sh\necho ran\n")
    (tree / "below/program").chmod(0o755)
    (tree / "link").symlink_to("below")
    host.put_tree(tree, str(tmp_path / "there"), task)
    assert host.demand([str(tmp_path / "there/link/program")], task) == "ran\n"


def test_streams_carry_more_than_fits_into_memory_limits(host: Host, task: Task, tmp_path: Path) -> None:
    pieces = [bytes([number]) * (1 << 20) for number in range(40)]
    finished = host.stream_in(["sh", "-c", 'cat >"$1"; wc -c <"$1"', "sh", str(tmp_path / "big")], pieces, task)
    assert (finished.output.strip(), finished.problem) == (str(40 << 20), "")
    with host.stream_out(["cat", str(tmp_path / "big")], task) as arriving:
        assert b"".join(arriving) == b"".join(pieces)


def test_a_stream_that_fails_says_so_behind_its_last_piece(host: Host, task: Task) -> None:
    with host.stream_out(["sh", "-c", "echo some; echo broken >&2; exit 4"], task) as arriving:
        assert next(arriving) == b"some\n"
        with pytest.raises(ActionFailed, match="sh ended with status 4: broken"):
            list(arriving)


def test_a_stream_that_stalls_is_ended(host: Host, task: Task) -> None:
    began = time.monotonic()
    finished = host.stream_in(["sleep", "60"], [b"x" * (8 << 20)], task, 1.0)
    assert finished.status is None
    assert time.monotonic() - began < 8
