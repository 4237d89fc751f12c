"""The context disk: a CD labelled CONTEXT with context.sh and the files that the template names."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from oned.drivers.lib import files
from oned.drivers.lib.gathering import Gathering, safe_directories
from oned.drivers.lib.task import ActionFailed, Task

LABEL = "CONTEXT"
SECONDS = 3600.0
PROGRAMS = (["genisoimage"], ["mkisofs"], ["xorriso", "-as", "mkisofs"])
OPTIONS = ["-quiet", "-V", LABEL, "-J", "-joliet-long", "-R", "-input-charset", "utf-8"]
"""Joliet for guests that know no Rock Ridge; both with long names."""


def make(destination: Path, context_sh: Path, others: Sequence[str], task: Task) -> None:
    """Make the disk, whole or not at all.

    others  paths and URLs of what is on it beside context.sh
    Errors: ActionFailed, Cancelled, OSError.
    """
    with (
        files.made_whole(destination) as part,
        tempfile.TemporaryDirectory(dir=part.parent, prefix=".context.") as tree,
    ):
        gathering = Gathering(Path(tree), safe_directories(), context_sh.parent.parent, task)
        gathering.own(context_sh)
        for word in others:
            gathering.add(word)
        task.run([*_program(), *OPTIONS, "-o", str(part), tree], SECONDS)


def _program() -> list[str]:
    """Errors: ActionFailed, if none is installed."""
    for program in PROGRAMS:
        if shutil.which(program[0]):
            return program
    raise ActionFailed("CONTEXT: none of genisoimage, mkisofs, xorriso is installed on this machine")
