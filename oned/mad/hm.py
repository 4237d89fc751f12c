"""The dialects of hook drivers (HM), and what their answers say.

classic  `EXECUTE <object> <hook> <LOCAL or host> <command> <arguments>` (1.4 to 5.8): the driver hands the line to a
         shell, so each word is quoted for one
argv     `EXECUTE <run> <base64>`: a JSON document with the words as they are; the answer is one too
"""

import base64
import binascii
import json
import shlex
from typing import NamedTuple

from oned.command import Command
from oned.mad.contract import Source, Writer

CLASSIC, ARGV = "classic", "argv"
DEFAULT = CLASSIC
LOCAL = "LOCAL"


class Result(NamedTuple):
    """How a command ended: its exit code (-1 for none), its outputs, and what kept it from ending by itself."""

    rc: int
    output: str
    errors: str
    problem: str = ""


def _classic(command: Command, _: Source) -> str:
    """One line: a line end inside of a value becomes a blank."""
    words = [shlex.quote(" ".join(word.splitlines())) for word in json.loads(command.arguments["argv"])]
    return " ".join(
        [command.verb, str(command.oid), command.arguments["hook"], command.arguments.get("where") or LOCAL, *words]
    )


def _argv(command: Command, _: Source) -> str:
    given = command.arguments
    order = {
        "hook": given["hook"],
        "host": given.get("where", ""),
        "argv": json.loads(given["argv"]),
        "stdin": given["stdin"],
        "timeout": float(given["timeout"]),
        "environment": json.loads(given["environment"]),
    }
    return f"{command.verb} {command.oid} {base64.b64encode(json.dumps(order).encode()).decode()}"


DIALECTS: dict[str, Writer] = {CLASSIC: _classic, ARGV: _argv}


def result(dialect: str, hook: str, success: bool, info: str) -> Result:
    """What an answer says. The classic one has the hook's name in front since 3.0, and no exit code."""
    if dialect == ARGV and success:
        return _told(info)
    text = info.removeprefix(hook).removeprefix(":").strip()
    text = "" if text == "-" else text
    return Result(0, text, "") if success else Result(-1, "", text, text or "the driver gave no reason")


def _told(info: str) -> Result:
    try:
        told = json.loads(base64.b64decode(info, validate=True))
        return Result(int(told["rc"]), str(told["output"]), str(told["errors"]), str(told["problem"]))
    except (binascii.Error, ValueError, KeyError, TypeError):
        return Result(-1, "", "", f"the driver's answer cannot be read: {info[:80]}")
