"""Templates in JSON and YAML, as commands take them beside the text form and XML.

    {"NAME": "web", "CPU": 0.5, "NIC": [{"NETWORK": "lan"}, {"NETWORK": "dmz"}]}

A vector is an object, an attribute that is repeated is a list. Numbers stay as they are written, true and false become
YES and NO, null an empty text. What `show --json` and `show --yaml` write of an object is taken as well: its TEMPLATE,
with its NAME where such an object is made of a template.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from oned.template import render
from oned.template.parse import NAME, TemplateError
from oned.template.template import Template, Value

_KEY = re.compile(r"[A-Za-z_]\w*[ \t]*:(?:\s|\Z)")
_NAMED = frozenset({"VM", "VMTEMPLATE", "IMAGE", "VNET", "DATASTORE", "DOCUMENT", "SECURITY_GROUP"})
"""Roots of documents of objects that are made of a template with a NAME."""
_TEMPLATES = ("TEMPLATE", "USER_TEMPLATE")


def as_text(text: str, path: str = "") -> str:
    """The template in text form; one that is neither JSON nor YAML comes back as it is. Raises TemplateError.

    JSON begins with a brace. YAML begins with "---" or with "NAME:", or is in a file that ends in .yaml or .yml.
    """
    form = _form(text, path)
    if not form:
        return text
    try:
        return render.text(_template(_json(text) if form == "JSON" else _yaml(text)))
    except RecursionError:
        raise TemplateError(f"this {form} is nested too deep") from None


def _form(text: str, path: str) -> str:
    """JSON, YAML, or "" for everything else."""
    end = path.rpartition(".")[2].lower()
    if end == "json" or text.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
        return "JSON"
    if end in ("yaml", "yml"):
        return "YAML"
    lines = (line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    first = next(lines, "")
    return "YAML" if first.startswith(("---", "%YAML")) or _KEY.match(first) else ""


def _json(text: str) -> object:
    import json

    try:
        return json.loads(
            text.lstrip("\ufeff"), parse_float=str, parse_int=str, parse_constant=_no_number, object_pairs_hook=_unique
        )
    except json.JSONDecodeError as error:
        raise TemplateError(f"this is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None


def _no_number(word: str) -> None:
    raise TemplateError(f"{word} is no number that JSON has")


def _unique(pairs: Sequence[tuple[Any, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise TemplateError(f"{key} is there twice; give a list")
        found[str(key)] = value
    return found


def _yaml(text: str) -> object:
    import yaml

    from oned.template.yamlform import load

    try:
        return load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise TemplateError(f"this is not YAML: {error.problem}{where}") from None
    except yaml.YAMLError as error:
        raise TemplateError(f"this is not YAML: {' '.join(str(error).split())}") from None


def _template(value: object) -> Template:
    if not isinstance(value, Mapping):
        raise TemplateError("a template is an object of attributes, NAME and value")
    return Template(_attributes(_body(value)))


def _body(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """The attributes of an object's document, or of a bare TEMPLATE; everything else holds attributes itself."""
    root, inner = next(iter(value.items()), ("", None))
    if len(value) != 1 or not isinstance(inner, Mapping):
        return value
    if root.endswith("_POOL"):
        raise TemplateError(f"{root} is a list of objects; give one of them")
    if root in _TEMPLATES:
        return inner
    found = [inner[name] for name in _TEMPLATES if isinstance(inner.get(name), Mapping)]
    if not found:
        return value
    name = {"NAME": inner["NAME"]} if root in _NAMED and "NAME" in inner else {}
    return {key: item for part in (name, *found) for key, item in part.items()}


def _attributes(body: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    for name, value in body.items():
        for item in value if isinstance(value, list) else [value]:
            yield _name(name), _vector(name, item) if isinstance(item, Mapping) and item else _text(name, item)


def _vector(name: str, pairs: Mapping[str, Any]) -> dict[str, str]:
    return {_name(key): _text(f"{name}/{key}", value) for key, value in pairs.items()}


def _name(name: object) -> str:
    if not isinstance(name, str) or not NAME.match(name):
        raise TemplateError(f"a name has letters, digits and _ only, and begins with no digit: {name}")
    return name.upper()


def _text(where: str, value: object) -> str:
    """A value as a template holds it; an empty object is an empty text, as documents have it."""
    if isinstance(value, bool):
        return "YES" if value else "NO"
    if value is None or value == {}:
        return ""
    if isinstance(value, str | int | float):
        return str(value)
    raise TemplateError(f"{where} is a text; an object or a list cannot stand there")
