"""What tests of hooks share."""

import json

from oned.command import Command, Mad
from oned.ids import Kind
from oned.mad.hooks import NoFiles


def order(argv: list[str], stdin: str = "", timeout: float = 300.0, oid: int = 5) -> tuple[Command, NoFiles]:
    """The command to run the words, and what a writer of lines gets beside it."""
    arguments = {
        "hook": "mail", "argv": json.dumps(argv), "stdin": stdin, "timeout": f"{timeout:g}", "environment": "{}",
    }  # fmt: skip
    return Command(Mad.HM, "", "EXECUTE", Kind.VM, oid, "front-end", arguments), NoFiles()
