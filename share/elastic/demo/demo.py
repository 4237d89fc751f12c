"""make demo-sge: forty jobs, and the nodes that come and go for them.

demo DIRECTORY [--jobs N] [--local N] [--cloud N]
"""

import argparse
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import FrameType

from share.elastic.demo.board import Board
from share.elastic.demo.screen import display
from share.elastic.demo.settings import Size
from share.elastic.demo.site import Site
from share.elastic.demo.summary import summary

LOOK = 0.7
"""Seconds between two looks."""
LIMIT = 280.0
"""Seconds after which it is given up."""


class Ended(Exception):
    """Somebody has ended it."""


def main() -> int:
    """The whole; its exit status."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    arguments = _arguments()
    site = Site(Path(arguments.directory), Size(*(getattr(arguments, one.name) for one in fields(Size))))
    try:
        with site.front():
            bring_up(site)
            submit(site)
            return watch(site)
    except Ended:
        print("\nEnded; nothing of it is left.", flush=True)
        return 130


def _end(number: int, frame: FrameType | None) -> None:
    raise Ended


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo-sge", description="A batch cluster whose nodes come and go.")
    parser.add_argument("directory")
    for one in fields(Size):
        parser.add_argument(f"--{one.name}", type=int, default=one.default, metavar="N", help=one.metadata["help"])
    return parser.parse_args()


def bring_up(site: Site) -> None:
    """All parts, one after the other, each with what it took."""
    parts: tuple[tuple[str, Callable[[], None]], ...] = (
        ("dnsmasq", site.names),
        ("EC2", site.cloud),
        ("Grid Engine's master", site.master),
        ("oned and its scheduler", site.engine),
        ("hosts, networks, templates", site.enter),
        ("OpenVPN", site.tunnel),
        ("the worker's image, S3, AMI", site.image),
        ("onesge", site.elastic),
    )
    for name, start in parts:
        begin = time.monotonic()
        start()
        print(f"  {name:28} {time.monotonic() - begin:4.1f} s", flush=True)


def submit(site: Site) -> None:
    """The jobs, of different lengths, by an ordinary user."""
    size = site.size
    span = size.longest - size.shortest + 1
    seconds = (size.shortest + number * 7 % span for number in range(size.jobs))
    line = "qsub -b y -N job -o /dev/null -e /dev/null sleep {}"
    site.sge.user("sh", "-ec", "\n".join(line.format(each) for each in seconds))
    print(f"  {size.jobs} jobs submitted with {line.format('…')}\n", flush=True)


def watch(site: Site) -> int:
    """What happens, until all is over; then what it came to."""
    board, shown = Board(site, site.size), display(site.size)
    while (moment := board.look()).elapsed < LIMIT:
        shown.show(moment, board.course)
        if name := site.ended():
            print(f"{name} has ended, which it should not: {site.log(name)[-2000:]}")
            return 1
        if moment.over:
            print()
            for line in summary(board, site.sge.master.directory / "root/default/common/accounting"):
                print(f"  {line}")
            return 0
        time.sleep(LOOK)
    print(f"It is not over after {LIMIT:.0f} s.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
