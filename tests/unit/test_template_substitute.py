"""Variables in CONTEXT and in requirements: what is one, what ends it, what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oned.template import substitute as module
from oned.template.substitute import SubstitutionError, Variable, files, parse, substitute

KNOWN = {
    Variable("NAME"): "web",
    Variable("A"): "1",
    Variable("B"): "2",
    Variable("NIC", "IP"): "10.0.0.5",
    Variable("NIC", "IP", "NETWORK", "Public Net"): "192.0.2.7",
    Variable("DISK", "SOURCE", "DISK_ID", "0"): "/a",
}

GOLDEN = {
    "": "",
    "nothing": "nothing",
    "$NAME": "web",
    "$name": "web",
    "x$NAME.y": "xweb.y",
    "$A$B": "12",
    "$A_$B": "2",
    "$A-$B": "1-2",
    "$A $B": "1 2",
    "$NONE": "",
    "a$NONE/b": "a/b",
    "$NIC[IP]": "10.0.0.5",
    "$nic[ ip ]": "10.0.0.5",
    "$NIC[IP]0": "10.0.0.50",
    "$NIC [IP]": " [IP]",
    '$NIC[IP, NETWORK="Public Net"]/24': "192.0.2.7/24",
    '$NIC[IP,NETWORK="public net"]': "",
    "$DISK[SOURCE, DISK_ID=0]": "/a",
    '$DISK[SOURCE,\n DISK_ID="0"]': "/a",
    r"\$NAME": r"\$NAME",
    r"\\$NAME": r"\\$NAME",
    r"\$$NAME": r"\$web",
    "$7.IP": ".IP",
    "two\nlines": "two\nlines",
    "$A\n": "1",
    "$A\n $B": "1 2",
    "$A\n$B": "12",
    "$A\n\nx": "1\nx",
    "$NIC[IP]\nx": "10.0.0.5\nx",
    "$A.\nx": "1.\nx",
    "$Aü": "1ü",
    "[$A]": "[1]",
}


@pytest.mark.parametrize(("text", "value"), GOLDEN.items())
def test_variables_are_filled_in(text: str, value: str) -> None:
    assert substitute(text, lambda variable: KNOWN.get(variable, "")) == value


@pytest.mark.parametrize(
    ("text", "what"),
    [
        *((text, 'a name is missing after "$"') for text in ("$", "a$", "$$", "$$A", "$ ", "${A}", "$(date)", "$\n")),
        *(
            (text, "the brackets hold neither")
            for text in (
                "$NIC[", "$NIC[]", "$NIC[IP", "$NIC[IP,]", "$NIC[IP, NETWORK]", "$NIC[IP, NETWORK=]",
                "$NIC[IP NETWORK=a]", "$NIC[IP, NETWORK=a_b]",
                "$NIC[IP, NETWORK=a.b]", "$NIC[IP, NETWORK=a-b]", '$NIC[IP, NETWORK="a]',
                "$NIC[IP, A=1, B=2]", "$NIC[$A]",
            )
        ),
        *((text, "a line ends directly after") for text in ("$A\nx", "$A\n1", "$A\r\nx")),
    ],
)  # fmt: skip
def test_what_is_no_variable_is_a_mistake_with_its_place_and_a_way_out(text: str, what: str) -> None:
    with pytest.raises(SubstitutionError) as found:
        parse(text)
    told = str(found.value)
    assert told.startswith(what)
    assert f"at character {text.index('$') + 1}, " in told
    assert told.endswith(r"Write \$ for a dollar sign that is no variable")


@pytest.mark.parametrize(("text", "named"), [
    ("", []),
    ("$FILE[IMAGE=init]", [{"IMAGE": "init"}]),
    ('$file[ image = "my init.sh", IMAGE_UNAME="ann" ] $FILE[IMAGE_ID=7]\n',
     [{"IMAGE": "my init.sh", "IMAGE_UNAME": "ann"}, {"IMAGE_ID": "7"}]),
])  # fmt: skip
def test_files_are_named_by_a_form_of_their_own(text: str, named: list[dict[str, str]]) -> None:
    assert files(text) == named


@pytest.mark.parametrize("text", [
    "/etc/passwd", "$FILE", "$FILE[IMAGE]", "$FILE[IMAGE=a] /etc/passwd", "x$FILE[IMAGE=a]", "$NIC[IP]",
    "$FILE[IMAGE=a_b]", '$FILE[IMAGE="a]',
])  # fmt: skip
def test_nothing_else_stands_where_files_are_named(text: str) -> None:
    with pytest.raises(SubstitutionError, match=r'it is \$FILE\[IMAGE="name"\] or \$FILE\[IMAGE_ID=n\], not '):
        files(text)


def test_what_a_variable_brings_in_is_not_looked_at_again() -> None:
    assert substitute("$A", lambda _: "$B $(x) \\") == "$B $(x) \\"


def test_a_value_has_a_length_that_it_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST", 10)
    assert substitute("$A$A", lambda _: "12345") == "1234512345"
    with pytest.raises(SubstitutionError, match="Use fewer of them"):
        substitute("$A$A.", lambda _: "12345")


names = st.text("abcXYZ019_", min_size=1, max_size=8)
plain = st.text(st.characters(exclude_characters="$", exclude_categories=["Cs"]), max_size=20)
variables = st.one_of(
    st.builds(Variable, names),
    st.builds(Variable, names, names),
    st.builds(Variable, names, names, names, st.text(st.characters(exclude_characters='"'), max_size=8)),
)


def written(variable: Variable) -> str:
    chosen = f', {variable.key} = "{variable.value}"' if variable.key else ""
    return f"${variable.name}" + (f"[{variable.attribute}{chosen}]" if variable.attribute else "")


def stored(variable: Variable) -> Variable:
    return Variable(variable.name.upper(), variable.attribute.upper(), variable.key.upper(), variable.value)


@given(st.lists(st.tuples(plain, variables)), plain)
def test_what_is_written_is_read(pairs: list[tuple[str, Variable]], end: str) -> None:
    """A blank after each keeps the text behind a variable apart from it; before it, a backslash from its dollar."""
    text = "".join(f"{before} {written(variable)} " for before, variable in pairs) + end
    expected: list[str] = []
    asked: list[Variable] = []
    for before, _ in pairs:
        expected.append(f"{before} <> ")

    def look_up(variable: Variable) -> str:
        asked.append(variable)
        return "<>"

    assert substitute(text, look_up) == "".join(expected) + end
    assert asked == [stored(variable) for _, variable in pairs]


@given(st.text(st.sampled_from('\\[]A1_,= "\n.'), max_size=30))
def test_text_without_a_dollar_stays_as_it_is(text: str) -> None:
    assert substitute(text, lambda _: "never") == text
    assert "".join(str(piece) for piece in parse(text)) == text
