"""The table that the bench prints, and the history that it keeps."""

import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import oned
from oned.bench.rows import ROWS

HISTORY = Path("share/bench/history.json")
"""Below the project."""
_WRITES = 25
_LINE = "{:<58} {:>9} {:<3} {:>7} {:>8} {:>6}  {}\n"


def head() -> str:
    """The line above the figures."""
    return _LINE.format("", "ours", "", "aim", "part", "ratio", "").rstrip() + "\n"


def line(name: str, value: float) -> str:
    """The line of a figure: ours, the aim, what the part alone does, how many times the aim."""
    row = ROWS[name]
    part = "-" if row.limit is None else number(row.limit)
    mark = "" if row.reached(value) else "misses the aim"
    written = _LINE.format(row.title, number(value), row.unit, number(row.aim), part, f"{row.ratio(value):.1f}", mark)
    return written.rstrip() + "\n"


def number(value: float) -> str:
    """Three digits that count."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def machine() -> str:
    """On what it was measured, how busy that was, and how long its disk takes: no row that needs it can beat that."""
    loads = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    python = platform.python_version()
    disk = f"fsync {fsync() * 1e3:.1f} ms, a new file {new_file() * 1e6:.0f} us"
    return f"{os.cpu_count()} cores, Python {python}, load {loads}, {disk}"


def fsync() -> float:
    """The seconds of an fsync of a small write in the directory for temporary files, the median."""
    with tempfile.TemporaryFile(buffering=0) as file:

        def written() -> float:
            file.write(bytes(4096))
            return timed(lambda: os.fsync(file.fileno()))

        return statistics.median(written() for _ in range(_WRITES))


def new_file() -> float:
    """The seconds it takes to make an empty file in such a directory, the median."""
    with tempfile.TemporaryDirectory() as place:
        return statistics.median(timed(Path(place, str(number)).touch) for number in range(_WRITES))


def timed(act: Callable[[], object]) -> float:
    """The seconds that it takes."""
    began = time.monotonic()
    act()
    return time.monotonic() - began


def record(project: Path, figures: Mapping[str, float], loads: str) -> None:
    """Add the figures to the history."""
    path = project / HISTORY
    known = json.loads(path.read_text()) if path.exists() else []
    known.append(
        {
            "date": time.strftime("%Y-%m-%d %H:%M"),
            "version": oned.__version__,
            "machine": loads,
            "figures": {name: float(number(value)) for name, value in figures.items()},
        }
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(known, indent=1) + "\n")
