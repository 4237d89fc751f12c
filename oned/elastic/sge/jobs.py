"""Jobs taken away from nodes that are lost or out of time."""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping

from oned import clock
from oned.elastic.batch import About, Departed, Told, nobody
from oned.elastic.reading import Host, Job, JobState
from oned.elastic.sge.commands import Commands
from oned.elastic.sge.observe import Observer

log = logging.getLogger(__name__)

LEAVE_TIME = 6.0
"""Seconds in which jobs are to have left; what takes longer is refused, and released again."""


def release(
    observer: Observer,
    names: Collection[str],
    *,
    kill: bool,
    about: About = nobody,
    told: Told = nobody,
) -> dict[str, str]:
    """Start the jobs of some hosts again elsewhere, with `kill` delete those that cannot. What was not done, by host.

    Whether they can is asked for anew: `qalter -r`, or `rerun` of a queue, may have changed it.
    `about` hears of the jobs before anything is done to them, `told` of each job that left.
    On a host that is not heard it is forced: nobody is there to confirm that the job has ended.
    """
    found = _fresh(observer, names)
    ordered = {job.id: job for own in found.values() for job in own if job.rerun or kill}
    leaving = {number: _departed(job, found) for number, job in ordered.items()}
    if leaving:
        about(leaving.values())
    _order(observer, ordered.values())
    left = _wait(names, observer.jobs, ordered)
    there = {job.id for own in left.values() for job in own}
    for number, departed in leaving.items():
        if number not in there:
            told(departed)
    return {name: _why(own, ordered) for name, own in left.items() if own}


def _departed(job: Job, found: Mapping[str, list[Job]]) -> Departed:
    return Departed(job.id, job.owner, next(name for name, own in found.items() if job in own), ended=not job.rerun)


def _fresh(observer: Observer, names: Collection[str]) -> dict[str, list[Job]]:
    """The jobs on some hosts, with nothing of them that was read before."""
    observer.forget()
    there = on(names, observer.jobs())
    observer.forget_jobs(job.id.partition(".")[0] for own in there.values() for job in own)
    return on(names, observer.jobs())


def on(names: Collection[str], jobs: Iterable[Job]) -> dict[str, list[Job]]:
    """The jobs that run on each of some hosts."""
    running = [job for job in jobs if job.state in (JobState.RUNNING, JobState.ENDING)]
    return {name: [job for job in running if any(part.node == name for part in job.parts)] for name in names}


def _order(observer: Observer, jobs: Collection[Job]) -> None:
    """Order that jobs start again, and the end of those that cannot."""
    hosts = {host.name: host for host in observer.hosts()}
    fixed = [job for job in jobs if not job.rerun]
    for job in fixed:
        log.warning("job %s of %s cannot be started again and is deleted: %s leaves", job.id, job.owner, _where(job))
    _act(observer.commands, ("qmod", "-rj"), (job for job in jobs if job.rerun), hosts)
    _act(observer.commands, ("qdel",), fixed, hosts)


def _act(commands: Commands, words: tuple[str, ...], jobs: Iterable[Job], hosts: Mapping[str, Host]) -> None:
    """One command for the jobs that are only on hosts that are heard, one with force for the others."""
    heard: list[str] = []
    silent: list[str] = []
    for job in jobs:
        gone = [part.node for part in job.parts if part.node not in hosts or not hosts[part.node].heard]
        (silent if gone else heard).append(job.id)
    command, *options = words
    for force, ids in (((), heard), (("-f",), silent)):
        if ids:
            said = commands.act(command, *force, *options, *ids)  # `qmod -rj 1,2` is refused: a word for each
            log.info("%s: %s", " ".join((command, *force, *options)), " ".join(said.split()))


def _wait(names: Collection[str], jobs: Callable[[], Iterable[Job]], ordered: Collection[str]) -> dict[str, list[Job]]:
    """The jobs that are left on each host when those that were ordered to leave have left, or when the time is over."""
    end = clock.monotonic() + LEAVE_TIME
    while True:
        left = on(names, jobs())
        waited_for = [job for own in left.values() for job in own if job.id in ordered]
        if not waited_for or clock.monotonic() > end:
            return left
        time.sleep(0.3)


def _why(left: Iterable[Job], ordered: Collection[str]) -> str:
    parts = []
    for job in left:
        told = "it was told to leave and has not yet" if job.id in ordered else "it cannot be started again"
        parts.append(f"job {job.id} of {job.owner} is there: {told}")
    return "; ".join(parts)


def _where(job: Job) -> str:
    return ", ".join(part.node for part in job.parts)
