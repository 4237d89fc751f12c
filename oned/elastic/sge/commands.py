"""Grid Engine's commands: run without a shell, with a time limit, and what it means when they do not answer."""

import os
import re
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from oned.elastic.batch import BatchDown
from oned.elastic.sge.place import Place

TIMED_OUT, NOT_FOUND = 124, 127
"""Exit statuses of timeout(1), and of env(1) for a program that is not there."""
KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
GRACE = 3
"""Seconds after its own limit at which a command is ended from here: its prefix may hang too."""

NOTHING = re.compile(r"^no [a-z ]+ (defined|found)$|matches the phrase", re.IGNORECASE | re.MULTILINE)
"""What the reading commands say, with exit status 1, when there is none of what they were asked for."""

HINTS = (
    ("neither submit nor admin host", "Let the master know this host: qconf -ah NAME there, or set SGE_PREFIX"),
    ("must be manager", "Let the user of onesge be a manager: qconf -am USER on the master"),
    ("connection refused", "sge_qmaster does not run there. Start it: systemctl start gridengine-master, or "
     "{common}/sgemaster start; its log is the file messages in its spool directory"),
    ("doesn't exist", "Set SGE_ROOT and SGE_CELL in onesge.conf"),
    ("act_qmaster", "Set SGE_ROOT and SGE_CELL in onesge.conf; {common}/act_qmaster names the master"),
    ("resolve", "Names must resolve both ways, here and on the master: onesge doctor tells which do not"),
    ("access denied", "Names must resolve both ways, here and on the master: onesge doctor tells which do not"),
)  # fmt: skip
"""What to try, by a part of what a command said; the first that fits."""
USUAL_HINT = "Try onesge doctor, and the command by hand"

UNREACHED = ("commlib error", "unable to send message", "unable to contact", "failed receiving gdi", "got send error",
             "can't get configuration from qmaster", "sge_root", "act_qmaster", "neither submit nor admin host",
             "must be manager")  # fmt: skip
"""Parts of what a command says that was not carried out at all; commands that act may say them with exit status 0."""


@dataclass(frozen=True)
class Said:
    """What a command printed."""

    status: int
    output: bytes
    errors: str

    @property
    def text(self) -> str:
        """All of it."""
        return self.output.decode(errors="replace") + self.errors


class Commands:
    """Runs Grid Engine's commands. All raise BatchDown when the master is not reached in time."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def read(self, *words: str) -> bytes:
        """What a reading command prints; b"" when there is none of what it was asked for."""
        said = self._run(words)
        if said.status == 0:
            return said.output
        if NOTHING.search(said.text.strip()):
            return b""
        raise self._down(words, said)

    def text(self, *words: str) -> str:
        """The same as text."""
        return self.read(*words).decode(errors="replace")

    def act(self, *words: str) -> str:
        """What a command that changes something says; its exit status tells nothing, so the change is read back."""
        said = self._run(words)
        if any(phrase in said.text.lower() for phrase in UNREACHED):
            raise self._down(words, said)
        return said.text

    def other(self, *words: str) -> Said:
        """What a command says that is not Grid Engine's, with its exit status; it is run where Grid Engine's are."""
        return self._run(words)

    def file(self, path: str) -> str:
        """The text of a file where Grid Engine's commands run. Raises BatchDown when it cannot be read."""
        said = self._run(("cat", path))
        if said.status:
            raise BatchDown(f"{said.text.strip()}. Set SGE_ROOT and SGE_CELL in onesge.conf")
        return said.output.decode(errors="replace")

    def _run(self, words: Sequence[str]) -> Said:
        argv = self.place.argv(*words)
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise BatchDown(f"{argv[0]} cannot be run: {error.strerror}. Look at SGE_PREFIX in onesge.conf") from error
        with process:
            said = self._outcome(process)
        if said.status in (TIMED_OUT, *KILLED):
            raise self._late(words)
        if said.status == NOT_FOUND:
            raise BatchDown(f"{words[0]} is not there: {said.text.strip()}. Install Grid Engine's commands "
                            "(gridengine-client), or set SGE_BIN or SGE_PREFIX in onesge.conf")  # fmt: skip
        return said

    def _outcome(self, process: subprocess.Popen[bytes]) -> Said:
        try:
            output, errors = process.communicate(timeout=self.place.seconds + GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, errors = process.communicate()
            return Said(TIMED_OUT, output, errors.decode(errors="replace"))
        return Said(process.returncode, output, errors.decode(errors="replace"))

    def _late(self, words: Sequence[str]) -> BatchDown:
        place = self.place
        return BatchDown(
            f"{words[0]} did not answer within {place.seconds} s (SGE_TIMEOUT): sge_qmaster hangs, or its host is not "
            f"reached. Look with qping -info MASTER {place.qmaster_port} qmaster 1; {place.common}/act_qmaster names it"
        )

    def _down(self, words: Sequence[str], said: Said) -> BatchDown:
        told = " ".join((said.errors or said.text).split()) or f"nothing, with exit status {said.status}"
        hint = next((hint for part, hint in HINTS if part in told.lower()), USUAL_HINT)
        return BatchDown(f"{' '.join(words):.60} said: {told:.300}. {hint.format(common=self.place.common)}")
