"""The batch system's limits together: of quotas and licences only what may run takes anything."""

from collections.abc import Sequence

from oned.elastic.allowed import Allowed
from oned.elastic.licences import Licences
from oned.elastic.needs import Shared
from oned.elastic.reading import Job, Limit


class Booked:
    """Quotas and licences of the batch system, which are for who comes first."""

    def __init__(self, limits: Sequence[Limit], shared: Sequence[Shared], jobs: Sequence[Job]) -> None:
        self._allowed, self._licences = Allowed(limits, jobs), Licences(shared)

    def take(self, job: Job, tasks: int) -> tuple[int, str]:
        """How many of the tasks may run, and what keeps the others. Nothing is booked for those."""
        tasks, over = self._allowed.fits(job, tasks)
        if tasks and job.needs:
            tasks, short = self._licences.fits(job, tasks)
            over = short or over
        self._book(job, tasks)
        return tasks, over

    def give_back(self, job: Job, tasks: int) -> None:
        """Tasks that were to run do not."""
        self._book(job, -tasks)

    def _book(self, job: Job, tasks: int) -> None:
        self._allowed.book(job, tasks)
        if job.needs:
            self._licences.book(job, tasks)
