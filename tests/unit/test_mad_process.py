"""How the process of a driver starts and how it ends."""

import asyncio
import signal
from pathlib import Path

import pytest

from oned.command import Mad
from oned.mad.section import DriverSection
from oned.mad.set import DriverSet
from tests.fakes import FakeDriver
from tests.mad_bench import Core, running, section, surroundings, until

pytestmark = pytest.mark.anyio


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
