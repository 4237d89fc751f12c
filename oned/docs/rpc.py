"""share/doc/rpc.md: every XML-RPC method, from its declaration."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, get_type_hints

from oned.api.dispatch import LEVELS
from oned.api.introspection import SYSTEM
from oned.api.registry import REQUIRED, Method, Operation, Parameter, declare_all
from oned.config import SETTINGS
from oned.docs.markdown import block, code, codes, heading, joined, table
from oned.document.object import Owned, PoolObject
from oned.document.permissions import ADMIN, CREATE, MANAGE, USE

HEAD = """# XML-RPC methods

This page is made from the declarations in `oned/api/`; `make docs` writes it. The same texts are answered by
`system.methodHelp` and `system.methodSignature`.

A call is a POST to `/RPC2`. The first argument of every `one.*` and `oned.*` method is the session, `user:secret`.
The answer is always an array of three values: `[true, payload, 0]`, or `[false, text, code]` with a code of
[errors.md](errors.md). A form is an argument list that is accepted; forms of all releases are accepted together, told
apart by number and type. Extra arguments are ignored. Too few arguments, and arguments of a wrong type, give an XML-RPC
fault -501; an unknown method gives -506.

"Since" names the OpenNebula releases that brought a method and its arguments.
"""
LEVEL_NAMES = {USE: "USE", MANAGE: "MANAGE", ADMIN: "ADMIN", CREATE: "CREATE"}
_ARGUMENT = re.compile(r"([a-z_]+(?:, [a-z_]+)*)  +(\S.*)")
_FACTS = re.compile(r"\s*\b(Errors|Since): ")
_ANSWERS = {str: "a text", int: "a number", bool: "true"}


class Help(NamedTuple):
    """A docstring in parts: paragraphs, what each argument means, and the facts Errors and Since."""

    text: str
    arguments: Mapping[str, str]
    facts: Mapping[str, str]


def methods() -> dict[str, Method]:
    """All methods by name, sorted; aliases too."""
    return dict(sorted(declare_all().items()))


def page() -> str:
    """The page."""
    known = methods()
    spaces: dict[str, list[Method]] = {}
    for method in known.values():
        if not method.alias_of:
            spaces.setdefault(method.name.rpartition(".")[0], []).append(method)
    parts = [HEAD, _index(spaces)]
    for space, found in spaces.items():
        parts.append(heading(2, f"{space}.*"))
        parts += [_section(method, known) for method in found]
    parts += [heading(2, "system.*"), "These need no session; each answers its value without the three-value array.\n"]
    parts.append(table(("method", "what it does"), ((code(name), text) for name, text in SYSTEM.items())))
    return joined(*parts)


def read_help(text: str) -> Help:
    """The parts of a handler's docstring."""
    head, *rest = _FACTS.split(text)
    facts = {name: " ".join(value.split()).rstrip(".") for name, value in zip(rest[::2], rest[1::2], strict=True)}
    arguments: dict[str, str] = {}
    lines = []
    for line in head.splitlines():
        found = _ARGUMENT.fullmatch(line)
        if found:
            arguments |= dict.fromkeys(found[1].split(", "), found[2])
        else:
            lines.append(line)
    return Help(re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip(), arguments, facts)


def _index(spaces: Mapping[str, list[Method]]) -> str:
    rows = ((code(f"{space}.*"), codes(method.name for method in found)) for space, found in spaces.items())
    return table(("name space", "methods"), rows)


def _section(method: Method, known: Mapping[str, Method]) -> str:
    told = read_help(method.help)
    parts = [heading(3, method.name), told.text + "\n", block(_form(method, form) for form in method.forms)]
    listed = list(_arguments(method, told))
    if listed:
        parts.append(table(("argument", "type", "default", "meaning"), listed))
    return joined(*parts, "\n".join(f"- {fact}" for fact in _facts(method, told, known)))


def _form(method: Method, form: tuple[str, ...]) -> str:
    return f"{method.name}({', '.join(('session', *form))})"


def _arguments(method: Method, told: Help) -> Iterator[tuple[str, ...]]:
    for parameter in method.parameters.values():
        default = "" if parameter.default is REQUIRED else code(_wire(parameter.default))
        yield code(parameter.name), parameter.wire, default, told.arguments.get(parameter.name, _meaning(parameter))


def _wire(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return '""' if value in ("", None) else str(value)


def _meaning(parameter: Parameter) -> str:
    if parameter.is_object:
        return f"id of the {_kind(parameter.type)}"
    return {"template": "a template, text or XML"}.get(parameter.name, "")


def _kind(wanted: Any) -> str:
    return str(wanted.kind.value)


def _facts(method: Method, told: Help, known: Mapping[str, Method]) -> Iterator[str]:
    yield f"Answers: {_answer(method)}"
    if method.rights:
        yield f"Needs: {'; '.join(_right(name, right) for name, right in method.rights.items())}"
    if method.reads:
        yield "Changes nothing, so it is served while nothing can be stored"
    for name, value in told.facts.items():
        yield f"{name}: {value}"
    older = [name for name, other in known.items() if other.alias_of == method.name]
    if older:
        yield f"Also called {codes(older)}"


def _answer(method: Method) -> str:
    wanted = get_type_hints(method.handler)["return"]
    if isinstance(wanted, type) and issubclass(wanted, PoolObject):
        shared = wanted in (Owned, PoolObject)
        return f"the id of the {_kind(method.parameters['item'].type if shared else wanted)}"
    return _ANSWERS.get(wanted, "an XML document")


def _right(name: str, right: object) -> str:
    if isinstance(right, Operation):
        return f"the right of the operation `{right.name}` on {name} ({operation_levels().get(right.name, 'MANAGE')})"
    if isinstance(right, int):
        return f"{LEVEL_NAMES[right]} on {name}"
    return f"a right on {name} that depends on what is asked"


def operation_levels() -> dict[str, str]:
    """VM operation → the right it needs while oned.conf does not say otherwise."""
    defaults = {setting.name: str(setting.default) for setting in SETTINGS.settings.values()}
    return {
        word.lower(): LEVEL_NAMES[level] for name, level in LEVELS for word in defaults[name].replace(",", " ").split()
    }
