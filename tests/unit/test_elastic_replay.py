"""Replays: what holds for every one of them, and what is told."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oned.elastic.outcome import Waits
from oned.elastic.plan import Step, Verb
from oned.elastic.policy import NO_LIMIT, Billing, Caps, NodeClass, Policies
from oned.elastic.replay import Options, Replay
from tests.unit.elastic_replays import HOUR, MIDNIGHT, job, many, random_records, replayed, site

SMALL = site("NODE_CLASS = [ NAME = local, SLOTS = 4, MAX = 3 ]")


@st.composite
def policies(draw: st.DrawFn) -> Policies:
    least = draw(st.integers(0, 2))
    local = NodeClass("local", slots=4, memory=4096, least=least, most=draw(st.integers(2, 6)),
                      spare=draw(st.sampled_from((0, 4))), idle=draw(st.sampled_from((60.0, 900.0))))  # fmt: skip
    cloud = NodeClass("cloud", slots=8, cloud=True, price=0.5, billing=draw(st.sampled_from(Billing)),
                      life=draw(st.sampled_from((0.0, 7200.0))), most=draw(st.integers(0, 5)))  # fmt: skip
    caps = draw(st.sampled_from((Caps(), Caps(hour=1.0), Caps(day=6.0))))
    return Policies((local, cloud), most=draw(st.integers(4, 9)), caps=caps, look_ahead=draw(st.booleans()))


@given(policies(), st.integers(0, 999), st.sampled_from((0.0, 0.2)))
@settings(max_examples=15, deadline=None)
def test_limits_hold_at_all_times_and_nothing_is_lost(site: Policies, seed: int, failing: float) -> None:
    records = random_records(seed, 120)
    outcome, witness = replayed(site, records, Options(failing=failing, spread=0.3, seed=seed))
    assert all(started >= submitted for started, submitted in witness.started)
    told = [*outcome.impossible.values(), *outcome.never.values()]
    assert len(outcome.waits) + sum(count for count, _ in told) == len(records)
    for _, classes, _ in witness.counts:
        assert all(classes.get(klass.name, 0) <= klass.most for klass in site.classes)
        assert sum(classes.values()) <= site.most
        assert site.caps.hour == NO_LIMIT or classes.get("cloud", 0) * 0.5 <= site.caps.hour
    assert outcome.course is not None
    seconds = sum(outcome.course.total(klass.name) for klass in site.classes)
    assert math.isclose(seconds / HOUR, outcome.node_hours, rel_tol=1e-6)
    assert math.isclose(outcome.course.total("running"), outcome.used, rel_tol=1e-6) or outcome.again
    for klass in site.classes:
        assert max(outcome.course.means(klass.name), default=0) <= outcome.peak[klass.name] + 1e-6
    assert outcome.used <= outcome.slots + 1e-6
    assert all(before <= after + 1e-6 for before, after in zip(outcome.money, outcome.money[1:], strict=False))


def test_the_same_seed_gives_the_same_and_another_one_another() -> None:
    records, options = random_records(1, 150), Options(failing=0.3, spread=0.5)
    one, two, other = (replayed(SMALL, records, how)[0] for how in (options, options, replace(options, seed=2)))
    assert one.facts() == two.facts()
    assert one.waits != other.waits
    assert one.failed > 0


def test_the_order_of_the_file_changes_nothing() -> None:
    records = random_records(3, 100)
    assert replayed(SMALL, records[::-1])[0].facts() == replayed(SMALL, records)[0].facts()


def test_a_job_waits_for_its_node_and_the_next_one_finds_it() -> None:
    outcome, witness = replayed(SMALL, [job("1", 8, 600), job("2", 8.1, 600)])
    assert outcome.waits == [60 + 120, 0]  # WAIT_BEFORE_UP and BOOT_TIME
    assert max(witness.nodes(0, 24)) == 1
    assert outcome.node_hours == pytest.approx((600 + 360 - 60) / HOUR)


def test_an_idle_node_goes_and_is_paid_until_then() -> None:
    priced = "NODE_CLASS = [ NAME = local, SLOTS = 4, PRICE = 1, BILLING = {} ]\nIDLE_TIME = 300\nCOOL_DOWN_DOWN = 0"
    records = [job("1", 8, 600), job("2", 12, 600)]
    by_second, witness = replayed(site(priced.format("second")), records)
    assert witness.at(8.5) == {}
    assert by_second.cost == pytest.approx(by_second.node_hours)
    by_hour, witness = replayed(site(priced.format("hour")), records)
    assert by_hour.cost == 2.0
    assert (witness.at(8.9), witness.at(9.1)) == ({"local": 1}, {})
    assert by_hour.starts == 2


def test_jobs_that_can_never_run_are_told_with_the_reason_and_hold_nothing_up() -> None:
    outcome, _ = replayed(SMALL, [job("big", 8, slots=9, pe="smp"), job("bigger", 9, slots=9, pe="smp"), job("1", 9)],
                          smp="$pe_slots")  # fmt: skip
    assert len(outcome.waits) == 1
    ((reason, (count, first)),) = outcome.impossible.items()
    assert (count, first) == (2, "big")
    assert "local has 4 slots, 9 are wanted on one node" in reason


def test_what_a_time_table_allows_at_night_is_not_impossible() -> None:
    night = "NODE_CLASS = [ NAME = big, SLOTS = 16, MAX = 0 ]\n" + (
        "SCHEDULE = [ CLASS = big, FROM = 22:00, TO = 06:00, MAX = 2 ]"
    )
    outcome, _ = replayed(site(night), [job("1", 8, slots=16)])
    assert outcome.waits == [pytest.approx(14 * HOUR + 120, abs=120)]


def test_jobs_that_a_cap_keeps_from_running_are_told_in_the_end() -> None:
    capped = site("NODE_CLASS = [ NAME = cloud, PLACE = cloud, PRICE = 2 ]\nCOST_CAP = [ HOUR = 1 ]")
    outcome, _ = replayed(capped, many(3, 8))
    assert outcome.waits == []
    ((reason, (count, _)),) = outcome.never.items()
    assert count == 3
    assert "the cap of 1 per hour" in reason


def test_a_node_may_come_up_at_the_second_in_which_a_job_ends() -> None:
    regular = [job(str(number), number / 120, 60) for number in range(1440)]
    outcome, _ = replayed(replace(SMALL, classes=(replace(SMALL.classes[0], most=10),)), regular)
    assert len(outcome.waits) == 1440


def test_a_replay_ends_though_a_time_table_starts_nodes_for_ever() -> None:
    awake = site(
        "NODE_CLASS = [ NAME = local, SLOTS = 4 ]\nQUOTA = [ NAME = vo, BY = owner, WHO = eve, NODES = 1, LEND = NO ]\n"
        "SCHEDULE = [ CLASS = local, DAYS = mon-fri, FROM = 08:00, TO = 18:00, MIN = 1 ]"
    )
    outcome, witness = replayed(awake, [*many(19, 8, 3 * HOUR), job("wide", 20, slots=12, pe="mpi", owner="eve")])
    assert len(outcome.waits) == 19
    assert outcome.never == {"local: vo has 1 of its quota of 1 nodes": (1, "wide")}
    assert witness.at(15 * 24 + 12) == {"local": 1}


def test_a_job_whose_nodes_always_go_before_it_ends_is_told_as_such() -> None:
    short = site("NODE_CLASS = [ NAME = local, SLOTS = 4, MAX = 2 ]\nMAX_LIFE = 14400\nDRAIN_TIME = 3600")
    outcome, _ = replayed(short, [job("1", 8, 600), job("long", 8, 2 * 86400), job("2", 9, 600)])
    assert len(outcome.waits) == 2
    ((reason, (count, first)),) = outcome.cut.items()
    assert (count, first) == (1, "long")
    assert reason == "its node went each time before it had ended, by the rule max life. DRAIN_TIME is 1 h"
    assert outcome.again > 100
    assert outcome.never == {}


def test_jobs_that_come_after_a_month_without_any_still_run() -> None:
    blocked = job("wide", 8, slots=12, pe="mpi", owner="eve")
    poor = site(
        "NODE_CLASS = [ NAME = local, SLOTS = 4 ]\nQUOTA = [ NAME = vo, BY = owner, WHO = eve, NODES = 1, LEND = NO ]\n"
        "SCHEDULE = [ CLASS = local, FROM = 08:00, TO = 18:00, MAX = 5 ]"
    )
    outcome, _ = replayed(poor, [blocked, job("late", 24 * 90)])
    assert (len(outcome.waits), list(outcome.never.values())) == (1, [(1, "wide")])


def test_nodes_that_never_come_up_are_given_up_and_their_class_rests() -> None:
    outcome, _ = replayed(SMALL, [job("1", 8)], Options(failing=0.9, seed=1))
    assert len(outcome.waits) == 1
    assert outcome.failed > 3
    assert outcome.waits[0] > 3 * 600 + 600  # three starts, and a rest


def test_a_parallel_job_runs_on_several_nodes_by_the_rule_of_its_environment() -> None:
    wide = job("1", 8, slots=6, pe="mpi")
    for rule, nodes in (("$fill_up", 2), ("2", 3), ("3", 2)):
        outcome, witness = replayed(SMALL, [wide], mpi=rule)
        assert (len(outcome.waits), max(witness.nodes(8, 9))) == (1, nodes), rule


def test_a_job_that_says_when_it_ends_saves_a_node() -> None:
    records = [*many(4, 8, 600), job("next", 8.19, 600)]  # 8.19: 684 s after the others, 96 s before they end
    assert replayed(SMALL, records)[1].counts[-1][1] == {"local": 2}
    told = [replace(record, limit=600) for record in records]
    assert max(replayed(SMALL, told)[1].nodes(8, 9)) == 1


@pytest.mark.parametrize("seconds", [20, 17])
def test_a_job_for_a_whole_node_is_not_put_off_by_small_ones_that_keep_coming(seconds: int) -> None:
    small = [job(f"s{at}", at / HOUR, 60, limit=60) for at in range(0, 3 * HOUR, seconds)]
    wide = job("wide", 1.01, 60, limit=60, slots=4, pe="smp")
    outcome, _ = replayed(site("NODE_CLASS = [ NAME = local, SLOTS = 4, MAX = 10 ]"), [*small, wide], smp="$pe_slots")
    assert len(outcome.waits) == len(small) + 1
    assert max(outcome.waits) <= 2 * (60 + 120) + 60  # WAIT_BEFORE_UP and BOOT_TIME twice, and a look


def test_what_jobs_of_that_name_usually_take_is_learned_on_the_way() -> None:
    before = [job(f"b{number}", number, 600) for number in range(4)]
    records = [*before, *many(4, 8, 600), job("next", 8.19, 600)]
    assert max(replayed(SMALL, records)[1].nodes(8, 9)) == 1
    assert max(replayed(replace(SMALL, look_ahead=False), records)[1].nodes(8, 9)) == 2


def test_waits_are_those_that_so_many_did_not_exceed() -> None:
    assert Waits.of(range(1, 101)) == Waits(100, 50.5, 50, 95, 100)
    assert Waits.of([7.0]) == Waits(1, 7.0, 7.0, 7.0, 7.0)
    assert Waits.of([]) == Waits(0, 0.0, 0.0, 0.0, 0.0)


def test_nothing_to_replay_gives_nothing() -> None:
    outcome, _ = replayed(SMALL, [])
    assert (outcome.waits, outcome.node_hours, outcome.cost) == ([], 0.0, 0.0)
    assert MIDNIGHT % 86400 == 0


def test_pauses_are_for_each_direction() -> None:
    replay = Replay([], SMALL, Options())
    replay.now = MIDNIGHT
    replay._carry_out(Step(Verb.UP, "local", "", "demand", ""))
    replay._booted(next(iter(replay.nodes)))
    replay.now += 100
    replay._carry_out(Step(Verb.DRAIN, "local", next(iter(replay.nodes)), "idle", ""))
    assert (replay.reading().last_up, replay.reading().last_down) == (MIDNIGHT, MIDNIGHT + 100)
