"""What a VM template asks for: answers from the command line, or from whoever sits at the terminal."""

import re
import sys
from typing import TYPE_CHECKING

from oned.cli.command import CommandError, Option

if TYPE_CHECKING:
    from oned.template.inputs import Input
    from oned.template.template import Template

USER_INPUTS = Option(
    "user_inputs", ("--user-inputs", "--user_inputs"), "answers to what the template asks for", "NAME=VALUE,…"
)

_NEXT = re.compile(r",(?=\s*[A-Za-z_]\w*=)")
_LAST_LINE = "."


def given(text: str | None) -> dict[str, str]:
    """The answers in `NAME=VALUE,NAME=VALUE`; a comma inside a value stays. Raises CommandError."""
    found = {}
    for pair in _NEXT.split(text) if text else []:
        name, sign, value = pair.partition("=")
        if not sign:
            raise CommandError(f"--user-inputs: {pair!r} is not NAME=VALUE")
        found[name.strip().upper()] = value
    return found


def answered(template: "Template", said: dict[str, str], extra: "Template") -> dict[str, str]:
    """The answers that are sent: what was said, and what the user types where a terminal is there to ask him.

    What nobody says is left to the daemon, which takes the default. Raises CommandError for an answer that is not
    allowed, and one to what was not asked.
    """
    from oned.template.inputs import InputError, declared

    try:
        questions = declared(template)
        _refuse_others(questions, said)
        found = {}
        for item in questions:
            if item.name in said:
                found[item.name] = _encoded(item, said[item.name])
                item.check(found[item.name])
            elif item.name not in extra and item.kind != "fixed" and sys.stdin.isatty():
                found |= _asked(item, template.get(item.name) or item.default)
    except InputError as error:
        raise CommandError(str(error)) from None
    return found


def _refuse_others(questions: "list[Input]", said: dict[str, str]) -> None:
    names = [item.name for item in questions]
    other = next((name for name in said if name not in names), None)
    if other is not None:
        asks = f"it asks for {', '.join(names)}" if names else "it asks for nothing"
        raise CommandError(f"--user-inputs: the template does not ask for {other}; {asks}")


def _encoded(item: "Input", value: str) -> str:
    """The answer as it is sent: a text of several lines travels in base64."""
    if item.kind != "text64":
        return value
    import base64

    return base64.b64encode(value.encode()).decode()


def _asked(item: "Input", default: str) -> dict[str, str]:
    """What the user types until it is an answer; nothing when he wants the default."""
    from oned.template.inputs import InputError

    while True:
        value = _typed(item, default)
        if not value and (default or not item.needed):
            return {}
        try:
            if not value:
                raise item.missing()
            value = _encoded(item, value)
            item.check(value)
            return {item.name: value}
        except InputError as error:
            _write(f"{error}\n")


def _typed(item: "Input", default: str) -> str:
    """One answer. A text of several lines ends with a line that is only a full stop."""
    choice = f" ({item.options})" if item.options else ""
    _write(f"{item.question or item.name}{choice}\n")
    shown = f" [{default}]" if default and item.kind not in ("password", "text64") else ""
    if item.kind == "password":
        import getpass

        return getpass.getpass(f"  {item.name}: ")
    if item.kind != "text64":
        return _line(f"  {item.name}{shown}: ")
    _write(f"  {item.name}, and then a line with a full stop:\n")
    lines = list(iter(lambda: _line(""), _LAST_LINE))
    return "\n".join(lines)


def _line(prompt: str) -> str:
    _write(prompt)
    line = sys.stdin.readline()
    if not line:
        raise CommandError("the answers ended too early; nothing was made")
    return line.rstrip("\n")


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
