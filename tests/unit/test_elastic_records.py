"""The records of the elastic service: what is written with its intent, what is unique, and who may write."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from oned import clock
from oned.elastic.changes import Held, Why
from oned.elastic.leader import Deposed, Lead
from oned.elastic.node import FAILED, GONE, HOLD, PLANNED, REGISTERED, STARTING, UNREGISTERED, WrongTransition
from oned.elastic.policy import Brake
from oned.elastic.reading import Failures, Proof
from oned.elastic.records import Lease, Paid, Records, RecordsUnusable
from oned.elastic.tables import DOWN, UP

NOW = 1_800_000_000.0
WN1 = Lease(0, "wn001", "02:00:0a:00:00:01", "10.0.0.1")
WHY = Why("demand", "a task waits", "abc")


class Time:
    """The clock, in the test's hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    moved = Time()
    monkeypatch.setattr(clock, "now", moved)
    return moved


@pytest.fixture
def records(tmp_path: Path, time: Time) -> Records:
    return Records(tmp_path / "onesge.db")


@pytest.fixture
def claims(records: Records) -> Iterator[list[Lead]]:
    """Three processes that want to lead."""
    claims = [Lead(records, 30) for _ in range(3)]
    yield claims
    for claim in claims:
        claim.resign()


@pytest.fixture
def lead(claims: list[Lead]) -> Lead:
    assert claims[0].take()
    return claims[0]


def planned(lead: Lead, lease: Lease = WN1, token: str = "t1") -> str:
    with lead.writing() as changes:
        changes.plan(token, "local", lease, "", WHY)
    return token


def through(lead: Lead, token: str, *events: str) -> None:
    """The node has the events, each with nothing to do outside."""
    for event in events:
        with lead.writing() as changes:
            changes.fire(token, event, WHY)


def test_a_node_is_planned_with_the_intent_to_register_it(records: Records, lead: Lead) -> None:
    planned(lead)
    (record,), (intent,) = records.nodes(), records.intents()
    assert (record.node.name, record.node.state, record.node.created) == ("wn001", PLANNED, NOW)
    assert (record.lease, record.rule) == (WN1, "demand")
    assert (intent.token, intent.event, intent.goal, intent.does) == ("t1", "register", REGISTERED, "register")


def test_a_confirmed_intent_is_the_state_and_an_entry_of_the_audit(records: Records, lead: Lead, time: Time) -> None:
    planned(lead)
    time.now += 5
    with lead.writing() as changes:
        changes.confirm(records.intents()[0])
        changes.intend("t1", "start", WHY)
    assert (records.nodes()[0].node.state, records.nodes()[0].node.since) == (REGISTERED, NOW + 5)
    assert [intent.goal for intent in records.intents()] == [STARTING]
    entry = records.events("wn001")[-1]
    assert (entry.event, entry.state, entry.rule, entry.digest, entry.result) == (
        "register", "REGISTERED", "demand", "abc", "done",
    )  # fmt: skip


def test_a_refused_intent_leaves_the_node_as_it_is_and_says_why(records: Records, lead: Lead) -> None:
    planned(lead)
    with lead.writing() as changes:
        changes.refuse(records.intents()[0], "can't resolve hostname")
    assert (records.nodes()[0].node.state, records.intents()) == (PLANNED, [])
    assert records.events()[-1].result == "can't resolve hostname"


def test_an_event_that_the_state_does_not_have_changes_nothing(records: Records, lead: Lead) -> None:
    planned(lead)
    with pytest.raises(WrongTransition):
        _moved_and_undrained(lead)
    assert records.nodes()[0].node.vm == -1


def _moved_and_undrained(lead: Lead) -> None:
    with lead.writing() as changes:
        changes.update("t1", vm=7)
        changes.fire("t1", "undrain", WHY)


@pytest.mark.parametrize(
    "other",
    [
        Lease(1, "wn001", "02:00:0a:00:00:09", "10.0.0.9"),
        Lease(1, "wn009", "02:00:0a:00:00:01", "10.0.0.9"),
        Lease(1, "wn009", "02:00:0a:00:00:09", "10.0.0.1"),
    ],
    ids=["name", "mac", "ip"],
)
def test_two_nodes_never_have_one_name_mac_or_ip(records: Records, lead: Lead, other: Lease) -> None:
    planned(lead)
    with lead.writing() as changes:
        with pytest.raises(Held):
            changes.plan("t2", "local", other, "", WHY)
        changes.plan("t3", "local", Lease(0, "wn002", "02:00:0a:00:00:02", "10.0.0.2"), "", WHY)
    assert [record.node.token for record in records.nodes()] == ["t1", "t3"]


def test_the_address_of_a_node_that_is_gone_stays_taken_until_it_is_freed(records: Records, lead: Lead) -> None:
    planned(lead)
    through(lead, "t1", "failed", "remove", "vm gone")
    assert records.nodes() == []
    assert [(record.node.state, record.held_until) for record in records.held()] == [(GONE, NOW + HOLD)]
    with pytest.raises(Held):
        planned(lead, token="t2")
    with lead.writing() as changes:
        changes.free("t1")
    planned(lead, token="t2")
    assert [record.node.token for record in records.past()] == ["t1"]


def test_a_second_loop_waits_until_the_first_is_late_and_then_the_first_is_refused(
    records: Records, claims: list[Lead], time: Time
) -> None:  # fmt: skip
    first, second, _ = claims
    assert first.take()
    time.now += 29
    assert not second.take()
    assert first.take()
    time.now += 29
    assert not second.take()
    time.now += 2
    assert second.take()
    assert not first.take()
    with pytest.raises(Deposed, match="another service is active"), first.writing() as changes:
        changes.plan("t1", "local", WN1, "", WHY)
    assert records.nodes() == []
    holder = records.leader()
    assert holder is not None
    assert (holder.fence, holder.holder) == (2, second.holder)


def test_who_resigns_or_has_died_on_this_machine_is_followed_at_once(claims: list[Lead]) -> None:
    first, second, third = claims
    assert first.take()
    first.resign()
    assert second.take()
    assert not third.take()
    second._unlock()  # as the kernel does for a process that is killed
    assert third.take()
    assert third.fence == 3


def test_failures_count_until_a_node_of_the_class_joins(records: Records, lead: Lead, time: Time) -> None:
    for _ in range(3):
        time.now += 10
        with lead.writing() as changes:
            changes.failed("cloud", time.now - 5, Brake(failures=3))
    assert records.failures() == {"cloud": Failures(3, NOW + 30, rests=1, rested=NOW + 30)}
    with lead.writing() as changes:
        changes.joined("cloud")
    assert records.failures() == {}


def test_money_counts_by_the_share_of_a_period_that_lies_after_a_time(records: Records, lead: Lead) -> None:
    planned(lead)
    hours = [Paid("t1", NOW + 3600 * hour, NOW + 3600 * (hour + 1), 0.5, "local", "") for hour in range(3)]
    with lead.writing() as changes:
        changes.pay(hours[:2])
        changes.pay(hours)
    assert records.spent_on_gone(0) == 0
    through(lead, "t1", "failed", "remove", "vm gone")
    assert records.spent_on_gone(NOW) == pytest.approx(1.5)
    assert records.spent_on_gone(NOW + 5400) == pytest.approx(0.75)
    with lead.writing() as changes:
        changes.cut("t1", NOW + 4500)
    assert records.spent_on_gone(0) == pytest.approx(0.625)
    assert [paid.until for paid in records.paid()] == [NOW + 3600, NOW + 4500]


def test_reports_hints_and_orders_are_left_by_anybody_and_change_the_version(records: Records, lead: Lead) -> None:
    planned(lead)
    seen = {records.version()}
    assert records.report("t1", "ok")
    seen.add(records.version())
    records.hint(7, "RUNNING")
    seen.add(records.version())
    number = records.order("drain", "wn001", who="kim")
    seen.add(records.version())
    assert len(seen) == 4
    assert records.nodes()[0].node.report == "ok"
    assert [(hint.vm, hint.state) for hint in records.hints()] == [(7, "RUNNING")]
    with lead.writing() as changes:
        changes.ordered(number, "done")
        changes.forget_hints(records.hints()[-1].id)
    assert (records.orders(), records.hints()) == ([], [])
    assert [order.result for order in records.orders(waiting=False)] == ["done"]


def test_a_report_of_a_node_that_is_gone_or_of_nobody_is_not_taken(records: Records, lead: Lead) -> None:
    planned(lead)
    through(lead, "t1", "failed", "remove", "vm gone")
    assert not records.report("t1", "ok")
    assert not records.report("stranger", "ok")


def test_what_is_older_than_is_kept_goes_and_what_holds_an_address_stays(
    records: Records, lead: Lead, time: Time
) -> None:  # fmt: skip
    planned(lead)
    through(lead, "t1", "failed", "remove", "vm gone")
    time.now += 100 * 86400
    with lead.writing() as changes:
        assert changes.prune() == 0
        changes.free("t1")
        assert changes.prune() == 1
    assert (records.past(), records.events()) == ([], [])


def test_a_file_of_another_release_and_no_file_at_all_are_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "later.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(RecordsUnusable, match="its schema is 99, this release knows 6"):
        Records(path)
    (tmp_path / "text.db").write_text("no data base at all, but a text that is longer than a header")
    with pytest.raises(RecordsUnusable, match="are damaged: SQLite calls the file malformed"):
        Records(tmp_path / "text.db")


def test_the_way_out_of_a_failed_start_ends_with_its_address_held(records: Records, lead: Lead) -> None:
    planned(lead)
    states = []
    for event in ("failed", "remove", "vm gone"):
        through(lead, "t1", event)
        found = records.by_token("t1")
        assert found is not None
        states.append(found.node.state)
    assert states == [FAILED, UNREGISTERED, GONE]


def test_the_file_is_not_for_everybody_whatever_it_was_before(tmp_path: Path) -> None:
    path = tmp_path / "onesge.db"
    for _ in range(2):
        records = Records(path)
        records.hint(1, "RUNNING")
        with records.moment() as connection:
            connection.exec_driver_sql("SELECT * FROM hint")
            modes = {one.name: one.stat().st_mode & 0o777 for one in tmp_path.iterdir()}
        assert modes == dict.fromkeys(("onesge.db", "onesge.db-wal", "onesge.db-shm"), 0o640)
        records.close()
        path.chmod(0o644)


def test_a_file_of_an_older_release_gets_what_it_lacks(records: Records, lead: Lead) -> None:
    planned(lead)
    with records.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE node DROP COLUMN apart_since")
        connection.exec_driver_sql("INSERT INTO brake (klass, count, last) VALUES ('local', 4, 1000)")
        connection.exec_driver_sql("ALTER TABLE brake DROP COLUMN rests")
        connection.exec_driver_sql("INSERT INTO fact VALUES ('changed', 1500)")
        connection.exec_driver_sql("PRAGMA user_version = 1")
    opened = Records(records.path)
    assert opened.nodes()[0].apart_since == 0.0
    assert Brake().until(opened.failures()["local"]) == 1600
    assert (opened.moved(UP), opened.moved(DOWN)) == (1500, 1500)


def test_what_nodes_of_a_class_have_shown_is_there_when_they_are_gone(records: Records, lead: Lead) -> None:
    for memory in (7000, 7200):
        with lead.writing() as changes:
            changes.prove("local", "worker 4", Proof(memory, "lx-amd64", (("num_proc", "2"),)))
    assert records.proofs() == {"local": ("worker 4", Proof(7200, "lx-amd64", (("num_proc", "2"),)))}
