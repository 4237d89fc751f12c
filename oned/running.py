"""Commands of a site that the commands run: a fence, a server's reload."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from typing import NamedTuple

KEPT = 4096
"""Bytes kept of what a command says: the last ones."""


class Ran(NamedTuple):
    """How a command ended: its status, minus the signal if one ended it, and the last of what it said."""

    status: int
    said: str


def run(argv: Sequence[str], seconds: float) -> Ran:
    """Run a command without a shell; what it leaves behind holds nothing up, however much it says.

    Raises OSError, and subprocess.TimeoutExpired after the seconds: it has been killed then with all it started.
    """
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        try:
            child.wait(seconds)
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            raise
        output.seek(max(0, output.seek(0, os.SEEK_END) - KEPT))
        return Ran(child.returncode, " ".join(output.read().decode(errors="replace").split()))
