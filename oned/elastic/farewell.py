"""Who has lost a job by us is told: a command of the site for each job that we started again or ended.

It gets job, owner, node, "restarted" or "ended", and why, as further words; no shell reads them.
"""

import logging
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from oned.elastic.batch import Departed

log = logging.getLogger(__name__)
SECONDS = 30.0
"""For one call of the command."""
_SAID = 300
RESTARTED, ENDED = "restarted", "ended"


def fate(departed: Departed) -> str:
    """What became of a job, in a word."""
    return ENDED if departed.ended else RESTARTED


class Farewell:
    """Runs the command beside the loop, one call at a time; nothing waits for it but the end of the process.

    command  with its words; none where nobody is told
    """

    def __init__(self, command: Sequence[str] = ()) -> None:
        self.command = tuple(command)
        self._thread = ThreadPoolExecutor(1, "farewell")

    def tell(self, jobs: Iterable[Departed], why: str) -> None:
        """Have it told of each."""
        for job in jobs if self.command else ():
            self._thread.submit(self._call, (*self.command, job.job, job.owner, job.node, fate(job), why), job.job)

    def close(self) -> None:
        """Returns when all that was to be told is told, or has failed."""
        self._thread.shutdown()

    def _call(self, words: Sequence[str], job: str) -> None:
        try:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=SECONDS,
                check=False,
            )
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            log.warning("JOB_ENDED_COMMAND fails for job %s: %s", job, error)
            return
        if done.returncode:
            said = done.stdout.decode(errors="replace").strip()[-_SAID:]
            log.warning("JOB_ENDED_COMMAND ends with %d for job %s: %s", done.returncode, job, said)
