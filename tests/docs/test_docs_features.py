"""The table of features of the elastic cluster: each "y" of ours has a test, and each test that is named is there."""

import ast
import re
from functools import cache

import pytest

from oned.docs.pages import PROJECT
from tests.docs.pages_read import DOC

TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`( \(long\))?")


def tables() -> list[list[list[str]]]:
    """The cells of the rows of each table of the page, without its head."""
    blocks = re.findall(r"(?:^\|.*\n)+", (DOC / "elastic-features.md").read_text(), re.MULTILINE)
    return [
        [[cell.strip() for cell in row.strip("|").split("|")] for row in block.splitlines()[2:]] for block in blocks
    ]


def named() -> list[tuple[str, str, bool]]:
    """File, test, and whether the page calls it a long one."""
    text = (DOC / "elastic-features.md").read_text()
    return sorted({(path, test, bool(long)) for path, test, long in TEST.findall(text)})


@cache
def found_in(path: str) -> dict[str, bool]:
    """The tests of a file, and whether each is a long one."""
    tree = ast.parse((PROJECT / path).read_text())
    marks = [ast.unparse(node) for node in tree.body if isinstance(node, ast.Assign)]
    all_long = any(mark.startswith("pytestmark") and "mark.soak" in mark for mark in marks)
    return {
        node.name: all_long or "pytest.mark.soak" in map(ast.unparse, node.decorator_list)
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_each_feature_that_we_say_we_have_has_a_test() -> None:
    features, shown, alone = tables()
    assert len(features) > 20
    assert [row[0] for row in features] == [row[0] for row in shown]
    assert {row[-1][0] for row in features} <= set("y~-")
    ours = {row[0] for row in features if row[-1][0] != "-"}
    assert [row[0] for row in shown + alone if not TEST.search(row[1]) and (row in alone or row[0] in ours)] == []


@pytest.mark.parametrize(("path", "test", "long"), named(), ids=str)
def test_a_test_that_the_page_names_is_there_and_as_long_as_it_says(path: str, test: str, long: bool) -> None:
    assert found_in(path).get(test) is long
