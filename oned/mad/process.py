"""One driver process: how it is started, greeted, written to, read from and ended."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import signal
import subprocess
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from oned.mad import line
from oned.mad.line import Greeting, Lines

log = logging.getLogger(__name__)

INIT_LIMIT = 30.0
LOCK_LIMIT = 15.0
GRACE = 5.0
_LOCK_LOOK, _LAST_WORDS, _CHUNK = 0.1, 0.5, 65536


class StartFailed(Exception):
    """The program cannot be run, does not answer INIT, or refuses; the text says which."""


@dataclass(frozen=True)
class Launch:
    """How to run one driver.

    label      name for messages
    arguments  one argv element, or None for none
    log        file that gets its stderr
    lock       file locked as long as the process lives
    """

    label: str
    executable: Path
    arguments: str | None
    directory: Path
    environment: Mapping[str, str]
    log: Path
    lock: Path
    init_limit: float = INIT_LIMIT
    lock_limit: float = LOCK_LIMIT


class DriverProcess:
    """A running driver in its own session, between its start and its end. Made by `start`."""

    def __init__(self, label: str, child: subprocess.Popen[bytes]) -> None:
        self._label, self._child = label, child
        self._ended = asyncio.Event()
        self._output = asyncio.StreamReader()
        self._input = _Pipe()
        self._reading: asyncio.BaseTransport | None = None
        self._cut, self._whole = Lines(), deque[bytes]()
        self.greeting = Greeting(success=False, reason="")

    @classmethod
    async def start(cls, launch: Launch) -> DriverProcess:
        """The driver after its handshake. Raises StartFailed; nothing is left running then."""
        try:
            process = cls(launch.label, await _run_locked(launch))
        except OSError as error:
            raise StartFailed(f"{error.filename or launch.executable}: {error.strerror}") from error
        try:
            await process._connect()
            process.greeting = await process._greet(launch.init_limit)
        except BaseException:
            process._kill(signal.SIGKILL)
            await process._ends_within(GRACE)
            raise
        return process

    def write(self, text: str) -> None:
        """Queues the line. Never blocks; lines of a driver that does not read stay in memory."""
        self._input.write(text.encode() + b"\n")

    async def lines(self) -> AsyncIterator[str]:
        """The text of whole lines until the output ends or the process does."""
        while True:
            while self._whole:
                yield line.text(self._whole.popleft())
            data = await self._output.read(_CHUNK)
            if not data:
                return
            self._whole.extend(self._cut.feed(data))

    async def stop(self, grace: float = GRACE) -> None:
        """FINALIZE and the end of its input, then TERM, then KILL to its whole group, each after the grace."""
        self.write("FINALIZE")
        self._input.finish()
        for urgency in (signal.SIGTERM, signal.SIGKILL):
            if await self._ends_within(grace):
                return
            log.warning("Driver %s does not end, sending %s", self._label, urgency.name)
            self._kill(urgency)
        if not await self._ends_within(grace):
            log.error("Driver %s (process %d) cannot be killed", self._label, self._child.pid)

    async def end(self) -> int:
        """Its exit status (minus the signal number), after killing what may be left of it."""
        self._kill(signal.SIGKILL)
        await self._ended.wait()
        if self._reading:
            self._reading.close()
        return self._child.returncode

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.connect_write_pipe(lambda: self._input, self._child.stdin)
        output, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(self._output), self._child.stdout)
        self._reading = output
        handle = os.pidfd_open(self._child.pid)
        loop.add_reader(handle, self._exited, handle, output)

    def _exited(self, handle: int, output: asyncio.BaseTransport) -> None:
        """Takes the rest of its group along while its number is still its own, then reaps it."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(handle)
        os.close(handle)
        self._kill(signal.SIGKILL)
        self._child.wait()
        self._ended.set()
        self._input.abort()
        loop.call_later(_LAST_WORDS, output.close)

    async def _greet(self, limit: float) -> Greeting:
        self.write("INIT")
        try:
            greeting = await asyncio.wait_for(self._first_greeting(), limit)
        except TimeoutError:
            raise StartFailed(f"no answer to INIT within {limit:g} s") from None
        if greeting is None:
            raise StartFailed("it ended before it answered INIT")
        if not greeting.success:
            raise StartFailed(f"it refused INIT: {greeting.reason or 'no reason given'}")
        return greeting

    async def _first_greeting(self) -> Greeting | None:
        async for text in self.lines():
            greeting = line.greeting(text)
            if greeting:
                return greeting
            log.warning("Driver %s wrote before INIT: %.200s", self._label, text)
        return None

    async def _ends_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), seconds)
        return self._ended.is_set()

    def _kill(self, urgency: signal.Signals) -> None:
        """To the process group: it exists at least as long as the process is not reaped."""
        if self._child.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, urgency)


class _Pipe(asyncio.Protocol):
    """The write end: a queue in front of the pipe, so that a full pipe holds up nobody."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._flowing = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    def write(self, data: bytes) -> None:
        self._waiting.put_nowait(data)

    def finish(self) -> None:
        """The pipe is closed when everything before has left."""
        self._waiting.put_nowait(None)

    def abort(self) -> None:
        if self._writer:
            self._writer.cancel()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._flowing.set()
        pipe = cast("asyncio.WriteTransport", transport)  # uvloop's is no subclass of it
        self._writer = asyncio.get_running_loop().create_task(self._write(pipe))

    def connection_lost(self, _: Exception | None) -> None:
        self.abort()

    def pause_writing(self) -> None:
        self._flowing.clear()

    def resume_writing(self) -> None:
        self._flowing.set()

    async def _write(self, transport: asyncio.WriteTransport) -> None:
        try:
            while (data := await self._waiting.get()) is not None:
                await self._flowing.wait()
                transport.write(data)
        finally:
            transport.close()


def ending(status: int) -> str:
    """How a process has ended: the name of the signal, or its status."""
    if status >= 0:
        return f"status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def check(executable: Path) -> None:
    """Raises StartFailed if the program is not there, or may not be run by this user."""
    if not executable.exists():
        raise StartFailed(f"{executable}: {os.strerror(errno.ENOENT)}")
    if not executable.is_file() or not os.access(executable, os.X_OK):
        raise StartFailed(f"{executable}: {os.strerror(errno.EACCES)}")


async def _run_locked(launch: Launch) -> subprocess.Popen[bytes]:
    """The started child, which holds the lock. Raises OSError."""
    lock = await _locked(launch)
    try:
        return _run(launch, lock)
    finally:
        os.close(lock)


async def _locked(launch: Launch) -> int:
    """A descriptor that holds the driver's lock; it does not when the old driver stayed too long. Raises OSError."""
    launch.lock.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(launch.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    tries = max(1, round(launch.lock_limit / _LOCK_LOOK))
    for attempt in range(tries):
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        if attempt == 0:
            log.info("Driver %s of an earlier oned still runs, waiting for it", launch.label)
        await asyncio.sleep(_LOCK_LOOK)
    log.warning("Driver %s of an earlier oned did not end in %g s, going on", launch.label, launch.lock_limit)
    return descriptor


def _run(launch: Launch, lock: int) -> subprocess.Popen[bytes]:
    """The started child: own session, default signals, only the lock besides its three streams. Raises OSError."""
    command = [str(launch.executable)] + ([] if launch.arguments is None else [launch.arguments])
    launch.log.parent.mkdir(parents=True, exist_ok=True)
    with launch.log.open("ab") as errors, _no_signal_blocked():
        return subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=launch.directory,
            env=dict(launch.environment),
            pass_fds=(lock,),
            start_new_session=True,
        )


@contextmanager
def _no_signal_blocked() -> Iterator[None]:
    """The mask is inherited by children; Popen itself puts SIGPIPE back."""
    before = signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
