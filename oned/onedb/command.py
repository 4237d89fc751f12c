"""The command line of onedb."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from oned import __version__

if TYPE_CHECKING:
    from oned.locations import Locations

FAILED = 255


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="onedb", description="Checks, saves, restores and upgrades the data base.")
    parser.add_argument("-V", "--version", action="version", version=f"onedb {__version__}")
    parser.add_argument("-s", "--sqlite", metavar="FILE", type=Path, help="data base; default: that of ONE_LOCATION")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    verbs.add_parser("check", aliases=["fsck"], help="prove the invariants; oned may run, nothing is changed")
    save = verbs.add_parser("backup", help="copy the data base to a file; oned may run")
    save.add_argument("file", nargs="?", type=Path, help="default: beside the data base, with the time in its name")
    save.add_argument("-f", "--force", action="store_true", help="overwrite the file")
    back = verbs.add_parser("restore", help="put a backup in place; the data base of now is kept; oned must not run")
    back.add_argument("file", type=Path)
    verbs.add_parser("upgrade", help="bring the data base to the schema of this release; oned must not run")
    verbs.add_parser("version", help="print the schema's revision")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 if all is well, 255 with a sentence on standard error if not."""
    arguments = _parser().parse_args(argv)
    from oned.daemon_lock import AlreadyRunning  # help and version stay quick
    from oned.locations import Locations
    from oned.onedb.copies import CopyFailed
    from oned.store.schema import SchemaError

    locations = Locations.of(os.environ)
    path = arguments.sqlite or locations.database
    verb = "check" if arguments.verb == "fsck" else arguments.verb
    try:
        return VERBS[verb](path, locations, arguments)
    except (CopyFailed, SchemaError, AlreadyRunning, OSError) as error:
        sys.stderr.write(f"onedb: {error}" + "\n")
        return FAILED


def _check(path: Path, _locations: "Locations", _arguments: argparse.Namespace) -> int:
    from oned.onedb.check import notes, problems, take
    from oned.onedb.copies import check_file
    from oned.store.database import reading_engine

    check_file(path)
    started = time.monotonic()
    with reading_engine(path).connect() as connection:
        snapshot = take(connection)
    found = problems(snapshot)
    for line in found:
        _say(f"problem: {line}")
    for line in notes(snapshot):
        _say(f"note: {line}")
    counted = f"{len(snapshot.vms)} VMs, {len(snapshot.hosts)} hosts, {len(snapshot.intents)} open operations"
    _say(f"{counted}: {len(found) or 'no'} problems ({time.monotonic() - started:.1f} s)")
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
