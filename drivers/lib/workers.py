"""Who works on what: a bounded number of threads, the actions of one object in the order they came."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from oned.drivers.lib.task import Task


@dataclass(frozen=True, eq=False)
class Job:
    """A task and the work to do for it. Jobs of one key run one after another; a job without a key waits for none."""

    task: Task
    key: int | None
    work: Callable[[], None]


class Workers:
    """At most `threads` jobs at a time."""

    def __init__(self, threads: int) -> None:
        self._most = threads
        self._threads = 0
        self._idle = 0
        self._turn = threading.Condition()
        self._ready: deque[Job] = deque()
        self._parked: dict[int, deque[Job]] = {}
        """Jobs behind a running or ready one of the same key; a key without an entry is free."""
        self._running: set[Job] = set()

    def add(self, job: Job) -> None:
        """Run the job when a thread is free and, if it has a key, the earlier jobs of that key have ended."""
        with self._turn:
            if job.key is not None and job.key in self._parked:
                self._parked[job.key].append(job)
                return
            if job.key is not None:
                self._parked[job.key] = deque()
            self._make_ready(job)

    def cancel(self, oid: int | None = None) -> list[Task]:
        """Cancel the tasks of one object (None: of all); those that still run when this returns, to be waited for."""
        with self._turn:
            for job in [job for job in self._waiting() if oid in (None, job.task.oid)]:
                self._forget(job)
            running = [job.task for job in self._running if oid in (None, job.task.oid)]
        for task in running:
            task.cancel()
        return running

    def _waiting(self) -> list[Job]:
        return [*self._ready, *(job for parked in self._parked.values() for job in parked)]

    def _forget(self, job: Job) -> None:
        """Take a waiting job out of its line."""
        if job in self._ready:
            self._ready.remove(job)
            self._release(job)
        elif job.key is not None:
            self._parked[job.key].remove(job)

    def _make_ready(self, job: Job) -> None:
        self._ready.append(job)
        if len(self._ready) > self._idle and self._threads < self._most:
            self._threads += 1
            threading.Thread(target=self._work, daemon=True).start()
        self._turn.notify()

    def _release(self, job: Job) -> None:
        """The job's key is free for the next one that waits for it."""
        if job.key is None:
            return
        if parked := self._parked[job.key]:
            self._make_ready(parked.popleft())
        else:
            del self._parked[job.key]

    def _work(self) -> None:
        while True:
            with self._turn:
                self._idle += 1
                self._turn.wait_for(lambda: self._ready)
                self._idle -= 1
                job = self._ready.popleft()
                self._running.add(job)
            job.work()
            with self._turn:
                self._running.discard(job)
                self._release(job)
            job.task.ended.set()
