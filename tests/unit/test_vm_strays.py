"""Domains that a move may have left: which stays they are of, and what is done about one."""

from itertools import product

import pytest

from oned.vm.history import ASKED, CLEAR, DOUBTFUL, LEFT
from oned.vm.states import CLEANUP_DELETE, RUNNING
from oned.vm.strays import End, Verdict, forgotten, judge, marked, settled, strays, unasked
from oned.vm.vm import VM
from tests.lifecycle_engine import a_vm, stay

ALL = list(product((DOUBTFUL, LEFT, ASKED), End, [end for end in End if end is not End.RESTS]))


@pytest.mark.parametrize(("mark", "here", "there"), ALL)
def test_nothing_is_ended_unless_the_vm_is_on_its_own_host_or_is_to_run_on_none(
    mark: int, here: End, there: End
) -> None:
    if judge(mark, here, there) is Verdict.END:
        assert here in (End.RUNS, End.PAUSED, End.RESTS)
        assert there not in (End.ABSENT, End.UNSEEN)


@pytest.mark.parametrize(("mark", "here", "there"), ALL)
def test_nothing_is_forgotten_before_it_is_known_to_be_gone(mark: int, here: End, there: End) -> None:
    if judge(mark, here, there) is Verdict.GONE:
        assert there is End.ABSENT
    if judge(mark, here, there) is Verdict.MOVED:
        assert there is End.RUNS


@pytest.mark.parametrize(("mark", "here", "there", "verdict"), [
    (LEFT, End.RUNS, End.RUNS, Verdict.END),
    (DOUBTFUL, End.RUNS, End.RUNS, Verdict.MOVED),
    (DOUBTFUL, End.RUNS, End.PAUSED, Verdict.END),
    (LEFT, End.ABSENT, End.RUNS, Verdict.MOVED),
    (LEFT, End.UNSEEN, End.RUNS, Verdict.MOVED),
    (LEFT, End.ABSENT, End.ABSENT, Verdict.WAIT),
    (LEFT, End.RUNS, End.UNSEEN, Verdict.WAIT),
    (DOUBTFUL, End.RUNS, End.UNSEEN, Verdict.LEFT),
    (LEFT, End.RESTS, End.RUNS, Verdict.END),
])  # fmt: skip
def test_a_domain_has_one_owner(mark: int, here: End, there: End, verdict: Verdict) -> None:
    assert judge(mark, here, there) is verdict


def moved() -> VM:
    """A VM of host 0 whose moves to 1, twice, and to 2 have failed."""
    vm = a_vm(RUNNING)
    vm.history = [stay(0, 0, etime=5), stay(1, 1, etime=5), stay(2, 2, etime=5), stay(3, 1, etime=5), stay(4, 0)]
    for record in vm.history[1:4]:
        record.stray = LEFT
    return vm


def test_the_strays_are_the_last_stays_of_other_hosts() -> None:
    vm = moved()
    assert [record.seq for record in strays(vm)] == [3, 2]
    vm.history.append(stay(5, 1))
    assert [record.seq for record in strays(vm)] == [2], "where it is it is no stray"


def test_a_cancel_that_worked_clears_the_host_and_one_that_failed_is_asked_once_in_a_removal() -> None:
    vm = moved()
    assert [record.seq for record in settled(vm, "3", success=True)] == [1, 3]
    assert [record.hid for record in strays(vm)] == [2]
    assert settled(vm, "2", success=False) == []
    vm.state = CLEANUP_DELETE
    assert [record.stray for record in settled(vm, "2", success=False)] == [ASKED]
    assert (unasked(vm), [record.seq for record in strays(vm)]) == ([], [2])
    assert [(record.seq, record.stray) for record in forgotten(vm)] == [(2, LEFT)]
    assert [record.seq for record in unasked(vm)] == [2], "a later removal asks again"
    assert marked(vm, 2, CLEAR) == [vm.history[2]]
