"""What the labs with a batch cluster share: its parts come up, a story is told with the commands of its administrator.

A lab is a module with `play(stage)`, run inside the namespaces of share/elastic/demo/demo-sge (DEMO_SGE_PLAY). Each
line that it shows is printed by a command that anybody may give.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from oned.elastic.records import Records
from share.elastic.demo.settings import Size, site_conf
from share.elastic.demo.site import Site
from share.lab.world import until

PATIENCE = 120.0
"""Seconds for a step of a lab."""


class Stage:
    """The site, and what a lab does and shows on it."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def say(self, text: str) -> None:
        """A heading."""
        print(f"\n\033[1m{text}\033[0m", flush=True)

    def show(self, *argv: str) -> str:
        """A command and what it prints."""
        said = self.site.run(*argv).rstrip()
        print(f"  $ {' '.join(argv)}", *(f"    {line}" for line in said.splitlines()), sep="\n", flush=True)
        return said

    def submit(self, *words: str) -> str:
        """The number of a job of an ordinary user."""
        return self.site.sge.submit("-o", "/dev/null", "-e", "/dev/null", *words)

    def configure(self, classes: str) -> None:
        """Write onesge.conf with these classes; a loop that runs is ended and started again, which costs nothing."""
        self.site.configure(site_conf(self.site.size, self.site.directory) + classes)
        if running := self.site.services.pop("onesge", None):
            running.send_signal(signal.SIGTERM)
            running.wait(20)
            self.site.elastic()

    def nodes(self, state: str = "READY") -> dict[str, str]:
        """Name → class of the nodes in a state, of all for ""."""
        records = Records(self.site.one / "var/onesge.db").nodes()
        return {one.node.name: one.node.klass for one in records if state in ("", one.node.state.name)}

    def wait(self, what: str, happened: Callable[[], object]) -> None:
        """Wait for something, saying how long it took. RuntimeError when a service has ended or it does not come."""
        begin = time.monotonic()
        until(lambda: happened() or self.site.ended(), PATIENCE, what)
        if name := self.site.ended():
            raise RuntimeError(f"{name} has ended, which it should not: {self.site.log(name)[-2000:]}")
        print(f"  … {time.monotonic() - begin:.0f} s until {what}", flush=True)

    def is_quiet(self) -> bool:
        """Whether no job waits or runs."""
        return not self.site.sge.admin("qstat", "-u", "*").strip()

    def end(self) -> None:
        """The jobs end, the nodes go."""
        self.wait("the last job has ended", self.is_quiet)
        self.wait("the last node has gone", lambda: not self.nodes(""))


class Interrupted(Exception):
    """Somebody has ended it."""


def perform(play: Callable[[Stage], None], classes: str) -> int:
    """Bring the cluster up with these classes and play; the exit status."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    stage = Stage(Site(Path(sys.argv[1]), Size()))
    try:
        with stage.site.front():
            _bring_up(stage, classes)
            play(stage)
    except Interrupted:
        print("\nEnded; nothing of it is left.", flush=True)
        return 130
    return 0


def _bring_up(stage: Stage, classes: str) -> None:
    site = stage.site
    stage.say("A master of Grid Engine, an engine with a host, DHCP and onesge come up; there is no node")
    for start in (site.names, site.cloud, site.master, site.engine, site.enter, site.tunnel, site.image):
        start()
    stage.configure(classes)
    stage.site.elastic()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted


def main(play: Callable[[Stage], None], classes: str) -> None:
    """As the module's program."""
    os.environ.setdefault("COLUMNS", "110")
    sys.exit(perform(play, classes))
