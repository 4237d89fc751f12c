"""What a site's settings do over days, by replays: time tables, organisations that lend, caps, spares, bursting."""

import pytest

from tests.unit.elastic_replays import HOUR, job, many, replayed, site

LOCAL = "NODE_CLASS = [ NAME = local, SLOTS = 4, MAX = 6 ]\n"


def test_at_night_more_nodes_may_run_and_in_the_morning_they_go() -> None:
    night = site(
        "NODE_CLASS = [ NAME = desk, SLOTS = 4, MAX = 1 ]\n"
        "SCHEDULE = [ CLASS = desk, DAYS = mon-fri, FROM = 20:00, TO = 06:00, MAX = 6 ]"
    )
    outcome, witness = replayed(night, many(80, 18, 3 * HOUR))
    assert max(witness.nodes(18, 20)) == 1
    assert max(witness.nodes(20, 30)) == 6
    assert witness.at(33.2) == {"desk": 1}  # those of the night have gone when their jobs had ended
    assert len(outcome.waits) == 80
    assert outcome.again == 0


def test_nodes_wait_for_people_in_the_morning_and_only_on_working_days() -> None:
    awake = site(
        LOCAL + "IDLE_TIME = 300\nSCHEDULE = [ CLASS = local, DAYS = mon-fri, FROM = 08:00, TO = 18:00, MIN = 2 ]"
    )
    weekend = 5 * 24
    outcome, witness = replayed(awake, [job("1", 0.1), job("2", 9), job("3", 20), job("4", weekend + 9)])
    assert (witness.at(7.9), witness.at(8.1), witness.at(19)) == ({}, {"local": 2}, {})
    assert outcome.waits[1] == 0
    assert outcome.waits[3] == pytest.approx(180, abs=60)


def test_two_organisations_lend_each_other_what_they_do_not_use() -> None:
    shared = site(
        LOCAL + "QUOTA = [ NAME = atlas, BY = project, WHO = atlas, NODES = 3 ]\n"
        "QUOTA = [ NAME = cms, BY = project, WHO = cms, NODES = 3 ]\nIDLE_TIME = 60\nCOOL_DOWN_DOWN = 0"
    )
    alone = many(60, 8, HOUR, project="atlas")
    outcome, witness = replayed(shared, alone)
    assert max(witness.owned("atlas")) == 6
    both = [*alone, *many(60, 8, HOUR, project="cms")]
    outcome, witness = replayed(shared, both)
    assert max(witness.owned("atlas")) == 3
    assert max(witness.owned("cms")) == 3
    assert len(outcome.waits) == 120


def test_an_organisation_that_lends_nothing_keeps_others_out_and_itself_within() -> None:
    strict = site(LOCAL + "QUOTA = [ NAME = atlas, BY = project, WHO = atlas, NODES = 2, LEND = NO ]")
    _, witness = replayed(strict, many(60, 8, HOUR, project="atlas"))
    assert max(witness.owned("atlas")) == 2


@pytest.mark.parametrize("by", ["project", "department", "owner", "group"])
def test_a_quota_is_for_any_kind_of_organisation(by: str) -> None:
    own = site(LOCAL + f"QUOTA = [ NAME = vo, BY = {by}, WHO = them, SLOTS = 8, LEND = NO ]")
    outcome, witness = replayed(own, [*many(40, 8, HOUR, **{by: "them"}), *many(8, 8, HOUR, name="others")])
    assert max(witness.owned("vo")) == 2
    assert max(witness.owned("")) > 0
    assert len(outcome.waits) == 48


def test_a_quota_of_money_is_kept_at_every_hour() -> None:
    poor = site(
        "NODE_CLASS = [ NAME = cloud, PLACE = cloud, SLOTS = 4, PRICE = 0.4 ]\n"
        "QUOTA = [ NAME = vo, BY = owner, WHO = ada, COST = 1, LEND = NO ]"
    )
    _, witness = replayed(poor, many(40, 8, HOUR))
    assert max(witness.owned("vo")) == 2


def test_a_cap_of_a_day_lets_jobs_wait_until_the_next_day() -> None:
    capped = site(
        "NODE_CLASS = [ NAME = cloud, PLACE = cloud, SLOTS = 1, PRICE = 1, BILLING = hour ]\nCOST_CAP = [ DAY = 4 ]\n"
        "IDLE_TIME = 60\nCOOL_DOWN_DOWN = 0\nMAX_KILL = 100"
    )
    outcome, witness = replayed(capped, [*many(4, 8, 1800), *many(3, 12, 1800)])
    assert outcome.waits == pytest.approx([180] * 4 + [12 * HOUR + 120] * 3, abs=60)
    assert (witness.at(23), outcome.cost) == ({}, 7)


def test_spare_slots_are_there_before_anybody_asks() -> None:
    eager = site(LOCAL.replace("MAX = 6", "MAX = 6, SPARE_SLOTS = 4"))
    outcome, witness = replayed(eager, [job("0", 7), *many(4, 8), *many(4, 8.5)])
    assert outcome.waits[1:] == [0] * 8
    assert max(witness.nodes(8, 9)) == 2


def test_our_own_hosts_are_full_before_a_cloud_is_paid_for() -> None:
    burst = site(
        LOCAL.replace("MAX = 6", "MAX = 2")
        + "NODE_CLASS = [ NAME = cloud, PLACE = cloud, SLOTS = 4, PRICE = 1 ]\nBURST_AFTER = 1200"
    )
    few, witness = replayed(burst, many(8, 8, 900))
    assert (few.cost, max(witness.nodes(8, 12, "cloud"))) == (0.0, 0)
    lots, witness = replayed(burst, many(16, 8, 2 * HOUR))
    assert max(witness.nodes(8, 8.3, "cloud")) == 0
    assert max(witness.nodes(8.3, 9, "cloud")) == 2
    assert lots.cost > 0


def test_a_node_in_a_cloud_is_renewed_at_its_age_without_a_loss() -> None:
    old = site(LOCAL + "MAX_LIFE = 7200")
    outcome, witness = replayed(old, [job(str(number), number / 4, 600) for number in range(40)])
    assert outcome.starts >= 5
    assert (len(outcome.waits), outcome.again) == (40, 0)
    assert max(witness.nodes(0, 10)) <= 2


def test_a_few_nodes_start_at_a_time() -> None:
    slow = site(LOCAL + "STEP_UP = 1\nBOOTING_MAX = 2")
    _, witness = replayed(slow, many(24, 8, HOUR))
    growth = [after - before for before, after in zip(witness.nodes(8, 9), [*witness.nodes(8, 9)][1:], strict=False)]
    assert max(growth) == 1
