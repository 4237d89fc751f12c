"""RANK: the value of an expression over a host's attributes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oned.template.expr import ExpressionError, rank

HOST = {"FREECPU": "350", "LOAD": "4.5", "SPEED": "2.2GHz", "NAME": "alpha"}

RANKS = {
    "": 0,
    "FREECPU": 350,
    "-FREECPU*2": -700,
    "- LOAD * 50 + FREECPU": 125,
    "7/2": 3,
    "-7/2": -3,
    "FREECPU-5": 345,
    "FREECPU - 5": 345,
    "FREECPU - -5": 355,
    "8-4-2": 2,
    "16/4/2": 2,
    "2+3*4": 14,
    "(2+3)*4": 20,
    "2*-3": -6,
    "MISSING": 0,
    "MISSING + 1": 1,
    "NAME": 0,
    "SPEED*10": 22,
    "1/0": 0,
    "1/0 + 5": 5,
    '"FREECPU" + 1': 351,
}


@pytest.mark.parametrize("text", RANKS)
def test_rank_is_a_whole_number(text: str) -> None:
    assert rank(text)(HOST.get) == RANKS[text]


def test_rank_without_end_is_zero() -> None:
    assert rank("BIG * BIG")({"BIG": "1e300"}.get) == 0


@pytest.mark.parametrize("text", ["FREECPU +", "(1", "1)", "* 2", "FREECPU LOAD", "-" * 1000 + "1", "(" * 1000])
def test_broken_rank_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        rank(text)


@given(st.lists(st.tuples(st.sampled_from("+-*"), st.integers(0, 9)), min_size=1, max_size=8))
def test_sums_and_products_are_those_of_arithmetic(steps: list[tuple[str, int]]) -> None:
    products = [steps[0][1]]
    text = str(steps[0][1])
    for sign, number in steps[1:]:
        text += f"{sign}{number}"
        if sign == "*":
            products[-1] *= number
        else:
            products.append(number if sign == "+" else -number)
    assert rank(text)(HOST.get) == sum(products)
