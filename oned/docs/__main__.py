"""`python -m oned.docs`: write every generated page; with --check only name those that are stale."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from oned.docs.pages import PROJECT, stale, write

STALE = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: with --check 1 when a page is stale."""
    parser = argparse.ArgumentParser(prog="python -m oned.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 and name the pages that are stale")
    parser.add_argument("--into", metavar="DIR", type=Path, default=PROJECT, help="the project (default: this one)")
    given = parser.parse_args(arguments)
    if given.check:
        names = stale(given.into)
        sys.stdout.write("".join(f"stale: {name}\n" for name in names))
        return STALE if names else 0
    for name in write(given.into):
        sys.stdout.write(f"written: {name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
