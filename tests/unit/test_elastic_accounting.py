"""Grid Engine's accounting file, as a real qmaster 8.1.9 wrote it; and lines that nobody should have written."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oned.elastic.accounting import BAD_TOLD, Record, Tally, Typical, last, read, read_file

REAL = Path(__file__).parent / "elastic_sge" / "accounting"
LINE = REAL.read_bytes().splitlines()[4]


def records(path: Path = REAL) -> dict[str, Record]:
    return {record.id: record for record in read_file(path, Tally())}


def line(**changed: str) -> bytes:
    """The first line with some fields changed, by number from 1 as accounting(5) counts: f12="25"."""
    fields = LINE.decode().split(":")
    for name, value in changed.items():
        fields[int(name[1:]) - 1] = value
    return ":".join(fields).encode()


def one(**changed: str) -> Record:
    (found,) = read([line(**changed)], Tally())
    return found


def test_every_line_of_a_real_file_is_read_or_told_of() -> None:
    tally = Tally()
    found = list(read_file(REAL, tally))
    assert [record.name for record in found] == [
        "clock", "fails", "one", "array", "array", "array", "nosuch", "memory", "cloudy", "smp", "killed", "mpi",
    ]  # fmt: skip
    assert (tally.lines, tally.records, tally.bad) == (17, 12, [])
    assert list(tally.words()) == ["1 lines are left out: never started."]


def test_the_facts_of_a_job() -> None:
    found = records()
    clock = found["1"]
    assert (clock.owner, clock.group, clock.project, clock.department) == (
        "labuser",
        "labuser",
        "",
        "defaultdepartment",
    )
    assert (clock.submitted, clock.started, clock.ended, clock.seconds) == (1795773200, 1795773200, 1795773201, 1)
    assert (clock.queues, clock.limit, clock.memory) == (frozenset({"@allhosts", "all.q@wn0*"}), 600, 512)
    assert (found["4"].pe, found["4"].slots, found["4"].project, found["4"].limit) == ("smp", 3, "cern", 60)
    assert (found["8"].arch, found["8"].memory, found["8"].cloud) == ("lx-amd64", 1024, None)
    assert found["9"].cloud is True
    assert found["11"].failed == 100
    assert {id for id, record in found.items() if record.name == "array"} == {"6.1", "6.3", "6.5"}


def test_what_is_only_wished_for_does_not_count() -> None:
    assert one(f40="-soft -l h_vmem=9G").memory == 0
    assert one(f40="-l h_vmem=1G -soft -l h_vmem=9G -pe smp 2,3").memory == 1024
    assert one(f40="-soft -q big.q").queues == frozenset()


def test_a_colon_in_a_category_divides_nothing() -> None:
    assert one(f40="-q all.q -l h_rt=600,path=/a:/b").limit == 600


def test_lines_of_older_releases_have_no_reservations() -> None:
    (found,) = read([b":".join(LINE.split(b":")[:43])], Tally())
    assert found.name == "clock"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"f9": "soon"}, 'its submission "soon" is no number'),
        ({"f10": "1795773100"}, "it was submitted at 1795773200, started at 1795773100 and ended at 1795773201"),
        ({"f11": "1795773201000"}, "its times are not in seconds"),
        ({"f35": "0"}, "it had no slots"),
        ({"f40": "-l h_vmem=much"}, 'its memory: "much" is no size'),
    ],
)
def test_a_bad_line_is_told_of_with_its_number(changed: dict[str, str], said: str) -> None:
    tally = Tally()
    assert [record.name for record in read([b"# comment\n", line(**changed), line()], tally)] == ["clock"]
    assert tally.bad == [(2, said)]


def test_a_file_full_of_nonsense_is_counted_and_not_listed() -> None:
    tally = Tally()
    assert list(read([b"\xff\xfe nonsense\n"] * 50, tally)) == []
    assert (tally.bad_lines, len(tally.bad)) == (50, BAD_TOLD)
    *_, most = tally.words()
    assert most == "30 more lines cannot be read."
    assert "line of accounting(5) has 45" in next(iter(tally.words()))


def test_a_job_that_was_put_back_counts_when_it_has_run() -> None:
    tally = Tally()
    assert list(read([line(f12="25"), line(f42="1.wn01")], tally)) == []
    assert tally.left_out == {"started again later": 1, "part of a parallel job": 1}


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(0, 400))
def test_nothing_that_can_stand_in_a_file_stops_the_reader(lines: list[bytes], cut: int) -> None:
    tally = Tally()
    list(read([*lines, LINE[:cut]], tally))
    assert tally.lines == len(lines) + 1


def test_files_may_be_packed_and_their_end_is_enough_for_what_is_usual(tmp_path: Path) -> None:
    packed = tmp_path / "accounting.1.gz"
    packed.write_bytes(gzip.compress(REAL.read_bytes()))
    assert records(packed) == records()
    assert [record.name for record in last(REAL, most=800)] == ["killed", "mpi"]
    assert last(tmp_path / "none") == []


def test_what_a_job_usually_takes_is_the_median_of_its_owner_and_name() -> None:
    runs = [Record("1", "sim", "ada", "", "", "", 0, 0, seconds) for seconds in (100, 900, 120, 110, 130)]
    failed = [Record("2", "sim", "ada", "", "", "", 0, 0, 1, failed=100)] * 9
    typical = Typical([*runs, *failed])
    assert typical.seconds("ada", "sim") == 120
    assert typical.seconds("bob", "sim") == 0
    assert Typical(runs[:2]).seconds("ada", "sim") == 0
    typical.learn(Record("3", "sim", "ada", "", "", "", 0, 0, 140))
    assert typical.seconds("ada", "sim") == 125
