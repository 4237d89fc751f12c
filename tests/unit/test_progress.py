"""How far a long work is, on a terminal and elsewhere."""

import io

from oned.cli.progress import Progress

MIB = 1 << 20


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def shown(stream: io.StringIO, total: int, *steps: tuple[float, int]) -> str:
    """What is written while so many bytes are done after so many seconds."""
    clock = Clock()
    with Progress("Sending", total, stream, clock) as progress:
        for seconds, done in steps:
            clock.now = 100 + seconds
            progress.at(done)
    return stream.getvalue()


def test_a_file_gets_a_line_every_ten_seconds_with_what_is_left() -> None:
    written = shown(io.StringIO(), 100 * MIB, (0, 0), (5, 10 * MIB), (10, 20 * MIB), (15, 30 * MIB), (20, 50 * MIB))
    assert written == "Sending:  20 % of 100M, 2M/s, 0:40 left\nSending:  50 % of 100M, 2.5M/s, 0:20 left\n"


def test_a_short_work_says_nothing_where_nobody_looks() -> None:
    assert shown(io.StringIO(), MIB, (0, 0), (1, MIB)) == ""


def test_a_terminal_gets_a_bar_that_ends_full() -> None:
    written = shown(Terminal(), 4 * MIB, (0, 0), (1, 2 * MIB), (2, 4 * MIB))
    frames = written.strip("\n").split("\r")[1:]
    assert [len(frame) for frame in frames] == [79, 79, 79]
    assert "[###############               ]  50 % of 4M, 2M/s, 0:01 left" in frames[0]
    assert "[##############################] 100 % of 4M" in frames[-1]
    assert written.endswith("\n")


def test_bytes_of_an_earlier_attempt_make_it_no_faster() -> None:
    assert "50 % of 100M, 1M/s" in shown(io.StringIO(), 100 * MIB, (0, 40 * MIB), (10, 50 * MIB))


def test_an_empty_total_is_done() -> None:
    assert "100 %" in shown(Terminal(), 0, (0, 0))
