"""`onedriver`: does a driver keep the protocol? Runs one of oned.conf, or any program, through all that may come."""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oned import __version__
from oned.options import FAILED, Parser

if TYPE_CHECKING:
    from oned.config import Config
    from oned.locations import Locations
    from oned.mad.section import DriverSection
    from oned.mad.trial.checks import Result
    from oned.mad.trial.session import Session

BROKEN = 1
"""Exit status where the driver fails a check."""
KINDS = {"vmm": "VM_MAD", "im": "IM_MAD", "tm": "TM_MAD", "datastore": "DATASTORE_MAD", "hm": "HM_MAD"}
LIMIT = 20.0


class Refused(Exception):
    """The command cannot be carried out; the text says why and what to do."""


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="onedriver", description="Tells whether a driver keeps the line protocol.")
    parser.add_argument("-V", "--version", action="version", version=f"onedriver {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND")
    test = verbs.add_parser("test", help="run a driver through its verbs and bad lines; 1 if a check fails")
    test.add_argument("name", metavar="NAME", help="driver of oned.conf, or with --program any word")
    test.add_argument("-k", "--kind", choices=KINDS, help="needed where drivers of two kinds have the name")
    test.add_argument("-p", "--program", metavar="FILE", type=Path, help="a program that is not in oned.conf")
    test.add_argument("-a", "--arguments", metavar="TEXT", help="its one argument, instead of that of oned.conf")
    test.add_argument("-d", "--protocol", metavar="DIALECT", help="dialect, instead of that of oned.conf")
    test.add_argument("-H", "--host", metavar="HOST", default="localhost", help="host that is asked for (localhost)")
    sentence = "scratch directory, which stays; default: one that is removed"
    test.add_argument("-D", "--directory", metavar="DIR", type=Path, help=sentence)
    test.add_argument("-l", "--limit", metavar="SECONDS", type=float, default=LIMIT, help=f"for an answer ({LIMIT:g})")
    test.add_argument("-j", "--json", action="store_true", help="print the results as JSON")
    verbs.add_parser("list", help="list the drivers of oned.conf")
    verbs.add_parser("checks", help="list the checks, and why each matters")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 if all is well, 1 if the driver fails a check, 255 with a sentence if it cannot be tried."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.verb is None:
        parser.print_help()
        return 0
    try:
        return {"test": _test, "list": _list, "checks": _checks}[arguments.verb](arguments)
    except Refused as error:
        sys.stderr.write(f"onedriver: {error}\n")
        return FAILED


def _checks(_arguments: argparse.Namespace) -> int:
    from oned.mad.trial.checks import CHECKS

    for check in CHECKS:
        sys.stdout.write(f"{check.name:<18} {check.why}\n")
    return 0


def _list(_arguments: argparse.Namespace) -> int:
    for kind, section in _sections():
        protocol = section.protocol or "-"
        sys.stdout.write(f"{kind:<10} {section.short_name or '-':<12} {protocol:<10} {section.executable}\n")
    return 0


def _test(arguments: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="onedriver-") as temporary:
        scratch = (arguments.directory or Path(temporary)).absolute()
        scratch.mkdir(parents=True, exist_ok=True)
        return _try(_chosen(arguments), arguments, scratch)


def _try(section: "DriverSection", arguments: argparse.Namespace, scratch: Path) -> int:
    from oned.mad.trial.checks import run
    from oned.mad.trial.session import Weight

    session = _session(section, arguments, scratch)
    results: list[Result] = []
    try:
        for result in run(session):
            results.append(result)
            if not arguments.json:
                _show(result)
    finally:
        session.objects.remove()
    fails, notes = (sum(result.weight is weight for result in results) for weight in (Weight.FAILS, Weight.NOTE))
    if arguments.json:
        sys.stdout.write(json.dumps(_document(session, results, fails, notes), indent=2) + "\n")
    else:
        dialect = session.objects.dialect
        sys.stdout.write(f"{section.label}, dialect {dialect}: {len(results)} results, {fails} fail, {notes} notes\n")
        _show_errors(session.launch.log, fails)
    return BROKEN if fails else 0


def _session(section: "DriverSection", arguments: argparse.Namespace, scratch: Path) -> "Session":
    from oned.mad.set import Surroundings
    from oned.mad.trial.objects import Objects
    from oned.mad.trial.session import Session

    locations = _locations()
    around = Surroundings(
        programs=locations.drivers,
        directory=locations.var if locations.var.is_dir() else scratch,
        environment=os.environ | locations.exports(),
        log=lambda label: scratch / f"{label}.log",
        lock=lambda label: scratch / f".{label}.lock",
    )
    return Session(around.launch(section), Objects(section, scratch, locations.var, arguments.host), arguments.limit)


def _chosen(arguments: argparse.Namespace) -> "DriverSection":
    """The section of the driver that is meant, with what the options say instead. Raises Refused."""
    from oned.mad.dialect import check
    from oned.mad.section import SectionError, section

    changes = {"ARGUMENTS": arguments.arguments, "PROTOCOL": arguments.protocol}
    given = {name: value for name, value in changes.items() if value is not None}
    try:
        if arguments.program is None:
            kind, vector = _vector(arguments.name, arguments.kind)
        elif arguments.kind is None:
            raise Refused(f"which kind of driver {arguments.program} is only --kind tells: {', '.join(KINDS)}")
        else:
            kind, vector = arguments.kind, {"NAME": arguments.name, "EXECUTABLE": str(arguments.program.absolute())}
        found = section(_mads()[kind], {**vector, **given})
        check(found)
    except SectionError as error:
        raise Refused(str(error)) from error
    return found


def _vector(name: str, kind: str | None) -> tuple[str, Mapping[str, str]]:
    """The kind and the vector of the driver of oned.conf with the name, with or without the classic prefix."""
    from oned.mad.section import section

    named = []
    for found, vector in _vectors():
        driver = section(_mads()[found], vector)
        if kind in (None, found) and name in (driver.name, driver.short_name, driver.label):
            named.append((found, vector))
    if not named:
        raise Refused(f"there is no driver {name} in oned.conf. onedriver list shows them; --program takes any file")
    if len({found for found, _ in named}) > 1:
        kinds = ", ".join(found for found, _ in named)
        raise Refused(f"drivers of several kinds are called {name}. Say which with --kind: {kinds}")
    return named[0]


def _sections() -> "list[tuple[str, DriverSection]]":
    from oned.mad.section import section

    return [(kind, section(_mads()[kind], vector)) for kind, vector in _vectors()]


def _vectors() -> list[tuple[str, Mapping[str, str]]]:
    config = _config()
    return [(kind, vector) for kind, name in KINDS.items() for vector in config.driver_vectors(name)]


def _mads() -> dict[str, Any]:
    from oned.command import Mad

    return {kind: Mad(name) for kind, name in KINDS.items()}


def _config() -> "Config":
    from oned.config import Config, ConfigError

    try:
        return Config.load(_locations().oned_conf)
    except (ConfigError, OSError) as error:
        raise Refused(str(error)) from error


def _locations() -> "Locations":
    from oned.locations import Locations

    return Locations.of(os.environ)


def _show(result: "Result") -> None:
    from oned.mad.trial.session import Weight

    name = f"{result.check.name}: {result.finding.about}" if result.finding.about else result.check.name
    sys.stdout.write(f"{result.weight.value:<6} {name:<28} {result.finding.seen}".rstrip() + "\n")
    if result.weight is not Weight.HOLDS:
        sys.stdout.write(f"{'':<6} {'':<28} {result.check.why}\n")
    sys.stdout.flush()


def _show_errors(log: Path, fails: int) -> None:
    """The last lines of what a failing driver wrote on standard error."""
    lines = log.read_text("utf-8", "replace").splitlines() if fails and log.exists() else []
    if lines:
        sys.stdout.write("Its standard error ends with:\n" + "".join(f"  {text}\n" for text in lines[-10:]))


def _document(session: "Session", results: "Sequence[Result]", fails: int, notes: int) -> dict[str, Any]:
    section = session.objects.section
    rows = [
        {
            "check": result.check.name, "about": result.finding.about, "result": result.weight.value,
            "seen": result.finding.seen, "why": result.check.why,
        }
        for result in results
    ]  # fmt: skip
    return {
        "driver": section.label, "program": str(session.launch.executable), "dialect": session.objects.dialect,
        "fails": fails, "notes": notes, "results": rows,
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
