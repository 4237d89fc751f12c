"""The hook driver: runs the commands of hooks on the front-end, as the daemon's user, or on a host.

Each command has a process group of its own, which ends with the command, with its time and with the driver. Its
environment is the driver's, with what `onevm` and the others need to find the daemon. Options: -t THREADS.
"""

import base64
import json
import os
import pwd
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from oned.drivers.lib.actions import Child, Finished
from oned.drivers.lib.driver import Driver
from oned.drivers.lib.reach import host_at
from oned.drivers.lib.reach.remotes import MISSING, remotes
from oned.drivers.lib.request import HM, HookRequest
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Task

TAIL = 4096
"""Characters told of each output: the last ones."""

LOCAL = "LOCAL"

driver = Driver("one_hm", HM, threads=15)
settings = Settings("hm")


@driver.action("EXECUTE", alongside=True)
def execute(request: HookRequest, task: Task) -> str:
    """How the command ended. In the classic form a command that fails is a FAILURE, with its errors in the log."""
    finished = run(request, task) if request.where == LOCAL else run_there(request, task)
    if request.exact:
        return told(finished)
    if finished.problem:
        task.error(f"Command execution fail: {' '.join(request.argv)}")
        task.error(finished.errors[-TAIL:])
        raise ActionFailed(f"{request.hook}: {finished.problem}")
    return f"{request.hook}: {finished.output[-TAIL:]}"


def run(request: HookRequest, task: Task) -> Finished:
    """Run the command to its end, or to the end of its time. Raises Cancelled."""
    task.check()
    with tempfile.TemporaryFile() as text:
        text.write(request.stdin.encode())
        text.seek(0)
        child = Child(request.argv, environment(request.environment), stdin=text.fileno())
        with child, task.at_cancel(child.kill):
            finished = child.finish(request.timeout)
    task.check()
    return finished


def run_there(request: HookRequest, task: Task) -> Finished:
    """The same on a host; if the command is one of the scripts of hosts, they are brought where it is missing."""
    try:
        host = host_at(request.where, settings)
        script = request.argv[0].removeprefix(f"{remotes.place_on_hosts()}/")
        if script == request.argv[0]:
            return host.run(request.argv, task, request.timeout, request.stdin.encode())
        argv = remotes.argv(host, script, *request.argv[1:])
        finished = host.run(argv, task, request.timeout, request.stdin.encode())
        if finished.status == MISSING:
            remotes.bring(host, task)
            finished = host.run(argv, task, request.timeout, request.stdin.encode())
        return finished
    except ActionFailed as error:
        return Finished("", "", str(error))


def told(finished: Finished) -> str:
    """The end of a command as base64 of JSON; rc is -1 when it did not end by itself, minus the signal if by one."""
    document = {
        "rc": -1 if finished.status is None else finished.status,
        "output": finished.output[-TAIL:],
        "errors": finished.errors[-TAIL:],
        "problem": finished.problem,
    }
    return base64.b64encode(json.dumps(document).encode()).decode()


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """The driver's, with what it lacks of what is given and HOME; the programs of this installation are found last."""
    found = {**given, **os.environ}
    found.setdefault("HOME", pwd.getpwuid(os.getuid()).pw_dir)
    found["PATH"] = os.pathsep.join((found.get("PATH") or os.defpath, str(Path(sys.executable).parent)))
    return found


def main() -> None:
    """The program."""
    driver.run()


if __name__ == "__main__":
    main()
