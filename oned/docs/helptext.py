"""The help of a program that argparse reads, taken apart: pages are made from what a user sees."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

_WIDE = "1000"
"""Columns, so that no line of a help text is broken."""
_TWICE = re.compile(r"(-\w) (\S+), (--[\w-]+) \2")
_FAR = 20
"""Blanks before a line that goes on with the one before."""


class Entry(NamedTuple):
    """An option, an argument or a command, and its sentence."""

    term: str
    sentence: str


class HelpText(NamedTuple):
    """usage without the word "usage"; the texts around the groups; the groups' entries, in one list."""

    usage: str
    texts: tuple[str, ...]
    entries: tuple[Entry, ...]

    @property
    def options(self) -> list[Entry]:
        """The entries that begin with a minus."""
        return [entry for entry in self.entries if entry.term.startswith("-")]

    @property
    def arguments(self) -> list[Entry]:
        """The other ones: words, and the commands of a program that has some."""
        return [entry for entry in self.entries if not entry.term.startswith("-")]


def ask(module: str, *words: str) -> HelpText:
    """The help of a module's `main`, without the settings of this machine. Raises CalledProcessError."""
    line = f"from {module} import main; raise SystemExit(main())"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ONE_")}
    done = subprocess.run(
        [sys.executable, "-c", line, *words, "--help"],
        check=True, capture_output=True, text=True, env=environment | {"COLUMNS": _WIDE},
    )  # fmt: skip
    return read(done.stdout)


def read(text: str) -> HelpText:
    """The parts of a help text that was written without line breaks."""
    usage, *blocks = text.strip().split("\n\n")
    texts: list[str] = []
    entries: list[Entry] = []
    for part in blocks:
        title, _, listed = part.partition("\n")
        if title.endswith(":") and listed.startswith("  "):
            entries += _entries(listed)
        else:
            texts.append(" ".join(part.split()))
    return HelpText(usage.removeprefix("usage: ").strip(), tuple(texts), tuple(entries))


def _entries(listed: str) -> Iterator[Entry]:
    """The entries of a group; the sentence of a long one begins on the next line."""
    for line in re.sub(rf"\n {{{_FAR},}}", "  ", listed).split("\n"):
        term, _, sentence = line.strip().partition("  ")
        if sentence:
            yield Entry(_TWICE.sub(r"\1, \3 \2", term), sentence.strip())
