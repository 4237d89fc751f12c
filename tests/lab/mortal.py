"""`onesge run` that is killed with -9 once at each step of its nodes' lives, and started again when its test says so.

    python -m tests.lab.mortal FILE run -s --config ONESGE.CONF

For each line that it is given it starts the service as a process of its own, says the number of that, and later how it
ended. FILE gets a line for each step at which one was killed: before and after each call that changes anything outside,
in oned or in the batch system, with the deed that it belongs to. A second service passes what has killed a first one.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from oned.cli.onesge import conf
from oned.cli.onesge.program import main
from oned.elastic import cycle, daemon, deeds, provider
from oned.elastic.sge import master
from tests.daemon.elastic_faults import MortalBatch, MortalClient, Points

assert master, "all that the service needs is here before the first one is started: the others begin at once"


class Deaths(Points):
    """Where the process is killed: once at each step that is not in the file yet.

    deed  that the calls belong to
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.deed = path, ""
        self.passed = path.read_text().splitlines() if path.exists() else []

    def __call__(self, name: str) -> None:
        """The end, if it is the first time."""
        step = f"{name} ({self.deed})"
        if step not in self.passed:
            with self.path.open("a") as file:
                file.write(f"{step}\n")
            os.kill(os.getpid(), signal.SIGKILL)

    def within(self, owner: type, method: str, deed: Callable[..., str]) -> None:
        """Calls from a method belong to a deed, which its arguments tell, unless they belong to one already."""
        original = getattr(owner, method)

        def called(this: object, *arguments: Any, **options: Any) -> object:
            before, self.deed = self.deed, self.deed or deed(*arguments)
            try:
                return original(this, *arguments, **options)
            finally:
                self.deed = before

        setattr(owner, method, called)


def doom(points: Deaths) -> None:
    """From now on the service of this process is mortal."""
    made = conf.batch
    conf.batch = lambda config, records=None: MortalBatch(made(config, records), points)
    MortalClient.points = points
    daemon.Client = MortalClient
    points.within(deeds.Deeds, "do", lambda does, *_: does)
    points.within(provider.Provider, "stop", lambda *_: "stop")
    points.within(cycle.Cycle, "_let_go", lambda *_: "let the address go")


def serve(path: Path, words: Sequence[str]) -> None:
    """A service for each line of the input."""
    for _ in sys.stdin:
        child = os.fork()
        if not child:
            doom(Deaths(path))
            os._exit(main(words))
        print(child, flush=True)  # noqa: T201
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2:])
