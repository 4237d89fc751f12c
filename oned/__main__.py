"""`oned`: the daemon's command line."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from oned import __version__

if TYPE_CHECKING:
    from oned.config import Config
    from oned.locations import Locations

BAD_USAGE = 255


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="oned",
        description="The virtual infrastructure engine: keeps VMs and hosts, serves XML-RPC, drives the drivers.",
        epilog="Self-contained below $ONE_LOCATION, or system-wide without it. `one start` runs it with the scheduler. "
        "Drivers are started when a host, a datastore or a VM names them.",
    )
    parser.add_argument("-f", "--foreground", action="store_true", help="stay in the foreground")
    parser.add_argument("-c", "--config", metavar="FILE", type=Path, help="configuration instead of etc/oned.conf")
    parser.add_argument(
        "-o", "--option", metavar="KEY=VALUE", action="append", default=[], help="override a setting; repeatable"
    )
    parser.add_argument("--print-config", action="store_true", help="print every setting with its default and meaning")
    parser.add_argument("-v", "--version", action="version", version=f"oned {__version__}")
    parser.error = _refuse  # type: ignore[method-assign]
    return parser


def _refuse(message: str) -> NoReturn:
    sys.stderr.write(f"oned: {message}. See oned --help" + "\n")
    sys.exit(BAD_USAGE)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the daemon; 0 after a clean end, 255 when it could not start."""
    arguments = _parser().parse_args(argv)
    from oned.config import Config, ConfigError, print_config  # --version and --help stay quick
    from oned.locations import Locations

    if arguments.print_config:
        sys.stdout.write(print_config())
        return 0
    locations = Locations.of(os.environ)
    path = arguments.config or locations.oned_conf
    try:
        if not path.is_file():
            raise ConfigError(f"there is no {path}. Make a location with `one init DIR` and set ONE_LOCATION=DIR")
        config = Config.load(path, arguments.option)
        return _start(config, locations, foreground=arguments.foreground)
    except ConfigError as error:
        sys.stderr.write(f"Error while parsing configuration file: {error}" + "\n")
    return BAD_USAGE


def _start(config: "Config", locations: "Locations", *, foreground: bool) -> int:
    from oned.background import into_background
    from oned.launch import StartFailed, run  # the heavy parts, once the configuration is sound

    ready = (lambda: None) if foreground else into_background()
    try:
        run(config, locations, ready)
    except StartFailed as error:
        sys.stderr.write(f"Error: {error}" + "\n")
        return BAD_USAGE
    return 0


if __name__ == "__main__":
    sys.exit(main())
