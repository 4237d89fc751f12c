"""An answer of Grid Engine's in XML, parsed with care."""

import re

from lxml import etree

MOST = 64 << 20
"""Bytes of an answer that is read: 50,000 jobs, each a row of its own, take half of that."""


class Unreadable(ValueError):
    """An answer that is not what the command prints."""


def root_of(answer: bytes, tag: str) -> etree._Element:
    """The document, whose outermost element is of that name."""
    root = parsed(answer)
    if root.tag != tag:
        raise Unreadable(f"the answer is {root.tag}, not {tag}")
    return root


_NO_XML = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|&#(?:0*(?:[0-8]|1[124-9]|2[0-9]|3[01])|[xX]0*(?:[0-8bBcCeEfF]|1[0-9a-fA-F]));"
)
"""Characters that no XML has, themselves and by number."""


def parsed(answer: bytes) -> etree._Element:
    """The document; without entities, network or more than MOST bytes.

    Grid Engine prints names, arguments and variables of jobs as their users wrote them, with bytes and characters that
    XML does not have: each counts as one that is not known, so no job hides the others.
    """
    if len(answer) > MOST:
        raise Unreadable(f"the answer has {len(answer)} bytes, more than the {MOST} that are read")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(
            _NO_XML.sub("\N{REPLACEMENT CHARACTER}", answer.decode(errors="replace")).encode(), parser
        )
    except etree.XMLSyntaxError as error:
        raise Unreadable(f"the answer is no XML: {error}") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise Unreadable("the answer has a DOCTYPE")
    return root
