"""A client library in a process of its own: versions do not meet, and the tests' own environment stays as it is."""

import importlib
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from needs import need

ROOT = Path(__file__).parents[2]
INSTALLED = ROOT / ".venv-clients"
HERE = Path(__file__).parent


class Library:
    """A process that has the library in its path and runs the scenarios of a folder."""

    def __init__(self, process: subprocess.Popen[str], folder: str) -> None:
        self._process, self._folder = process, folder

    def run(self, scenario: str, endpoint: str) -> None:
        """Run `module.function`; the test fails with the trace when it does not end well."""
        module, _, function = scenario.rpartition(".")
        input_, output = _pipe(self._process.stdin), _pipe(self._process.stdout)
        input_.write(f"{self._folder} {module} {function} {endpoint}\n")
        input_.flush()
        line = output.readline()
        error = json.loads(line)["error"] if line else "the process with the library ended"
        if error:
            pytest.fail(error, pytrace=False)


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None, "the process was started with pipes"
    return pipe


@contextmanager
def library(name: str, folder: str) -> Iterator[Library]:
    """The library of that list in tests/clients/libraries, for scenarios of the folder. Skipped where it is missing."""
    path = INSTALLED / name
    need((path / ".set-up").exists(), f"the client library {name} is not installed: share/setup.sh tests")
    environment = os.environ | {"PYTHONPATH": str(path), "PYTHONWARNINGS": "ignore", "NO_PROXY": "127.0.0.1"}
    command = [sys.executable, "-m", "tests.clients.runner"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Library(process, folder)
        finally:
            process.kill()


def scenarios(folder: str) -> list[str]:
    """`module.function` of each scenario of the folder: what its modules define, but client.py."""
    found = []
    for path in sorted((HERE / folder).glob("*.py")):
        if path.stem == "client":
            continue
        module = importlib.import_module(f"tests.clients.{folder}.{path.stem}")
        functions = inspect.getmembers(module, inspect.isfunction)
        own = [word for word, function in functions if function.__module__ == module.__name__]
        found += [f"{path.stem}.{word}" for word in own if not word.startswith("_")]
    return found
