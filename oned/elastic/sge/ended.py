"""What Grid Engine's accounting file says of a job that is no more: when it ended, where, how."""

from collections.abc import Iterator
from dataclasses import dataclass

from oned.elastic.accounting import AGAIN, PART, left_out, split_line
from oned.elastic.sge.cell import short

TAIL = 4 << 20
"""Bytes of the end of the file that are looked through."""
_HOST, _JOB, _START, _END, _FAILED, _STATUS, _TASK = 1, 5, 9, 10, 11, 12, 35
"""Places of fields in accounting(5)."""


@dataclass(frozen=True)
class Ended:
    """A job, or a task of an array, that has ended.

    seconds  that it ran
    how      ", with …" when it did not end well, else ""
    """

    job: str
    host: str
    at: float
    seconds: float
    how: str


def ends(text: bytes, job: str) -> Iterator[Ended]:
    """The ends of a job and its tasks, or of one task, in their order. Lines that are cut or wrong are left out."""
    number, _, task = job.partition(".")
    for line in text.decode(errors="replace").splitlines():
        if f":{number}:" not in line:
            continue
        try:
            fields = split_line(line)
        except ValueError:
            continue
        if fields[_JOB] != number or (task and fields[_TASK] != task) or left_out(fields) in (AGAIN, PART):
            continue
        places = (_START, _END, _FAILED, _STATUS)
        if all(fields[place].isdecimal() for place in places):
            begin, end, failed, status = (int(fields[place]) for place in places)
            name = number if fields[_TASK] == "0" else f"{number}.{fields[_TASK]}"
            how = f", with exit status {status}" if status else ""
            how = f", failed ({failed}, see sge_status(5))" if failed else how
            yield Ended(name, short(fields[_HOST]), float(end), float(end - begin if begin else 0), how)
