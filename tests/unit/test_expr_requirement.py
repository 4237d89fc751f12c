"""REQUIREMENTS: which attributes fulfil an expression."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oned.template.expr import ExpressionError, requirement

HOST = {
    "HOSTNAME": "alpha1",
    "FREECPU": "350",
    "LOAD": "4.5",
    "SPEED": "2.2GHz",
    "CURRENT_VMS": "3,15",
    "ZONES": "a, b,c",
    "PATH": "/srv/*x",
    "NOTE": "",
}

TRUE = [
    "",
    "  \n",
    'HOSTNAME = "alpha*"',
    "HOSTNAME = alpha1",
    'HOSTNAME = "a?p*[0-9]"',
    'HOSTNAME = "[!b]lpha1"',
    'HOSTNAME = "[]a]lpha1"',
    'HOSTNAME != "beta*"',
    'PATH = "/srv/\\*x"',
    'NOTE = ""',
    "LOAD = 4",
    "LOAD = 4.5",
    'LOAD = "4.5"',
    "LOAD ! = 5",
    "LOAD > -5",
    "FREECPU >= 350 & FREECPU <= 350 & FREECPU == 350",
    "SPEED > 1",
    "SPEED > 2.1",
    '!(X = "a")',
    "!X = 1",
    "!!LOAD = 4",
    'HOSTNAME = "x" & LOAD = 4 | LOAD = 4',
    "LOAD = 5 | LOAD = 4 & FREECPU = 350",
    "!LOAD = 5 & LOAD = 4",
    '"HOSTNAME" = "alpha1"',
    "CURRENT_VMS = 3",
    "CURRENT_VMS != 5",
    'ZONES @> b & ZONES @> "c"',
    "HOSTNAME\n=\nalpha1",
]

FALSE = [
    'HOSTNAME = "ALPHA*"',
    'HOSTNAME = "alpha[9-0]"',
    'HOSTNAME = "alpha"',
    'PATH = "/srv/\\?*"',
    'LOAD = "4"',
    "LOAD = 4 | LOAD = 4 & LOAD = 5",
    "CURRENT_VMS = 5",
    "CURRENT_VMS != 15",
    "ZONES @> d",
    *(f"X {sign} 5" for sign in ("=", "==", "!=", "<", ">", "<=", ">=")),
    *(f"X {sign} 5.0" for sign in ("=", "!=", "<", ">")),
    'X = ""',
    'X != "a"',
    "X @> a",
]

REFUSED = {
    "LOAD": "unexpected $end, expecting a comparison at line 1, columns 5:6",
    "LOAD =": "unexpected $end, expecting a value at line 1, columns 7:8",
    "(LOAD = 4": 'unexpected $end, expecting ")" at line 1, columns 10:11',
    "LOAD = 4)": 'unexpected ")", expecting "&", "|" or the end at line 1, columns 9:10',
    'LOAD > "a"': 'unexpected "a", expecting a number at line 1, columns 8:9',
    "& LOAD = 4": 'unexpected "&", expecting a name, "!" or "(" at line 1, columns 1:2',
    "LOAD = 4\nHOSTNAME = x": 'unexpected "HOSTNAME", expecting "&", "|" or the end at line 2, columns 1:9',
    "4 = LOAD": 'unexpected "4", expecting a name',
    "X-Y = 3": 'unexpected "-", expecting a comparison',
}


@pytest.mark.parametrize("text", TRUE)
def test_fulfilled_expression_is_true(text: str) -> None:
    assert requirement(text)(HOST.get) is True


@pytest.mark.parametrize("text", FALSE)
def test_unfulfilled_expression_is_false(text: str) -> None:
    assert requirement(text)(HOST.get) is False


@pytest.mark.parametrize("text", REFUSED)
def test_broken_expression_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        requirement(text)
    assert str(refused.value).startswith("syntax error, " + REFUSED[text])


def test_too_deep_or_too_long_expression_is_refused() -> None:
    with pytest.raises(ExpressionError, match="nested more than 64 deep"):
        requirement("(" * 100_000)
    with pytest.raises(ExpressionError, match="more than 400 digits"):
        requirement("LOAD = " + "9" * 5000)


def test_long_chain_is_evaluated() -> None:
    assert requirement(" & ".join(["LOAD = 4"] * 20_000))(HOST.get) is True


def test_pattern_with_many_stars_takes_no_exponential_time() -> None:
    assert requirement(f'NAME = "{"*a" * 40}b"')({"NAME": "a" * 4000}.get) is False


@given(st.text("ab-][!^\\*?&|~.", min_size=1, max_size=10))
def test_any_pattern_compiles(pattern: str) -> None:
    assert requirement(f'NAME = "{pattern}"')({"NAME": "ab-]"}.get) in (True, False)


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=8))
def test_stars_and_question_marks_match_like_the_shell(pattern: str, text: str) -> None:
    def matches(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return any(matches(pattern[1:], text[start:]) for start in range(len(text) + 1))
        return bool(text) and pattern[0] in ("?", text[0]) and matches(pattern[1:], text[1:])

    assert requirement(f'NAME = "{pattern}"')({"NAME": text}.get) is matches(pattern, text)


@given(st.lists(st.tuples(st.sampled_from("&|"), st.booleans()), min_size=1, max_size=8))
def test_and_and_or_bind_alike_and_from_the_left(steps: list[tuple[str, bool]]) -> None:
    expected = steps[0][1]
    text = f"V = {int(steps[0][1])}"
    for sign, value in steps[1:]:
        expected = (expected and value) if sign == "&" else (expected or value)
        text += f" {sign} V = {int(value)}"
    assert requirement(text)({"V": "1"}.get) is expected
