"""system.*: what clients ask about the methods, and several calls in one."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from oned.api.registry import METHODS
from oned.wire import xmlrpc
from oned.wire.xmlrpc import Fault, Pieces

AT_MOST = 100
"""Calls in one system.multicall."""
MOST_BYTES = 16 << 20
"""Bytes of all documents in one system.multicall."""
SMALL = 4096
"""Answers up to this size always come: those of calls that change something are small."""

SYSTEM: dict[str, str] = {
    "system.listMethods": "The names of all methods.",
    "system.methodHelp": "What a method does, by its name.",
    "system.methodSignature": "The accepted signatures of a method: answer, session, arguments.",
    "system.methodExist": "Whether there is a method of that name.",
    "system.multicall": f"Several calls in one: structs {{methodName, params}}, at most {AT_MOST}.",
    "system.capabilities": "What this server speaks.",
    "system.getCapabilities": "What this server speaks.",
}

CAPABILITIES: dict[str, Any] = {
    "xmlrpc": {"specUrl": "http://www.xmlrpc.com/spec", "specVersion": 1},
    "introspect": {"specUrl": "http://xmlrpc-c.sourceforge.net/introspection.html", "specVersion": 1},
}

Perform = Callable[[str, Sequence[Any]], Awaitable[Pieces]]
"""A method's name and arguments to the pieces of its answer."""


def answer(name: str, values: Sequence[Any]) -> Any:
    """The answer of one of SYSTEM but multicall. Raises Fault."""
    if name not in SYSTEM:
        raise Fault(-506, f"Method '{name}' not defined. system.listMethods tells what there is")
    if name == "system.listMethods":
        return sorted([*METHODS, *SYSTEM])
    if name in ("system.capabilities", "system.getCapabilities"):
        return CAPABILITIES
    if len(values) != 1 or not isinstance(values[0], str):
        raise Fault(-501, f"Not enough parameters: {name} takes the name of a method")
    if name == "system.methodExist":
        return values[0] in METHODS or values[0] in SYSTEM
    return _about(name, values[0])


def _about(question: str, name: str) -> Any:
    if name in SYSTEM:
        return SYSTEM[name] if question == "system.methodHelp" else [["array", "array"]]
    if name not in METHODS:
        raise Fault(-506, f"Method '{name}' not defined. system.listMethods tells what there is")
    method = METHODS[name]
    return method.help if question == "system.methodHelp" else method.signatures()


async def multicall(values: Sequence[Any], perform: Perform) -> Pieces:
    """The answer to several calls, in order: each an array of one value, or a fault struct."""
    calls = values[0] if values else None
    if not isinstance(calls, list):
        raise Fault(-501, "Not enough parameters: system.multicall takes an array of structs")
    if len(calls) > AT_MOST:
        raise Fault(-501, f"{len(calls)} calls in one system.multicall; {AT_MOST} are allowed. Send them in parts")
    answers: list[Pieces] = []
    room = MOST_BYTES
    for call in calls:
        pieces = await _one(call, perform)
        size = sum(map(len, pieces))
        if size > max(room, SMALL):
            too_much = f"The answers are more than {MOST_BYTES >> 20} MiB. Call this one by itself"
            pieces, size = xmlrpc.fault(Fault(-501, too_much)), 0
        room -= size
        answers.append(pieces)
    return xmlrpc.multicall(answers)


async def _one(call: Any, perform: Perform) -> Pieces:
    try:
        if not isinstance(call, dict) or not isinstance(call.get("methodName"), str):
            raise Fault(-501, "Each call is a struct with methodName and params")
        name, values = call["methodName"], call.get("params", [])
        if not isinstance(values, list):
            raise Fault(-501, f"params of {name} is an array")
        if name == "system.multicall":
            raise Fault(-501, "A system.multicall inside a system.multicall is not allowed")
        return await perform(name, values)
    except Fault as fault:
        return xmlrpc.fault(fault)
