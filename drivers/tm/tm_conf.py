"""The transfer commands of a site: a tm.conf of 1.2 to 3.2, and the scripts that it names.

A line `CLONE = shared/tm_clone.sh` has the commands CLONE of transfer scripts run that program, looked for below
`$ONE_LOCATION/lib/tm_commands`, with the words behind the command as its arguments.
"""

import os
import re
from pathlib import Path

from oned.drivers.lib.driver import CannotStart
from oned.drivers.lib.script import words_of
from oned.drivers.lib.task import ActionFailed, Task
from oned.drivers.tm import site

SUFFIX = ".conf"

_SETTING = re.compile(r"\s*(?P<command>\w+)\s*=\s*(?P<path>\S+)\s*(#.*)?")


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
            site.run([str(program), *words], task)


def _place(below: str, system_wide: str) -> Path:
    """A directory of the installation: below ONE_LOCATION, or where a system-wide one has it."""
    root = os.environ.get("ONE_LOCATION")
    return Path(root) / below if root else Path(system_wide)
