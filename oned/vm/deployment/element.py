"""Building the XML of a deployment file; attributes without a value are left out, everything is escaped."""

import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def element(name: str, /, *children: Element | None, text: object = "", **attributes: object) -> Element:
    """An element with children, text and attributes."""
    made = Element(name, {key: _clean(value) for key, value in attributes.items() if value not in ("", None)})
    made.text = _clean(text) or None
    made.extend(child for child in children if child is not None)
    return made


def text(root: Element, before_end: str = "") -> str:
    """The document, indented; `before_end` is put as it is before the end tag of the root."""
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    end = f"</{root.tag}>"
    return body.removesuffix(end) + before_end + end + "\n"


def _clean(value: object) -> str:
    """The value without the characters that no XML document can carry."""
    return _NOT_XML.sub("", str(value))
