"""Generated pages are what the declarations say now, and can be written and checked."""

from pathlib import Path

from oned.docs.__main__ import STALE, main
from oned.docs.pages import PROJECT, pages, stale


def test_generated_pages_are_fresh() -> None:
    assert pages()
    assert stale(PROJECT) == [], "run `make docs`"


def test_check_names_a_page_that_differs(tmp_path: Path, capsys: object) -> None:
    assert main(["--into", str(tmp_path)]) == 0
    assert main(["--check", "--into", str(tmp_path)]) == 0
    changed = tmp_path / "share/doc/rpc.md"
    changed.write_text(changed.read_text() + "more\n")
    assert main(["--check", "--into", str(tmp_path)]) == STALE
    assert stale(tmp_path) == ["share/doc/rpc.md"]


def test_writing_again_writes_nothing(tmp_path: Path, capsys: object) -> None:
    main(["--into", str(tmp_path)])
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    main(["--into", str(tmp_path)])
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
