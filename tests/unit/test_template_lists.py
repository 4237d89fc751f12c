"""Whatever is taken as a template can be listed: as well-formed XML that is the same template again."""

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from oned.client.documents import parse as document
from oned.template import render
from oned.template.parse import TemplateError, parse
from oned.template.template import Template, Value

PIECES = [
    "A", "b_1", "NIC", "7", "=", " = ", '"', '\\"', "[", " [ ", "]", ", ", "#", "\n", "\r\n", " ", "\t", "x", "<", ">",
    "&", "]]>", "]]", "\\", '\\"', "ä", "\x85", "\u2028", "\x00", "\x1f", "\ufffe", "\ud800", "'", "-", ";", "$X",
    "<!--", "&#1;", 'A = "v"\n', "B = [ C = d ]\n", "<T>", "</T>", "<A>", "</A>", "<![CDATA[",
]  # fmt: skip
texts = st.text(max_size=40) | st.lists(st.sampled_from(PIECES), max_size=25).map("".join)
elements = st.recursive(
    st.sampled_from(["", "x", " ", "\n", "&amp;", "&#13;", "<![CDATA[<>]]>", "<!-- c -->", "ä"]),
    lambda inner: st.tuples(st.sampled_from(["A", "b", "C_1"]), st.lists(inner, max_size=4)).map(
        lambda pair: f"<{pair[0]}>{''.join(pair[1])}</{pair[0]}>"
    ),
    max_leaves=12,
)


def as_listed(template: Template) -> list[tuple[str, Value]]:
    """What XML can say of a template: names in order, and an empty vector is an empty text."""
    return [(name, value or "") for name, value in sorted(template, key=lambda item: item[0])]


def lists_again(text: str) -> None:
    """If the text is a template, its XML is well-formed and the same template; so is its text form."""
    try:
        template = parse(text)
    except TemplateError:
        return
    listed = render.xml(template)
    etree.fromstring(listed.encode())
    assert list(parse(listed)) == as_listed(template)
    assert len(document(listed).children) == len(template)
    assert parse(render.text(template)) == template


@settings(max_examples=600)
@given(texts)
def test_any_text_that_is_taken_lists_again(text: str) -> None:
    lists_again(text)


@settings(max_examples=300)
@given(elements)
def test_any_xml_that_is_taken_lists_again(inner: str) -> None:
    lists_again(f"<T>{inner}</T>")


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(["A", "B", "C"]), texts), max_size=6))
def test_any_quoted_value_that_is_taken_lists_again(pairs: list[tuple[str, str]]) -> None:
    lists_again("".join(f'{name} = "{value}"\n' for name, value in pairs))
    lists_again("".join(f'{name} = [ K = "{value}", L = {value} ]\n' for name, value in pairs))
