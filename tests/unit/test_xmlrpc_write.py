"""Answers, read back by Python's own client library and compared byte by byte where clients are picky."""

import xmlrpc.client
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oned.wire.xmlrpc import Fault, Pieces, Value, answer, escape, fault, multicall, value


def read(pieces: Pieces) -> Any:
    parsed, method = xmlrpc.client.loads(b"".join(pieces), use_builtin_types=True)
    assert method is None
    return parsed[0]


@pytest.mark.parametrize("payload", [7, -1, 2**31 - 1, True, False, "<VM><ID>7</ID></VM>", "a & b", "é\n\t"])
def test_an_answer_has_three_values(payload: int | bool | str) -> None:
    answered = read(answer(True, payload, 0))
    assert answered == [True, payload, 0]
    assert [type(item) for item in answered] == [bool, type(payload), int]


def test_a_refusal_has_text_and_code() -> None:
    assert read(answer(False, "[one.vm.info] Error getting virtual machine [9].", 0x400)) == [
        False,
        "[one.vm.info] Error getting virtual machine [9].",
        1024,
    ]


def test_the_bytes_of_an_answer_are_those_of_classic_servers() -> None:
    body = b"".join(answer(True, 7, 0))
    assert body == (
        b'<?xml version="1.0" encoding="UTF-8"?>\r\n<methodResponse>\r\n<params>\r\n<param><value><array><data>'
        b"<value><boolean>1</boolean></value><value><i4>7</i4></value><value><i4>0</i4></value>"
        b"</data></array></value></param>\r\n</params>\r\n</methodResponse>\r\n"
    )


def test_escaped_bodies_are_joined_into_one_string() -> None:
    pieces = [escape("<VM_POOL>"), escape("<VM><NAME>&</NAME></VM>"), escape("</VM_POOL>")]
    assert read(answer(True, pieces, 0)) == [True, "<VM_POOL><VM><NAME>&</NAME></VM></VM_POOL>", 0]


@given(st.text(st.characters(exclude_categories=["Cs"])), st.booleans(), st.integers(-(2**31), 2**31 - 1))
def test_any_text_arrives_but_for_what_xml_cannot_carry(text: str, ok: bool, code: int) -> None:
    arrived = read(answer(ok, text, code))
    wanted = "".join("\ufffd" if (ord(c) < 32 and c not in "\t\n\r") or c in "\ufffe\uffff" else c for c in text)
    assert arrived == [ok, wanted, code]


def test_a_lone_surrogate_becomes_a_replacement_character() -> None:
    assert read(answer(True, "a\ud800b", 0)) == [True, "a\ufffdb", 0]


def test_a_string_is_never_a_cdata_section() -> None:
    assert b"<![CDATA[" not in b"".join(answer(True, "<![CDATA[x]]>", 0))


@pytest.mark.parametrize(
    "item",
    [
        ["system.listMethods", "one.vm.info"],
        [["A", "s", "i"]],
        {"name": 1, "deep": [True, "x"]},
        1.5,
        b"\x00\xff",
        2**40,
    ],
)
def test_any_value_is_read_back(item: Value) -> None:
    assert read(value(item)) == item


def test_a_fault_is_raised_by_clients() -> None:
    with pytest.raises(xmlrpc.client.Fault) as raised:
        read(fault(Fault(-506, "Method 'one.<x>' not defined")))
    assert (raised.value.faultCode, raised.value.faultString) == (-506, "Method 'one.<x>' not defined")


def test_a_multicall_has_each_answer_in_an_array_and_each_fault_as_a_struct() -> None:
    answers = [answer(True, "<VM/>", 0), fault(Fault(-501, "Not enough parameters")), value("text")]
    assert read(multicall(answers)) == [
        [[True, "<VM/>", 0]],
        {"faultCode": -501, "faultString": "Not enough parameters"},
        ["text"],
    ]
