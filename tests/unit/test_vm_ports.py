"""The ports of consoles."""

from hypothesis import given
from hypothesis import strategies as some

from oned.vm.ports import LAST, free, port_of, usual


@given(some.integers(0, 200_000), some.integers(1, 65000), some.sets(some.integers(1, LAST)))
def test_a_free_port_is_one_and_the_usual_one_if_that_is_free(vid: int, base: int, taken: set[int]) -> None:
    port = free(vid, base, taken)
    assert base <= port < LAST
    assert port not in taken or taken >= set(range(base, LAST))
    assert usual(vid, base) in taken or port == usual(vid, base)


def test_only_screens_that_are_served_have_a_port() -> None:
    assert port_of(7, {"TYPE": "VNC"}, 5900) == 5907
    assert port_of(7, {"TYPE": "spice", "PORT": "6000"}, 5900) == 6000
    assert port_of(7, {"TYPE": "sdl"}, 5900) is None
    assert port_of(7, {}, 5900) is None
