"""Which form of a method a call has, and its arguments by name."""

from collections.abc import Sequence
from typing import Any

from oned.api.registry import Method, Parameter
from oned.wire.xmlrpc import Fault

FEW = "Not enough parameters"
WORDS = {"int": "integer", "boolean": "boolean", "string": "a string", "array": "an array"}
BAD_ARGUMENTS = -501
REMEMBERED = 100
"""Choices remembered per method."""


Form = tuple[str, ...]


def bind(method: Method, values: Sequence[Any]) -> tuple[Form, dict[str, Any]]:
    """The form and the arguments by parameter name, defaults filled in. Raises Fault.

    The exact form is chosen first, else the longest form that is a type-correct beginning of what came; what follows
    it is ignored. 0 and 1 pass for booleans.
    """
    types = tuple(map(type, values))
    form = method.forms_by_types.get(types)
    if form is None:
        form = _choose(method, values)
        if len(method.forms_by_types) < REMEMBERED and not _has_number_for_truth(method, form, types):
            method.forms_by_types[types] = form
    given = {**method.defaults, **dict(zip(form, values, strict=False))}
    for name in method.truths:
        if name in given:
            given[name] = bool(given[name])
    return form, given


def _choose(method: Method, values: Sequence[Any]) -> Form:
    fitting = [form for form in method.forms if _fits(method, form, values)]
    if not fitting:
        raise Fault(BAD_ARGUMENTS, _complaint(method, values))
    return max(fitting, key=len)


def _has_number_for_truth(method: Method, form: Form, types: Sequence[type]) -> bool:
    """Whether the choice hung on the values, not only on their types."""
    return any(name in method.truths and kind is int for name, kind in zip(form, types, strict=False))


def _fits(method: Method, form: Form, values: Sequence[Any]) -> bool:
    if len(form) > len(values):
        return False
    return all(_is(method.parameters[name], value) for name, value in zip(form, values, strict=False))


def _is(parameter: Parameter, value: object) -> bool:
    wire = parameter.wire
    if wire == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    if wire == "boolean":
        return isinstance(value, bool) or value in (0, 1)
    return isinstance(value, str if wire == "string" else list)


def _complaint(method: Method, values: Sequence[Any]) -> str:
    longest = max(method.forms, key=len)
    for place, (name, value) in enumerate(zip(longest, values, strict=False), start=1):
        parameter = method.parameters[name]
        if not _is(parameter, value):
            wanted = WORDS[parameter.wire]
            verb = "to be a string is not" if parameter.wire == "string" else f"to be {wanted} is not"
            return f"Parameter that is supposed {verb}: number {place} of {method.name}, {name}. {_usage(method)}"
    return f"{FEW}: {method.name} got {len(values)} after the session. {_usage(method)}"


def _usage(method: Method) -> str:
    forms = " or ".join("(" + ", ".join(form) + ")" for form in method.forms)
    return f"It takes {forms}; system.methodHelp tells more"
