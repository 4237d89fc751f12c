"""Files that a driver reads: written before the line that names them leaves."""

import os
from collections.abc import Mapping
from pathlib import Path


def write(files: Mapping[Path, str]) -> None:
    """Nobody sees one of them half written. Blocks: call it in a thread. Raises OSError."""
    for path, text in files.items():
        fresh = path.with_name(f".{path.name}.new")
        try:
            fresh.write_text(text)
        except (FileNotFoundError, NotADirectoryError):
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(text)
        os.replace(fresh, path)
