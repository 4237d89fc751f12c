"""Numbers of templates and arguments: what is one, and how large it may be."""

from hypothesis import given
from hypothesis import strategies as st

from oned.numbers import MOST, MOST_MIB, decimal, mib, whole


@given(st.integers(0, MOST_MIB - 1))
def test_a_number_is_read_as_it_is_written(number: int) -> None:
    assert mib(str(number)) == number
    assert whole(str(number)) == (number if number < MOST else -1)


@given(st.text())
def test_only_ascii_digits_are_a_number(text: str) -> None:
    is_number = bool(text) and set(text) <= set("0123456789")
    assert (whole(text) >= 0) == (is_number and int(text) < MOST)
    assert decimal(text) == -1 or set(text) <= set("0123456789.eE+-")


def test_what_is_too_large_is_no_number() -> None:
    assert [mib(text) for text in (str(MOST_MIB), "9" * 25, "1_0", "+1", " 1", "٩", "²", "")] == [-1] * 8


def test_a_fraction_may_be_written_in_each_way() -> None:
    assert [decimal(text) for text in ("0.5", ".5", "2.", "1e-1", "5E-1")] == [0.5, 0.5, 2, 0.1, 0.5]
    assert [decimal(text) for text in (".", "1_0", "+1", "nan", "inf", "٩", "1e99", "")] == [-1] * 8
