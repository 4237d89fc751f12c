"""Whose turn it is."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oned.command import Command, Intent, Mad
from oned.ids import Kind
from oned.mad.turns import Turns


def intent(number: int, host: str = "h", verb: str = "SAVE", oid: int | None = None) -> Intent:
    command = Command(Mad.VMM, "x", verb, Kind.VM, number if oid is None else oid, host)
    return Intent(number, command, 1, 0.0)


def migration(number: int, source: str, destination: str, oid: int) -> Intent:
    command = Command(Mad.VMM, "x", "MIGRATE", Kind.VM, oid, source, {"dest_host": destination})
    return Intent(number, command, 1, 0.0)


def given_out(turns: Turns) -> list[int]:
    found = []
    while (turn := turns.next()) is not None:
        found.append(turn.id)
    return found


def test_hosts_rotate_and_each_keeps_its_order() -> None:
    turns = Turns(per_host=0, threads=0)
    for number, host in enumerate(["a", "a", "a", "b", "c", "b"]):
        turns.add(intent(number, host))
    assert given_out(turns) == [0, 3, 4, 1, 5, 2]


def test_second_command_of_a_key_waits_even_on_another_host() -> None:
    turns = Turns(per_host=0, threads=0)
    turns.add(intent(1, "a", "DEPLOY", oid=7))
    turns.add(intent(2, "b", "DEPLOY", oid=7))
    assert given_out(turns) == [1]
    turns.close("DEPLOY", 7)
    assert given_out(turns) == [2]


def test_late_command_keeps_its_key_and_a_place_but_not_the_last() -> None:
    turns = Turns(per_host=2, threads=2)
    late = intent(1)
    turns.add(late)
    turns.next()
    turns.give_up(late)
    for number in (2, 3):
        turns.add(intent(number))
    turns.add(intent(4, "other"))
    turns.add(intent(5, verb="SAVE", oid=1))
    assert given_out(turns) == [2, 4]
    assert turns.close("SAVE", 1) is None
    turns.close("SAVE", 4)
    assert given_out(turns) == [3]


def test_withdrawn_command_has_no_turn() -> None:
    turns = Turns(per_host=0, threads=0)
    turns.add(intent(1))
    assert turns.withdraw(intent(1))
    assert not turns.withdraw(intent(1))
    assert given_out(turns) == []


def test_dropped_command_is_the_one_meant_and_no_later_one() -> None:
    turns = Turns(per_host=0, threads=0)
    first, second = intent(1, oid=7), intent(2, oid=7)
    turns.add(first)
    turns.next()
    turns.give_up(first)
    turns.forgive(7)
    turns.add(second)
    turns.next()
    turns.drop(first)
    assert turns.is_open(second)


def test_clear_gives_the_open_ones_and_frees_all_keys() -> None:
    turns = Turns(per_host=1, threads=0)
    for number in (1, 2):
        turns.add(intent(number, oid=number))
    turns.next()
    assert [lost.id for lost in turns.clear()] == [1]
    assert given_out(turns) == [2]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 4)), max_size=30), st.integers(0, 3), st.integers(0, 5)
)
def test_limits_hold_and_every_command_gets_its_turn(work: list[tuple[str, int]], per_host: int, threads: int) -> None:
    turns, open_, seen = Turns(per_host, threads), list[Intent](), list[int]()
    for number, (host, oid) in enumerate(work):
        turns.add(intent(number, host, oid=oid))
    while len(seen) < len(work):
        while (turn := turns.next()) is not None:
            open_.append(turn)
        assert open_, "commands wait though nothing is open"
        assert not threads or len(open_) <= threads
        assert not per_host or max(Counter(turn.command.host for turn in open_).values()) <= per_host
        assert len({turn.command.oid for turn in open_}) == len(open_)
        done = open_.pop(0)
        assert turns.close("SAVE", done.command.oid) is done
        seen.append(done.id)
    assert sorted(seen) == list(range(len(work)))


def test_commands_go_before_the_questions_that_came_before_them() -> None:
    turns = Turns(per_host=0, threads=0)
    for number, verb in enumerate(["POLL", "POLL", "CANCEL", "SAVE"]):
        turns.add(intent(number, verb=verb))
    assert given_out(turns) == [2, 3, 0, 1]


def test_questions_leave_one_place_of_their_host_free() -> None:
    turns = Turns(per_host=3, threads=0)
    for number in range(5):
        turns.add(intent(number, verb="POLL"))
    assert given_out(turns) == [0, 1]
    turns.add(intent(9, verb="CANCEL"))
    assert given_out(turns) == [9]
    turns.close("POLL", 0)
    assert given_out(turns) == [], "two of three places are taken"
    turns.close("CANCEL", 9)
    assert given_out(turns) == [2]


def test_a_host_with_one_place_is_asked_too() -> None:
    turns = Turns(per_host=1, threads=0)
    turns.add(intent(1, verb="POLL"))
    turns.add(intent(2, verb="POLL"))
    assert given_out(turns) == [1]
    turns.close("POLL", 1)
    assert given_out(turns) == [2]


@pytest.mark.parametrize("late", [False, True])
def test_no_domain_is_made_where_one_of_the_same_vm_is_being_ended(late: bool) -> None:
    turns = Turns(per_host=0, threads=0)
    end = intent(1, "b", "CANCEL", oid=7)
    turns.add(end)
    assert given_out(turns) == [1]
    if late:
        turns.give_up(end)
    turns.add(intent(2, "b", "DEPLOY", oid=7))
    turns.add(intent(3, "b", "DEPLOY", oid=8))
    turns.add(intent(4, "a", "RESTORE", oid=7))
    turns.add(migration(5, "a", "b", oid=7))
    turns.add(intent(6, "b", "POLL", oid=7))
    assert given_out(turns) == [3, 4, 6], "other VMs, other hosts and questions do not wait"
    turns.close("CANCEL", 7)
    assert sorted(given_out(turns)) == [2, 5]


def test_a_move_away_does_not_wait_for_an_end_where_it_begins() -> None:
    turns = Turns(per_host=0, threads=0)
    turns.add(intent(1, "a", "CANCEL", oid=7))
    assert given_out(turns) == [1]
    turns.add(migration(2, "a", "b", oid=7))
    assert given_out(turns) == [2]
