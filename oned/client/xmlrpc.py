"""XML-RPC as a client writes and reads it: a call to bytes, the bytes of an answer to a value."""

import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Sequence
from xml.parsers import expat

from oned.client.failures import Faulted, Unreachable, Unsendable

Value = int | bool | float | str | bytes | list["Value"] | dict[str, "Value"]

_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
_TO_ESCAPE = re.compile("[&<>\r]")
_BUFFER = 1 << 20


def encode(method: str, arguments: Sequence[Value]) -> bytes:
    """The body of a call. Raises Unsendable for text that XML cannot carry."""
    parameters = "".join(f"<param>{_element(argument)}</param>" for argument in arguments)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f"<methodCall><methodName>{_escape(method)}</methodName><params>{parameters}</params></methodCall>"
    ).encode()


def _element(value: Value) -> str:
    if isinstance(value, bool):
        inner = f"<boolean>{int(value)}</boolean>"
    elif isinstance(value, int):
        inner = f"<i4>{value}</i4>"
    elif isinstance(value, float):
        inner = f"<double>{value!r}</double>"
    elif isinstance(value, str):
        inner = f"<string>{_escape(value)}</string>"
    elif isinstance(value, bytes):
        inner = f"<base64>{b2a_base64(value, newline=False).decode()}</base64>"
    elif isinstance(value, dict):
        members = "".join(f"<member><name>{_escape(k)}</name>{_element(v)}</member>" for k, v in value.items())
        inner = f"<struct>{members}</struct>"
    else:
        inner = f"<array><data>{''.join(map(_element, value))}</data></array>"
    return f"<value>{inner}</value>"


def _escape(text: str) -> str:
    bad = _UNWRITABLE.search(text)
    if bad:
        raise Unsendable(f"character {ord(bad[0]):#06x} cannot be sent")
    return _TO_ESCAPE.sub(lambda found: _ESCAPES[found[0]], text)


def decode(body: bytes) -> Value:
    """The value of an answer. Raises Faulted for a fault, Unreachable for what is not an XML-RPC answer."""
    reader = _Reader()
    try:
        value = reader.read(body)
    except (expat.ExpatError, ValueError) as error:
        raise Unreachable(f"the answer is not XML-RPC: {error}") from None
    if reader.fault:
        fault = value if isinstance(value, dict) else {}
        raise Faulted(int(str(fault.get("faultCode", 0))), str(fault.get("faultString", "")))
    return value


_SCALARS: dict[str, Callable[[str], Value]] = {
    "i4": int,
    "int": int,
    "i8": int,
    "boolean": lambda text: text.strip() == "1",
    "double": float,
    "string": str,
    "base64": a2b_base64,
}


class _Reader:
    """Builds the value while pyexpat walks through the document."""

    def __init__(self) -> None:
        self.fault = False
        self._open: list[tuple[list[Value], list[str]]] = []
        self._text: list[str] = []
        self._value: Value | None = None
        self._done: list[Value] = []

    def read(self, body: bytes) -> Value:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.buffer_size = _BUFFER
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        parser.Parse(body, True)
        if len(self._done) != 1:
            raise ValueError("no value in it")
        return self._done[0]

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        self._text = []
        if name == "value":
            self._value = None
        elif name in ("array", "struct"):
            self._open.append(([], []))
        elif name == "fault":
            self.fault = True

    def _characters(self, text: str) -> None:
        self._text.append(text)

    def _end(self, name: str) -> None:
        if name in _SCALARS:
            self._value = _SCALARS[name]("".join(self._text))
        elif name == "name" and self._open:
            self._open[-1][1].append("".join(self._text))
        elif name == "array":
            self._value = self._open.pop()[0]
        elif name == "struct":
            values, names = self._open.pop()
            self._value = dict(zip(names, values, strict=True))
        elif name == "value":
            self._deliver()

    def _deliver(self) -> None:
        """Hand a finished value to the array, struct or answer around it; without a type it is text."""
        value: Value = "".join(self._text) if self._value is None else self._value
        target = self._open[-1][0] if self._open else self._done
        target.append(value)
        self._text = []

    @staticmethod
    def _refuse_doctype(*_declaration: object) -> None:
        raise ValueError("it has a DOCTYPE")
