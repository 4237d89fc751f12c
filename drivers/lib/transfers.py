"""Lines of a transfer script that a hypervisor driver runs itself, between the steps of its own work (3.6 and later).

They are given to the transfer driver as the daemon gives them: over a pipe, in a script file. Which program that is
says TM_DRIVER, with its arguments; one_tm beside this driver if nothing does.
"""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from oned.drivers.lib.line import read_lines
from oned.drivers.lib.request import VMRequest
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Task

PROGRAM = "one_tm"
DEADLINE = 14400.0
"""Seconds that the lines may take, as a transfer of the daemon may."""


def perform(lines: str, request: VMRequest, settings: Settings, task: Task) -> None:
    """Carry out the lines of a script, what the driver logs goes to the VM's log. Errors: ActionFailed, Cancelled."""
    if not lines.strip():
        return
    with tempfile.NamedTemporaryFile("w", prefix=f"one-{request.vm}-", suffix=".transfer") as script:
        script.write(lines + "\n")
        script.flush()
        _transfer(Path(script.name), request.vm, command(settings, _kept_by(request)), task)


def _kept_by(request: VMRequest) -> str:
    """The transfer driver of the VM's stay: by its name one_tm knows where the disks are, whatever their images are."""
    document = request.document
    stays = [] if document is None else document.findall("HISTORY_RECORDS/HISTORY/TM_MAD")
    return (stays[-1].text or "") if stays else ""


def command(settings: Settings, kept_by: str = "") -> list[str]:
    """The transfer driver's program and its arguments, which are one word.

    kept_by  what one_tm is told beside its own arguments, unless those name a tm.conf; other programs are not
    """
    words = shlex.split(settings.get("TM_DRIVER", PROGRAM))
    if kept_by and Path(words[0]).name == PROGRAM and not any(word.endswith(".conf") for word in words):
        words.append(kept_by)
    beside = str(Path(sys.executable).parent)
    program = shutil.which(words[0], path=os.pathsep.join([beside, os.environ.get("PATH", os.defpath)]))
    if program is None:
        raise ActionFailed(f"there is no transfer driver {words[0]}: set TM_DRIVER to the program")
    return [program, *([" ".join(words[1:])] if words[1:] else [])]


def _transfer(script: Path, vm: int, argv: Sequence[str], task: Task) -> None:
    with _started(argv, task) as process:
        assert process.stdin is not None
        process.stdin.write(f"INIT\nTRANSFER {vm} {script}\n".encode())
        process.stdin.flush()
        answer = _answer(process, vm, task)
    task.check()
    if answer != ["SUCCESS"]:
        raise ActionFailed(" ".join(answer[1:]) or f"{argv[0]} ended or was ended before it answered")


def _answer(process: "subprocess.Popen[bytes]", vm: int, task: Task) -> list[str]:
    """The result and the text of the answer, no words if there is none."""
    assert process.stdout is not None
    for line in read_lines(process.stdout.fileno()):
        verb, _, rest = line.decode("utf-8", "replace").partition(" ")
        words = rest.split()
        if verb == "LOG" and len(words) > 2:
            task.info(" ".join(words[2:]))
        elif verb == "TRANSFER" and words[1:2] == [str(vm)]:
            return [words[0], *(word for word in words[2:] if word != "-")]
        elif verb == "INIT" and words[:1] != ["SUCCESS"]:
            return words
    return []


@contextlib.contextmanager
def _started(argv: Sequence[str], task: Task) -> "Iterator[subprocess.Popen[bytes]]":
    """The driver, which is ended with all that it started when the block is left, cancelled or too late."""
    try:
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    except OSError as error:
        raise ActionFailed(f"{argv[0]} cannot be run: {error.strerror}") from None

    def kill() -> None:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)

    late = threading.Timer(DEADLINE, kill)
    late.daemon = True
    late.start()
    try:
        with task.at_cancel(kill):
            yield process
    except BrokenPipeError:
        raise ActionFailed(f"{argv[0]} ended at once") from None
    finally:
        late.cancel()
        kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
