"""Replays of regular loads, where everything falls on the same seconds: they end, and tell of each job."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from oned.elastic.accounting import Record
from oned.elastic.policy import Billing, Caps, NodeClass, Pace, Patience, Policies, Quota, Window
from oned.elastic.replay import Options, Replay, wishes
from oned.elastic.simulated import Task
from tests.unit.elastic_replays import HOUR, job

DAY = 24 * HOUR
WEEK = frozenset(range(7))
RULES = {"mpi": "$fill_up", "smp": "$pe_slots", "two": "2"}


@dataclass(frozen=True)
class Series:
    """Jobs alike, one in each so many seconds."""

    count: int
    begin: float
    gap: float
    seconds: float
    slots: int
    pe: str
    memory: int
    owner: str
    limit: int

    def records(self, number: int) -> list[Record]:
        """Its jobs."""
        facts = {"slots": self.slots, "pe": self.pe, "memory": self.memory, "owner": self.owner, "limit": self.limit}
        return [
            job(f"{number}.{one}", self.begin + one * self.gap / HOUR, self.seconds, **facts)
            for one in range(self.count)
        ]


def one_of(*values: object) -> st.SearchStrategy:
    return st.sampled_from(values)


SERIES = st.builds(
    Series,
    count=one_of(1, 2, 7, 20),
    begin=one_of(8.0, 8.5, 19.0, 30.0),
    gap=one_of(0, 30, 60, 600),
    seconds=one_of(60, 120, 600, HOUR, 20 * HOUR),
    slots=one_of(1, 1, 2, 4, 12, 64),
    pe=one_of(*RULES),
    memory=one_of(0, 0, 1024, 4096),
    owner=one_of("ada", "eve"),
    limit=one_of(0, 0, 60, HOUR),
)
LOADS = st.lists(SERIES, min_size=1, max_size=4)


def klass(name: str, **facts: object) -> st.SearchStrategy[NodeClass]:
    """Nodes with round numbers, some of which are renewed, kept or spare."""
    return st.builds(
        NodeClass,
        name=st.just(name),
        slots=one_of(1, 4),
        memory=one_of(0, 8192),
        least=one_of(0, 0, 1, 2),
        most=one_of(0, 2, 5),
        spare=one_of(0, 0, 4),
        wait=one_of(0.0, 60.0),
        idle=one_of(0.0, 60.0, 600.0),
        boot=one_of(0.0, 60.0, 120.0),
        life=one_of(0.0, 0.0, HOUR, 6 * HOUR),
        **facts,
    )


CLOUD = klass("cloud", cloud=st.just(True), price=one_of(0.0, 0.5), billing=st.sampled_from(Billing))
WINDOW = st.builds(
    Window,
    klass=one_of("local", "cloud"),
    days=one_of(WEEK, frozenset({0, 1})),
    start=one_of(0, 8 * 60, 22 * 60),
    end=one_of(6 * 60, 8 * 60, 18 * 60),
    least=one_of(None, 0, 1),
    most=one_of(None, 0, 1, 5),
)
QUOTA = st.builds(
    Quota,
    name=st.just("vo"),
    by=st.just("owner"),
    who=st.just(frozenset({"eve"})),
    nodes=one_of(0, 1, 3),
    lends=st.booleans(),
)
SITES = st.builds(
    Policies,
    classes=st.tuples(klass("local"), CLOUD),
    least=one_of(0, 0, 1),
    most=one_of(3, 10),
    quotas=st.lists(QUOTA, max_size=1).map(tuple),
    windows=st.lists(WINDOW, max_size=2).map(tuple),
    caps=one_of(Caps(), Caps(hour=1.0), Caps(day=6.0)),
    pace=one_of(Pace(), Pace(cool_down=0.0, cool_up=60.0), Pace(step_up=1, max_kill=100)),
    patience=one_of(Patience(), Patience(drain=HOUR)),
    look_ahead=st.booleans(),
)
HOPE = 1.5 * DAY
"""In place of a month: as long as no cap is for one, nothing changes later."""


class Hope:
    """Sees that no replay goes on when no job has come, started for the first time or ended for long."""

    def __init__(self, records: list[Record]) -> None:
        longest = max(record.seconds for record in records)
        self.most = HOPE + longest + DAY  # time goes on in steps of a day at most where nothing runs
        self.last = max(record.submitted for record in records)
        self.started: set[Task] = set()
        self.moved, self.since = (0, 0), float(self.last)

    def __call__(self, replay: Replay) -> None:
        self.started |= replay.batch.tasks.keys()
        moved = replay.done, len(self.started)
        if moved != self.moved:
            self.moved, self.since = moved, max(replay.now, self.last)
        assert replay.now - self.since <= self.most


@given(SITES, LOADS, one_of(0.0, 0.3))
@settings(max_examples=25, deadline=None)
def test_a_regular_load_ends_and_each_job_has_run_or_is_told_of(
    site: Policies, load: list[Series], failing: float
) -> None:
    records = [record for number, series in enumerate(load) for record in series.records(number)]
    outcome = Replay(wishes(records, RULES), site, Options(failing=failing, hope=HOPE), Hope(records)).run()
    told = [*outcome.impossible.items(), *outcome.never.items(), *outcome.cut.items()]
    assert len(outcome.waits) + sum(count for _, (count, _) in told) == len(records)
    assert all(why and first in {record.id for record in records} for why, (_, first) in told)
    assert min(outcome.waits, default=0) >= 0
