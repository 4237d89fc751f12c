"""Copies between hosts, with this machine for both: what the log tells, and what is left of a copy that ends early."""

import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.drivers.lib import copying
from oned.drivers.lib.line import Voice
from oned.drivers.lib.places import Place, place
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Cancelled, Task
from oned.drivers.lib.turns import Turns

SETTINGS = Settings("any")


class Said:
    """A task, and what it has logged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT)
        self.task = Task("TRANSFER", 7, Voice(self._file))

    @property
    def lines(self) -> list[str]:
        return self._path.read_text().splitlines()

    def close(self) -> None:
        os.close(self._file)


@pytest.fixture
def said(tmp_path: Path) -> Iterator[Said]:
    made = Said(tmp_path / "said")
    yield made
    made.close()


def here(path: Path) -> Place:
    return place(str(path), SETTINGS)


def test_a_long_copy_tells_how_far_it_is(said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "PROGRESS", 0.0)
    (tmp_path / "a").write_bytes(os.urandom(4 << 20))
    copying.copy(here(tmp_path / "a"), here(tmp_path / "to/b"), SETTINGS, said.task)
    assert (tmp_path / "to/b").read_bytes() == (tmp_path / "a").read_bytes()
    told = re.escape(f"LOG I 7 Copying {tmp_path}/a to {tmp_path}/to/b: ") + r"(\d+) % of 4 MiB"
    percents = [int(line[1]) for text in said.lines if (line := re.fullmatch(told, text))]
    assert len(percents) == len(said.lines)
    assert percents == sorted(percents)
    assert any(40 < percent < 60 for percent in percents), "which ones depends on how the pipe cuts the file"
    assert percents[-1] == 100


def test_a_directory_comes_with_its_modes_and_links(said: Said, tmp_path: Path) -> None:
    source = tmp_path / "7"
    (source / "below").mkdir(parents=True)
    (source / "below/file").write_text("content")
    (source / "below/file").chmod(0o604)
    (source / "link").symlink_to("/nowhere")
    copying.copy(here(source), here(tmp_path / "to/8"), SETTINGS, said.task, follow=False)
    copied = tmp_path / "to/8"
    assert (copied / "below/file").read_text() == "content"
    assert (copied / "below/file").stat().st_mode & 0o777 == 0o604
    assert os.readlink(copied / "link") == "/nowhere"
    assert sorted(os.listdir(tmp_path / "to")) == ["8"]


def test_a_cancelled_copy_leaves_nothing_and_what_was_there_stays(said: Said, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(os.urandom(4 << 20))
    (tmp_path / "to").mkdir()
    (tmp_path / "to/b").write_text("before")
    threading.Timer(0.0, said.task.cancel).start()
    said.task.ended.wait(0.1)
    with pytest.raises(Cancelled):
        copying.copy(here(tmp_path / "a"), here(tmp_path / "to/b"), SETTINGS, said.task)
    assert os.listdir(tmp_path / "to") == ["b"]
    assert (tmp_path / "to/b").read_text() == "before"


def test_a_source_that_cannot_be_read_whole_is_a_failure(said: Said, tmp_path: Path) -> None:
    with pytest.raises(ActionFailed, match=f"there is no {tmp_path}/a"):
        copying.copy(here(tmp_path / "a"), here(tmp_path / "b"), SETTINGS, said.task)
    assert not (tmp_path / "b").exists()


def test_who_waits_for_a_turn_can_be_cancelled(said: Said) -> None:
    turns = Turns(1)
    with turns.taken(["host01"], said.task, "others"):
        threading.Timer(0.3, said.task.cancel).start()
        with pytest.raises(Cancelled), turns.taken(["host01", "host02"], said.task, "others"):
            pass
    fresh = Task("TRANSFER", 8, said.task.voice)
    with turns.taken(["host01"], fresh, "others"), turns.taken(["host02"], fresh, "others"):
        pass
