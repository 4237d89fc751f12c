"""XML-RPC: a call's bytes to its name and arguments, and answers to pieces of bytes.

Reading is lenient where clients differ: any of the integer types, bare text in <value>, comments, CDATA, a byte order
mark, the encoding that the declaration names. Writing uses only what every client since 2008 can read.
"""

import math
import re
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from collections.abc import Callable, Mapping, Sequence

from lxml import etree

Value = int | bool | float | str | bytes | list["Value"] | dict[str, "Value"]

Pieces = list[bytes]
"""A whole answer; joined they are its body."""

Escaped = list[bytes]
"""A string's value as UTF-8 with &, < and > escaped already: the ready-made bodies of objects."""

NOT_XML_RPC, ARGUMENTS, NO_SUCH_METHOD = -503, -501, -506
"""Codes of faults: those of the XML-RPC library below the original engine."""

DEPTH = 32
"""Values inside values; deeper calls are refused."""


class Fault(Exception):
    """A call that no method answers: the client gets a <fault> with this code and text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def no_such_method(name: str) -> Fault:
    """The fault for a method that is not served."""
    return Fault(NO_SUCH_METHOD, f"Method '{name}' not defined")


def too_few_arguments() -> Fault:
    """The fault for a call with fewer arguments than any form of its method has."""
    return Fault(ARGUMENTS, "Not enough parameters")


def wrong_type(wanted: type) -> Fault:
    """The fault for an argument that is not of the wanted type; the words are the original's."""
    return Fault(ARGUMENTS, f"Parameter that is supposed {_WORDS.get(wanted, f'to be {wanted.__name__}')} is not")


_WORDS: dict[type, str] = {int: "to be integer", bool: "to be boolean", str: "to be a string", list: "to be array"}


# --- Reading ---------------------------------------------------------------------------------------------------------

_PARSER = etree.XMLParser(
    resolve_entities=False, no_network=True, huge_tree=True, remove_comments=True, remove_pis=True
)
_PROLOG = re.compile(
    rb"(<\?xml\s(?:[^>]*?\sencoding\s*=\s*[\"']([^\"'>]*)[\"'])?[^>]*?\?>)?+"
    rb"(?:\s++|<!--.*?-->|<\?.*?\?>)*+<methodCall[\s>]",
    re.DOTALL,
)
"""What may stand before the root element. No DOCTYPE: the parser never sees one, so there are no entities to expand."""

_ENCODINGS = re.compile(
    r"(us-)?ascii|utf-?8|utf-?(16|32)(-?(le|be))?|(iso-?8859|latin|windows|cp)[-_]?\d+|koi8-[ru]"
    r"|shift_jis|euc-(jp|kr)|gb(k|2312|18030)|big5",
    re.IGNORECASE,
)
_MARKS = (
    (BOM_UTF8, "utf-8"),
    (BOM_UTF32_LE, "utf-32"),
    (BOM_UTF32_BE, "utf-32"),
    (BOM_UTF16_LE, "utf-16"),
    (BOM_UTF16_BE, "utf-16"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)


def decode(body: bytes) -> tuple[str, list[Value]]:
    """The name and the arguments of a call. Raises Fault NOT_XML_RPC."""
    found = _PROLOG.match(body)
    if found is None or (found[2] or b"utf-8").lower() != b"utf-8":
        body = _recoded(body)
    try:
        call = etree.fromstring(body, _PARSER)
    except etree.XMLSyntaxError as error:
        raise _not_a_call(f"it is not well-formed XML, {error.msg}") from None
    name, params = "", []
    for child in call:
        if child.tag == "methodName":
            name = (child.text or "").strip()
        elif child.tag == "params":
            params = [_value(_only(param, "value"), DEPTH) for param in child]
    if not name:
        raise _not_a_call("it names no method")
    return name, params


def _recoded(body: bytes) -> bytes:
    """The call as UTF-8 without a declaration, from whatever encoding it came in."""
    body = body.lstrip()
    marked = next((encoding for mark, encoding in _MARKS if body.startswith(mark)), None)
    if marked:
        body = _text(body, marked).removeprefix("\ufeff").encode()
    found = _PROLOG.match(body)
    if found is None:
        raise _not_a_call("a DOCTYPE is refused" if b"<!DOCTYPE" in body[:4096] else "no <methodCall> in it")
    encoding = "utf-8" if marked or not found[2] else found[2].decode("ascii", "replace")
    return _text(body[found.end(1) if found[1] else 0 :], encoding).encode()


def _text(body: bytes, encoding: str) -> str:
    if not _ENCODINGS.fullmatch(encoding):
        raise _not_a_call(f"encoding {encoding} is not known here; UTF-8 is")
    try:
        return body.decode(encoding)
    except (UnicodeError, LookupError) as error:
        raise _not_a_call(str(error)) from None


def _only(element: etree._Element, tag: str) -> etree._Element:
    """The element's one child, which has to be of that tag."""
    if len(element) != 1 or element[0].tag != tag:
        raise _not_a_call(f"a <{element.tag}> that is not one <{tag}>")
    return element[0]


def _value(value: etree._Element, depth: int) -> Value:
    """What a <value> holds: its one child, or bare text, which is a string."""
    if not len(value):
        return value.text or ""
    typed = value[0]
    read = _SCALARS.get(typed.tag)
    if read is not None and not len(typed):
        return read(typed.text or "")
    nested = _NESTED.get(typed.tag)
    if nested is None:
        raise _not_a_call(f"a value of type {typed.tag} is not known here")
    if not depth:
        raise _not_a_call(f"values are nested more than {DEPTH} deep")
    return nested(typed, depth - 1)


def _array(array: etree._Element, depth: int) -> Value:
    return [_value(item, depth) for item in _only(array, "data") if item.tag == "value"]


def _struct(struct: etree._Element, depth: int) -> Value:
    members: dict[str, Value] = {}
    for member in struct:
        value = member.find("value")
        if value is None:
            raise _not_a_call("a <member> without <value>")
        members[member.findtext("name", "").strip()] = _value(value, depth)
    return members


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text) or not -(2**63) <= (number := int(text)) < 2**63:
        raise _not_a_call(f'"{text[:40]}" is not an integer of 64 bits')
    return number


def _boolean(text: str) -> bool:
    if text.strip() not in ("0", "1"):
        raise _not_a_call(f'"{text[:40]}" is not a boolean')
    return text.strip() == "1"


def _double(text: str) -> float:
    if not _DOUBLE.fullmatch(text) or not math.isfinite(number := float(text)):
        raise _not_a_call(f'"{text[:40]}" is not a number')
    return number


def _base64(text: str) -> bytes:
    try:
        return a2b_base64(text.encode())
    except Base64Error as error:
        raise _not_a_call(f"base64: {error}") from None


_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,20}\s*")
_DOUBLE = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")
_SCALARS: Mapping[object, Callable[[str], Value]] = {
    "string": str,
    "i4": _integer,
    "int": _integer,
    "i8": _integer,
    "{http://ws.apache.org/xmlrpc/namespaces/extensions}i8": _integer,
    "boolean": _boolean,
    "double": _double,
    "base64": _base64,
    "dateTime.iso8601": str.strip,
}
_NESTED: Mapping[object, Callable[[etree._Element, int], Value]] = {"array": _array, "struct": _struct}


def _not_a_call(why: str) -> Fault:
    return Fault(NOT_XML_RPC, f"This is not an XML-RPC call: {why}")


# --- Writing ---------------------------------------------------------------------------------------------------------

_HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\r\n<methodResponse>\r\n<params>\r\n<param>'
_TAIL = b"</param>\r\n</params>\r\n</methodResponse>\r\n"
_ANSWER_HEAD = _HEAD + b"<value><array><data><value><boolean>%d</boolean></value><value>"
_ANSWER_TAIL = b"</value><value><i4>%d</i4></value></data></array></value>" + _TAIL
_NUMBERS = _ANSWER_HEAD + b"<%b>%d</%b>" + _ANSWER_TAIL
_FAULT_HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\r\n<methodResponse>\r\n<fault>'
_FAULT_TAIL = b"</fault>\r\n</methodResponse>\r\n"
_CONTROLS = bytes(code for code in range(0x20) if code not in b"\t\n\r")
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that XML 1.0 cannot carry, not even escaped."""


def answer(ok: bool, payload: int | bool | str | Escaped, code: int) -> Pieces:
    """The three values of every answer: [ok, payload, code]."""
    if isinstance(payload, list):
        return [_ANSWER_HEAD % ok + b"<string>", *payload, b"</string>" + _ANSWER_TAIL % code]
    if isinstance(payload, str):
        return [_ANSWER_HEAD % ok + b"<string>", escape(payload), b"</string>" + _ANSWER_TAIL % code]
    name = _number_type(payload)
    return [_NUMBERS % (ok, name, payload, name, code)]


def value(result: Value) -> Pieces:
    """An answer that is any one value, as system.* methods have it."""
    return [_HEAD, _written(result), _TAIL]


def fault(error: Fault) -> Pieces:
    """The answer to a call that failed before a method could answer."""
    return [_FAULT_HEAD, _written({"faultCode": error.code, "faultString": error.text}), _FAULT_TAIL]


def multicall(answers: Sequence[Pieces]) -> Pieces:
    """The answer of system.multicall: each answer's value in an array of its own, each fault as its struct."""
    pieces = [_HEAD, b"<value><array><data>"]
    for one in answers:
        pieces += _inner(b"".join(one))
    return [*pieces, b"</data></array></value>", _TAIL]


def _inner(document: bytes) -> Pieces:
    if document.startswith(_FAULT_HEAD):
        return [document[len(_FAULT_HEAD) : -len(_FAULT_TAIL)]]
    return [b"<value><array><data>", document[len(_HEAD) : -len(_TAIL)], b"</data></array></value>"]


def escape(text: str) -> bytes:
    """The text as it stands in an answer's <string>: UTF-8, escaped; what XML cannot carry is U+FFFD."""
    if not text.isascii():
        text = _UNWRITABLE.sub("\ufffd", text)
    data = text.encode()
    if len(data.translate(None, _CONTROLS)) != len(data):
        data = _UNWRITABLE.sub("\ufffd", text).encode()
    data = data.replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b">", b"&gt;")
    return data.replace(b"\r", b"&#13;")


def _number_type(number: int | bool) -> bytes:
    if isinstance(number, bool):
        return b"boolean"
    return b"i4" if -(2**31) <= number < 2**31 else b"i8"


def _written(item: Value) -> bytes:
    """One <value>."""
    match item:
        case bool() | int():
            name = _number_type(item)
            return b"<value><%b>%d</%b></value>" % (name, item, name)
        case str():
            return b"<value><string>%b</string></value>" % escape(item)
        case float():
            return b"<value><double>%b</double></value>" % repr(item).encode()
        case bytes():
            return b"<value><base64>%b</base64></value>" % b2a_base64(item, newline=False)
        case list():
            return b"<value><array><data>%b</data></array></value>" % b"".join(map(_written, item))
        case dict():
            return b"<value><struct>%b</struct></value>" % b"".join(map(_member, item.items()))


def _member(member: tuple[str, Value]) -> bytes:
    name, item = member
    return b"<member><name>%b</name>%b</member>" % (escape(name), _written(item))
