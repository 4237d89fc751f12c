"""The pool as a batch system: what it tells of itself, whatever is asked of it, in which order, and how often."""

from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oned.elastic.batch import BatchDown, Member
from oned.elastic.leader import Deposed, Lead
from oned.elastic.plain import Plain, Wanted, plain_policies
from oned.elastic.pool import PLAIN_SETTINGS, PlainConfig
from oned.elastic.reading import JobState
from oned.elastic.records import Records
from oned.elastic.settings import read
from oned.setting import ConfigError
from oned.template.parse import parse

NAMES = [f"n{number}" for number in range(5)]


def member(name: str, klass: str = "web") -> Member:
    return Member(name, "10.0.0.1", 1, queues=frozenset({klass}))


@pytest.fixture
def pool(tmp_path: Path) -> Plain:
    return Plain(tmp_path, Wanted(tmp_path / "wanted.json"))


def test_nodes_that_are_missing_wait_and_nodes_that_are_there_serve(pool: Plain) -> None:
    pool.wanted.set("web", 2)
    (job,) = pool.observe().jobs
    assert (job.state, job.tasks, job.queues) == (JobState.WAITING, 2, {"web"})
    assert pool.register([member("n1")]) == {}
    assert [host.enabled for host in pool.observe().hosts] == [False]
    pool.enable(["n1"])
    seen = pool.observe()
    assert [(job.state, job.tasks) for job in seen.jobs] == [(JobState.RUNNING, 1), (JobState.WAITING, 1)]
    assert seen.jobs[0].parts[0].node == "n1"
    assert [host.used for host in seen.hosts] == [1]


def test_a_node_that_serves_is_not_removed_and_one_that_is_drained_serves_no_more(pool: Plain) -> None:
    pool.wanted.set("web", 1)
    pool.register([member("n1")])
    pool.enable(["n1"])
    pool.observe()
    assert pool.remove(["n1"]) == {"n1": "it serves"}
    pool.drain(["n1"])
    assert [job.state for job in pool.observe().jobs] == [JobState.WAITING]
    assert pool.remove(["n1"]) == {}
    assert pool.drain(["n1"]) == {"n1": "there is no such node"}


def test_what_was_decided_is_not_written_over_what_another_one_wrote_meanwhile(pool: Plain, tmp_path: Path) -> None:
    pool.wanted.set("web", 1)
    pool.register([member("n1")])
    pool.enable(["n1"])
    other = Plain(tmp_path, pool.wanted)

    def meanwhile() -> Collection[str]:
        other.register([member("n2")])
        return ("n1",)

    pool.running = meanwhile
    with pytest.raises(BatchDown, match=r"nodes\.json was changed"):
        pool.observe()
    assert {name: kept.serves for name, kept in other.nodes().items()} == {"n1": False, "n2": False}
    pool.running = other.nodes
    assert [host.used for host in pool.observe().hosts] == [1, 0]


WRITES: dict[str, Callable[[Plain], object]] = {
    "observe": lambda pool: pool.observe(),
    "register": lambda pool: pool.register([member("n2")]),
    "enable": lambda pool: pool.enable(["n1"]),
    "drain": lambda pool: pool.drain(["n1"]),
    "release": lambda pool: pool.release(["n1"], kill=True),
    "remove": lambda pool: pool.remove(["n1"]),
}


@pytest.mark.parametrize("verb", WRITES)
def test_who_does_not_lead_any_more_changes_no_node(pool: Plain, tmp_path: Path, verb: str) -> None:
    records = Records(tmp_path / "onesge.db")
    lead, next_one = Lead(records), Lead(records)
    assert lead.take()
    pool.leading = lead.writing
    pool.register([member("n1")])
    pool.enable(["n1"])
    pool.wanted.set("web", 1)
    before = pool.nodes()
    lead.resign()
    assert next_one.take()
    with pytest.raises(Deposed):
        WRITES[verb](pool)
    assert pool.nodes() == before
    next_one.resign()
    records.close()


@pytest.mark.parametrize("text", ["{", "[1]", '{"web": "many"}', '{"web": -1}'])
def test_a_file_of_somebody_else_is_told_of(pool: Plain, tmp_path: Path, text: str) -> None:
    (tmp_path / "wanted.json").write_text(text)
    with pytest.raises(BatchDown, match=r"wanted\.json"):
        pool.observe()
    (tmp_path / "wanted.json").write_text("{}")
    (tmp_path / "nodes.json").write_text('{"n1": {"what": 1}}')
    with pytest.raises(BatchDown, match=r"nodes\.json is none of oneplain"):
        pool.observe()


CALLS = st.tuples(st.sampled_from(("register", "enable", "drain", "release", "remove", "set")), st.sampled_from(NAMES),
                  st.integers(0, 4))  # fmt: skip


@given(st.lists(CALLS, max_size=30), st.sets(st.sampled_from(NAMES)))
@settings(max_examples=60, deadline=None)
def test_what_serves_and_what_waits_are_what_is_wanted(calls: list[tuple[str, str, int]], up: set[str]) -> None:
    with TemporaryDirectory() as directory:
        pool = Plain(Path(directory), Wanted(Path(directory) / "wanted.json"))
        pool.running = lambda: up
        number = 0
        for verb, name, count in calls:
            if verb == "set":
                pool.wanted.set("web", number := count)
            elif verb == "register":
                pool.register([member(name)])
            elif verb == "release":
                pool.release([name], kill=False)
            else:
                getattr(pool, verb)([name])
            seen = pool.observe()
            states = Counter({JobState.WAITING: 0, JobState.RUNNING: 0})
            for job in seen.jobs:
                states[job.state] += job.tasks
            assert states.total() == number
            hosts = {host.name: host for host in seen.hosts}
            assert {job.parts[0].node for job in seen.jobs if job.parts} == {one for one in hosts if hosts[one].used}
            assert all(hosts[one].heard == (one in up) for one in hosts)
            assert pool.observe().jobs == seen.jobs


def test_settings_about_jobs_do_nothing_and_are_said_to() -> None:
    text = "WAIT_BEFORE_UP = 99\nNODE_CLASS = [ NAME = web, SLOTS = 8, MEMORY = 9 ]"
    given = PlainConfig(PLAIN_SETTINGS, parse(text), lambda name, _: name)
    assert any("WAIT_BEFORE_UP" in warning and "there are no jobs" in warning for warning in given.warnings)
    (klass,) = plain_policies(read(given)).classes
    assert (klass.slots, klass.memory, klass.wait, klass.idle, klass.queues) == (1, 0, 0.0, 0.0, {"web"})


def test_a_command_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="CHECK"):
        PlainConfig(PLAIN_SETTINGS, parse('CHECK = "ping \'"'), lambda name, _: name)
