"""A plan for people: what waits, what becomes of it and of each node, what it costs; and how two plans differ."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from oned.cli.output import heading, say

if TYPE_CHECKING:
    from oned.elastic.cost import Spend
    from oned.elastic.plan import Fate, Kept, Plan, Served, Step

_JOBS = 4
"""Jobs that are named of a shape; the others are counted."""
_WIDTH = 34
NEW = "new nodes"
"""The word of `oned.elastic.packing.Room` for nodes that are to be started."""

Item = TypeVar("Item")


def show_plan(plan: "Plan", *, whole: bool = True) -> None:
    """Write a plan; without `whole`, nodes that stay as they are are only counted."""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(plan.at))
    say(f"Plan {plan.digest[:12]} of {when}")
    for note in plan.notes:
        say(f"  {note}")
    _section("WAITING", (line for served in plan.served for line in _served(served, plan.at)))
    _section("NOT COUNTED", map(_kept, plan.kept))
    _section("STEPS", map(step_line, plan.steps), "nothing is to be done")
    fates = plan.fates if whole else tuple(fate for fate in plan.fates if fate.verb)
    _section("NODES", [*map(_fate, fates), *(() if whole else staying(plan))])
    _section("MONEY", [f"  {line}" for line in money(plan.before, plan.after)])


def _section(title: str, lines: Iterable[str], without: str = "") -> None:
    listed = list(lines) or ([f"  {without}"] if without else [])
    if listed:
        say()
        heading(title)
        say("\n".join(listed))


def _served(served: "Served", now: float) -> Iterator[str]:
    """The lines of a shape: what it is, and where its tasks go."""
    tasks = f"{served.tasks} task{'' if served.tasks == 1 else 's'}"
    yield f"  {tasks} of {served.shape.words()}: {jobs(served.jobs)}, the oldest waits {waited(now - served.since)}"
    if served.impossible:
        yield f"      can never run: {served.reason}"
        return
    for where, count in served.where:
        own = ", ".join(f"{nodes} of {klass}" for klass, nodes in served.new)
        new = f" ({own or 'that come for others'})" if where == NEW else ""
        yield f"      {count} {'in' if 'slots' in where else 'on'} {where}{new}"
    if served.unmet:
        yield f"      {served.unmet} wait on: {served.reason}"


def _kept(kept: "Kept") -> str:
    return f"  {jobs(kept.jobs)}: {kept.reason}"


def step_line(step: "Step") -> str:
    """One step: what, with which node or class, by which rule, why, for how much."""
    what = step.node or (f"VM {step.vm}" if step.vm >= 0 else f"a node of class {step.klass}")
    owner = f" for {step.owner}" if step.owner else ""
    cost = f" ({step.cost:+.2f} an hour)" if step.cost else ""
    return f"  {f'{step.verb.value} {what}{owner}':<{_WIDTH}} {step.rule}: {step.sentence}{cost}"


def _fate(fate: "Fate") -> str:
    does = fate.verb.value if fate.verb else "stays"
    return f"  {f'{fate.node} {fate.klass} {fate.state}':<{_WIDTH}} {does}, {fate.rule}: {fate.sentence}"


def staying(plan: "Plan") -> list[str]:
    """A line that counts the nodes which stay as they are, by state."""
    counted = Counter(fate.state for fate in plan.fates if fate.verb is None)
    words = ", ".join(f"{count} {state}" for state, count in counted.items())
    return [f"  {words} stay as they are"] if words else []


def money(before: "Spend", after: "Spend") -> list[str]:
    """What is bound, before and after."""
    rows = (("an hour", before.hour, after.hour), ("this day", before.day, after.day),
            ("this month", before.month, after.month))  # fmt: skip
    return [f"{name:<10} {old:9.2f} -> {new:9.2f}" for name, old, new in rows]


def jobs(ids: Sequence[str]) -> str:
    """The first few of some jobs."""
    more = f" and {len(ids) - _JOBS} more" if len(ids) > _JOBS else ""
    return f"job{'' if len(ids) == 1 else 's'} {', '.join(ids[:_JOBS])}{more}"


def waited(seconds: float) -> str:
    """How long it is, in the two largest units: 2 h 5 min, 40 s."""
    whole = max(0, int(seconds))
    for size, unit, small, small_unit in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // small} {small_unit}"
    return f"{whole} s"


def differences(old: "Plan", new: "Plan") -> list[str]:
    """What has changed between two plans, a sentence for each change; what no step shows is told as such."""
    found = [f"no longer planned: {_brief(step)}" for step in _without(old.steps, new.steps)]
    found += [f"planned now: {_brief(step)}" for step in _without(new.steps, old.steps)]
    was = {fate.node: fate.state for fate in old.fates}
    now = {fate.node: fate.state for fate in new.fates}
    found += [f"node {name} is gone, it was {was[name]}" for name in was if name not in now]
    found += [f"node {name} is new, it is {now[name]}" for name in now if name not in was]
    found += [
        f"node {name} is {now[name]}, it was {was[name]}" for name in was if now.get(name, was[name]) != was[name]
    ]
    found += _demand(old, new)
    return found or ["jobs, VMs or settings are others; no step or node shows it"]


def _brief(step: "Step") -> str:
    what = step.node or (f"VM {step.vm}" if step.vm >= 0 else f"a node of class {step.klass}")
    return f"{step.verb.value} {what} ({step.rule})"


def _without(steps: Iterable["Step"], others: Iterable["Step"]) -> list["Step"]:
    """The steps that the others do not have; two alike count as two."""
    left = Counter((step.verb, step.klass, step.node, step.rule, step.vm) for step in others)
    missing = []
    for step in steps:
        key = (step.verb, step.klass, step.node, step.rule, step.vm)
        left[key] -= 1
        if left[key] < 0:
            missing.append(step)
    return missing


def _demand(old: "Plan", new: "Plan") -> Iterator[str]:
    was = {served.shape: served.tasks for served in old.served}
    now = {served.shape: served.tasks for served in new.served}
    for shape in dict.fromkeys((*was, *now)):
        if was.get(shape, 0) != now.get(shape, 0):
            yield f"{now.get(shape, 0)} tasks of {shape.words()} wait, {was.get(shape, 0)} did"
