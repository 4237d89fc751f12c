"""Which of two hosts has a domain after a move, whatever each of them has of it."""

from itertools import product

import pytest

from oned.drivers.lib.hypervisor import with_port
from oned.drivers.vmm.moves import End, Verdict, judge

ALL = list(product(End, End))


@pytest.mark.parametrize(("here", "there"), ALL)
def test_at_most_one_host_has_it_and_nothing_that_runs_is_ended(here: End, there: End) -> None:
    verdict = judge(here, there)
    assert not (verdict.here and verdict.there)
    assert not verdict.end_here or here is End.WAITS
    assert not verdict.end_there or there is End.WAITS
    assert not (verdict.here and verdict.end_here)
    assert not (verdict.there and verdict.end_there)


@pytest.mark.parametrize(("here", "there"), ALL)
def test_it_goes_on_only_where_it_waits_and_where_nobody_else_can_run_it(here: End, there: End) -> None:
    verdict = judge(here, there)
    owner, other = (here, there) if verdict.here else (there, here)
    if verdict.here or verdict.there:
        assert verdict.resume is (owner is End.WAITS)
    if verdict.resume:
        assert other in (End.WAITS, End.ABSENT)


@pytest.mark.parametrize(("here", "there"), ALL)
def test_whoever_has_it_is_left_alone_with_it(here: End, there: End) -> None:
    verdict = judge(here, there)
    if verdict.here:
        assert there is not End.WAITS or verdict.end_there
    if verdict.there:
        assert here is not End.WAITS or verdict.end_here


@pytest.mark.parametrize(
    ("here", "there"),
    [
        (End.RUNS, End.RUNS), (End.ABSENT, End.ABSENT), (End.UNSEEN, End.UNSEEN), (End.WAITS, End.UNSEEN),
        (End.UNSEEN, End.WAITS), (End.UNSEEN, End.ABSENT), (End.ABSENT, End.UNSEEN),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_left_as_it_is(here: End, there: End) -> None:
    assert judge(here, there) == Verdict()


DOMAIN = '<domain><devices><graphics type="vnc" port="6000" autoport="no" /><graphics type="sdl" /></devices></domain>'


def test_a_domain_gets_another_port_for_its_console_and_nothing_else_is_changed() -> None:
    assert with_port(DOMAIN, "6001") == DOMAIN.replace("6000", "6001")
    assert with_port(DOMAIN, "6000") is DOMAIN
    assert with_port("<domain><devices /></domain>", "6001") == "<domain><devices /></domain>"
