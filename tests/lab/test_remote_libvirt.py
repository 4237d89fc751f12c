"""The KVM driver with hosts that it reaches by ssh: a guest's life there, and what hangs or breaks on the way."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.guests import Guest, guest_world, kvm_driver
from tests.lab.world import World, until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with guest_world(tmp_path_factory.mktemp("lab") / "a", 2) as made:
        yield made


@pytest.mark.soak
def test_the_life_of_a_guest_on_another_host(lab: World, tmp_path: Path) -> None:
    guest = Guest(lab, tmp_path, 1)
    guest.prepare("host01")
    checkpoint = f"{guest.place}/checkpoint"
    with kvm_driver(lab, tmp_path) as driver:
        assert guest.state(driver, "host01") == "d"
        guest.deploy(driver, "host01")
        guest.deploy(driver, "host01")
        brought = guest.directory("host01") / "deployment.0"
        assert brought.read_text() == (tmp_path / "var/vms/1/deployment.0").read_text()
        assert brought.stat().st_mode & 0o777 == 0o600
        assert guest.state(driver, "host01") == "a"
        assert guest.state(driver, "host02") == "d"
        assert "HOSTNAME='guest1'" in guest.says("host01", "^GUEST-CONTEXT .*")
        guest.says("host01", "tick 2$")

        assert driver.ask(guest.line("SAVE", "host01", guest.name, checkpoint), 60) == "SAVE SUCCESS 1 -"
        assert (guest.directory("host01") / "checkpoint").exists()
        assert guest.state(driver, "host01") == "d"
        assert driver.ask(guest.line("SAVE", "host01", guest.name, checkpoint), 60) == "SAVE SUCCESS 1 -"
        last = guest.ticks("host01")[-1]
        assert driver.ask(guest.line("RESTORE", "host01", guest.name, checkpoint), 60) == "RESTORE SUCCESS 1 -"
        guest.says("host01", f"tick {last + 1}$")
        assert not (guest.directory("host01") / "checkpoint").exists()

        assert driver.ask(guest.line("REBOOT", "host01", guest.name, "-"), 30) == "REBOOT SUCCESS 1 -"
        until(lambda: guest.console("host01").count("GUEST-READY") == 2, 90, "the guest has booted again")
        assert driver.ask(guest.line("SHUTDOWN", "host01", guest.name, "-"), 90) == "SHUTDOWN SUCCESS 1 -"
        assert guest.state(driver, "host01") == "d"
        guest.deploy(driver, "host01")
        assert driver.ask(guest.line("CANCEL", "host01", guest.name, "-"), 30) == "CANCEL SUCCESS 1 -"
        assert guest.state(driver, "host01") == "d"


@pytest.mark.soak
def test_a_cold_move_takes_the_guest_with_its_memory(lab: World, tmp_path: Path) -> None:
    guest = Guest(lab, tmp_path, 2)
    guest.prepare("host01")
    checkpoint = f"{guest.place}/checkpoint"
    with kvm_driver(lab, tmp_path) as driver:
        guest.deploy(driver, "host01")
        guest.says("host01", "tick 2$")
        assert driver.ask(guest.line("SAVE", "host01", guest.name, checkpoint), 60) == "SAVE SUCCESS 2 -"
        guest.directory("host02").parent.mkdir(parents=True, exist_ok=True)
        guest.directory("host01").rename(guest.directory("host02"))  # the transfer driver's part
        assert driver.ask(guest.line("RESTORE", "host02", guest.name, checkpoint), 60) == "RESTORE SUCCESS 2 -"
        last = guest.ticks("host02")[-1]
        guest.says("host02", f"tick {last + 2}$")
        counted = guest.ticks("host02")
        assert counted == list(range(1, len(counted) + 1))
        assert guest.console("host02").count("GUEST-READY") == 1
        assert driver.ask(guest.line("CANCEL", "host02", guest.name, "-"), 30) == "CANCEL SUCCESS 2 -"


@pytest.mark.soak
def test_a_save_that_is_cancelled_ends_at_once_and_the_guest_goes_on(lab: World, tmp_path: Path) -> None:
    guest = Guest(lab, tmp_path, 7)
    guest.prepare("host01")
    checkpoint = f"{guest.place}/checkpoint"
    with kvm_driver(lab, tmp_path) as driver:
        guest.deploy(driver, "host01")
        guest.says("host01", "tick 2$")
        driver.send(guest.line("SAVE", "host01", guest.name, checkpoint))
        until((guest.directory("host01") / "checkpoint.part").exists, 20, "the save has begun")
        driver.send("DRIVER_CANCEL 7")
        assert driver.line(20) == "LOG I 7 Driver command for 7 cancelled"
        last = guest.ticks("host01")[-1]
        guest.says("host01", f"tick {last + 1}$")
        assert guest.state(driver, "host01") == "a"
        assert driver.ask(guest.line("SAVE", "host01", guest.name, checkpoint), 60) == "SAVE SUCCESS 7 -"
        assert guest.state(driver, "host01") == "d"


def test_actions_in_turn_share_one_connection_and_a_new_one_follows_when_libvirtd_was_restarted(
    lab: World, tmp_path: Path
) -> None:
    guest = Guest(lab, tmp_path, 3)
    with kvm_driver(lab, tmp_path) as driver:
        assert guest.state(driver, "host01") == "d"
        before = lab.connections("host01")
        for _ in range(10):
            assert guest.state(driver, "host01") == "d"
        assert lab.connections("host01") == before
        lab.restart_libvirtd("host01")
        assert guest.state(driver, "host01", 60) == "d"
        assert lab.connections("host01") == before + 1


@pytest.mark.soak
def test_a_libvirtd_that_hangs_holds_up_only_its_own_actions(lab: World, tmp_path: Path) -> None:
    guest = Guest(lab, tmp_path, 4)
    with kvm_driver(lab, tmp_path) as driver:
        assert (guest.state(driver, "host01"), guest.state(driver, "host02")) == ("d", "d")
        lab.libvirtd("host02", signal.SIGSTOP)
        try:
            for vid in range(100, 105):
                driver.send(f"POLL {vid} host02 one-{vid} -")
            began = time.monotonic()
            for _ in range(20):
                assert guest.state(driver, "host01") == "d"
            assert time.monotonic() - began < 10
            answers = [driver.answer(60) or "" for _ in range(5)]
            assert all(" FAILURE " in answer for answer in answers), answers
            assert time.monotonic() - began < 60, "keep-alive ends what waits"
        finally:
            lab.libvirtd("host02", signal.SIGCONT)
        until(lambda: guest.state(driver, "host02", 60) == "d", 60, "the host is reached again")


def test_a_host_that_is_not_there_fails_within_its_limit_and_then_at_once(lab: World, tmp_path: Path) -> None:
    with kvm_driver(lab, tmp_path) as driver:
        (tmp_path / "etc/hosts/dead").write_text("SSH_ADDRESS=10.77.0.200\nREACH=ssh\n")
        first = driver.ask("POLL 5 dead one-5 -", 40) or ""
        assert first.startswith("POLL FAILURE 5 ")
        began = time.monotonic()
        again = driver.ask("POLL 5 dead one-5 -") or ""
        assert "the next attempt is in" in again
        assert time.monotonic() - began < 2


def test_a_host_key_that_is_not_known_is_refused_by_libvirts_ssh_too(lab: World, tmp_path: Path) -> None:
    known = tmp_path / "known"
    known.touch()
    with kvm_driver(lab, tmp_path, SSH_KNOWN_HOSTS=str(known)) as driver:
        answer = driver.ask("POLL 6 host01 one-6 -", 40) or ""
        assert answer.startswith("POLL FAILURE 6 ")
        assert "Host key verification failed" in answer
    assert known.read_text() == ""
