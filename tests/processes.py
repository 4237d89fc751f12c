"""Processes that tests wait for."""

import time
from pathlib import Path


def ends(note: Path) -> bool:
    """Whether the process whose number was noted there ends, reaped or not; a kill takes its moment."""
    stat, end = Path(f"/proc/{int(note.read_text())}/stat"), time.monotonic() + 5
    while time.monotonic() < end:
        try:
            if stat.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False
