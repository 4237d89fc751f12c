"""Declaring methods.

    @method("one.vm.deploy", vm=operation("deploy"), host=MANAGE)
    def deploy(call: Call, vm: VM, host: Host, enforce: bool = False, ...) -> VM: ...

The signature gives the wire types (objects travel as their ids) and, unless `forms` lists others, the argument forms:
all prefixes that contain the parameters without a default. The keywords give the right needed on each object.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar, get_origin, get_type_hints

from oned.document.object import Owned, PoolObject
from oned.document.permissions import ADMIN, CREATE, MANAGE, USE
from oned.ids import Kind

__all__ = ["ADMIN", "CREATE", "MANAGE", "METHODS", "USE", "Method", "Parameter", "alias", "method", "operation"]

WIRE_WORDS = {int: "int", bool: "boolean", str: "string", list: "array"}
REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True)
class Operation:
    """A right whose level is configured (VM_USE_, VM_MANAGE_, VM_ADMIN_OPERATIONS)."""

    name: str


def operation(name: str) -> Operation:
    """The right of a VM operation, as oned.conf sets it."""
    return Operation(name)


Right = int | Operation | Callable[..., "int | Operation"]


@dataclass(frozen=True)
class Parameter:
    """One argument: its name, its type (int, bool, str, list, or a class of objects) and its default."""

    name: str
    type: type
    default: object = REQUIRED

    @property
    def is_object(self) -> bool:
        return issubclass(self.type, PoolObject)

    @property
    def wire(self) -> str:
        """The type on the wire."""
        return "int" if self.is_object else WIRE_WORDS[self.type]


@dataclass(frozen=True)
class Method:
    """One XML-RPC method.

    forms  the accepted argument lists after the session, by parameter names
    reads  it changes nothing, so it is served while nothing can be stored
    """

    name: str
    handler: Callable[..., Any]
    parameters: Mapping[str, Parameter]
    forms: tuple[tuple[str, ...], ...]
    rights: Mapping[str, Right]
    is_async: bool
    reads: bool = False
    alias_of: str = ""
    forms_by_types: dict[tuple[type, ...], tuple[str, ...]] = field(default_factory=dict, compare=False)
    """Forms chosen before, by the types of the arguments."""

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """The values of arguments that are left out."""
        return {name: item.default for name, item in self.parameters.items() if item.default is not REQUIRED}

    @cached_property
    def truths(self) -> tuple[str, ...]:
        """The boolean parameters."""
        return tuple(name for name, item in self.parameters.items() if item.type is bool)

    @cached_property
    def objects(self) -> tuple[tuple[str, Kind], ...]:
        """The parameters that are objects, the last one first, with their kinds."""
        found = [(name, vars(item.type)["kind"]) for name, item in self.parameters.items() if item.is_object]
        return tuple(reversed(found))

    @property
    def help(self) -> str:
        """The docstring, without its indentation."""
        return inspect.getdoc(self.handler) or ""

    def signatures(self) -> list[list[str]]:
        """The accepted signatures: the answer's type, the session's, then the arguments'."""
        return [["array", "string", *(self.parameters[name].wire for name in form)] for form in self.forms]


METHODS: dict[str, Method] = {}
"""All methods by name."""

Handler = TypeVar("Handler", bound=Callable[..., Any])


def method(
    name: str, *, forms: Iterable[str] = (), reads: bool = False, of: type[PoolObject] = PoolObject, **rights: Right
) -> Callable[[Handler], Handler]:
    """Declare a method. A form is a blank-separated list of parameter names.

    of  the class that a parameter of type Owned or PoolObject is of: the handler serves several kinds of objects
    """

    def register(handler: Handler) -> Handler:
        parameters = _parameters(handler, of)
        lists = tuple(tuple(form.split()) for form in forms) or _prefixes(parameters)
        METHODS[name] = Method(name, handler, parameters, lists, rights, inspect.iscoroutinefunction(handler), reads)
        return handler

    return register


def declare_all() -> dict[str, Method]:
    """METHODS, filled by every module beside this one."""
    package = __package__ or ""
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        importlib.import_module(f"{package}.{module.name}")
    return METHODS


def alias(old: str, name: str) -> None:
    """Serve an older name of a method that is declared already."""
    made = METHODS[name]
    METHODS[old] = replace(made, name=old, alias_of=name)


def _parameters(handler: Callable[..., Any], of: type[PoolObject]) -> dict[str, Parameter]:
    hints = get_type_hints(handler)
    listed = list(inspect.signature(handler).parameters.values())[1:]
    return {item.name: Parameter(item.name, _wire_type(hints[item.name], of), item.default) for item in listed}


def _wire_type(hint: Any, of: type[PoolObject]) -> type:
    """The type of a parameter; a sequence of whatever travels as an array."""
    if hint in (Owned, PoolObject):
        return of
    made: type = list if get_origin(hint) is Sequence else hint
    return made


def _prefixes(parameters: Mapping[str, Parameter]) -> tuple[tuple[str, ...], ...]:
    names = tuple(parameters)
    least = sum(1 for item in parameters.values() if item.default is REQUIRED)
    return tuple(names[:count] for count in range(least, len(names) + 1))
