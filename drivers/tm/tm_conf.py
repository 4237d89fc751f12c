"""The transfer commands of a site: a tm.conf of 1.2 to 3.2, and the scripts that it names.

A line `CLONE = shared/tm_clone.sh` has the commands CLONE of transfer scripts run that program, looked for below
`$ONE_LOCATION/lib/tm_commands`, with the words behind the command as its arguments, and no shell between. What it
writes on standard output goes to the log of the VM; what is wrong it writes on standard error between two lines.
"""

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oned.drivers.lib.actions import Child, Finished
from oned.drivers.lib.driver import CannotStart
from oned.drivers.lib.script import words_of
from oned.drivers.lib.task import ActionFailed, Task

SUFFIX = ".conf"
DEADLINE = 6 * 3600.0
"""Seconds that one command may take."""
TELL = 60.0
"""Seconds between two log lines of a command that is at work."""

_SETTING = re.compile(r"\s*(?P<command>\w+)\s*=\s*(?P<path>\S+)\s*(#.*)?")
_MESSAGE = re.compile(r"^ERROR MESSAGE --8<------\n(?P<text>.*?)\n?^ERROR MESSAGE ------>8--", re.MULTILINE | re.DOTALL)


class SiteCommands:
    """The programs of a tm.conf by command."""

    def __init__(self, programs: dict[str, Path]) -> None:
        self._programs = programs

    @classmethod
    def read(cls, name: str) -> "SiteCommands":
        """Those of a file, which is looked for below the directory of configurations. Raises CannotStart."""
        path = _place("etc", "/etc/one") / name
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise CannotStart(f"the transfer commands of {path} cannot be read: {error}") from None
        programs = {}
        for number, line in enumerate(lines, start=1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            setting = _SETTING.fullmatch(line)
            if setting is None:
                raise CannotStart(f"{path}, line {number} is not COMMAND = path: {line.strip()}")
            programs[setting["command"].upper()] = (
                _place("lib/tm_commands", "/usr/lib/one/tm_commands") / setting["path"]
            )
        return cls(programs)

    def carry_out(self, script: Path, task: Task) -> None:
        """Run the script of a VM. Errors: ActionFailed with the text of the first command that fails; Cancelled."""
        for text in words_of(script):
            task.check()
            command, *words = text.split()
            program = self._programs.get(command.upper())
            if program is None:
                task.error(f"COMMAND not found: {text}")
                raise ActionFailed(f"COMMAND not found: {text}.")
            self._run([str(program), *words], task)

    def _run(self, argv: list[str], task: Task) -> None:
        child = Child(argv)
        with child, task.at_cancel(child.kill), _telling(task, f"{argv[0]} is still at work"):
            finished = child.finish(DEADLINE)
        task.check()
        if finished.problem:
            _fail(argv, finished, task)
        task.info(finished.output)


@contextmanager
def _telling(task: Task, text: str) -> Iterator[None]:
    """Within the block the text is logged now and then: the daemon pushes the deadline of the script on with each."""
    done = threading.Event()

    def tell() -> None:
        while not done.wait(TELL):
            task.info(text)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


def _fail(argv: list[str], finished: Finished, task: Task) -> None:
    """Tell how a command failed as drivers of 2.2 do, and raise ActionFailed with what it says itself."""
    task.error(f"Command execution fail: {' '.join(argv)}")
    task.error(finished.errors)
    task.error(f"ExitCode: {finished.status}" if finished.status is not None else finished.problem)
    task.info(finished.output)
    message = _MESSAGE.search(finished.errors)
    said = " ".join(message["text"].split()) if message else ""
    raise ActionFailed(said or f"Error message not available: {finished.problem}")


def _place(below: str, system_wide: str) -> Path:
    """A directory of the installation: below ONE_LOCATION, or where a system-wide one has it."""
    root = os.environ.get("ONE_LOCATION")
    return Path(root) / below if root else Path(system_wide)
