"""From a configuration to a running daemon: directories, lock, pid file, log, event loop."""

import logging
import os
import signal
from collections.abc import Callable

import uvloop
from sqlalchemy.exc import DatabaseError

from oned import __version__, bootstrap, logs
from oned.bootstrap import NoCredentials
from oned.config import Config
from oned.daemon import Daemon
from oned.daemon_lock import AlreadyRunning, hold_lock
from oned.locations import Locations
from oned.store.reading import Unreadable
from oned.store.schema import SchemaError

log = logging.getLogger("oned")
UMASK = 0o027
"""What oned and its drivers make is for their user and group only: contexts hold passwords."""


class StartFailed(Exception):
    """The daemon could not start; the text says why and what to do."""


def run(config: Config, locations: Locations, ready: Callable[[], None]) -> None:
    """Run the daemon until it is told to end; `ready` is called when it serves. StartFailed if it cannot start."""
    os.umask(UMASK)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal that goes does not end a cloud
    try:
        if not locations.database.exists():
            bootstrap.credentials(locations.credentials)
        locations.make()
        lock = hold_lock(locations.daemon_lock)
    except (OSError, AlreadyRunning, NoCredentials) as error:
        raise StartFailed(str(error)) from error
    os.chdir(locations.var)
    target = locations.oned_log if config.log_system == "file" else config.log_system
    listener = logs.start(target, config.debug_level, locations.vm_log)
    try:
        locations.oned_pid.write_text(f"{os.getpid()}\n")
        config.write_effective(locations.var / "config")
        for warning in config.warnings:
            log.warning("%s", warning)
        log.info("oned %s starts, log level %d", __version__, config.debug_level)
        uvloop.run(Daemon(config, locations, ready).run())
    except (NoCredentials, SchemaError, OSError) as error:
        log.error("Could not start: %s", error)
        raise StartFailed(str(error)) from error
    except (DatabaseError, Unreadable) as error:
        reason = f"The data base {locations.database} cannot be used: {getattr(error, 'orig', error)}"
        detail = f"{reason}. Put a backup in its place: onedb restore FILE (onedb check names what is damaged)"
        log.error("Could not start: %s", detail)
        raise StartFailed(detail) from error
    finally:
        locations.oned_pid.unlink(missing_ok=True)
        listener.stop()
        os.close(lock)
