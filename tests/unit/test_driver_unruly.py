"""Commands that flood, do not end, or leave others behind that hold their outputs: every way that drivers run some."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from oned.drivers.hook import hm
from oned.drivers.lib import actions
from oned.drivers.lib.actions import Child, Finished
from oned.drivers.lib.line import Voice
from oned.drivers.lib.reach import here
from oned.drivers.lib.reach.ssh import kill_line
from oned.drivers.lib.request import HookRequest
from oned.drivers.lib.task import ActionFailed, Task
from oned.drivers.tm import site as site_programs
from oned.drivers.tm import tm_conf
from tests.needs import need_programs
from tests.processes import ends

FLOODS = "head -c 10000000 /dev/zero | tr '\\0' x >&2; echo done"
IGNORES_TERM = "trap '' TERM; (trap '' TERM; sleep 60 & echo $! >{child}; wait) & wait"
LEAVES_ANOTHER = "(trap '' TERM HUP; sleep 60 & echo $! >{child}; wait) & sleep 0.1; echo done; exit {status}"
LEAVES_A_CHATTERBOX = "(while :; do echo again; sleep 0.05; done) & echo $! >{child}; echo done; exit {status}"

Way = Callable[[Path, float], Finished]


@pytest.fixture
def task() -> Task:
    return Task("ANY", 0, Voice(os.open(os.devnull, os.O_WRONLY)))


@pytest.fixture(params=["child", "host", "hook", "tm.conf"])
def way(request: pytest.FixtureRequest, task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Way:
    """Runs a script within a time, as one of the ways to run commands does."""
    monkeypatch.setattr(actions, "LINGER", 0.2)

    def child(script: Path, seconds: float) -> Finished:
        with Child([str(script)]) as running:
            return running.finish(seconds)

    def host(script: Path, seconds: float) -> Finished:
        return here("localhost").run([str(script)], task, seconds)

    def hook(script: Path, seconds: float) -> Finished:
        return hm.run(HookRequest(0, "any", (str(script),), timeout=seconds), task)

    def site(script: Path, seconds: float) -> Finished:
        monkeypatch.setenv("ONE_LOCATION", str(tmp_path))
        monkeypatch.setattr(site_programs, "DEADLINE", seconds)
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc/tm.conf").write_text(f"RUN = {script}\n")
        (tmp_path / "lines").write_text("RUN\n")
        try:
            tm_conf.SiteCommands.read("tm.conf").carry_out(tmp_path / "lines", task)
        except ActionFailed as failure:
            return Finished("", "", str(failure))
        return Finished("done\n", "", "", 0)

    return {"child": child, "host": host, "hook": hook, "tm.conf": site}[request.param]


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., Path]:
    def written(text: str, status: int = 0) -> Path:
        path = tmp_path / "script"
        path.write_text(f"#!/bin/sh\n{text.format(child=tmp_path / 'child', status=status)}\n")
        path.chmod(0o755)
        return path

    return written


def test_ten_megabytes_of_errors_hold_nothing_up(way: Way, script: Callable[..., Path]) -> None:
    finished = way(script(FLOODS), 60)
    assert (finished.output, finished.problem) == ("done\n", "")
    assert len(finished.errors) <= actions.KEPT


def test_one_that_ignores_term_is_ended_with_all_it_started(
    way: Way, script: Callable[..., Path], tmp_path: Path
) -> None:
    assert "script did not end within 1 seconds" in way(script(IGNORES_TERM), 1.0).problem
    assert ends(tmp_path / "child")


@pytest.mark.parametrize(
    ("text", "status", "seconds"),
    [(LEAVES_ANOTHER, 0, 30.0), (LEAVES_ANOTHER, 3, 30.0), (LEAVES_A_CHATTERBOX, 0, 1.0)],
    ids=["silent", "silent and failed", "talking"],
)
def test_one_that_has_ended_is_not_held_up_by_what_it_left_behind(
    way: Way, script: Callable[..., Path], tmp_path: Path, text: str, status: int, seconds: float
) -> None:
    finished = way(script(text, status), seconds)
    assert ("ended with status 3" in finished.problem, finished.problem == "") == (status == 3, status == 0)
    assert ends(tmp_path / "child")


def test_a_service_that_a_command_starts_lives_on_if_it_has_outputs_of_its_own(
    way: Way, script: Callable[..., Path], tmp_path: Path
) -> None:
    finished = way(script("sleep 30 </dev/null >/dev/null 2>&1 & echo $! >{child}; echo done"), 10)
    assert (finished.output, finished.problem) == ("done\n", "")
    os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox sh"])
def test_every_login_shell_of_a_host_ends_a_group(shell: str) -> None:
    need_programs(shell.split(maxsplit=1)[0])
    leader = subprocess.Popen(["sleep", "60"], start_new_session=True)
    subprocess.run([*shell.split(), "-c", kill_line(leader.pid)], check=True)
    assert leader.wait(10) == -signal.SIGKILL
