"""onesge replay: what other settings would have made of the jobs of the past."""

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oned.cli.command import CommandError, Option, Program
from oned.cli.onesge import conf
from oned.cli.output import JSON, complain, say
from oned.client.client import Client

if TYPE_CHECKING:
    from oned.elastic.accounting import Record
    from oned.elastic.chart import Shown
    from oned.elastic.outcome import Outcome, Told, Waits
    from oned.elastic.policy import Policies
    from oned.elastic.replay import Options, Wish

POLICY = Option("policies", ("--policy",), "an onesge.conf; several are compared (without it, the one in force)",
                "FILE", repeated=True)  # fmt: skip
SVG = Option("svg", ("--svg",), "draw nodes, queue and money over time", "FILE")
PE = Option("rules", ("--pe",), "the allocation rule of a parallel environment, as mpi=$round_robin", "NAME=RULE",
            repeated=True)  # fmt: skip
EVERY = Option("every", ("--every",), "seconds between two looks at jobs and nodes (60)", "SECONDS", float)
SPREAD = Option("spread", ("--spread",), "boot times are up to so much longer or shorter (0)", "PERCENT", float)
FAILING = Option("failing", ("--failing",), "so many of the nodes never come up (0)", "PERCENT", float)
SEED = Option("seed", ("--seed",), "of what is random in these two (1)", "NUMBER", int)

_OTHER_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".pdf", ".eps")
_LINE_EVERY = 5.0
"""Seconds between two lines about how far it is."""


def add_replay(program: Program) -> None:
    """Give onesge the verb."""
    program.command("replay", "<file>", POLICY, SVG, JSON, PE, EVERY, SPREAD, FAILING, SEED)(_replay)


def _replay(_one: Client, file: str, *, policies: list[str], svg: str | None, as_json: bool, **options: Any) -> None:
    """Runs the jobs of an accounting file again in simulated time, under one or several onesge.conf."""
    from oned.elastic.chart import Shown

    if svg and Path(svg).suffix.lower() in _OTHER_PICTURES:
        raise CommandError(f"{svg}: pictures are SVG only. Name it {Path(svg).with_suffix('.svg')}; browsers show it")
    settings = [(path, _policies(path)) for path in policies or [str(conf.path_of(None))]]
    how = _options(**{option.keyword: options[option.keyword] for option in (EVERY, SPREAD, FAILING, SEED)})
    records = _read(file)
    load = _wishes(records, options[PE.keyword])
    shown = []
    for name, chosen in zip(_names([path for path, _ in settings]), settings, strict=True):
        cloud = frozenset(klass.name for klass in chosen[1].classes if klass.cloud)
        shown.append(Shown(name, _run(name, load, chosen[1], how), cloud))
    if svg:
        _draw(Path(svg), file, shown, settings[0][1])
    if as_json:
        _dump(records, shown)
    else:
        _tell(records, shown, settings[0][1])


def _options(every: float | None, spread: float | None, failing: float | None, seed: int | None) -> "Options":
    from oned.elastic.replay import Options

    usual = Options()
    if not ((every is None or every >= 1) and 0 <= (spread or 0) < 100 and 0 <= (failing or 0) < 100):
        raise CommandError("--every is 1 at least, --spread and --failing are below 100")
    seconds = usual.every if every is None else every
    return Options(seconds, (spread or 0.0) / 100, (failing or 0.0) / 100, usual.seed if seed is None else seed)


def _policies(path: str) -> "Policies":
    found = conf.read(conf.load(path))
    if not found.classes:
        raise CommandError(f"{path} has no NODE_CLASS: there would be no node. onesge --print-config shows how")
    return found


def _read(file: str) -> "list[Record]":
    from oned.elastic.accounting import Tally, read_file

    tally = Tally()
    try:
        records = list(read_file(Path(file), tally))
    except (OSError, EOFError) as error:
        raise CommandError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    for line in tally.words():
        complain(line)
    if not records:
        raise CommandError(f"{file} has no job that has run: is it Grid Engine's accounting file?")
    return records


def _wishes(records: "Sequence[Record]", rules: Sequence[str]) -> "list[Wish]":
    from oned.elastic.replay import UNKNOWN_RULE, wishes
    from oned.elastic.sge.words import NotUnderstood

    for rule in rules:
        if not all(rule.partition("=")[::2]):
            raise CommandError(f"--pe {rule} has no rule. qconf -sp {rule.strip('=')} tells it: --pe mpi=$round_robin")
    known = dict(rule.partition("=")[::2] for rule in rules)
    for pe in sorted({record.pe for record in records if record.pe} - known.keys()):
        complain(f"The rule of {pe} is not known, {UNKNOWN_RULE} is taken. qconf -sp {pe} tells it: --pe {pe}=RULE")
    try:
        return wishes(records, known)
    except NotUnderstood as error:
        raise CommandError(f"--pe: {error}") from None


def _names(paths: Sequence[str]) -> list[str]:
    """Short names; whole paths where two would be the same."""
    names = [Path(path).name for path in paths]
    return names if len(set(names)) == len(names) else list(paths)


def _run(name: str, load: "Sequence[Wish]", policies: "Policies", options: "Options") -> "Outcome":
    from oned.elastic.replay import Replay

    began = said = time.monotonic()

    def progress(done: int, jobs: int, now: float) -> None:
        nonlocal said
        if time.monotonic() - said >= _LINE_EVERY:
            said = time.monotonic()
            complain(f"{name}: {done} of {jobs} jobs, {_date(now, policies)}")

    outcome = Replay(load, policies, options).run(progress)
    complain(f"{name}: {len(load)} jobs and {outcome.looks} plans in {time.monotonic() - began:.1f} s")
    return outcome


def _date(when: float, policies: "Policies") -> str:
    from datetime import datetime

    return datetime.fromtimestamp(when, policies.tz).strftime("%d %b %Y %H:%M")


def _draw(path: Path, file: str, shown: "Sequence[Shown]", policies: "Policies") -> None:
    from oned.elastic.chart import svg

    try:
        path.write_text(svg(f"Replay of {Path(file).name}", shown, policies.tz), encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error}") from None


def _dump(records: "Sequence[Record]", shown: "Sequence[Shown]") -> None:
    import json
    from dataclasses import asdict

    was = asdict(_as_it_was(records))
    json.dump({"as_it_was": was, "policies": {one.name: one.outcome.facts() for one in shown}}, sys.stdout, indent=2)
    say()


def _as_it_was(records: "Sequence[Record]") -> "Waits":
    from oned.elastic.outcome import Waits

    return Waits.of(record.started - record.submitted for record in records)


_HEAD = ("", "JOBS", "MEAN WAIT", "HALF", "95 %", "LONGEST", "NODES", "NODE-HOURS", "USE", "STARTS", "MONEY")


def _tell(records: "Sequence[Record]", shown: "Sequence[Shown]", policies: "Policies") -> None:
    from oned.elastic.outcome import Waits
    from oned.elastic.words import hours

    first = min(record.submitted for record in records)
    last = max(record.ended for record in records)
    say(f"{len(records)} jobs, {_date(first, policies)} to {_date(last, policies)}\n")
    rows = [_HEAD, ("as it was", *_waits(_as_it_was(records)), *[""] * 5)]
    for one in shown:
        made = one.outcome
        rows.append((one.name, *_waits(Waits.of(made.waits)), str(made.peak[""]), hours(made.node_hours),
                     f"{made.use:.0%}", str(made.starts), f"{made.cost:.2f}"))  # fmt: skip
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))]
    for name, *cells in rows:
        padded = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        say(f"{name.ljust(widths[0])}  {'  '.join(padded)}".rstrip())
    for line in _remarks(shown):
        say(line)


def _waits(waits: "Waits") -> Iterator[str]:
    from oned.elastic.words import span

    yield str(waits.jobs)
    yield from (span(wait) for wait in (waits.mean, waits.p50, waits.p95, waits.most))


def _remarks(shown: "Sequence[Shown]") -> Iterator[str]:
    """What could not be run, and what went wrong on the way."""
    for one in shown:
        made = one.outcome
        yield from _reasons(one.name, "can never run", made.impossible)
        yield from _reasons(one.name, "never started", made.never)
        yield from _reasons(one.name, "never ended", made.cut)
        if made.failed:
            yield f"\n{one.name}: {made.failed} of {made.starts} nodes never came up."
        if made.again:
            yield f"\n{one.name}: {made.again} jobs were started again: their nodes had to go."


def _reasons(name: str, what: str, told: "Told") -> Iterator[str]:
    for reason, (count, first) in told.items():
        jobs = f"job {first} {what}" if count == 1 else f"{count} jobs {what}, the first is {first}"
        yield f"\n{name}: {jobs}: {reason}."
