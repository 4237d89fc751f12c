"""make demo-sge: forty jobs, and the nodes that come and go for them.

demo DIRECTORY [--jobs N] [--local N] [--cloud N]
"""

import argparse
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from oned.elastic.records import Records
from share.elastic.demo.settings import Size
from share.elastic.demo.site import Site

LIMIT = 280.0
"""Seconds after which it is given up."""


class Ended(Exception):
    """Somebody has ended it."""


def main() -> int:
    """The whole; its exit status."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    arguments = _arguments()
    site = Site(Path(arguments.directory), Size(arguments.jobs, local=arguments.local, cloud=arguments.cloud))
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
    usual = Size()
    parser = argparse.ArgumentParser(prog="demo-sge", description="A batch cluster whose nodes come and go.")
    parser.add_argument("directory")
    parser.add_argument("--jobs", type=int, default=usual.jobs)
    parser.add_argument("--local", type=int, default=usual.local, help="nodes on our own host, at most")
    parser.add_argument("--cloud", type=int, default=usual.cloud, help="nodes in the cloud, at most")
    return parser.parse_args()


def bring_up(site: Site) -> None:
    """All parts, one after the other, each with what it took."""
    parts: tuple[tuple[str, Callable[[], None]], ...] = (
        ("dnsmasq", site.names),
        ("Grid Engine's master", site.master),
        ("oned and its scheduler", site.engine),
        ("host, networks, templates", site.enter),
        ("OpenVPN", site.tunnel),
        ("onesge", site.elastic),
    )
    for name, start in parts:
        begin = time.monotonic()
        start()
        print(f"  {name:28} {time.monotonic() - begin:4.1f} s", flush=True)


def submit(site: Site) -> None:
    """The jobs, of different lengths, by an ordinary user."""
    size = site.size
    for number in range(size.jobs):
        seconds = size.shortest + number * 7 % (size.longest - size.shortest + 1)
        site.sge.submit("-N", f"job{number + 1}", "-o", "/dev/null", "-e", "/dev/null", "sleep", str(seconds))


def watch(site: Site) -> int:
    """What happens, until all is over."""
    end = time.monotonic() + LIMIT
    records = Records(site.one / "var/onesge.db")
    seen = 0
    while time.monotonic() < end:
        if name := site.ended():
            print(f"{name} has ended: {site.log(name)[-2000:]}")
            return 1
        for entry in records.entries(seen):
            print(f"  {entry.node:8} {entry.state:12} {entry.sentence}", flush=True)
            seen = entry.id
        if seen and not records.nodes() and not site.sge.admin("qstat", "-u", "*").strip():
            return 0
        time.sleep(1)
    print(f"not over after {LIMIT:.0f} s")
    return 1


if __name__ == "__main__":
    sys.exit(main())
