"""What all nodes share, such as licences: how many tasks may start with what is left."""

from collections.abc import Collection

from oned.elastic.needs import Per, Shared, amount, times
from oned.elastic.reading import Job


class Licences:
    """What is left of each, while jobs are booked."""

    def __init__(self, shared: Collection[Shared]) -> None:
        self._shared = {one.name: one for one in shared}
        self._left = {one.name: found for one in shared if (found := amount(one.left)) is not None}

    def fits(self, job: Job, tasks: int) -> tuple[int, str]:
        """How many of the tasks may start, and what keeps the others, "" when nothing does."""
        may, reason = tasks, ""
        for name, each in self._counted(job):
            fits = times(self._left[name], each)
            if fits < may:
                may, reason = fits, self._short(name, each)
        return may, reason

    def book(self, job: Job, tasks: int) -> None:
        """Tasks take what they need; a negative number gives it back."""
        for name, each in self._counted(job):
            self._left[name] -= tasks * each

    def _counted(self, job: Job) -> list[tuple[str, float]]:
        """What a task takes of what is counted."""
        if not self._left:
            return []
        wanted = {need.name: need.each(job.slots) for need in job.needs if need.per is not Per.NOTHING}
        return [(name, each) for name, each in wanted.items() if each > 0 and name in self._left]

    def _short(self, name: str, each: float) -> str:
        one = self._shared[name]
        total = amount(one.total)
        if total is not None and each > total:
            return f"asking for {each:g} of {name}, of which there are {total:g} in all"
        of = "" if total is None else f" of {total:g}"
        left = max(0.0, self._left[name])
        return f"waiting for {name}: {left:g}{of} are left for it, {each:g} are wanted (licence taken)"
