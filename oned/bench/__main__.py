"""`python -m oned.bench`: measure, and print a table."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from oned.bench import report
from oned.bench.engine import BenchFailed
from oned.bench.load import RefusedLoad
from oned.bench.measures import all_figures
from oned.bench.rows import FULL, QUICK
from oned.client.failures import ClientError

PROJECT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 1 when something could not be measured. A figure that misses its aim is no failure."""
    parser = argparse.ArgumentParser(prog="python -m oned.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="everything small: shows that it runs, measures nothing")
    parser.add_argument("--record", action="store_true", help=f"add the figures to {report.HISTORY}")
    given = parser.parse_args(arguments)
    loads = report.machine()
    sys.stdout.write(f"{loads}\n{report.head()}")
    figures: dict[str, float] = {}
    try:
        for name, value in all_figures(QUICK if given.quick else FULL):
            figures[name] = value
            sys.stdout.write(report.line(name, value))
            sys.stdout.flush()
    except (BenchFailed, RefusedLoad, ClientError) as error:
        sys.stderr.write(f"bench: {error}\n")
        return 1
    if given.record:
        report.record(PROJECT, figures, loads)
    return 0


if __name__ == "__main__":
    sys.exit(main())
