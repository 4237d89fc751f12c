"""A driver of the daemon with a fake of ours behind its pipe."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from oned.command import Command, Intent, Mad
from oned.ids import Kind
from oned.mad.driver import Driver
from oned.mad.section import DriverSection
from oned.mad.set import DriverSet, Surroundings
from tests.fakes import PROGRAM, FakeDriver, environment


@dataclass
class Core:
    """What the daemon would be: makes commands, keeps what it is told."""

    files_of: dict[str, str] = field(default_factory=dict)
    answers: list[tuple[Intent, bool, str]] = field(default_factory=list)
    logs: list[tuple[Mad, int, str, str]] = field(default_factory=list)
    deaths: list[list[Intent]] = field(default_factory=list)
    made: int = 0

    def intent(self, verb: str, oid: int, host: str = "h1", deadline: float = 30.0, mad: Mad = Mad.VMM) -> Intent:
        self.made += 1
        kind = Kind.HOST if mad is Mad.IM else Kind.VM
        arguments = {"deploy_id": f"one-{oid}", "remote_file": "/r/deployment.0", "local_file": "/v/transfer.0.prolog"}
        command = Command(mad, "fake", verb, kind, oid, host, arguments, deadline)
        return Intent(self.made, command, 1, 0.0)

    def document(self, kind: Kind, oid: int) -> str:
        return f"<VM><ID>{oid}</ID></VM>"

    def files(self, command: Command) -> dict[str, str]:
        return self.files_of

    def answered(self, intent: Intent, success: bool, info: str) -> None:
        self.answers.append((intent, success, info))

    def logged(self, mad: Mad, oid: int, severity: str, text: str) -> None:
        self.logs.append((mad, oid, severity, text))

    def lost(self, driver: Driver, intents: list[Intent]) -> None:
        self.deaths.append(intents)


@dataclass
class Bench:
    """One driver that runs, its core and its fake."""

    core: Core
    driver: Driver
    fake: FakeDriver

    async def line(self) -> str:
        return await asyncio.to_thread(self.fake.next_line)

    async def silent(self, seconds: float = 0.2) -> bool:
        """True when nothing more came from the daemon for a while."""
        await asyncio.sleep(seconds)
        return not self.fake.lines()


async def until(happened: Callable[[], object], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not happened():  # noqa: ASYNC110  anything may be waited for
            await asyncio.sleep(0.005)


def surroundings(tmp_path: Path) -> Surroundings:
    return Surroundings(
        programs=(PROGRAM.parent, Path("/bin")),
        directory=tmp_path,
        environment=environment(),
        log=lambda label: tmp_path / f"{label}.log",
        lock=lambda label: tmp_path / f"{label}.lock",
        lock_limit=5.0,
    )


def section(fake: FakeDriver, mad: Mad = Mad.VMM, **settings: object) -> DriverSection:
    return DriverSection(mad, "fake", PROGRAM.name, str(fake.control), **settings)


@asynccontextmanager
async def running(tmp_path: Path, fake: FakeDriver, mad: Mad = Mad.VMM, **settings: object) -> AsyncIterator[Bench]:
    core = Core()
    drivers = DriverSet([section(fake, mad, **settings)], surroundings(tmp_path), core, core)
    await drivers.start()
    driver = drivers.find(mad, "fake")
    assert driver
    try:
        yield Bench(core, driver, fake)
    finally:
        await drivers.stop(grace=0.3)
