"""Log files in the classic form: `Mon Sep 15 17:24:29 2008 [VMM][I]: text`.

A file write must not block the event loop: records go through a queue to one thread. Records that belong to a VM
(`extra={"vm": id}`) go to that VM's own log.
"""

import logging
import logging.handlers
import queue
import sys
import time
from collections.abc import Callable
from pathlib import Path

MODULES = {
    "oned.api": "ReM",
    "oned.calls": "ReM",
    "oned.auth": "AuM",
    "oned.mad.monitor": "InM",
    "oned.mad.driver.IM": "InM",
    "oned.mad.driver.TM": "TM",
    "oned.mad.driver.VMM": "VMM",
    "oned.mad.operations.IM": "InM",
    "oned.mad.operations.TM": "TM",
    "oned.mad.operations.VMM": "VMM",
    "oned.mad.driver.HM": "HKM",
    "oned.mad.hooks": "HKM",
    "oned.hook": "HKM",
    "oned.vm": "VM",
    "oned.store": "ONE",
    "oned.sched": "SCHED",
}
"""Logger → module of the classic line; the longest that fits counts."""

LEVELS = {0: logging.ERROR, 1: logging.WARNING, 2: logging.INFO, 3: logging.DEBUG}
"""DEBUG_LEVEL of oned.conf."""


class ClassicFormatter(logging.Formatter):
    """The classic line; an exception's trace follows it."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        return f"{time.ctime(record.created)} [{_module(record.name)}][{record.levelname[0]}]: {text}"


class VMHandler(logging.Handler):
    """Appends records of a VM to its own file; the file is opened for each line, so it may be moved away."""

    def __init__(self, path_of: Callable[[int], Path]) -> None:
        super().__init__()
        self._path_of = path_of

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._append(self._path_of(record.__dict__["vm"]), self.format(record) + "\n")
        except OSError:
            self.handleError(record)

    def _append(self, path: Path, text: str) -> None:
        try:
            with path.open("ab") as file:
                file.write(text.encode(errors="backslashreplace"))
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._append(path, text)


class Posting(logging.handlers.QueueHandler):
    """Hands records to the thread that writes: it is of this process, so they go as they are."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        record.msg, record.args = record.getMessage(), None
        return record


def start(target: Path | str, level: int, vm_log: Callable[[int], Path]) -> logging.handlers.QueueListener:
    """Send records to a file, to "syslog" or to "std" (standard error). The listener is to be stopped at the end."""
    main = _handler(target)
    of_vms = VMHandler(vm_log)
    for handler in (main, of_vms):
        handler.setFormatter(ClassicFormatter())
    main.addFilter(lambda record: record.__dict__.get("vm") is None)
    of_vms.addFilter(lambda record: record.__dict__.get("vm") is not None)
    waiting: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # no line shows where it was written, so nobody needs to look for it
    root = logging.getLogger()
    root.handlers = [Posting(waiting)]
    root.setLevel(LEVELS.get(level, logging.DEBUG))
    for noisy in ("uvicorn", "asyncio", "apscheduler", "sqlalchemy", "alembic", "tzlocal"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    listener = logging.handlers.QueueListener(waiting, main, of_vms)
    listener.start()
    return listener


def _handler(target: Path | str) -> logging.Handler:
    if target == "syslog":
        return logging.handlers.SysLogHandler("/dev/log", logging.handlers.SysLogHandler.LOG_DAEMON)
    if target == "std":
        return logging.StreamHandler(sys.stderr)
    return logging.FileHandler(target, encoding="utf-8", errors="backslashreplace")


def _module(name: str) -> str:
    while name:
        if name in MODULES:
            return MODULES[name]
        name = name.rpartition(".")[0]
    return "ONE"
