"""The demonstration as a person sees it: a screen that is drawn again and again, or lines without a terminal."""

import shutil
import sys
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Protocol

from oned.elastic.records import Entry
from share.elastic.demo.board import Moment, Row
from share.elastic.demo.settings import SLOTS, Size

COLOURS = {
    "PLANNED": "2", "REGISTERED": "36", "STARTING": "33", "JOINING": "33", "READY": "32", "DRAINING": "35",
    "UNREGISTERED": "2", "GONE": "2", "FAILED": "31", "LOST": "31", "QUARANTINED": "31",
}  # fmt: skip
BARS = " ▁▂▃▄▅▆▇█"
LAST = 8
"""Events that are shown."""


class Display(Protocol):
    """Shows moments."""

    def show(self, moment: Moment, course: Sequence[Moment]) -> None:
        """The moment, and those before it."""


def display(size: Size) -> Display:
    """What suits standard output."""
    return Screen(size) if sys.stdout.isatty() else Lines(size)


class Lines:
    """A line for each thing that happens, and for each change of the counts."""

    def __init__(self, size: Size) -> None:
        self._size = size
        self._counts = ""

    def show(self, moment: Moment, course: Sequence[Moment]) -> None:
        for entry in moment.news:
            print(f"{clock(moment.elapsed)}  {event(entry)}")
        if (counts := counts_of(moment, self._size)) != self._counts:
            print(f"{clock(moment.elapsed)}  {counts}")
        self._counts = counts
        sys.stdout.flush()


class Screen:
    """One screen, in ANSI's plainest words."""

    def __init__(self, size: Size) -> None:
        self._size = size
        self._news: deque[str] = deque(maxlen=LAST)
        sys.stdout.write("\x1b[2J")

    def show(self, moment: Moment, course: Sequence[Moment]) -> None:
        self._news.extend(f"{clock(moment.elapsed)}  {event(entry)}" for entry in moment.news)
        width, height = shutil.get_terminal_size((100, 40))
        drawn = list(draw(moment, course, self._size, self._news, width))[: height - 1]
        sys.stdout.write("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in drawn) + "\x1b[J")
        sys.stdout.flush()


def draw(moment: Moment, course: Sequence[Moment], size: Size, news: Sequence[str], width: int) -> Iterator[str]:
    """The lines of the screen, each as wide as it may be at most."""
    title = "A batch cluster whose nodes come when jobs wait, and go when nothing needs them"
    yield bold(_cut(f"{clock(moment.elapsed)}   {title}", width))
    yield ""
    yield f"  jobs   {bar(moment, size.jobs, min(60, width - 12))}"
    yield _cut(f"         {counts_of(moment, size)}", width)
    yield ""
    yield _cut(f"  {'NODE':8} {'WHERE':6} {'STATE':13} {'FOR':>5}  {'SLOTS':6} {'ADDRESS':13}", width)
    for row in moment.nodes:
        yield node(row, width)
    for _ in range(sum(size.most.values()) - len(moment.nodes)):
        yield ""
    yield ""
    room = max(10, width - 24)
    yield f"  waiting jobs  {course_of([one.waiting for one in course], size.jobs, room)}"
    for klass, most in size.most.items():
        counted = [sum(row.klass == klass for row in one.nodes) for one in course]
        yield f"  {klass} nodes   {course_of(counted, most, room)}"
    yield ""
    for line in news:
        yield _cut(f"  {line}", width)


def counts_of(moment: Moment, size: Size) -> str:
    """Jobs, nodes and money in words."""
    counts = Counter(row.klass for row in moment.nodes)
    where = ", ".join(f"{counts[klass]} {klass}" for klass in size.most)
    jobs = f"{moment.waiting} jobs wait, {moment.running} run, {moment.done} have ended"
    return f"{jobs}; nodes: {where}; {moment.rate:.2f} an hour"


def bar(moment: Moment, jobs: int, width: int) -> str:
    """Those that have ended, that run, that wait."""
    parts = [round(width * count / max(1, jobs)) for count in (moment.done, moment.done + moment.running)]
    done, running = parts[0], parts[1] - parts[0]
    return coloured("█" * done, "32") + coloured("▓" * running, "33") + coloured("░" * (width - parts[1]), "2")


def node(row: Row, width: int) -> str:
    """A line for a node."""
    free = SLOTS - len(row.jobs) if row.state == "READY" else 0
    slots = "■" * len(row.jobs) + "□" * free
    state = coloured(f"{row.state:13}", COLOURS[row.state])
    what = f"job {', '.join(row.jobs)}" if row.jobs else row.why if row.state not in ("READY", "DRAINING") else ""
    return (
        f"  {row.name:8} {row.klass:6} {state} {row.since:4.0f}s  {slots:6} {row.address:13} {_cut(what, width - 60)}"
    )


def course_of(counts: Sequence[int], most: int, width: int) -> str:
    """A line of bars for how something went, as wide as it may be, and the count of now."""
    step = max(1, -(-len(counts) // width))
    tops = [max(counts[at : at + step]) for at in range(0, len(counts), step)]
    drawn = "".join(BARS[-(-min(top, most) * (len(BARS) - 1) // most) if most else 0] for top in tops)
    return f"{drawn} {counts[-1] if counts else 0}"


def event(entry: Entry) -> str:
    """What happened, in a line."""
    done = entry.sentence if entry.result == "done" else entry.result
    return f"{entry.node:8} {entry.state:13} {done}"


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def bold(text: str) -> str:
    return coloured(text, "1")


def coloured(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"
