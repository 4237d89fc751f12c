"""Grid Engine's accounting file, accounting(5), line by line: what ran, for whom, with what request and how long.

Also what is learned from it: how long the jobs of an owner with a name usually run.
"""

import gzip
import itertools
import statistics
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from oned.elastic.sge.read import CLOUD, MEMORY, wish
from oned.elastic.sge.words import NotUnderstood, mebibytes

FIELDS = 45
"""Of a line of 8.1.9. Older releases have no advance reservations, which are the last two."""
_LEAST = 43
_CATEGORY, _AFTER_IT = 39, 5
"""The place of the category, the only field of several words; and how many fields come after it."""
LATEST = 1 << 33
"""No time is later (2242): a larger number is none of seconds."""
BAD_TOLD = 20
"""Bad lines that are told of one by one; all are counted."""
_AGAIN = frozenset(("24", "25"))
"""sge_status(5): a job that migrated, or was put back into the queue, has another line for its next start."""
NEVER, AGAIN, PART = "never started", "started again later", "part of a parallel job"


@dataclass(frozen=True, slots=True)
class Record:
    """A job, or a task of an array, that has run.

    submitted, started, ended  seconds since the epoch
    pe                         parallel environment, "" for none
    memory                     per slot, MiB, as asked for; 0 where nothing was
    queues                     in the words of `reading.Host.queues`
    limit                      h_rt, seconds; 0 for none
    failed                     0, or why it did, sge_status(5)
    """

    id: str
    name: str
    owner: str
    group: str
    project: str
    department: str
    submitted: int
    started: int
    ended: int
    slots: int = 1
    pe: str = ""
    memory: int = 0
    arch: str = ""
    queues: frozenset[str] = frozenset()
    cloud: bool | None = None
    limit: int = 0
    failed: int = 0

    @property
    def seconds(self) -> int:
        """How long it ran."""
        return self.ended - self.started


@dataclass
class Tally:
    """What became of the lines that were read.

    bad       (number of the line, why it cannot be read): the first ones
    left_out  lines that are read and are no run of a job, by reason
    """

    lines: int = 0
    records: int = 0
    bad_lines: int = 0
    bad: list[tuple[int, str]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def words(self) -> Iterator[str]:
        """A line for people about each thing that was left out."""
        for reason, count in sorted(self.left_out.items()):
            yield f"{count} lines are left out: {reason}."
        for number, why in self.bad:
            yield f"Line {number} is left out: {why}."
        if self.bad_lines > len(self.bad):
            yield f"{self.bad_lines - len(self.bad)} more lines cannot be read."


def read(lines: Iterable[bytes], tally: Tally) -> Iterator[Record]:
    """The runs in the order of their ends, which is that of the file. Lines that are bad are counted in the tally."""
    seen: dict[frozenset[str], frozenset[str]] = {}
    for number, line in enumerate(lines, 1):
        text = line.decode(errors="replace").rstrip("\r\n")
        tally.lines += 1
        if len(text) < 2 or text.startswith("#"):
            continue
        try:
            fields = split_line(text)
            if reason := left_out(fields):
                tally.left_out[reason] += 1
                continue
            made = _record(fields, seen)
        except ValueError as error:
            tally.bad_lines += 1
            if len(tally.bad) < BAD_TOLD:
                tally.bad.append((number, str(error)))
            continue
        tally.records += 1
        yield made


def read_file(path: Path, tally: Tally) -> Iterator[Record]:
    """The runs of a file; one that ends in .gz is unpacked. OSError when it cannot be read."""
    with opened(path) as lines:
        yield from read(lines, tally)


def opened(path: Path) -> BinaryIO:
    """A file to read from, unpacked when its name ends in .gz."""
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def last(path: Path, most: int = 16 << 20) -> list[Record]:
    """The runs in the last bytes of a file: what has happened of late. None where there is no file."""
    try:
        with closing(path.open("rb")) as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - most))
            if size > most:
                file.readline()  # the rest of a line
            return list(read(file, Tally()))
    except FileNotFoundError:
        return []


class Typical:
    """How long the jobs of an owner with the same name usually run: the median of the last ones."""

    def __init__(self, records: Iterable[Record] = (), *, most: int = 25, least: int = 3) -> None:
        self._most, self._least = most, least
        self._runs: dict[tuple[str, str], deque[float]] = {}
        self._known: dict[tuple[str, str], float] = {}
        for record in records:
            self.learn(record)

    def learn(self, record: Record) -> None:
        """One more that has ended. What failed says nothing of the others."""
        if not record.failed:
            self.ran(record.owner, record.name, record.seconds)

    def ran(self, owner: str, name: str, seconds: float) -> None:
        """One more that has ended."""
        self._runs.setdefault((owner, name), deque(maxlen=self._most)).append(seconds)
        self._known.pop((owner, name), None)

    def seconds(self, owner: str, name: str) -> float:
        """The median; 0 where too few are known."""
        key = (owner, name)
        if key not in self._known:
            runs = self._runs.get(key, ())
            self._known[key] = statistics.median(runs) if len(runs) >= self._least else 0.0
        return self._known[key]


def split_line(text: str) -> list[str]:
    """The fields of a line; a colon within the category is none that divides. ValueError for what is no such line."""
    fields = text.split(":")
    if len(fields) < _LEAST:
        raise ValueError(f"it has {len(fields)} fields, a line of accounting(5) has {FIELDS}")
    if len(fields) > FIELDS:
        fields[_CATEGORY:-_AFTER_IT] = [":".join(fields[_CATEGORY:-_AFTER_IT])]
    return fields


def left_out(fields: list[str]) -> str:
    """Why a line is no run of a job."""
    if fields[41] not in ("NONE", ""):
        return PART
    if fields[11] in _AGAIN:
        return AGAIN
    return NEVER if fields[9] == "0" else ""


def _record(fields: list[str], seen: dict[frozenset[str], frozenset[str]]) -> Record:
    times = [_number(fields[place], what) for place, what in ((8, "submission"), (9, "start"), (10, "end"))]
    if max(times) > LATEST:
        raise ValueError("its times are not in seconds")
    submitted, started, ended = times
    if not submitted <= started <= ended:
        raise ValueError(f"it was submitted at {submitted}, started at {started} and ended at {ended}")
    slots, task = _number(fields[34], "slots"), _number(fields[35], "task")
    if not slots:
        raise ValueError("it had no slots")
    asked = _asked(fields[_CATEGORY])
    request = dict(one.partition("=")[::2] for one in asked.get("-l", "").split(",") if one)
    queues = frozenset(wish(queue) for queue in asked.get("-q", "").split(",") if queue)
    limit = request.get("h_rt", "")  # in seconds here, however it was written
    return Record(
        id=f"{fields[5]}.{task}" if task else fields[5],
        name=fields[4],
        owner=fields[3],
        group=fields[2],
        project=_told(fields[31]),
        department=_told(fields[32]),
        submitted=submitted,
        started=started,
        ended=ended,
        slots=slots,
        pe=_told(fields[33]),
        memory=_memory(request),
        arch=request.get("arch", ""),
        queues=seen.setdefault(queues, queues),
        cloud=request[CLOUD].upper() in ("1", "TRUE") if CLOUD in request else None,
        limit=int(limit) if limit.isascii() and limit.isdigit() else 0,
        failed=_number(fields[11], "failure"),
    )


def _asked(category: str) -> dict[str, str]:
    """What was asked for, by option. What is only wished for (-soft -l) does not count."""
    words = category.split(" ")
    found: dict[str, str] = {}
    for place, (option, value) in enumerate(itertools.pairwise(words)):
        if option in ("-q", "-l") and (place == 0 or words[place - 1] != "-soft"):
            found[option] = value
    return found


def _memory(request: Mapping[str, str]) -> int:
    try:
        return max((mebibytes(request[name]) for name in MEMORY if name in request), default=0)
    except NotUnderstood as error:
        raise ValueError(f"its memory: {error}") from error


def _told(text: str) -> str:
    return "" if text == "NONE" else text


def _number(text: str, what: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ValueError(f'its {what} "{text:.40}" is no number')
    return int(text)
