"""The classic log: `Wed Nov 25 13:07:05 2026 [SCHED][I]: text`."""

import logging
import time
from pathlib import Path

_LEVELS = {0: logging.ERROR, 1: logging.WARNING, 2: logging.INFO}
_MODULE = "SCHED"


class ClassicFormatter(logging.Formatter):
    """Lines of the form that oned writes too."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return f"{time.ctime(record.created)} [{_MODULE}][{record.levelname[0]}]: {text}"


def set_up(path: Path | None, debug_level: int) -> None:
    """Logs to the file, or to stderr where there is none; DEBUG_LEVEL counts as in LOG of sched.conf."""
    handler = logging.StreamHandler() if path is None else logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(ClassicFormatter())
    logging.basicConfig(handlers=[handler], level=logging.ERROR)
    logging.getLogger("oned").setLevel(_LEVELS.get(debug_level, logging.DEBUG))
