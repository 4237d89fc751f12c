"""mm_sched: the scheduler in the foreground. its options take the place of settings in sched.conf."""

import argparse
import fcntl
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from oned import __version__
from oned.client.client import Client
from oned.client.failures import ClientError
from oned.config_sched import SchedConfig
from oned.locations import Locations
from oned.sched import log
from oned.sched.balancer import Balancer
from oned.sched.cycle import Cycles
from oned.sched.dispatch import Dispatcher, Moves
from oned.sched.loop import Loop
from oned.sched.settings import Settings, read
from oned.sched.watch import LONGEST_WAIT, Watch
from oned.setting import ConfigError

_EVENTS_TIMEOUT = LONGEST_WAIT + 15

OVERRIDES = (
    # option, placeholder, what it sets, sentence
    ("-p", "PORT", ("ONED_PORT", "ONE_XMLRPC"), "port of an oned on this machine"),
    ("-t", "SECONDS", ("SCHED_INTERVAL",), "between two cycles when nothing happens"),
    ("-m", "N", ("MAX_VM",), "VMs looked at in a cycle; 0 is no limit"),
    ("-d", "N", ("MAX_DISPATCH",), "VMs placed in a cycle; 0 is no limit"),
)
"""The options of releases up to 3.0. The first setting takes the value; one after it would win, and is emptied."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status; returns after SIGTERM or SIGINT."""
    places = Locations.of(os.environ)
    given = _parser(places).parse_args(arguments)
    try:
        config = SchedConfig.load(given.config, _overrides(given))
        settings = read(config)
        with _only_one(places.sched_pid):
            log.set_up(None if given.stderr else places.sched_log, settings.debug_level)
            for warning in config.warnings:
                logging.getLogger(__name__).warning("%s", warning)
            serve(settings)
    except (ConfigError, ClientError, OSError) as error:
        sys.stderr.write(f"mm_sched: {error}\n")
        return 1
    return 0


def serve(settings: Settings) -> None:
    """Places VMs until SIGTERM or SIGINT. Raises NotConfigured when there are no credentials."""
    connect = partial(Client, settings.endpoint, None, settings.timeout)
    client = connect()
    client.session  # noqa: B018  it is missing now or never
    dispatcher = Dispatcher(connect, settings.moves)
    mover = Dispatcher(connect, Moves(live=True), 1)
    balancer = Balancer(client, mover, settings.balance) if settings.balance else None
    cycles = Cycles(client, dispatcher, settings.rules, settings.max_vms, settings.patience, balancer)
    loop = Loop(cycles, settings.interval)
    watch = Watch(Client(settings.endpoint, None, _EVENTS_TIMEOUT), loop.poke, lambda: cycles.waiting > 0)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.stop())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    watch.start()
    loop.run()
    watch.stop()
    dispatcher.close()
    mover.close()


def _parser(places: Locations) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mm_sched", description="Places pending virtual machines on hosts.")
    parser.add_argument("-c", "--config", type=Path, default=places.sched_conf, help="settings (%(default)s)")
    parser.add_argument("-s", "--stderr", action="store_true", help=f"log to stderr instead of {places.sched_log}")
    parser.add_argument("-v", "--version", action="version", version=f"oned {__version__}")
    for flag, placeholder, (setting, *_), sentence in OVERRIDES:
        parser.add_argument(flag, metavar=placeholder, dest=setting, help=f"{sentence} ({setting})")
    return parser


def _overrides(given: argparse.Namespace) -> list[str]:
    """The options as assignments KEY=VALUE."""
    words = []
    for _, _, (setting, *emptied), _ in OVERRIDES:
        value = getattr(given, setting)
        if value is not None:
            words += [f"{setting}={value}", *(f"{name}=" for name in emptied)]
    return words


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Holds the pid file; a lock of the kernel, so never a stale one. Raises OSError when another one runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OSError(f"another mm_sched runs ({path})") from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


if __name__ == "__main__":
    sys.exit(main())
