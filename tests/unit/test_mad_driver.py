"""A driver with a real process behind it."""

import asyncio
from pathlib import Path

import pytest

from oned.command import Mad
from oned.mad.section import DriverSection
from oned.mad.set import DriverSet
from tests.fakes import FakeDriver
from tests.mad_bench import Core, running, section, surroundings, until

pytestmark = pytest.mark.anyio


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
