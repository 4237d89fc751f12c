"""The first hour of README.md, typed as it stands: a real engine says what the page shows, up to numbers and blanks."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

README = Path(__file__).parents[2] / "README.md"
MARK = "-- done --"
PATIENCE = 20.0
LOOKS = re.compile(r"\w+ (list|explain|history)\b")
SHOWN_HOME = "/home/me"


class Step(NamedTuple):
    """A command of the page and the lines shown below it."""

    command: str
    shown: list[str]


def first_hour() -> list[Step]:
    """All commands of the section's console blocks, in order."""
    section = README.read_text().partition("## The first hour\n")[2].partition("\n## ")[0]
    steps: list[Step] = []
    for block in re.findall(r"^```console\n(.*?)^```", section, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append(Step(line.removeprefix("$ "), []))
            else:
                steps[-1].shown.append(line)
    return steps


def normal(lines: list[str], home: str) -> list[str]:
    """The lines without what differs from run to run: numbers, widths of columns, the home, blank lines at the end."""
    text = "\n".join(re.sub(r"\s+", " ", line).strip() for line in lines).rstrip("\n")
    return re.sub(r"\d+", "0", text.replace(home, SHOWN_HOME)).splitlines()


def free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


class Shell:
    """A newcomer's shell after `source .venv/bin/activate`, with a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._bash = subprocess.Popen(
            ["bash"], cwd=home, env={"HOME": str(home), "PATH": path, "LC_ALL": "C.UTF-8"}, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def types(self, command: str) -> list[str]:
        """The lines that the command writes."""
        assert self._bash.stdin
        assert self._bash.stdout
        self._bash.stdin.write(f"{command}\necho {MARK}\n")
        return list(iter(lambda: next(iter(self._bash.stdout)).rstrip("\n"), MARK))

    def close(self) -> None:
        """End what runs in the home, then the shell."""
        if (self.home / "cloud/etc/oned.conf").exists():
            self.types("ONE_LOCATION=~/cloud one stop")
        self._bash.communicate()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    yield shell
    shell.close()


def as_shown(shell: Shell, step: Step) -> tuple[list[str], list[str]]:
    """What the command wrote and what the page shows. A look is taken again until it is so: a reader is slower."""
    home = str(shell.home)
    shown, patience = normal(step.shown, home), time.monotonic() + PATIENCE
    command = re.sub(r"^one init", f"one init --port {free_port()}", step.command)
    lines = normal(shell.types(command), home)
    while LOOKS.match(command) and lines != shown and time.monotonic() < patience:
        lines = normal(shell.types(command), home)
    return lines, shown


def test_the_first_hour_goes_as_the_page_shows(shell: Shell) -> None:
    steps = first_hour()
    assert len(steps) > 10
    for step in steps:
        lines, shown = as_shown(shell, step)
        assert lines == shown, step.command
