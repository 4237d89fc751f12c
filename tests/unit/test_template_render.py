"""Templates written out: as text that reads back, as XML that is always well-formed, as JSON."""

import json

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from oned.template import render
from oned.template.parse import UNLISTABLE, parse
from oned.template.template import Template

names = st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.text('\\"]>[=,# \n\t\r', max_size=12)
values = texts.filter(lambda text: not UNLISTABLE.search(text) and "]]>" not in text)
vectors = st.dictionaries(names, values, max_size=4)
templates = st.lists(st.tuples(names, values | vectors), max_size=8).map(Template)


@given(templates)
def test_text_form_reads_back_equal(template: Template) -> None:
    assert parse(render.text(template)) == template


@given(templates)
def test_stored_form_reads_back_equal(template: Template) -> None:
    assert render.from_plain(json.loads(json.dumps(render.plain(template)))) == template


@given(st.lists(st.tuples(names, values | vectors.filter(bool)), max_size=8).map(Template))
def test_xml_form_reads_back_equal_but_for_the_order_of_names(template: Template) -> None:
    again = parse(render.xml(template))
    assert sorted(again, key=lambda item: item[0]) == list(again)
    assert list(again) == sorted(template, key=lambda item: item[0])


@given(st.lists(st.tuples(names, st.text(st.characters()))).map(Template))
def test_xml_form_of_any_text_is_well_formed(template: Template) -> None:
    root = etree.fromstring(render.xml(template).encode())
    assert len(root) == len(template)


def test_xml_form_sorts_names_and_keys_and_keeps_the_order_of_equal_names() -> None:
    template = parse('NIC=[NETWORK="b", IP=2] CPU=1 NIC=[NETWORK="a"]')
    assert render.xml(template, "T") == (
        "<T><CPU>1</CPU><NIC><IP>2</IP><NETWORK>b</NETWORK></NIC><NIC><NETWORK>a</NETWORK></NIC></T>"
    )


def test_text_form_has_an_attribute_per_line() -> None:
    template = parse('A=1 B=[K="say \\"x\\"", L=2] C=[]')
    assert render.text(template) == 'A="1"\nB=[\n  K="say \\"x\\"",\n  L="2" ]\nC=[ ]\n'


def test_carriage_return_survives_xml() -> None:
    assert parse(render.xml(parse('A="x\r\ny"'))).get("A") == "x\r\ny"
