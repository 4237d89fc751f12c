"""A driver with a real process behind it."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from oned.command import Command, Intent, Mad
from oned.ids import Kind
from oned.mad.driver import Driver
from oned.mad.section import DriverSection
from oned.mad.set import DriverSet, Surroundings
from tests.fakes import PROGRAM, FakeDriver, environment

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeDriver]:
    with FakeDriver(tmp_path / "control") as fake:
        yield fake


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


async def test_deploy_reaches_the_driver_and_its_answer_the_core(tmp_path: Path, fake: FakeDriver) -> None:
    async with running(tmp_path, fake) as bench:
        deploy = bench.core.intent("DEPLOY", 7)
        bench.driver.send(deploy)
        assert await bench.line() == "DEPLOY 7 h1 /r/deployment.0 -"
        fake.answers("DEPLOY SUCCESS 7 one-7 more words")
        await until(lambda: bench.core.answers)
        assert bench.core.answers == [(deploy, True, "one-7")]


async def test_handshake_chooses_dialect_and_tells_what_may_be_repeated(tmp_path: Path) -> None:
    with FakeDriver(tmp_path / "control", greeting="INIT SUCCESS PROTOCOL=xml REPEATS=DEPLOY,CANCEL") as fake:
        async with running(tmp_path, fake) as bench:
            assert bench.driver.repeats == {"DEPLOY", "CANCEL"}
            bench.driver.send(bench.core.intent("DEPLOY", 7))
            verb, oid, document = (await bench.line()).split()
            assert (verb, oid) == ("DEPLOY", "7")
            assert document.startswith("PFZNTV9EUklWRVJf")


async def test_files_lie_there_when_the_line_arrives(tmp_path: Path, fake: FakeDriver) -> None:
    async with running(tmp_path, fake, Mad.TM) as bench:
        script = tmp_path / "vms" / "7" / "transfer.0.prolog"
        bench.core.files_of = {str(script): "CLONE a b\n"}
        bench.driver.send(bench.core.intent("TRANSFER", 7, mad=Mad.TM))
        assert (await bench.line()).startswith("TRANSFER 7 ")
        assert script.read_text() == "CLONE a b\n"


async def test_file_that_cannot_be_written_fails_the_command(tmp_path: Path, fake: FakeDriver) -> None:
    async with running(tmp_path, fake, Mad.TM) as bench:
        (tmp_path / "vms").write_text("a file, not a directory")
        bench.core.files_of = {str(tmp_path / "vms" / "7" / "transfer"): "x"}
        bench.driver.send(bench.core.intent("TRANSFER", 7, mad=Mad.TM))
        await until(lambda: bench.core.answers)
        assert bench.core.answers[0][1:] == (False, f"Could not write {tmp_path}/vms/7: Not a directory")
        assert await bench.silent()


async def test_verb_the_dialect_does_not_know_fails_with_a_reason(tmp_path: Path, fake: FakeDriver) -> None:
    async with running(tmp_path, fake) as bench:
        attach = bench.core.intent("ATTACHDISK", 7)
        bench.driver.send(attach)
        await until(lambda: bench.core.answers)
        assert bench.core.answers == [(attach, False, "the plain dialect has no request ATTACHDISK")]


async def test_hosts_take_turns_within_the_limit_of_each(tmp_path: Path, fake: FakeDriver) -> None:
    async with running(tmp_path, fake, per_host=2) as bench:
        for oid in range(4):
            bench.driver.send(bench.core.intent("DEPLOY", oid, "busy"))
        bench.driver.send(bench.core.intent("DEPLOY", 9, "idle"))
        assert [(await bench.line()).split()[1] for _ in range(3)] == ["0", "1", "9"]
        assert await bench.silent()
        fake.answers("DEPLOY FAILURE 1 no room")
        assert (await bench.line()).split()[1] == "2"


async def test_limit_of_all_holds_over_hosts(tmp_path: Path, fake: FakeDriver) -> None:
    async with running(tmp_path, fake, threads=1) as bench:
        bench.driver.send(bench.core.intent("DEPLOY", 1, "h1"))
        bench.driver.send(bench.core.intent("DEPLOY", 2, "h2"))
        assert (await bench.line()).split()[1] == "1"
        assert await bench.silent()
        fake.answers("DEPLOY SUCCESS 1 x")
        assert (await bench.line()).split()[1] == "2"


async def test_missed_deadline_names_verb_host_and_seconds(tmp_path: Path, fake: FakeDriver) -> None:
    async with running(tmp_path, fake) as bench:
        poll = bench.core.intent("POLL", 7, deadline=0.1)
        bench.driver.send(poll)
        await until(lambda: bench.core.answers)
        assert bench.core.answers == [(poll, False, "POLL on host h1 did not answer within 0.1 s")]


async def test_late_answer_frees_the_key_and_is_told_to_nobody(tmp_path: Path, fake: FakeDriver) -> None:
    async with running(tmp_path, fake) as bench:
        bench.driver.send(bench.core.intent("POLL", 7, deadline=0.1))
        await until(lambda: bench.core.answers)
        assert [await bench.line(), await bench.line()] == ["POLL 7 h1 one-7 -", "DRIVER_CANCEL 7"]
        again = bench.core.intent("POLL", 7)
        bench.driver.send(again)
        assert await bench.silent()
        fake.answers("POLL SUCCESS 7 STATE=a")
        assert await bench.line() == "POLL 7 h1 one-7 -"
        fake.answers("POLL SUCCESS 7 STATE=p")
        await until(lambda: len(bench.core.answers) == 2)
        assert bench.core.answers[1] == (again, True, "STATE=p")


async def test_log_of_a_cancelled_command_frees_its_key(tmp_path: Path, fake: FakeDriver) -> None:
    async with running(tmp_path, fake) as bench:
        deploy = bench.core.intent("DEPLOY", 7)
        bench.driver.send(deploy)
        await bench.line()
        bench.driver.abandon(deploy)
        assert await bench.line() == "DRIVER_CANCEL 7"
        bench.driver.send(bench.core.intent("DEPLOY", 7))
        assert await bench.silent()
        fake.answers("LOG - 7 Driver command for 7 cancelled")
        assert (await bench.line()).startswith("DEPLOY 7 ")
        assert bench.core.answers == []


async def test_command_behind_a_key_that_never_gets_free_fails_in_time(tmp_path: Path, fake: FakeDriver) -> None:
    async with running(tmp_path, fake) as bench:
        bench.driver.send(bench.core.intent("POLL", 7, deadline=0.1))
        bench.driver.send(bench.core.intent("POLL", 7, deadline=0.3))
        await until(lambda: len(bench.core.answers) == 2)
        assert "POLL on host h1 was not sent: the driver has not answered" in bench.core.answers[1][2]


async def test_log_lines_push_the_deadline_of_a_transfer_on(tmp_path: Path, fake: FakeDriver) -> None:
    async with running(tmp_path, fake, Mad.TM) as bench:
        bench.driver.send(bench.core.intent("TRANSFER", 7, deadline=0.5, mad=Mad.TM))
        for percent in range(5):
            await asyncio.sleep(0.2)
            fake.answers(f"LOG I 7 {percent} %")
        await until(lambda: len(bench.core.logs) == 5)
        assert bench.core.logs[0] == (Mad.TM, 7, "I", "0 %")
        assert bench.core.answers == []


async def test_death_reports_what_was_open_and_the_driver_comes_back(tmp_path: Path, fake: FakeDriver) -> None:
    async with running(tmp_path, fake, per_host=1) as bench:
        deploy, waits = bench.core.intent("DEPLOY", 7), bench.core.intent("DEPLOY", 8)
        bench.driver.send(deploy)
        bench.driver.send(waits)
        await bench.line()
        fake.dies(3)
        await until(lambda: bench.core.deaths)
        assert bench.core.deaths == [[deploy]]
        assert (await bench.line()).split()[1] == "8"
        assert fake.starts == 2


async def test_half_lines_garbage_and_broken_text_survive(tmp_path: Path, fake: FakeDriver) -> None:
    async with running(tmp_path, fake) as bench:
        bench.driver.send(bench.core.intent("DEPLOY", 7))
        await bench.line()
        fake.answers_raw(b"\x00\xff\xfe garbage\n\n\nDEPLOY\nDEPLOY SUCCESS seven x\nDEPLOY SUCC")
        await asyncio.sleep(0.1)
        fake.answers_raw(b"ESS 7 caf\xe9\r\n")
        await until(lambda: bench.core.answers)
        assert bench.core.answers[0][1:] == (True, "caf\ufffd")


async def test_driver_that_does_not_read_holds_up_nobody_and_is_killed(tmp_path: Path, fake: FakeDriver) -> None:
    async with running(tmp_path, fake, per_host=0, threads=0) as bench:
        await asyncio.to_thread(fake.hangs)
        for oid in range(3000):
            bench.driver.send(bench.core.intent("DEPLOY", oid, deadline=0.2))
        await until(lambda: len(bench.core.answers) == 3000)
        assert not any(success for _, success, _ in bench.core.answers)


async def test_driver_without_an_answer_to_init_is_not_up(tmp_path: Path) -> None:
    with FakeDriver(tmp_path / "control", greeting="INIT FAILURE no licence") as fake:
        async with running(tmp_path, fake) as bench:
            assert not bench.driver.is_up
            bench.driver.send(bench.core.intent("DEPLOY", 7, deadline=0.1))
            await until(lambda: bench.core.answers)
            assert bench.core.answers[0][2].endswith("driver vmm_fake: it refused INIT: no licence")


async def test_executable_that_is_missing_leaves_the_others_running(tmp_path: Path, fake: FakeDriver) -> None:
    core = Core()
    sections = [section(fake), DriverSection(Mad.IM, "im_none", "no_such_program")]
    drivers = DriverSet(sections, surroundings(tmp_path), core, core)
    await drivers.start()
    try:
        assert [driver.is_up for driver in drivers] == [True, False]
    finally:
        await drivers.stop(grace=0.3)


async def test_driver_that_is_not_named_starts_with_its_first_command(tmp_path: Path, fake: FakeDriver) -> None:
    core = Core()
    drivers = DriverSet([section(fake)], surroundings(tmp_path), core, core)
    await drivers.start(named=[])
    driver = drivers.find(Mad.VMM, "fake")
    assert driver
    assert (driver.is_up, fake.starts) == (False, 0)
    try:
        for vm in (7, 8):
            driver.send(core.intent("DEPLOY", vm))
            assert await asyncio.to_thread(fake.next_line) == f"DEPLOY {vm} h1 /r/deployment.0 -"
        assert fake.starts == 1
    finally:
        await drivers.stop(grace=0.3)


async def test_driver_starts_once_when_it_is_needed_but_neither_before_nor_after_its_set(
    tmp_path: Path, fake: FakeDriver
) -> None:
    core = Core()
    drivers = DriverSet([section(fake)], surroundings(tmp_path), core, core)
    needed = [(Mad.VMM, "vmm_fake"), (Mad.VMM, "fake"), (Mad.TM, "fake")]
    drivers.need(needed)
    await drivers.start(named=[])
    assert await not_started(fake)
    drivers.need(needed)
    drivers.need(needed)
    await until(lambda: all(driver.is_up for driver in drivers))
    await drivers.stop(grace=0.3)
    drivers.need(needed)
    await asyncio.sleep(0.2)
    assert fake.starts == 1


async def not_started(fake: FakeDriver) -> bool:
    await asyncio.sleep(0.2)
    return fake.starts == 0


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("no_such_program", "No such file or directory"),
        ("plain_file", "Permission denied"),
        ("/etc", "Permission denied"),
    ],
)
async def test_program_that_cannot_be_run_is_told_at_the_start_though_nothing_names_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, program: str, reason: str
) -> None:
    (tmp_path / "plain_file").write_text("no program")
    path = tmp_path / program
    drivers = DriverSet([DriverSection(Mad.VMM, "bad", str(path))], surroundings(tmp_path), Core(), Core())
    await drivers.start(named=[])
    assert f"Driver vmm_bad could not be started: {path}: {reason}" in caplog.text
    await drivers.stop()


async def test_stop_sends_finalize_and_the_process_is_gone(tmp_path: Path, fake: FakeDriver) -> None:
    async with running(tmp_path, fake) as bench:
        assert bench.driver.is_up
    assert fake.lines() == ["FINALIZE"]
    assert not bench.driver.is_up


async def test_child_of_a_dead_driver_neither_lives_on_nor_hides_the_death(tmp_path: Path) -> None:
    program = tmp_path / "driver.sh"
    program.write_text("#!/bin/sh\nread init; echo INIT SUCCESS\nsleep 100 & echo $! > child; read line; exit 4\n")
    program.chmod(0o755)
    core = Core()
    drivers = DriverSet([DriverSection(Mad.VMM, "fake", str(program))], surroundings(tmp_path), core, core)
    await drivers.start()
    driver = drivers.find(Mad.VMM, "vmm_fake")
    assert driver
    try:
        driver.send(core.intent("DEPLOY", 7))
        await until(lambda: core.deaths)
        child = int((tmp_path / "child").read_text())
        await until(lambda: not runs(child))
    finally:
        await drivers.stop(grace=0.3)


def runs(process: int) -> bool:
    """False for a process that ended, be it reaped or not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


CLASSIC_SIGNALS = (1 << 31) - 1
"""Signals 1 to 31. make runs its commands with the two above them ignored, which are the C library's own."""


async def test_driver_inherits_one_argument_and_clean_signals(tmp_path: Path) -> None:
    program = tmp_path / "driver.sh"
    program.write_text(
        '#!/bin/sh\nread init; echo "$# $1" > arguments; grep -E "SigBlk|SigIgn" /proc/self/status > signals\n'
        "echo oops >&2; echo INIT SUCCESS; read line\n"
    )
    program.chmod(0o755)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})
    core = Core()
    arguments = "-t 15 -r 0 kvm"
    drivers = DriverSet([DriverSection(Mad.VMM, "fake", str(program), arguments)], surroundings(tmp_path), core, core)
    try:
        await drivers.start()
        await drivers.stop(grace=1.0)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert (tmp_path / "arguments").read_text() == "1 -t 15 -r 0 kvm\n"
    _, blocked, _, ignored = (tmp_path / "signals").read_text().split()
    assert (int(blocked, 16), int(ignored, 16) & CLASSIC_SIGNALS) == (0, 0)
    assert (tmp_path / "vmm_fake.log").read_text() == "oops\n"


async def test_new_daemon_waits_for_the_drivers_of_the_old_one(tmp_path: Path, fake: FakeDriver) -> None:
    async with running(tmp_path, fake) as old:
        second = DriverSet([section(fake)], surroundings(tmp_path), old.core, old.core)
        started = asyncio.create_task(second.start())
        await asyncio.sleep(0.5)
        assert fake.starts == 1
        await old.driver.stop()
        await started
        assert fake.starts == 2
        await second.stop(grace=0.3)


async def test_unnamed_transfer_driver_serves_every_name(tmp_path: Path) -> None:
    core = Core()
    drivers = DriverSet([DriverSection(Mad.TM, "", "one_tm")], surroundings(tmp_path), core, core)
    assert drivers.find(Mad.TM, "tm_ssh") is drivers.find(Mad.TM, "shared") is not None
    assert drivers.find(Mad.VMM, "kvm") is None
