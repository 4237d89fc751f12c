"""The batch system's own quotas: how many of the tasks that wait they would let run."""

from collections.abc import Iterable, Sequence
from enum import Enum
from fnmatch import fnmatchcase

from oned.elastic.reading import Job, JobState, Limit


class Allowed:
    """What the batch system's quotas leave, while jobs are booked."""

    def __init__(self, limits: Sequence[Limit], jobs: Iterable[Job]) -> None:
        self._limits = limits
        self._used: dict[tuple[str, ...], int] = {}
        self._found: dict[tuple[object, ...], list[Limit]] = {}
        for job in jobs if limits else ():
            if job.state in (JobState.RUNNING, JobState.ENDING):
                self.book(job, job.tasks)

    def fits(self, job: Job, tasks: int) -> tuple[int, str]:
        """How many of the tasks may run as far as quotas go, and what keeps the others, "" when nothing does."""
        reason = ""
        for limit in self._covering(job):
            fits = max(0, limit.slots - self._used.get(_key(limit, job), 0)) // max(job.slots, 1)
            if fits < tasks:
                tasks, reason = fits, f"over the batch system's quota {limit.name} of {limit.slots} slots"
        return tasks, reason

    def book(self, job: Job, tasks: int) -> None:
        """Tasks count as if they ran; a negative number gives back what they had."""
        for limit in self._covering(job):
            key = _key(limit, job)
            self._used[key] = self._used.get(key, 0) + tasks * job.slots

    def _covering(self, job: Job) -> Sequence[Limit]:
        """The limits that count for a job: found once for all jobs that are alike to them."""
        if not self._limits:
            return ()
        alike = job.owner, job.group, job.project, job.pe, job.queues
        if alike not in self._found:
            self._found[alike] = _counting(self._limits, job)
        return self._found[alike]


def _counting(limits: Iterable[Limit], job: Job) -> list[Limit]:
    """Of each set the first limit that covers a job, unless it is not known whether it does."""
    ended, counting = set(), []
    for limit in limits:
        if limit.set in ended or (covers := _covers(limit, job)) is Covers.NO:
            continue
        ended |= {limit.set} - {""}
        if covers is Covers.YES:
            counting.append(limit)
    return counting


class Covers(Enum):
    """Whether a limit is for a job."""

    NO = "no"
    YES = "yes"
    MAYBE = "that is not known"


def _covers(limit: Limit, job: Job) -> Covers:
    who = (job.owner, f"@{job.group}") if job.group else (job.owner,)
    there = _runs_in(limit.queues, job.queues) if limit.queues else Covers.YES
    if not (_named(limit.owners, who) and _named(limit.projects, (job.project,))):
        return Covers.NO
    if there is Covers.NO or (limit.pes and not _pattern(job.pe) and not _named(limit.pes, (job.pe,))):
        return Covers.NO
    return Covers.MAYBE if limit.vague or (limit.pes and _pattern(job.pe)) else there


def _runs_in(meant: frozenset[str], wished: frozenset[str]) -> Covers:
    """Whether a job that wishes for some queues, or for none, can run in those only that are meant."""
    queues = {wish.partition("@")[0] for wish in wished}
    if not queues or any(not queue or _pattern(queue) for queue in queues):
        return Covers.MAYBE
    found = {_named(meant, (queue,)) for queue in queues}
    if len(found) > 1:
        return Covers.MAYBE
    return Covers.YES if found.pop() else Covers.NO


def _pattern(name: str) -> bool:
    return not {*"*?["}.isdisjoint(name)


def _named(names: frozenset[str], who: tuple[str, ...]) -> bool:
    """Whether one is meant: who is not left out, and is among the others if there are any. No pattern matches ""."""
    said = [name for name in who if name]
    left_out = [text[1:] for text in names if text.startswith("!")]
    meant = [text for text in names if not text.startswith("!")]
    return not matches(left_out, said) and (not meant or matches(meant, said))


def _key(limit: Limit, job: Job) -> tuple[str, ...]:
    return limit.name, *(getattr(job, each) for each in limit.each.split())


def matches(patterns: Iterable[str], names: Iterable[str]) -> bool:
    """Whether one of the names is one of the patterns: `*` and `?` are the batch system's too."""
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)
