"""The page "what was tested how" names tests that are there, and leaves out none of the lab."""

import re
from pathlib import Path

import pytest

from oned.docs.pages import PROJECT
from tests.docs.pages_read import DOC, pages

NAMED = re.compile(r"`((?:tests|oned|drivers|share)/[\w./-]+)`")


def named(page: Path) -> list[str]:
    """The paths that a page names; words in capitals stand for any."""
    return [path for path in NAMED.findall(page.read_text()) if "NAME" not in path]


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    assert [name for name in named(page) if not (PROJECT / name).exists()] == []


def test_every_test_of_the_lab_is_on_the_page() -> None:
    on_page = set(named(DOC / "tested.md"))
    lab = {f"tests/lab/{path.name}" for path in (PROJECT / "tests/lab").glob("test_*.py")}
    assert lab - on_page == {"tests/lab/test_demo_simulated.py"}


def test_every_row_of_the_page_names_a_test() -> None:
    table = (DOC / "tested.md").read_text().partition("\n## ")[2]
    rows = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith(("| part |", "| ---"))]
    assert len(rows) > 30
    assert [row for row in rows if not re.search(r"`tests/\w+/test_\w+\.py`", row)] == []
