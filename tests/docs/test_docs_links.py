"""Pages are found from the index, links lead somewhere, and shell lines name commands that exist."""

import configparser
from pathlib import Path

import pytest

from oned.cli.command import Program
from oned.docs.pages import PROJECT
from oned.docs.programs import PROGRAMS, Helped, Tabled
from tests.docs.pages_read import DOC, anchors, links, pages, shell_lines

SHELL = frozenset(
    [
        "cat",
        "cd",
        "cp",
        "curl",
        "echo",
        "eval",
        "export",
        "git",
        "install",
        "kill",
        "ln",
        "make",
        "mkdir",
        "pip",
        "python",
        "python3",
        "sh",
        "source",
        "sudo",
        "systemctl",
        "tail",
        "useradd",
    ]
)
"""Words of other people's programs that the pages may use."""
TABLES: dict[str, Program] = {program.name: program.table for program in PROGRAMS if isinstance(program, Tabled)}


def name(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def installed() -> set[str]:
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.read(PROJECT / "setup.cfg")
    return {line.partition("=")[0].strip() for line in parser["options.entry_points"]["console_scripts"].split("\n")}


def test_every_page_is_linked_from_the_index() -> None:
    index = DOC / "README.md"
    linked = {(DOC / target).resolve() for target, _ in links(index) if target}
    assert [name(path) for path in pages() if path.parent != PROJECT and path != index and path not in linked] == []


@pytest.mark.parametrize("path", pages(), ids=name)
def test_links_of_a_page_resolve(path: Path) -> None:
    for target, place in links(path):
        there = (path.parent / target).resolve() if target else path
        assert there.exists(), f"{target} is not there"
        assert not place or place in anchors(there), f"{target}#{place} is not there"


@pytest.mark.parametrize("path", pages(), ids=name)
def test_shell_lines_of_a_page_name_commands_that_exist(path: Path) -> None:
    known = installed() | SHELL
    for words in shell_lines(path):
        command = [word for word in words if "=" not in word.partition("/")[0]]
        assert not command or command[0].rpartition("/")[2] in known, " ".join(words)


def test_readme_uses_verbs_that_exist() -> None:
    lines = [words for words in shell_lines(PROJECT / "README.md") if words[0] in TABLES]
    assert len(lines) > 5
    assert [line for line in lines if line[1] not in TABLES[line[0]].commands and not line[1].startswith("-")] == []


def test_readme_uses_make_targets_that_exist() -> None:
    targets = {line.partition(":")[0] for line in (PROJECT / "Makefile").read_text().splitlines() if ":" in line}
    used = {words[1] for words in shell_lines(PROJECT / "README.md") if words[0] == "make"}
    assert {"demo", "test"} <= used <= targets


def test_programs_have_a_manual_page_and_completion_files() -> None:
    for program in PROGRAMS:
        assert (PROJECT / f"share/man/{program.name}.{program.section}").is_file()
        assert (PROJECT / f"share/completion/bash/{program.name}").is_file()
        assert (PROJECT / f"share/completion/zsh/_{program.name}").is_file()
    helped = {program.name for program in PROGRAMS if isinstance(program, Helped)}
    assert helped == {"onedb", "onedriver", "oned", "mm_sched"}
