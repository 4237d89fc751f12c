"""The pages as tests read them: headings, links, shell lines."""

import re
from collections.abc import Iterator
from pathlib import Path

from oned.docs.markdown import anchor
from oned.docs.pages import PROJECT

DOC = PROJECT / "share/doc"
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_SHELL = re.compile(r"^```(?:sh|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    """Every page of the documentation, and the project's README."""
    return [PROJECT / "README.md", *sorted(DOC.rglob("*.md"))]


def headings(path: Path) -> list[str]:
    """The texts of the headings, without the signs."""
    text = _FENCED.sub("", path.read_text())
    return [line.lstrip("#").strip() for line in text.splitlines() if line.startswith("#")]


def anchors(path: Path) -> set[str]:
    """The names that links can point at."""
    return {anchor(title) for title in headings(path)}


def links(path: Path) -> Iterator[tuple[str, str]]:
    """Target and anchor of each link to another place of the project."""
    for target in _LINK.findall(_FENCED.sub("", path.read_text())):
        if "://" not in target and not target.startswith("mailto:"):
            name, _, place = target.partition("#")
            yield name, place


def shell_lines(path: Path) -> list[list[str]]:
    """The command lines of the shell blocks as words; output and comments are left out."""
    lines = []
    for block in _SHELL.findall(path.read_text()):
        found = [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]
        lines += found or [line for line in block.splitlines() if line and not line.startswith(("#", " "))]
    return [line.partition(" #")[0].split() for line in lines]
