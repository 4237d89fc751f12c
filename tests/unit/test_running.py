"""Commands of a site: whatever they leave behind, say, or ignore, they hold nothing up longer than they may."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from oned.running import KEPT, Ran, run
from tests.processes import ends


def test_status_and_words_are_told() -> None:
    assert run(["sh", "-c", "echo no; echo power >&2; exit 3"], 10) == Ran(3, "no power")


def test_ten_megabytes_are_cut_to_the_last_of_them() -> None:
    done = run(["sh", "-c", "head -c 10000000 /dev/zero | tr '\\0' x >&2; echo end >&2"], 60)
    assert (done.status, done.said.endswith("end")) == (0, True)
    assert len(done.said) <= KEPT


def test_what_is_left_behind_is_not_waited_for(tmp_path: Path) -> None:
    note = tmp_path / "child"
    assert run(["sh", "-c", f"sleep 60 & echo $! >{note}; echo off"], 10) == Ran(0, "off")
    os.kill(int(note.read_text()), signal.SIGKILL)


def test_one_that_ignores_term_is_ended_with_all_it_started(tmp_path: Path) -> None:
    note = tmp_path / "child"
    script = f"trap '' TERM; (trap '' TERM; sleep 60 & echo $! >{note}; wait) & wait"
    with pytest.raises(subprocess.TimeoutExpired):
        run(["sh", "-c", script], 0.5)
    assert ends(note)
