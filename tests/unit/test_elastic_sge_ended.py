"""Jobs that are no more, by the last lines of an accounting file."""

from pathlib import Path

from oned.elastic.sge.ended import Ended, ends

LINES = (Path(__file__).parent / "elastic_sge/accounting").read_bytes()
ONE = next(line for line in LINES.decode().splitlines() if ":one:3:" in line)


def test_a_job_ends_where_and_when_its_line_says() -> None:
    assert list(ends(LINES, "3")) == [Ended("3", "wn02", 1795773202.0, 2.0, "")]
    assert [one.how for one in ends(LINES, "7")] == [", with exit status 1"]
    assert list(ends(LINES, "4711")) == []


def test_tasks_of_an_array_end_one_by_one() -> None:
    tasks = [one.job for one in ends(LINES, "6")]
    assert len(tasks) > 1
    assert [one.job for one in ends(LINES, tasks[0])] == [tasks[0]]


def test_parts_of_a_parallel_job_runs_that_were_repeated_and_cut_lines_are_no_ends() -> None:
    fields = ONE.split(":")
    part, again = [*fields[:41], "1.wn02", *fields[42:]], [*fields[:11], "25", *fields[12:]]
    text = "\n".join((ONE[20:], ":".join(part), ":".join(again), ONE, ONE[:90]))
    assert [one.at for one in ends(text.encode(), "3")] == [1795773202.0]
