"""Template to its text form, its XML form and its stored form."""

import re
from sys import intern
from typing import Any

from oned.template.parse import UNLISTABLE
from oned.template.template import Template, Value

_SPECIAL = re.compile(f"[&<>\r]|{UNLISTABLE.pattern}")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}


def text(template: Template) -> str:
    """`NAME="v"` lines and vectors over several lines. `parse` reads it back to an equal template."""
    return "".join(f"{name}={_text_value(value)}\n" for name, value in template)


def _text_value(value: Value) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if not value:
        return "[ ]"
    return "[\n  " + ",\n  ".join(f"{key}={_quoted(item)}" for key, item in value.items()) + " ]"


def _quoted(value: str) -> str:
    body = value.rstrip("\\")
    backslashes = value[len(body) :]
    return '"' + body.replace('"', '\\"') + '"' + (f'{backslashes}""' if backslashes else "")


def xml(template: Template, root: str = "TEMPLATE") -> str:
    """One element with a child for each attribute, sorted by name; equal names keep their order.

    The keys of a vector are sorted as well, values are escaped, and characters that XML cannot carry become U+FFFD,
    so the result is always well-formed.
    """
    parts = [f"<{root}>"]
    for name, value in sorted(template, key=_name):
        parts.append(f"<{name}>{_xml_value(value)}</{name}>")
    parts.append(f"</{root}>")
    return "".join(parts)


def _name(item: tuple[str, Value]) -> str:
    return item[0]


def _xml_value(value: Value) -> str:
    if isinstance(value, str):
        return escape(value)
    return "".join(f"<{key}>{escape(value[key])}</{key}>" for key in sorted(value))


def escape(value: str) -> str:
    """The value as it may stand between tags; a carriage return stays one."""
    return _SPECIAL.sub(_escaped, value) if _SPECIAL.search(value) else value


def _escaped(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[0], "\ufffd")


def plain(template: Template) -> list[Any]:
    """A JSON-able form: (name, text or object) pairs in order, the template's own: to be written at once."""
    return list(template)


def from_plain(items: list[Any]) -> Template:
    """The template of a form made by `plain`. Names are kept once, however many templates have them."""
    return Template((intern(name), _inside(value)) for name, value in items)


def _inside(value: Value) -> Value:
    return {intern(name): word for name, word in value.items()} if isinstance(value, dict) else value
