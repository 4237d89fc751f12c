"""Elements of a document, declared once per object: rendering and the reference pages read the same rows."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any


def escape(text: str) -> str:
    """The text as it may stand between tags."""
    if "&" in text or "<" in text or ">" in text:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text


def wrap(name: str, inner: str) -> str:
    """An element around ready-made XML."""
    return f"<{name}>{inner}</{name}>"


def tag(name: str, value: object) -> str:
    """An element with one value: text is escaped, truth is 0 or 1."""
    if isinstance(value, bool):
        value = int(value)
    return f"<{name}>{escape(str(value))}</{name}>"


def ids(name: str, values: Iterable[int]) -> str:
    """A collection such as <VMS><ID>1</ID></VMS>, ascending."""
    return wrap(name, "".join(f"<ID>{value}</ID>" for value in sorted(values)))


@dataclass(frozen=True)
class Element:
    """One child of a document's root, in the order of the released schemas.

    value    what it holds, from (object, view); text and numbers are escaped
    xml      instead of value: ready-made XML with its own tags, "" to leave it out
    classic  an element of older releases, left out under STRICT_SCHEMA
    """

    name: str
    sentence: str
    value: Callable[[Any, Any], object] | None = None
    xml: Callable[[Any, Any], str] | None = None
    classic: bool = False


def plain(name: str, attribute: str, sentence: str, *, classic: bool = False) -> Element:
    """An element that shows one attribute of the object."""
    return Element(name, sentence, value=lambda item, _view: getattr(item, attribute), classic=classic)


def document(root: str, elements: Iterable[Element], item: object, view: Any) -> str:
    """The XML of an object. A view says who is who and which switches are on (see View)."""
    strict = view.strict
    parts = [f"<{root}>"]
    for element in elements:
        if strict and element.classic:
            continue
        if element.xml is not None:
            parts.append(element.xml(item, view))
        elif element.value is not None:
            parts.append(tag(element.name, element.value(item, view)))
    parts.append(f"</{root}>")
    return "".join(parts)
