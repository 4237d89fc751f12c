"""onesge status: on one screen how the loop is, what waits, which nodes there are, money, what is next and was last."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from oned import clock
from oned.cli.command import Program
from oned.cli.onesge.conf import CONFIG
from oned.cli.onesge.cost import caps_lines
from oned.cli.onesge.nodes import event_line
from oned.cli.onesge.plan_views import jobs as job_words
from oned.cli.onesge.plan_views import step_line, waited
from oned.cli.onesge.world import assembled, looking
from oned.cli.output import facts, heading, say
from oned.client.client import Client

if TYPE_CHECKING:
    from oned.elastic.daemon import Assembled
    from oned.elastic.plan import Plan
    from oned.elastic.policy import Patience, Policies

_STEPS, _EVENTS = 6, 6
"""Lines of one screen."""


def add_status(program: Program) -> None:
    """Give onesge the verb."""
    program.command("status", "", CONFIG)(_status)


def _status(one: Client, *, config: str | None) -> None:
    """Shows on one screen who runs the loop, what cannot be read, queue, nodes, money, what is next and was last."""
    with assembled(one, config) as site:
        _screen(site, looking(site).look())


def _screen(site: "Assembled", plan: "Plan") -> None:
    from oned.elastic.daemon import cloud_troubles

    say(f"Cluster {site.service.cluster}, {_moment(plan.at)}")
    for note in (*plan.notes, *cloud_troubles(site)):
        say(f"  {note}")
    say()
    facts("SERVICE", [("loop", _loop(site)), *_pulse(site), *_queue(plan)])
    facts("NODES", _nodes(plan, site.policies.at(plan.at)))
    facts(
        "MONEY",
        [(line.split("  ")[0].strip(), line[10:].strip()) for line in caps_lines(plan.before, site.policies.caps)],
    )
    _lines("NEXT", [step_line(step) for step in plan.steps], _STEPS, "nothing is to be done")
    _lines("LAST", [f"  {event_line(entry)}" for entry in site.records.events(limit=_EVENTS)], _EVENTS, "nothing yet")


def _lines(title: str, lines: list[str], most: int, without: str) -> None:
    heading(title)
    more = [f"  and {len(lines) - most} more"] if len(lines) > most else []
    say("\n".join([*lines[:most], *more] or [f"  {without}"]))
    say()


def _loop(site: "Assembled") -> str:
    holder = site.records.leader()
    left = holder.deadline - clock.now() if holder else 0.0
    if holder is None or left <= 0 or not holder.holder:
        return "none runs. Start it with: onesge run"
    return (
        f"{holder.holder.split(' ')[0]} leads, heard of within the last {waited(max(0.0, site.service.leader - left))}"
    )


def _pulse(site: "Assembled") -> Iterator[tuple[str, str]]:
    """The last cycle of the loop, and how old what it goes by is by now; whether it is frozen by that."""
    from oned.elastic.pulse import pulse

    last, now = pulse(site.records), clock.now()
    if last is None:
        return
    yield "last cycle", f"{waited(now - last.at)} ago, it took {last.seconds:.1f} s"
    read = {"jobs": last.jobs, "hosts": last.hosts, "VMs": last.vms}
    told = ", ".join(f"{name} {waited(now - at)} ago" if at else f"{name} never" for name, at in read.items())
    yield "settings", f"in force for {waited(now - last.settings)}, since {_moment(last.settings)}"
    yield "it has read", f"{told}{_frozen(now - min(read.values()), site.policies.patience)}"


def _moment(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def _frozen(age: float, patience: "Patience") -> str:
    """What is not done with readings of that age."""
    if age > patience.act:
        return ": FROZEN, nothing is started and nothing is stopped"
    return ": FROZEN, nothing is stopped" if age > patience.stop else ""


def _queue(plan: "Plan") -> Iterator[tuple[str, str]]:
    possible = [served for served in plan.served if not served.impossible]
    tasks = sum(served.tasks for served in possible)
    slots = sum(served.tasks * served.shape.slots for served in possible)
    oldest = max((plan.at - served.since for served in possible), default=0.0)
    yield "waiting", f"{tasks} tasks, {slots} slots, the oldest for {waited(oldest)}" if tasks else "nothing"
    never = [job for served in plan.served if served.impossible for job in served.jobs]
    if never:
        yield "can never run", f"{job_words(never)}. See: onesge explain {never[0]}"
    kept = sum(len(one.jobs) for one in plan.kept)
    if kept:
        yield "not counted", f"{kept} job{'' if kept == 1 else 's'} (held, in error, over quota, for later)"


def _nodes(plan: "Plan", policies: "Policies") -> Iterator[tuple[str, str]]:
    states = {klass.name: Counter[str]() for klass in policies.classes}
    for fate in plan.fates:
        states.setdefault(fate.klass, Counter())[fate.state] += 1
    for name, counted in states.items():
        words = ", ".join(f"{count} {state}" for state, count in counted.items())
        yield name, f"{counted.total()} of {policies.klass(name).most}{f': {words}' if words else ''}"
