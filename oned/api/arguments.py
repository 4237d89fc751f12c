"""Which form of a method a call has, and its arguments by name."""

from collections.abc import Sequence
from typing import Any

from oned.api.registry import REQUIRED, Method, Parameter
from oned.wire.xmlrpc import Fault

FEW = "Not enough parameters"
WORDS = {"int": "integer", "boolean": "boolean", "string": "a string", "array": "an array"}
BAD_ARGUMENTS = -501


Form = tuple[str, ...]


def bind(method: Method, values: Sequence[Any]) -> tuple[Form, dict[str, Any]]:
    """The form and the arguments by parameter name, defaults filled in. Raises Fault.

    The exact form is chosen first, else the longest form that is a type-correct beginning of what came; what follows
    it is ignored. 0 and 1 pass for booleans.
    """
    fitting = [form for form in method.forms if _fits(method, form, values)]
    if not fitting:
        raise Fault(BAD_ARGUMENTS, _complaint(method, values))
    form = max(fitting, key=len)
    given = {name: _value(method.parameters[name], value) for name, value in zip(form, values, strict=False)}
    for name, parameter in method.parameters.items():
        if name not in given and parameter.default is not REQUIRED:
            given[name] = parameter.default
    return form, given


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


def _value(parameter: Parameter, value: Any) -> Any:
    return bool(value) if parameter.type is bool else value


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
