"""Grid Engine's words in those of the planner: states of jobs, allocation rules, sizes."""

import re

from oned.elastic.reading import SPREAD, WHOLE, JobState

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)([kKmMgGtT]?)")
_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30,
          "T": 1 << 40}  # fmt: skip
_RANGE = re.compile(r"([0-9]+)(?:-([0-9]+)(?::([0-9]+))?)?")
ANY_MOST = 9_999_999
"""What Grid Engine takes for the upper end of an open range (`-pe mpi 4-`)."""


class NotUnderstood(ValueError):
    """A word of the batch system that is none of those known."""


def job_state(letters: str) -> JobState:
    """The state of a job by its letters (qstat(1)); an error or a hold counts before that the job waits.

    `qw` waits, and so does `Rq`, a job that was started and is to start again (its node died).
    """
    if "E" in letters:
        return JobState.FAILED
    if "d" in letters:
        return JobState.ENDING
    if "h" in letters:
        return JobState.HELD
    if "q" in letters:
        return JobState.WAITING
    return JobState.RUNNING


def layout(rule: str, slots: int) -> int:
    """Slots of a job on each of its nodes, by the allocation rule of its parallel environment (sge_pe(5)).

    WHOLE is all of them on one, SPREAD as it comes. Raises NotUnderstood.
    """
    if rule == "$pe_slots" or slots == 1:
        return WHOLE
    if rule in ("$fill_up", "$round_robin"):
        return SPREAD
    if rule.isascii() and rule.isdigit() and int(rule) > 0:
        return WHOLE if int(rule) == slots else int(rule)
    raise NotUnderstood(f'the allocation rule "{rule}" is no number, $pe_slots, $fill_up or $round_robin')


def slot_range(text: str) -> tuple[int, int]:
    """Least and most slots of `-pe NAME TEXT`: 4, 2-8, 2-, -8, or several such with commas. Raises NotUnderstood."""
    least, most = ANY_MOST, 0
    for part in text.replace(" ", "").split(","):
        found = re.fullmatch(r"([0-9]*)(-?)([0-9]*)(?::[0-9]+)?", part)
        if not found or not (found[1] or found[3]):
            raise NotUnderstood(f'"{text}" is no number of slots and no range')
        low = int(found[1] or 1)
        high = low if not found[2] else int(found[3] or ANY_MOST)
        least, most = min(least, low), max(most, high)
    return least, most


def tasks(text: str) -> int:
    """How many tasks of an array wait: `3`, `1-9:2`, `1,4,7-9:1`. One for a job that is no array. NotUnderstood."""
    count = 0
    for part in text.replace(" ", "").split(",") if text.strip() else ():
        found = _RANGE.fullmatch(part)
        if not found:
            raise NotUnderstood(f'"{text}" are no tasks of an array')
        first, last, step = int(found[1]), int(found[2] or found[1]), int(found[3] or 1)
        count += (last - first) // max(step, 1) + 1 if last >= first else 0
    return max(count, 1)


def mebibytes(text: str) -> int:
    """A size such as 23.5G, MiB; small letters are powers of 1000. 0 for `-`, which is not known. NotUnderstood."""
    if text.strip() in ("", "-"):
        return 0
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise NotUnderstood(f'"{text}" is no size')
    return int(float(found[1]) * _UNITS[found[2]]) >> 20
