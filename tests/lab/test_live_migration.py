"""Guests that move between hosts while they run: what they count, whose they are, and what a failed move leaves."""

import base64
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.drivers.vmm.moves import SETTLING
from tests.lab.guests import DATASTORE, Guest, guest_world, kvm_driver
from tests.lab.world import World, until
from tests.needs import need_programs

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    need_programs("nft")
    with guest_world(tmp_path_factory.mktemp("lab") / "a", 2, "--shared") as made:
        yield made


def migrate(guest: Guest, source: str, destination: str, kind: str = "shared") -> str:
    """The request, as the daemon writes it, of a VM whose NIC has rules on its host."""
    nic = (
        f"<VN_MAD>fw</VN_MAD><BRIDGE>br0</BRIDGE><MAC>02:00:0a:4d:00:{guest.vid:02x}</MAC><ICMP>drop</ICMP>"
        f"<TARGET>one-{guest.vid}-0</TARGET>"
    )
    document = (
        f"<VMM_DRIVER_ACTION_DATA><HOST>{source}</HOST><MIGR_HOST>{destination}</MIGR_HOST>"
        f"<DEPLOY_ID>{guest.name}</DEPLOY_ID>"
        f"<TM_COMMAND>MIGRATE {kind} {destination} {source} {guest.place} {guest.vid} 0</TM_COMMAND>"
        f"<VM><ID>{guest.vid}</ID><TEMPLATE><NIC>{nic}</NIC></TEMPLATE></VM></VMM_DRIVER_ACTION_DATA>"
    )
    return f"MIGRATE {guest.vid} {base64.b64encode(document.encode()).decode()}"


def has_rules(guest: Guest, host: str) -> bool:
    """Whether there are rules of the guest's tap on a host."""
    return f"jump one-{guest.vid}-0-gets" in guest.lab.run(host, "nft", "list", "ruleset")


def unbroken(ticks: list[int]) -> bool:
    return ticks == list(range(1, len(ticks) + 1))


def test_a_guest_moves_there_and_back_and_counts_on(shared: World, tmp_path: Path) -> None:
    guest = Guest(shared, tmp_path, 1)
    guest.prepare("host01")
    with kvm_driver(shared, tmp_path, MIGRATE_UNSAFE="yes") as driver:
        guest.deploy(driver, "host01")
        guest.says("host01", "tick 3$")
        for source, destination in (("host01", "host02"), ("host02", "host01")):
            assert driver.ask(migrate(guest, source, destination), 90) == "MIGRATE SUCCESS 1 -"
            assert (guest.state(driver, source), guest.state(driver, destination)) == ("d", "a")
            assert (has_rules(guest, source), has_rules(guest, destination)) == (False, True)
            assert driver.ask(migrate(guest, source, destination), 90) == "MIGRATE SUCCESS 1 -", "it has moved"
            last = guest.ticks("host01")[-1]
            guest.says("host01", f"tick {last + 2}$")
        assert unbroken(guest.ticks("host01"))
        assert guest.console("host01").count("GUEST-READY") == 1
        reports = [line for line in driver.logs if "the guest stood still for" in line]
        assert len(reports) == 2
        assert re.search(r"Moved from host01 to host02 in \d+ ms, \d+ MB; the guest stood still for \d+ ms", reports[0])
        driver.ask(guest.line("CANCEL", "host01", guest.name, "-"), 30)


def test_a_move_that_libvirt_refuses_leaves_the_guest_where_it_is(shared: World, tmp_path: Path) -> None:
    guest = Guest(shared, tmp_path, 2)
    guest.prepare("host01")
    with kvm_driver(shared, tmp_path) as driver:  # libvirt does not know the directory as shared
        guest.deploy(driver, "host01")
        answer = driver.ask(migrate(guest, "host01", "host02"), 90) or ""
        assert answer.startswith("MIGRATE FAILURE 2 ")
        assert "the VM stays on host01" in answer
        assert (guest.state(driver, "host01"), guest.state(driver, "host02")) == ("a", "d")
        assert not has_rules(guest, "host02")
        driver.ask(guest.line("CANCEL", "host01", guest.name, "-"), 30)
        answer = driver.ask(migrate(guest, "host01", "host02"), 90) or ""
        assert "runs neither on host01 nor on host02" in answer


@pytest.mark.soak
def test_whoever_dies_in_the_middle_of_a_move_one_host_has_the_guest(shared: World, tmp_path: Path) -> None:
    guest = Guest(shared, tmp_path, 3)
    guest.prepare("host01")
    moves = {"MIGRATE_UNSAFE": "yes"}
    with kvm_driver(shared, tmp_path, **moves) as driver:
        guest.deploy(driver, "host01")
        guest.says("host01", "tick 2$")
        driver.send(migrate(guest, "host01", "host02"))
        until(lambda: shared.processes("host02", lambda words: "qemu" in words[0]), 30, "the move has begun")
        driver.process.kill()
    with kvm_driver(shared, tmp_path, **moves) as driver:
        assert driver.ask(migrate(guest, "host01", "host02"), 120) == "MIGRATE SUCCESS 3 -"
        assert (guest.state(driver, "host01"), guest.state(driver, "host02")) == ("d", "a")
        driver.send(migrate(guest, "host02", "host01"))
        until(lambda: shared.processes("host01", lambda words: "qemu" in words[0]), 30, "the move has begun")
        shared.libvirtd("host01", signal.SIGKILL)
        answer = driver.answer(120) or ""
        shared.restart_libvirtd("host01")
        place, other = ("host01", "host02") if " SUCCESS " in answer else ("host02", "host01")
        until(lambda: guest.state(driver, place, 60) == "a", 60, "the guest runs where the answer says")
        last = guest.ticks("host01")[-1]
        guest.says("host01", f"tick {last + 2}$")
        assert unbroken(guest.ticks("host01"))
        until(lambda: guest.state(driver, other, 60) == "d", 60, "the other host has nothing of it")
        assert driver.ask(migrate(guest, place, other), 120) == "MIGRATE SUCCESS 3 -"
        assert (guest.state(driver, place), guest.state(driver, other)) == ("d", "a")
        driver.ask(guest.line("CANCEL", other, guest.name, "-"), 30)


def slowly(lab: World, guest: Guest, host: str) -> None:
    """Let a move of the guest from the host take half a minute."""
    lab.run(host, "virsh", "-q", "migrate-setspeed", guest.name, "1")


def begins(lab: World, host: str) -> None:
    """Wait until a move to the host is under way."""
    until(lambda: lab.processes(host, lambda words: "qemu" in words[0]), 30, "the move has begun")


def job(lab: World, guest: Guest, host: str) -> str:
    """What libvirt says of the job that works on the guest."""
    return lab.run(host, "virsh", "-q", "domjobinfo", guest.name)


@pytest.mark.soak
def test_a_move_that_is_cancelled_leaves_the_guest_where_it_is_alone(shared: World, tmp_path: Path) -> None:
    guest = Guest(shared, tmp_path, 5)
    guest.prepare("host01")
    with kvm_driver(shared, tmp_path, MIGRATE_UNSAFE="yes") as driver:
        guest.deploy(driver, "host01")
        guest.says("host01", "tick 3$")
        slowly(shared, guest, "host01")
        driver.send(migrate(guest, "host01", "host02"))
        begins(shared, "host02")
        driver.send("DRIVER_CANCEL 5")
        assert driver.ask(guest.line("CANCEL", "host02", guest.name, "-"), 60) == "CANCEL SUCCESS 5 -"
        assert (guest.state(driver, "host01"), guest.state(driver, "host02")) == ("a", "d")
        last = guest.ticks("host01")[-1]
        guest.says("host01", f"tick {last + 2}$")
        assert unbroken(guest.ticks("host01"))
        driver.ask(guest.line("CANCEL", "host01", guest.name, "-"), 30)


@pytest.mark.soak
@pytest.mark.parametrize("cut", ["host02", "host01"])
def test_a_cable_that_is_cut_in_the_middle_of_a_move_leaves_the_guest_on_one_host(
    shared: World, tmp_path: Path, cut: str
) -> None:
    guest = Guest(shared, tmp_path, 6 if cut == "host01" else 7)
    guest.prepare("host01")
    with kvm_driver(shared, tmp_path, MIGRATE_UNSAFE="yes") as driver:
        guest.deploy(driver, "host01")
        guest.says("host01", "tick 3$")
        slowly(shared, guest, "host01")
        driver.send(migrate(guest, "host01", "host02"))
        begins(shared, "host02")
        shared.cut(cut)
        try:
            answer = driver.answer(120) or ""
        finally:
            shared.join(cut)
        assert answer.startswith(f"MIGRATE FAILURE {guest.vid} "), answer
        assert "the VM stays on host01" in answer or "on host01 it cannot be asked about" in answer
        until(lambda: guest.state(driver, "host01", 60) == "a", 90, "the guest runs where it was")
        cancel, done = guest.line("CANCEL", "host02", guest.name, "-"), f"CANCEL SUCCESS {guest.vid} -"
        until(lambda: driver.ask(cancel, 60) == done, 90, "the other host is reached again, and cleaned")
        assert (guest.state(driver, "host01"), guest.state(driver, "host02")) == ("a", "d")
        last = guest.ticks("host01")[-1]
        guest.says("host01", f"tick {last + 2}$")
        assert unbroken(guest.ticks("host01"))
        assert driver.ask(migrate(guest, "host01", "host02"), 120) == f"MIGRATE SUCCESS {guest.vid} -"
        driver.ask(guest.line("CANCEL", "host02", guest.name, "-"), 30)


@pytest.mark.soak
@pytest.mark.parametrize("way", ["MIGRATE_ADDRESS", "MIGRATE_URI"])
def test_a_move_takes_the_way_that_the_destination_names(shared: World, tmp_path: Path, way: str) -> None:
    guest = Guest(shared, tmp_path, 8 if way == "MIGRATE_URI" else 9)
    guest.prepare("host01")
    with kvm_driver(shared, tmp_path, MIGRATE_UNSAFE="yes") as driver:
        second = "10.77.1.12"
        shared.run("host02", "ip", "addr", "replace", f"{second}/24", "dev", "br0")
        shared.run("host01", "ip", "addr", "replace", "10.77.1.11/24", "dev", "br0")
        value = second if way == "MIGRATE_ADDRESS" else f"qemu+tcp://{second}/system"
        with (tmp_path / "etc/hosts/host02").open("a") as settings:
            settings.write(f"{way}={value}\n")
        guest.deploy(driver, "host01")
        guest.says("host01", "tick 3$")
        slowly(shared, guest, "host01")
        driver.send(migrate(guest, "host01", "host02"))
        begins(shared, "host02")
        port = ":16509" if way == "MIGRATE_URI" else ":4915"
        until(lambda: f"{second}{port}" in shared.run("host01", "ss", "-Htn", "dst", second), 20, "the way is taken")
        shared.run("host01", "virsh", "-q", "migrate-setspeed", guest.name, "1000")
        assert driver.answer(120) == f"MIGRATE SUCCESS {guest.vid} -"
        assert (guest.state(driver, "host01"), guest.state(driver, "host02")) == ("d", "a")
        driver.ask(guest.line("CANCEL", "host02", guest.name, "-"), 30)


@pytest.mark.soak
def test_a_move_that_libvirt_goes_on_with_though_its_driver_is_dead_is_waited_for(
    shared: World, tmp_path: Path
) -> None:
    guest = Guest(shared, tmp_path, 12)
    guest.prepare("host01")
    moves = {"MIGRATE_UNSAFE": "yes"}
    with kvm_driver(shared, tmp_path, **moves) as driver:
        uri = f"MIGRATE_URI=qemu+tcp://{shared.address('host02')}/system\n"
        with (tmp_path / "etc/hosts/host02").open("a") as settings:
            settings.write(uri)
        guest.deploy(driver, "host01")
        guest.says("host01", "tick 3$")
        slowly(shared, guest, "host01")
        driver.send(migrate(guest, "host01", "host02"))
        begins(shared, "host02")
        until(lambda: "Unbounded" in job(shared, guest, "host01"), 30, "memory goes over")
        driver.process.kill()
    with kvm_driver(shared, tmp_path, **moves) as driver:
        with (tmp_path / "etc/hosts/host02").open("a") as settings:
            settings.write(uri)
        driver.send(migrate(guest, "host01", "host02"))
        time.sleep(SETTLING + 2)
        driver.send(guest.line("POLL", "host01", guest.name, "-"))
        assert "STATE=- " in (driver.answer(60) or ""), "it is under way: nothing is judged, nobody is to end it"
        shared.run("host01", "virsh", "-q", "migrate-setspeed", guest.name, "1000")
        assert driver.answer(120) == f"MIGRATE SUCCESS {guest.vid} -"
        assert (guest.state(driver, "host01"), guest.state(driver, "host02")) == ("d", "a")
        assert not [line for line in driver.logs if "is ended" in line]
        last = guest.ticks("host01")[-1]
        guest.says("host01", f"tick {last + 2}$")
        assert unbroken(guest.ticks("host01"))
        driver.ask(guest.line("CANCEL", "host02", guest.name, "-"), 30)


class Shown(Guest):
    """A guest with a console at port 6000."""

    def template(self) -> str:
        return super().template() + 'GRAPHICS=[TYPE=vnc, LISTEN="0.0.0.0", PORT=6000]'

    def port(self, host: str) -> str:
        return self.lab.run(host, "virsh", "-q", "vncdisplay", self.name).strip()


@pytest.mark.soak
def test_a_guest_whose_port_is_taken_on_the_other_host_gets_another_one_there(shared: World, tmp_path: Path) -> None:
    guest, other = Shown(shared, tmp_path, 10), Shown(shared, tmp_path, 11)
    guest.prepare("host01")
    other.prepare("host02")
    line = migrate(guest, "host01", "host02")
    document = base64.b64decode(line.split()[2]).decode()
    asked = document.replace("<VM>", "<MIGR_GRAPHICS_PORT>6001</MIGR_GRAPHICS_PORT><VM>")
    with kvm_driver(shared, tmp_path, MIGRATE_UNSAFE="yes") as driver:
        guest.deploy(driver, "host01")
        other.deploy(driver, "host02")
        guest.says("host01", "tick 2$")
        assert " FAILURE " in (driver.ask(line, 90) or ""), "the port is taken"
        again = f"MIGRATE {guest.vid} {base64.b64encode(asked.encode()).decode()}"
        assert driver.ask(again, 90) == f"MIGRATE SUCCESS {guest.vid} -"
        assert guest.port("host02").endswith(":101")
        for one in (guest, other):
            driver.ask(one.line("CANCEL", "host02", one.name, "-"), 30)


@pytest.mark.soak
def test_disks_that_are_not_shared_go_along(tmp_path: Path) -> None:
    with guest_world(tmp_path / "lab", 2) as lab:
        guest = Guest(lab, tmp_path, 4)
        guest.prepare("host01")
        with kvm_driver(lab, tmp_path) as driver:
            guest.deploy(driver, "host01")
            guest.says("host01", "tick 3$")
            lab.run("host02", "mkdir", "-p", DATASTORE)
            assert driver.ask(migrate(guest, "host01", "host02", "ssh"), 120) == "MIGRATE SUCCESS 4 -", driver.logs
            assert not guest.directory("host01").exists()
            last = guest.ticks("host02")[-1]  # what it says between the copy of its files and its arrival is not there
            until(lambda: guest.ticks("host02")[-1] > last + 1, 90, "the guest counts on")
            assert guest.console("host02").count("GUEST-READY") == 1
            assert driver.ask(guest.line("SHUTDOWN", "host02", guest.name, "-"), 90) == "SHUTDOWN SUCCESS 4 -"
            lab.run("host02", "qemu-img", "check", "-q", f"{guest.place}/disk.0")
