"""The template language: text and XML to attributes."""

import pytest

from oned.template.parse import TemplateError, parse
from oned.template.template import Template

GOLDEN = {
    'a = 1 B="x y"  c=[k=v,\n  K2 = "p,q]" ] # end\n': [("A", "1"), ("B", "x y"), ("C", {"K": "v", "K2": "p,q]"})],
    "A=\nB=2": [("A", ""), ("B", "2")],
    'A="say \\"hi\\""': [("A", 'say "hi"')],
    "A=[K=1,K=2]": [("A", {"K": "1"})],
    "A=a b=2": [("A", "a"), ("B", "2")],
    'A="1" B="2"': [("A", "1"), ("B", "2")],
    "A=[]": [("A", {})],
    "A=[ ]": [("A", {})],
    "": [],
    "# only a comment": [],
    "# A = 1\nB = 2 # C = 3": [("B", "2")],
    "A=5# x\n": [("A", "5")],
    "A = # x\nB=1": [("A", ""), ("B", "1")],
    "A=5\r\nB=[K=1,\r\n L=2]\r\n": [("A", "5"), ("B", {"K": "1", "L": "2"})],
    'A="over\ntwo lines"': [("A", "over\ntwo lines")],
    'A=""': [("A", "")],
    'A=[K=""]': [("A", {"K": ""})],
    "A=1\nA=2\na=[K=3]": [("A", "1"), ("A", "2"), ("A", {"K": "3"})],
    'A="no \\n escape"': [("A", "no \\n escape")],
    'A="C:\\dir\\"': [("A", "C:\\dir\\")],
    'A="C:\\my dir"\\"" B="x"': [("A", "C:\\my dir\\"), ("B", "x")],
    "A=[\n # first\n K=1, # second\n # third\n L=2 # fourth\n] B=3": [("A", {"K": "1", "L": "2"}), ("B", "3")],
    "; A = 1 ' B = 2": [("A", "1"), ("B", "2")],
    "_A1 = b-c.d/e:f@g": [("_A1", "b-c.d/e:f@g")],
}

REFUSED = {
    "A=a b": 'syntax error, unexpected $end, expecting "=" at line 1, columns 6:7',
    "A=a=b": 'syntax error, unexpected "=", expecting a name at line 1, columns 4:5',
    "A=[K=1,]": 'syntax error, unexpected "]", expecting a name at line 1, columns 8:9',
    "A=[K=1": 'syntax error, unexpected $end, expecting "," or "]" at line 1, columns 7:8',
    "A=[K=\n1]": "syntax error, unexpected end of line, expecting a value at line 1, columns 6:7",
    "A=[K=[L=1]]": 'syntax error, unexpected "[", expecting a value at line 1, columns 6:7',
    "A=\n[K=1]": 'syntax error, unexpected "]", expecting a name at line 2, columns 5:6',
    "B=1\nMY-NAME = 3": 'syntax error, unexpected "NAME", expecting "=" at line 2, columns 4:8',
    "A='a b'": 'syntax error, unexpected $end, expecting "=" at line 1, columns 8:9',
    'A = "b': "syntax error, unexpected $end: the quote is not closed at line 1, columns 5:6",
    'A = 1\nB = [ C = "d ]\n': "syntax error, unexpected $end: the quote is not closed at line 2, columns 11:12",
    'A = "': "syntax error, unexpected $end: the quote is not closed at line 1, columns 5:6",
    "= 3": 'syntax error, unexpected "=", expecting a name at line 1, columns 1:2',
}


@pytest.mark.parametrize("text", GOLDEN)
def test_text_form_gives_its_attributes(text: str) -> None:
    assert list(parse(text)) == GOLDEN[text]


@pytest.mark.parametrize("text", REFUSED)
def test_broken_text_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(TemplateError) as refused:
        parse(text)
    assert str(refused.value) == REFUSED[text]


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x0b", "\x1f", "\ud800", "\ufffe", "\uffff"])
@pytest.mark.parametrize("form", ['A=1\nB="x{}y"', "<T><A>1</A>\n<B>x{}y</B></T>"])
def test_character_that_xml_cannot_carry_is_refused(form: str, character: str) -> None:
    with pytest.raises(TemplateError, match=r"cannot be stored at line 2, columns \d+"):
        parse(form.format(character))


def test_end_of_cdata_is_refused_in_both_forms() -> None:
    for text in ('A="x]]>"', "A=[K=1]\nB=[K=']]>']", "<T><A>x]]&gt;</A></T>"):
        with pytest.raises(TemplateError):
            parse(text)


def test_name_that_cannot_be_an_element_is_refused() -> None:
    with pytest.raises(TemplateError, match="a name cannot begin with a digit: 1A at line 2"):
        parse("B=2\n1A=3")
    with pytest.raises(TemplateError, match="letters, digits and _ only: MY-NAME at line 1"):
        parse("<T><MY-NAME>3</MY-NAME></T>")


def test_xml_form_gives_singles_vectors_and_repeats() -> None:
    text = "<ANY><a x='1'>1</a><B>\n <k>v &amp; w</k>\n <K>late</K><L/>\n</B><A><![CDATA[<2>]]></A><C/></ANY>"
    assert list(parse(text)) == [("A", "1"), ("B", {"K": "v & w", "L": ""}), ("A", "<2>"), ("C", "")]


def test_xml_form_ignores_what_is_deeper_than_a_vector() -> None:
    assert list(parse("<T><A><K>1<DEEP>2</DEEP></K></A></T>")) == [("A", {"K": "1"})]


@pytest.mark.parametrize(
    "text",
    [
        "<T><A></T>",
        "<T>",
        "<",
        "<T/>more",
        '<!DOCTYPE T [<!ENTITY a "b">]><T><A>&a;</A></T>',
        '<!DOCTYPE T SYSTEM "file:///etc/passwd"><T/>',
        "<T>" * 40 + "</T>" * 40,
        "<T><A>&undefined;</A></T>",
    ],
)
def test_malformed_or_dangerous_xml_is_refused(text: str) -> None:
    with pytest.raises(TemplateError, match="XML Template malformed"):
        parse(text)


def test_xml_declaration_does_not_change_the_text() -> None:
    assert parse('<?xml version="1.0" encoding="ISO-8859-1"?><T><A>ü€</A></T>').get("A") == "ü€"


def test_blank_before_xml_makes_it_text() -> None:
    with pytest.raises(TemplateError, match="syntax error"):
        parse(" <T><A>1</A></T>")


@pytest.mark.parametrize(
    "text",
    [
        'A="' + "x" * 2_000_000 + '"',
        'A="' + '\\"' * 500_000,
        "A=1\n" * 100_000,
        "A=[" + "K=1," * 100_000 + "L=2]",
        "<T>" + "<A>1</A>" * 100_000 + "</T>",
    ],
    ids=["one long value", "an open quote", "many attributes", "a long vector", "long XML"],
)
def test_large_template_is_read(text: str) -> None:
    assert len(parse(text)) >= 1


def test_template_answers_the_first_value_of_the_asked_form() -> None:
    template = parse("A=[K=1] A=2 A=[K=3] B=4")
    assert template.get("A") == "2"
    assert template.get("C", "none") == "none"
    assert template.vector("A") == {"K": "1"}
    assert template.vectors("A") == [{"K": "1"}, {"K": "3"}]
    assert "B" in template
    assert "C" not in template


def test_vectors_are_live_and_copies_are_not() -> None:
    template = parse("A=[K=1]")
    copy = template.copy()
    template.vector("A")["K"] = "2"
    assert template.vectors("A") == [{"K": "2"}]
    assert copy.vectors("A") == [{"K": "1"}]


def test_set_replaces_all_of_a_name_in_place_of_the_first() -> None:
    template = parse("A=1 B=2 A=3 C=4 A=5")
    template.set("a", "6")
    assert list(template) == [("A", "6"), ("B", "2"), ("C", "4")]
    template.set("D", "7")
    template.remove("B")
    assert list(template) == [("A", "6"), ("C", "4"), ("D", "7")]


def test_merge_replaces_names_and_keeps_the_rest() -> None:
    template = parse("A=1 A=2 B=3")
    other = parse("A=4 C=[K=5] A=6")
    template.merge(other)
    assert list(template) == [("B", "3"), ("A", "4"), ("C", {"K": "5"}), ("A", "6")]
    other.vector("C")["K"] = "changed"
    assert template.vector("C") == {"K": "5"}


def test_templates_with_another_order_differ() -> None:
    assert parse("A=1 B=2") == Template([("A", "1"), ("B", "2")])
    assert parse("A=1 B=2") != parse("B=2 A=1")
