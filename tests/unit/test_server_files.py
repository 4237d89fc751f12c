"""Files of other servers: replaced whole, only if they change; a server that was not told is told the next time."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from oned.server_files import Files, NotDone, Server, replace


def test_a_link_stays_one_and_its_file_is_replaced(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("old")
    link.symlink_to(real)
    assert replace(link, "new")
    assert (link.is_symlink(), real.read_text()) == (True, "new")
    assert not replace(link, "new")


def test_a_new_file_may_be_read_by_all(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        replace(tmp_path / "new", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o644


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NotDone, match="file cannot be written: No space left on device"):
        Files({"file": tmp_path / "file"}, Server()).update({"file": "new"})
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_a_server_that_could_not_be_told_is_told_the_next_time(tmp_path: Path) -> None:
    script = tmp_path / "reload"
    files = Files({"file": tmp_path / "file"}, Server(command=[str(script)]))
    with pytest.raises(NotDone, match="reload could not be run: No such file or directory"):
        files.update({"file": "text"})
    script.write_text(f"#!/bin/sh\necho told >>{tmp_path}/told\n")
    script.chmod(0o755)
    assert files.update({"file": "text"}) == []
    assert files.update({"file": "text"}) == []
    assert (tmp_path / "told").read_text() == "told\n"


def test_a_process_that_died_before_it_told_the_server_is_made_good_by_the_next(tmp_path: Path) -> None:
    script, paths = tmp_path / "reload", {"file": tmp_path / "file", "names": tmp_path / "names"}
    script.write_text("#!/bin/sh\nkill -9 $PPID\n")
    script.chmod(0o755)
    dies = "import sys; from pathlib import Path; from oned.server_files import Files, Server; "
    dies += f"Files({{n: Path(p) for n, p in { ({n: str(p) for n, p in paths.items()})!r}.items()}}, "
    dies += f"Server(command=[{str(script)!r}])).update({{'file': 'text', 'names': 'n'}})"
    assert subprocess.run([sys.executable, "-c", dies], check=False).returncode == -signal.SIGKILL
    script.write_text(f"#!/bin/sh\necho told >>{tmp_path}/told\n")
    for _ in range(2):
        assert Files(paths, Server(command=[str(script)])).update({"file": "text", "names": "n"}) == []
    assert (tmp_path / "told").read_text() == "told\n", "once, though nothing has changed"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "names", "reload", "told"]


def test_nothing_is_noted_where_no_server_is_to_be_told(tmp_path: Path) -> None:
    assert Files({"file": tmp_path / "file"}, Server()).update({"file": "text"}) == [tmp_path / "file"]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_number_that_is_another_process_by_now_gets_no_signal(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    pid_file.write_text(f"{os.getpid()}\n")
    os.utime(pid_file, (1, 1))
    with pytest.raises(NotDone, match="has ended, so it was not told"):
        Server(str(pid_file)).tell()
    pid_file.write_text("1\n")
    with pytest.raises(NotDone, match="has ended"):
        Server(str(pid_file)).tell()
    pid_file.write_text("dnsmasq\n")
    with pytest.raises(NotDone, match="no number of a process"):
        Server(str(pid_file)).tell()
