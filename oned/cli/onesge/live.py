"""onesge plan, apply, explain: what the loop would do now, why, and doing it by hand."""

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from oned import clock
from oned.cli.command import FAILURE, CommandError, Option, Program
from oned.cli.onesge import books, conf
from oned.cli.onesge.conf import CONFIG
from oned.cli.onesge.nodes import event_line
from oned.cli.onesge.plan_views import differences, show_plan, step_line, waited
from oned.cli.onesge.plan_views import jobs as job_words
from oned.cli.onesge.world import acting, assembled, looking
from oned.cli.output import JSON, complain, say
from oned.client.client import Client

if TYPE_CHECKING:
    from oned.elastic.plan import Plan
    from oned.elastic.reading import Job

BRIEF = Option("brief", ("--brief",), "count the nodes that stay as they are")

_STEPS, _EVENTS = 6, 6
"""Lines of one screen."""


def add_live(program: Program) -> None:
    """Give onesge the verbs."""
    program.command("plan", "", BRIEF, JSON, CONFIG)(_plan)
    program.command("apply", "<file>", CONFIG)(_apply)
    program.command("explain", "<job-or-node>", CONFIG)(_explain)


def _plan(one: Client, *, brief: bool, as_json: bool, config: str | None) -> None:
    """Shows what would be done now, and does nothing: demand by shape, steps and nodes with rule and reason, money.

    `onesge plan --json > FILE` keeps a plan for `onesge apply FILE`.
    """
    with assembled(one, config) as service:
        plan = looking(service).look()
    if as_json:
        sys.stdout.write(f"{plan.json().decode()}\n")
    else:
        show_plan(plan, whole=not brief)


def _apply(one: Client, file: str, *, config: str | None) -> int:
    """Does what a plan says, if it is what would be planned now; else tells what has changed. - is standard input.

    It is for sites where no `onesge run` does it by itself, and takes the first steps only: what follows of them, such
    as the start of a node that was registered, is in the next plan.
    """
    from oned.elastic.cycle import StalePlan

    wanted = _read(file)
    with assembled(one, config, acts=True) as service, acting(service) as cycle:
        try:
            made = cycle.carry_out(wanted.digest)
        except StalePlan as stale:
            complain(f"{stale}:")
            for line in differences(wanted, cycle.look()):
                complain(f"  {line}")
            return FAILURE
    begun = len(made.steps) - sum(missed.count for missed in cycle.missed.values())
    for step in made.steps:
        say(step_line(step).strip())
    say(f"{begun} step{'' if begun == 1 else 's'} of plan {made.digest[:12]} begun")
    for klass, missed in cycle.missed.items():
        complain(f"not begun, {missed.count} of class {klass}: {missed.why}")
    return FAILURE if cycle.missed else 0


def _read(file: str) -> "Plan":
    from oned.elastic.plan import Plan, PlanUnreadable

    try:
        return Plan.of(sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes())
    except OSError as error:
        raise CommandError(
            f"{file} cannot be read: {error.strerror}. `onesge plan --json > {file}` makes one"
        ) from None
    except PlanUnreadable as error:
        raise CommandError(f"{'standard input' if file == '-' else file}: {error}") from None


def _explain(one: Client, what: str, *, config: str | None) -> None:
    """Says why nodes come for a job, or do not; or what becomes of a node and why, and what happened to it."""
    with assembled(one, config) as service:
        cycle = looking(service)
        plan = cycle.look()
        hosts = cycle.reading.hosts.items if cycle.reading else ()
        known = {fate.node for fate in plan.fates} | {host.name for host in hosts}
        what = books.short(what, known)
        events = service.records.events(what, _EVENTS) or service.records.departures(what, _EVENTS)
    running = _running(cycle.reading.jobs.items if cycle.reading else (), what)
    told = [*plan.explain_node(what), *running, *plan.explain_job(what)]
    for note in plan.notes if told else ():
        say(note)
    for line in told:
        say(line)
    for entry in events:
        say(event_line(entry))
    if told:
        return
    ended = _ended(config, what)
    for line in ended:
        say(line)
    if not events and not ended:
        raise CommandError(_nothing(what, known=bool(cycle.reading and cycle.reading.jobs.at > 0)))


def _nothing(what: str, *, known: bool) -> str:
    """Why nothing is told of a job or node."""
    if not known:
        return f"There is no node {what}. Whether there is such a job is not known: the batch system is not read"
    return f"There is no job {what or repr(what)}, and no node of that name. See: qstat, onesge node list"


def _ended(config: str | None, job: str) -> list[str]:
    """When and where a job has ended, or the last of its tasks that have, by the accounting file; none without it."""
    from oned.elastic.batch import BatchDown
    from oned.elastic.sge.commands import Commands
    from oned.elastic.sge.ended import TAIL, ends
    from oned.elastic.sge.place import read_place

    given = conf.load(config)
    place = read_place(given)
    if not job.partition(".")[0].isdecimal():
        return []
    try:
        said = Commands(place).other("tail", "-c", str(TAIL), f"{place.common}/accounting")
    except BatchDown:
        return []
    found = list(ends(said.output, job)) if said.status == 0 else []
    lines = [
        f"Job {one.job} ended at {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(one.at))}, on {one.host}, "
        f"after {waited(one.seconds)}{one.how}."
        for one in found[-_EVENTS:]
    ]
    return [*lines, f"{len(found)} of its tasks have ended."] if len(found) > len(lines) else lines


def _running(jobs: "Iterable[Job]", number: str) -> Iterator[str]:
    """Where a job runs, or those of its tasks that do, a line for each; or what runs on a node."""
    here = [job.id for job in jobs if any(part.node == number for part in job.parts)]
    if here:
        yield f"On it: {job_words(here)}."
    for job in jobs:
        if job.parts and number in (job.id, job.id.partition(".")[0]):
            where = ", ".join(f"{part.node} ({part.slots} slot{'' if part.slots == 1 else 's'})" for part in job.parts)
            ends = f", expected to end in {waited(job.ends - clock.now())}" if job.ends else ""
            again = "" if job.rerun else "; it cannot be started again"
            yield f"Job {job.id} runs on {where}{ends}{again}."
