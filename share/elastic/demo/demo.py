"""make demo-sge: forty jobs, and the nodes that come and go for them.

demo DIRECTORY [--jobs N] [--local N] [--guests N] [--cloud N] [--no-guest]

DEMO_SGE_IMAGE is the image of the guests and DEMO_SGE_DRIVER what boots it; without them there is no guest.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import FrameType

from share.elastic.demo.board import Board
from share.elastic.demo.screen import display
from share.elastic.demo.settings import GUESTS, Size
from share.elastic.demo.site import Site, Worker
from share.elastic.demo.summary import summary

LOOK = 0.7
"""Seconds between two looks."""
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LIMIT = 280.0
"""Seconds after which it is given up."""


class Ended(Exception):
    """Somebody has ended it."""


def main() -> int:
    """The whole; its exit status."""
    for number in ENDS:
        signal.signal(number, _end)
    arguments = _arguments()
    size = Size(**{one.name: getattr(arguments, one.name) for one in fields(Size)})
    site = Site(Path(arguments.directory), size, worker() if size.guests else None)
    try:
        with site.front():
            bring_up(site)
            submit(site)
            return watch(site)
    except Ended:
        print("\nEnded; nothing of it is left.", flush=True)
        return 130


def _end(number: int, frame: FrameType | None) -> None:
    for one in ENDS:  # Ctrl-C comes twice: from the terminal, and from who waits for us
        signal.signal(one, signal.SIG_IGN)
    raise Ended


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo-sge", description="A batch cluster whose nodes come and go.")
    parser.add_argument("directory")
    for one in fields(Size):
        parser.add_argument(f"--{one.name}", type=int, default=one.default, metavar="N", help=one.metadata["help"])
    parser.add_argument("--no-guest", action="store_const", const=0, dest="guests", help="all nodes are namespaces")
    arguments = parser.parse_args()
    if not 0 <= arguments.guests <= GUESTS:
        parser.error(f"there can be {GUESTS} guests at most")
    return arguments


def worker() -> Worker | None:
    """What the guests are made of; None where there is none."""
    image, driver = os.environ.get("DEMO_SGE_IMAGE"), os.environ.get("DEMO_SGE_DRIVER")
    return Worker(Path(image), driver) if image and driver else None


def bring_up(site: Site) -> None:
    """All parts, one after the other, each with what it took."""
    parts: tuple[tuple[str, Callable[[], None]], ...] = (
        ("dnsmasq", site.names),
        ("EC2", site.cloud),
        ("Grid Engine's master", site.master),
        ("oned and its scheduler", site.engine),
        ("hosts, networks, templates", site.enter),
        *((("a hypervisor and its image", site.hypervisor),) if site.size.guests else ()),
        ("OpenVPN", site.tunnel),
        ("a disk by S3 to an AMI", site.image),
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
