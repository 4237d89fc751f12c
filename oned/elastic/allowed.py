"""The batch system's own quotas: how many of the tasks that wait they would let run."""

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from oned.elastic.reading import Job, JobState, Limit


class Allowed:
    """What the batch system's quotas leave, oldest jobs first."""

    def __init__(self, limits: Sequence[Limit], jobs: Iterable[Job]) -> None:
        self._limits = limits
        self._used: dict[tuple[str, str], int] = {}
        for job in jobs if limits else ():
            if job.state in (JobState.RUNNING, JobState.ENDING):
                self._use(job, job.tasks)

    def take(self, job: Job) -> tuple[int, str]:
        """How many tasks may run as far as quotas go, and what keeps the others, "" when nothing does."""
        tasks, reason = job.tasks, ""
        for limit in self._covering(job):
            fits = max(0, limit.slots - self._used.get(_key(limit, job), 0)) // max(job.slots, 1)
            if fits < tasks:
                tasks, reason = fits, f"over the batch system's quota {limit.name} of {limit.slots} slots"
        self._use(job, tasks)
        return tasks, reason

    def _use(self, job: Job, tasks: int) -> None:
        for limit in self._covering(job):
            key = _key(limit, job)
            self._used[key] = self._used.get(key, 0) + tasks * job.slots

    def _covering(self, job: Job) -> Iterator[Limit]:
        """The limits that hold for a job: of each set the first that covers it."""
        found = set()
        for limit in self._limits:
            if limit.set not in found and _covers(limit, job):
                yield limit
                found |= {limit.set} - {""}


def _covers(limit: Limit, job: Job) -> bool:
    return _named(limit.owners, job.owner) and _named(limit.projects, job.project)


def _named(names: frozenset[str], name: str) -> bool:
    """Whether one is meant: who is not left out, and is among the others if there are any. No pattern matches ""."""
    if not names or name in names:
        return True
    said = (name,) if name else ()
    left_out = [text[1:] for text in names if text.startswith("!")]
    meant = [text for text in names if not text.startswith("!")]
    return not matches(left_out, said) and (not meant or matches(meant, said))


def _key(limit: Limit, job: Job) -> tuple[str, str]:
    return limit.name, getattr(job, limit.each) if limit.each else ""


def matches(patterns: Iterable[str], names: Iterable[str]) -> bool:
    """Whether one of the names is one of the patterns: `*` and `?` are the batch system's too."""
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)
