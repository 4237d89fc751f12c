"""ARGUMENTS of hooks: cutting into words, variables, and that no value ever leaves its word."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oned.hook.arguments import Arguments, Variable
from oned.mad.hm import DIALECTS
from tests.unit.hooks import order

VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))
LITERALS = st.text(st.characters(exclude_characters="\0$", exclude_categories=("Cs",)), min_size=1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("$VMID", ["5"]),
        ("$ID -r", ["5", "-r"]),
        ("$HID -r n", ["5", "-r", "n"]),
        ("one-$VMID", ["one-5"]),
        ("$ID $ID", ["5", "5"]),
        ("$id", ["5"]),
        ("'$NAME of all' \"$NAME\"", ["web 1 of all", "web 1"]),
        ("$NAME$$_old", ["web 1_old"]),
        ("$NAME_old", [""]),
        ("a$NOTHING$$b ''", ["ab", ""]),
        ("cost: 5$ $ 5$5", ["cost:", "5$", "$", "5$5"]),
        ("> /tmp/test.$VMID; ls *", [">", "/tmp/test.5;", "ls", "*"]),
        (r"a\ b \$ID", ["a b", "5"]),
        ("", ["-"]),
        ("  \n ", ["-"]),
    ],
)
def test_text_is_cut_as_by_a_shell_and_variables_are_filled_in(text: str, words: list[str]) -> None:
    values = {"ID": "5", "VMID": "5", "HID": "5", "NAME": "web 1"}
    assert list(Arguments.read(text).filled(lambda variable: values.get(variable.name, ""))) == words


@pytest.mark.parametrize(
    ("text", "variable"),
    [
        ("$DISK[SOURCE]", Variable("DISK", "SOURCE")),
        ("$nic[ ip , network = \"a b\" ]", Variable("NIC", "IP", "NETWORK", "a b")),
        ("$NIC[IP, NETWORK='it\"s']", Variable("NIC", "IP", "NETWORK", 'it"s')),
        ("$12.HOSTNAME", Variable("HOSTNAME", vm=12)),
        ("$TEMPLATE", Variable("TEMPLATE")),
    ],
)  # fmt: skip
def test_a_variable_is_one_word_though_it_has_blanks_and_quotes(text: str, variable: Variable) -> None:
    arguments = Arguments.read(f"before {text} 'in {text}'")
    assert arguments.variables == [variable, variable]
    assert arguments.filled(lambda _: "x y") == ("before", "x y", "in x y")


def test_quotes_that_do_not_close_are_refused() -> None:
    with pytest.raises(ValueError, match="quotation"):
        Arguments.read("'$NAME")


@given(VALUES)
def test_a_value_stays_in_its_word_whatever_it_holds(value: str) -> None:
    filled = Arguments.read("$ID '<$NAME>' end").filled(lambda variable: "7" if variable.name == "ID" else value)
    assert filled == ("7", f"<{value}>", "end")


@given(st.lists(LITERALS, min_size=1), VALUES)
def test_literal_words_come_through_and_values_are_not_read_again(words: list[str], value: str) -> None:
    text = f"{shlex.join(words)} $NAME"
    assert Arguments.read(text).filled(lambda _: f"$ID {value}") == (*words, f"$ID {value}")


@given(st.lists(VALUES, min_size=1))
def test_a_shell_reads_the_classic_line_as_the_words_that_were_meant(words: list[str]) -> None:
    line = DIALECTS["classic"](*order(words))
    assert line.splitlines() == [line]
    assert line.startswith("EXECUTE 5 mail LOCAL ")
    said = shlex.split(line.removeprefix("EXECUTE 5 mail LOCAL "))
    assert said == [" ".join(word.splitlines()) for word in words]
