"""Transfer commands that a site has written: programs that one_tm runs, instead of its own where there are both.

No shell is between: the words of the line are arguments. What a program writes on standard output goes to the log of
the VM as it comes; what is wrong it writes on standard error between two lines.
"""

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from oned.drivers.lib.actions import Child, Finished
from oned.drivers.lib.request import var_directory
from oned.drivers.lib.task import ActionFailed, Task

DEADLINE = 6 * 3600.0
"""Seconds that one command may take."""
TELL = 60.0
"""Seconds between two log lines of a command that is at work."""

_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MESSAGE = re.compile(r"^ERROR MESSAGE --8<------\n(?P<text>.*?)\n?^ERROR MESSAGE ------>8--", re.MULTILINE | re.DOTALL)


def of_type(text: str) -> list[str]:
    """The program of a line `COMMAND type arguments`, in `var/remotes/tm/<type>`, and its arguments; or nothing.

    Errors: ActionFailed, for a program that is there and may not be run.
    """
    command, _, rest = text.partition(" ")
    kind, *arguments = rest.split() or [""]
    if not _TYPE.fullmatch(kind) or not _TYPE.fullmatch(command):
        return []
    program = var_directory() / "remotes" / "tm" / kind / command.lower()
    if not program.is_file():
        return []
    if not os.access(program, os.X_OK):
        raise ActionFailed(f"{program} may not be run: make it executable (chmod +x)")
    return [str(program), *arguments]


def run(argv: list[str], task: Task) -> None:
    """Run a program of the site to its end. Errors: ActionFailed with what it says is wrong; Cancelled."""
    child = Child(argv)
    with child, task.at_cancel(child.kill), _telling(task, f"{argv[0]} is still at work"):
        finished = child.finish(DEADLINE, task.info)
    task.check()
    if finished.problem:
        _fail(argv, finished, task)


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
    message = _MESSAGE.search(finished.errors)
    said = " ".join(message["text"].split()) if message else ""
    raise ActionFailed(said or f"Error message not available: {finished.problem}")
