"""Templates in JSON and YAML."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oned.client.documents import parse as document
from oned.template import render, yamlform
from oned.template.notation import as_text
from oned.template.parse import UNLISTABLE, TemplateError, parse
from oned.template.template import Template

names = st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    [
        "true",
        "no",
        "~",
        "null",
        "0640",
        "1e3",
        "52:54:00:12:34:56",
        "2026-01-01",
        "- a",
        "a: b",
        "#",
        "",
        " ",
        "[",
        "'",
        "\x85",
        "a\u2028b",
    ]
)
values = texts.filter(lambda text: not UNLISTABLE.search(text) and "]]>" not in text)
vectors = st.dictionaries(names, values, min_size=1, max_size=4)
templates = st.lists(st.tuples(names, values | vectors), min_size=1, max_size=8).map(Template)
WRITERS: dict[str, Callable[[object], str]] = {
    "json": lambda plain: json.dumps(plain, indent=2, ensure_ascii=False),
    "yaml": yamlform.dump,
}


@pytest.mark.parametrize("form", WRITERS)
@given(template=templates)
def test_what_show_writes_is_read_back_as_the_same_template(form: str, template: Template) -> None:
    shown = document(f"<VMTEMPLATE><ID>3</ID><NAME>web</NAME>{render.xml(template)}</VMTEMPLATE>").to_dict()
    again = parse(as_text(WRITERS[form](shown)))
    expected = sorted(template, key=lambda item: item[0])
    if "NAME" not in template:
        expected = [("NAME", "web"), *expected]
    assert list(again) == expected


@given(st.text())
def test_any_text_is_a_template_or_refused(text: str) -> None:
    for path in ("", "t.json", "t.yaml"):
        try:
            parse(as_text(text, path))
        except TemplateError:
            continue


def test_json_numbers_stay_as_written_and_truth_is_yes_or_no() -> None:
    given = '{"cpu": 0.50, "MEMORY": 1024, "HOLD": true, "SAVE": false, "NOTE": null, "BIG": 1e3}'
    assert as_text(given) == 'CPU="0.50"\nMEMORY="1024"\nHOLD="YES"\nSAVE="NO"\nNOTE=""\nBIG="1e3"\n'


def test_objects_are_vectors_and_lists_are_repeated_attributes() -> None:
    given = '{"NIC": [{"network": "lan"}, {"NETWORK": "dmz", "IP": "10.0.0.1"}], "TAG": ["a", "b"], "NONE": []}'
    assert list(parse(as_text(given))) == [
        ("NIC", {"NETWORK": "lan"}), ("NIC", {"NETWORK": "dmz", "IP": "10.0.0.1"}), ("TAG", "a"), ("TAG", "b"),
    ]  # fmt: skip


def test_yaml_is_told_by_its_first_line_or_its_file() -> None:
    assert as_text("# mine\n\nNAME: web\nMAC: 52:54:00:12:34:56\nMODE: 0640\nON: yes\nDAY: 2026-01-01\n") == (
        'NAME="web"\nMAC="52:54:00:12:34:56"\nMODE="0640"\nON="yes"\nDAY="2026-01-01"\n'
    )
    assert as_text("---\nA: true\n") == 'A="YES"\n'
    assert as_text('"A": 1\n', "vm.yml") == 'A="1"\n'
    assert as_text("BASE: &b {MODEL: virtio}\nNIC:\n- <<: *b\n  NETWORK: lan\n") == (
        'BASE=[\n  MODEL="virtio" ]\nNIC=[\n  MODEL="virtio",\n  NETWORK="lan" ]\n'
    )


@pytest.mark.parametrize("text", [
    "NAME = web", "# a: b\nNAME = web", '<T><A>1</A></T>', "CONTEXT = [\n A = \"x: y\" ]", "", "\n", "NAME=a:b",
])  # fmt: skip
def test_text_and_xml_come_back_as_they_are(text: str) -> None:
    assert as_text(text) == text
    assert as_text(text, "vm.one") == text


@pytest.mark.parametrize(("text", "reason"), [
    ("[1, 2]", "a template is an object of attributes"),
    ('{"A": 1', "this is not JSON: "), ('{"A": NaN}', "NaN is no number"), ('{"A": 1, "A": 2}', "A is there twice"),
    ('{"A": [[1]]}', "A is a text"), ('{"A": {"B": {"C": 1}}}', "A/B is a text"), ('{"A": {"B": [1]}}', "A/B is a"),
    ('{"a-b": 1}', "a name has letters"), ('{"1A": 1}', "a name has letters"), ('{"A": {"": 1}}', "a name has letters"),
    ("A: 1\nA: 2\n", "this is not YAML: A is there twice"), ("A: [1\n", "this is not YAML: "),
    ("A: !!python/object:os.system x\n", "this is not YAML: "), ("A: 1\n---\nB: 2\n", "this is not YAML: "),
    ("A: &x\n  B: *x\n", "A/B is a text"), ("---\n- 1\n", "a template is an object"),
    ('{"VM_POOL": {"VM": {"ID": "1"}}}', "VM_POOL is a list of objects"), ("[" * 100_000, "nested too deep"),
    ('{"A": ' * 100_000, "nested too deep"), ("---\n" + "[" * 2_000, "nested too deep"),
])  # fmt: skip
def test_what_is_no_template_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(TemplateError) as found:
        as_text(text)
    assert reason in str(found.value)


def test_documents_give_their_templates() -> None:
    vm = '{"VM": {"ID": "3", "NAME": "web", "TEMPLATE": {"CPU": "1"}, "USER_TEMPLATE": {"ROLE": "db"}}}'
    assert as_text(vm) == 'NAME="web"\nCPU="1"\nROLE="db"\n'
    assert as_text('{"HOST": {"NAME": "h1", "TEMPLATE": {"RACK": "7"}}}') == 'RACK="7"\n'
    assert as_text('{"VMTEMPLATE": {"NAME": "t", "TEMPLATE": {}}}') == 'NAME="t"\n'
    assert as_text('{"TEMPLATE": {"CPU": 1}}') == 'CPU="1"\n'
    assert as_text('{"NIC": {"NETWORK": "lan"}}') == 'NIC=[\n  NETWORK="lan" ]\n'
