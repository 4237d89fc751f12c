"""USER_INPUTS: what a template asks for, and which answers it takes."""

import base64

import pytest

from oned.template.inputs import KINDS, Input, InputError, answers, declared
from oned.template.parse import parse

TEMPLATE = parse("""
CPU = 1
MEMORY = 1024
USER_INPUTS = [
  NOTE = "O|text|A note| |none",
  DB = "M|text|Name of the data base",
  SIZE = "M|list|How big|small, large|small",
  MEMORY = "M|range|Memory in MiB|512..4194304|1024",
  SECRET = "O|password|Password" ]
INPUTS_ORDER = "SIZE, DB"
""")


def item(kind: str, options: str = "", default: str = "") -> Input:
    return Input("X", True, kind, "", options, default)


def test_questions_come_in_their_order_and_in_parts() -> None:
    found = declared(TEMPLATE)
    assert [question.name for question in found] == ["SIZE", "DB", "NOTE", "MEMORY", "SECRET"]
    assert found[0] == Input("SIZE", True, "list", "How big", "small, large", "small")
    assert found[1] == Input("DB", True, "text", "Name of the data base")
    assert found[2].default == "none"


def test_a_template_that_asks_for_nothing_has_no_questions() -> None:
    assert declared(parse("CPU = 1")) == []
    assert answers(parse("CPU = 1"), parse("A = 1")) == {}


def test_answers_are_what_was_said_and_defaults_for_the_rest() -> None:
    assert answers(TEMPLATE, parse("DB = orders\nOTHER = 1")) == {"DB": "orders", "SIZE": "small", "NOTE": "none"}
    assert answers(TEMPLATE, parse("DB = x\nSIZE = large\nMEMORY = 512\nNOTE =\n"))["NOTE"] == ""
    assert answers(TEMPLATE, parse("DB = x\nMEMORY = 4194304"))["MEMORY"] == "4194304"


@pytest.mark.parametrize(("given", "reason"), [
    ("", "DB is needed. It is: Name of the data base"), ("DB =\n", "DB is needed"),
    ("DB = x\nSIZE = huge", "SIZE must be one of small, large, not 'huge'. It is: How big"),
    ("DB = x\nMEMORY = 511", "MEMORY must be a whole number from 512 to 4194304, not '511'"),
    ("DB = x\nMEMORY = 4194305", "MEMORY must be"), ("DB = x\nMEMORY = 1e3", "MEMORY must be"),
    ("DB = [ A = 1 ]", "DB is a text, not a vector"),
])  # fmt: skip
def test_a_missing_or_wrong_answer_is_refused_with_what_is_wanted(given: str, reason: str) -> None:
    with pytest.raises(InputError) as found:
        answers(TEMPLATE, parse(given))
    assert str(found.value).startswith(reason)


@pytest.mark.parametrize(("question", "good", "bad"), [
    (item("text"), ["a b", "1"], []), (item("password"), ["x"], []), (item("odd"), ["anything"], []),
    (item("text64"), [base64.b64encode("a\nä".encode()).decode(), "YQ==\n"], ["a", "%%%%", "/w=="]),
    (item("number"), ["1", "-3", "+4"], ["1.5", "x", "", "1e3", "٣", " 1", "9" * 30]),
    (item("number-float"), ["1", "0.5", "-1e3"], ["x", "nan", "inf", "1,5"]),
    (item("range", "1..9"), ["1", "9"], ["0", "10", "1.5", "x"]),
    (item("range", "-5 .. -1"), ["-5", "-1"], ["-6", "0"]),
    (item("range-float", "0.5..1.5"), ["0.5", "1", "1.5"], ["0.49", "1.51", "nan"]),
    (item("list", "a, b c,"), ["a", "b c", ""], ["A", "c", "a,b c"]),
    (item("list-multiple", "a,b,c"), ["a", "c,a", "a, b"], ["d", "a,d", "a;b"]),
    (item("boolean"), ["YES", "no"], ["true", "1", "maybe"]),
    (item("fixed", "", "7"), ["7"], ["8", "07"]),
], ids=lambda value: value.kind if isinstance(value, Input) else "")  # fmt: skip
def test_each_type_takes_its_values_and_no_others(question: Input, good: list[str], bad: list[str]) -> None:
    for value in good:
        question.check(value)
    for value in bad:
        with pytest.raises(InputError, match="X must be"):
            question.check(value)


def test_every_type_is_tried_above() -> None:
    tried = {"text", "text64", "password", "number", "number-float", "range", "range-float", "list", "list-multiple"}
    assert set(KINDS) == tried | {"boolean", "fixed"}


@pytest.mark.parametrize("declaration", ["", "text", "X|text|?", "|text|?"])
def test_a_question_that_cannot_be_read_is_refused(declaration: str) -> None:
    with pytest.raises(InputError, match="A begins with M or O"):
        declared(parse(f'USER_INPUTS = [ A = "{declaration}" ]'))


@pytest.mark.parametrize("options", ["", "1", "1..", "a..b", "1...2..3"])
def test_a_range_that_is_none_is_refused(options: str) -> None:
    with pytest.raises(InputError, match=r"the range of X is LOW\.\.HIGH"):
        item("range", options).check("1")
