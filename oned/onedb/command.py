"""The command line of onedb."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from oned import __version__
from oned.options import FAILED, Parser

if TYPE_CHECKING:
    from oned.locations import Locations


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="onedb", description="Checks, saves, restores and upgrades the data base.")
    parser.add_argument("-V", "--version", action="version", version=f"onedb {__version__}")
    _add_sqlite(parser, None)
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND")
    verbs.add_parser("check", aliases=["fsck"], help="prove the invariants; oned may run, nothing is changed")
    save = verbs.add_parser("backup", help="copy the data base to a file; oned may run")
    save.add_argument("file", nargs="?", type=Path, help="default: beside the data base, with the time in its name")
    save.add_argument("-f", "--force", action="store_true", help="overwrite the file")
    back = verbs.add_parser("restore", help="put a backup in place; the data base of now is kept; oned must not run")
    back.add_argument("file", type=Path)
    back.add_argument("-f", "--force", action="store_true", help="taken for old scripts: the data base of now is kept")
    verbs.add_parser("upgrade", help="bring the data base to the schema of this release; oned must not run")
    verbs.add_parser("version", help="print the schema's revision")
    for verb in dict.fromkeys(verbs.choices.values()):
        _add_sqlite(verb, argparse.SUPPRESS)
    return parser


def _add_sqlite(parser: argparse.ArgumentParser, default: str | None) -> None:
    """The option for the file: before the verb or behind it, where it must not undo what stood before."""
    sentence = "data base; default: that of ONE_LOCATION"
    parser.add_argument("-s", "--sqlite", metavar="FILE", type=Path, default=default, help=sentence)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 if all is well, 255 with a sentence on standard error if not."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.verb is None:
        parser.print_help()
        return 0
    from sqlalchemy.exc import DatabaseError  # help and version stay quick

    from oned.daemon_lock import AlreadyRunning
    from oned.locations import Locations
    from oned.onedb.copies import CopyFailed
    from oned.onedb.snapshot import NoEngine
    from oned.store.schema import SchemaError

    locations = Locations.of(os.environ)
    path = arguments.sqlite or locations.database
    verb = "check" if arguments.verb == "fsck" else arguments.verb
    try:
        return VERBS[verb](path, locations, arguments)
    except (CopyFailed, NoEngine, SchemaError, AlreadyRunning, OSError) as error:
        sys.stderr.write(f"onedb: {error}" + "\n")
    except DatabaseError as error:
        sys.stderr.write(f"onedb: {path} cannot be read: {error.orig}. See its schema with: onedb version" + "\n")
    return FAILED


def _check(path: Path, _locations: "Locations", _arguments: argparse.Namespace) -> int:
    from oned.onedb.check import notes, problems
    from oned.onedb.copies import check_file
    from oned.onedb.snapshot import NoEngine, take
    from oned.store.database import reading_engine

    check_file(path)
    started = time.monotonic()
    with reading_engine(path).connect() as connection:
        snapshot = take(connection)
    if not snapshot.holds_an_engine:
        raise NoEngine(f"{path} holds no engine: it has no user 0, which the first start of oned makes")
    found = problems(snapshot)
    for line in found:
        _say(f"problem: {line}")
    for line in notes(snapshot):
        _say(f"note: {line}")
    counted = (
        f"{len(snapshot.pools.vms)} VMs, {len(snapshot.pools.hosts)} hosts, {len(snapshot.intents)} open operations"
    )
    _say(f"{path}: {counted}: {len(found) or 'no'} problems ({time.monotonic() - started:.1f} s)")
    return FAILED if found else 0


def _backup(path: Path, _locations: "Locations", arguments: argparse.Namespace) -> int:
    from oned.onedb.copies import backup

    target = arguments.file or path.with_name(f"{path.name}.{time.strftime('%Y%m%d-%H%M%S')}")
    size = backup(path, target, force=arguments.force)
    _say(f"{target}: {size / 1024 / 1024:.1f} MiB. Put it back with: onedb restore {target}")
    return 0


def _restore(path: Path, locations: "Locations", arguments: argparse.Namespace) -> int:
    from oned.daemon_lock import hold_lock
    from oned.onedb.copies import restore

    lock = hold_lock(locations.daemon_lock)
    kept = restore(arguments.file, path)
    os.close(lock)
    _say(f"{path} is restored from {arguments.file}" + (f"; what it was is in {kept}" if kept else ""))
    return 0


def _upgrade(path: Path, locations: "Locations", _arguments: argparse.Namespace) -> int:
    from oned.daemon_lock import hold_lock
    from oned.onedb.copies import backup
    from oned.store.database import sqlite_engine
    from oned.store.schema import HEAD, revision, upgrade

    lock = hold_lock(locations.daemon_lock)
    engine = sqlite_engine(path)
    with engine.connect() as connection:
        before = revision(connection)
    if before and before != HEAD:
        kept = path.with_name(f"{path.name}.before-{HEAD}")
        backup(path, kept, force=True)
        _say(f"A copy of before is in {kept}")
    upgrade(engine)
    os.close(lock)
    _say(f"{path} is at schema {HEAD}" + (" (it was already)" if before == HEAD else f" (from {before or 'none'})"))
    return 0


def _version(path: Path, _locations: "Locations", _arguments: argparse.Namespace) -> int:
    from oned.store.database import reading_engine
    from oned.store.schema import HEAD, revision

    with reading_engine(path).connect() as connection:
        _say(f"{path}: schema {revision(connection) or 'none'}; this release: {HEAD}")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


VERBS: "dict[str, Callable[[Path, Locations, argparse.Namespace], int]]" = {
    "check": _check,
    "backup": _backup,
    "restore": _restore,
    "upgrade": _upgrade,
    "version": _version,
}
