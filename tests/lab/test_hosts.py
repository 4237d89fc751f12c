"""The hosts of the lab themselves: several on one machine, with nothing of theirs outside."""

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.world import World, until, world

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    own = tmp_path_factory.mktemp("own")
    with world(tmp_path_factory.mktemp("lab") / "a", 2, f"--own={own}") as made:
        yield made


def answers(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=1.0) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def test_each_host_has_its_own_name_processes_and_files(lab: World) -> None:
    for host in ("host01", "host02"):
        assert lab.run(host, "hostname") == f"{host}\n"
        assert len(lab.run(host, "ps", "-e", "-o", "pid=").split()) < 10
        lab.run(host, "sh", "-c", "hostname >/var/lib/one/mine")
    assert (lab.home("host01") / "one/mine").read_text() == "host01\n"
    assert (lab.home("host02") / "one/mine").read_text() == "host02\n"


def test_a_directory_that_is_to_be_their_own_is_another_on_each_host(lab: World) -> None:
    own = Path((lab.directory / "own-path").read_text().strip())
    lab.run("host01", "touch", str(own / "mine"))
    assert lab.run("host01", "ls", str(own)) == "mine\n"
    assert lab.run("host02", "ls", str(own)) == ""
    assert list(own.iterdir()) == []


def test_hosts_reach_each_other_and_the_front_end_knows_their_keys(lab: World) -> None:
    ssh = lab.command("ssh", "-F", str(lab.directory / "ssh/config"), "-o", "StrictHostKeyChecking=yes", "host02")
    assert subprocess.run([*ssh, "hostname"], check=False, stdout=subprocess.PIPE, text=True).stdout == "host02\n"
    assert lab.run("host01", "bash", "-c", "read -r -n 4 < /dev/tcp/host02/22; echo $REPLY") == "SSH-\n"


def test_a_host_that_crashes_comes_back_with_its_files(lab: World) -> None:
    lab.run("host02", "touch", "/var/lib/one/kept")
    lab.crash("host02")
    assert not answers(lab.address("host02"))
    began = time.monotonic()
    lab.up(2)
    assert answers(lab.address("host02"))
    assert time.monotonic() - began < 20
    assert lab.run("host02", "ls", "/var/lib/one/kept") == "/var/lib/one/kept\n"


def test_a_cut_cable_is_silence_and_joined_again_it_carries(lab: World) -> None:
    lab.cut("host01")
    assert not answers(lab.address("host01"))
    assert answers(lab.address("host02"))
    lab.join("host01")
    until(lambda: answers(lab.address("host01")), 20, "host01 answers again")


def test_two_labs_do_not_see_each_other(lab: World, tmp_path: Path) -> None:
    with world(tmp_path / "b", 1) as other:
        assert other.run("host01", "hostname") == "host01\n"
        other.crash("host01")
        assert not answers(other.address("host01"))
    assert answers(lab.address("host01"))
    assert not (tmp_path / "b").exists()
