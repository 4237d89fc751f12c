"""Images kept in a cache on the host, and many copies at once: type ssh, with hosts that are reached by sshd."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.transfers import DONE, HOME, MIB, VM, Transfer, small
from tests.lab.world import World

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]


def received(lab: World, host: str) -> int:
    """Bytes that came over the host's network card so far."""
    return int(lab.run(host, "cat", "/sys/class/net/eth0/statistics/rx_bytes"))


@pytest.fixture
def cached(transfer: Transfer) -> Iterator[Transfer]:
    """The driver, with a cache of 5 MiB on host01."""
    directory = transfer.root / "etc/tm_ssh/hosts"
    directory.mkdir(parents=True)
    (directory / "host01").write_text("CACHE=/var/lib/one/cache\nCACHE_MB=5\n")
    yield transfer
    transfer.lab.run("host01", "rm", "-rf", "/var/lib/one/cache")


def sent_for(transfer: Transfer, line: str) -> int:
    """Bytes that the host received for a line that must succeed."""
    before = received(transfer.lab, "host01")
    assert transfer.run(line) == DONE
    return received(transfer.lab, "host01") - before


def kept(transfer: Transfer) -> list[Path]:
    return sorted((transfer.lab.home("host01") / "one/cache").glob("*"))


def test_the_second_disk_of_an_image_takes_nothing_over_the_network(cached: Transfer) -> None:
    image = cached.image("a", 2 * MIB)
    assert sent_for(cached, "CLONE ssh {i}/a {0}/disk.0 7 1") > 2 * MIB
    assert sent_for(cached, "CLONE ssh {i}/a {0}/disk.1 7 1") < 100_000
    assert cached.at("host01", "disk.1").read_bytes() == image.read_bytes()
    assert len(kept(cached)) == 1
    assert sent_for(cached, "LN ssh {i}/a {0}/disk.2 7 1") > 2 * MIB


def test_an_image_that_changed_is_sent_again(cached: Transfer) -> None:
    cached.image("a", MIB)
    sent_for(cached, "CLONE ssh {i}/a {0}/disk.0 7 1")
    image = cached.image("a", MIB)
    assert sent_for(cached, "CLONE ssh {i}/a {0}/disk.1 7 1") > MIB
    assert cached.at("host01", "disk.1").read_bytes() == image.read_bytes()


def test_a_damaged_copy_in_the_cache_is_removed_and_the_image_sent_again(cached: Transfer) -> None:
    image = cached.image("a", MIB)
    sent_for(cached, "CLONE ssh {i}/a {0}/disk.0 7 1")
    [entry] = kept(cached)
    entry.write_bytes(b"rotten" + entry.read_bytes()[6:])
    assert sent_for(cached, "CLONE ssh {i}/a {0}/disk.1 7 1") > MIB
    assert cached.at("host01", "disk.1").read_bytes() == image.read_bytes()
    assert kept(cached)[0].read_bytes() == image.read_bytes()


def test_what_was_not_used_for_longest_goes_first(cached: Transfer) -> None:
    for name in ("a", "b"):
        cached.image(name, 2 * MIB)
    sent_for(cached, "CLONE ssh {i}/a {0}/disk.0 7 1")
    sent_for(cached, "CLONE ssh {i}/b {0}/disk.1 7 1")
    assert sent_for(cached, "CLONE ssh {i}/a {0}/disk.2 7 1") < 100_000
    cached.image("c", 2 * MIB)
    sent_for(cached, "CLONE ssh {i}/c {0}/disk.3 7 1")
    assert len(kept(cached)) == 2
    assert sent_for(cached, "CLONE ssh {i}/a {0}/disk.4 7 1") < 100_000
    assert sent_for(cached, "CLONE ssh {i}/b {0}/disk.5 7 1") > 2 * MIB


def test_an_image_larger_than_the_cache_is_not_kept(cached: Transfer) -> None:
    cached.image("a", 6 * MIB)
    sent_for(cached, "CLONE ssh {i}/a {0}/disk.0 7 1")
    assert kept(cached) == []
    assert any("larger than its cache" in line for line in cached.driver.logs)


def test_vms_that_come_together_have_an_image_sent_once(cached: Transfer) -> None:
    cached.image("a", 2 * MIB)
    before = received(cached.lab, "host01")
    for vm in range(20, 24):
        script = cached.root / f"transfer.{vm}"
        front, disk = f"{os.uname().nodename}:{cached.images}/a", f"host01:/var/lib/one/datastores/0/{vm}/disk.0"
        script.write_text(f"CLONE ssh {front} {disk} {vm} 1\n")
        cached.driver.send(f"TRANSFER {vm} {script}")
    assert {cached.driver.answer(60) for _ in range(20, 24)} == {f"TRANSFER SUCCESS {vm} -" for vm in range(20, 24)}
    assert received(cached.lab, "host01") - before < 3 * MIB


def test_a_cache_without_room_keeps_nothing_and_the_disk_comes_all_the_same(cached: Transfer) -> None:
    image = cached.image("a", 2 * MIB)
    with small(cached.lab, "/var/lib/one/cache", "1m"):
        assert cached.run("CLONE ssh {i}/a {0}/disk.0 7 1") == DONE
        assert cached.lab.run("host01", "ls", "-A", "/var/lib/one/cache") == ""
    assert cached.at("host01", "disk.0").read_bytes() == image.read_bytes()
    assert any("keeps no copy of it" in line for line in cached.driver.logs)


def test_a_disk_that_does_not_fit_costs_the_cache_nothing(cached: Transfer) -> None:
    cached.image("a", 3 * MIB)
    sent_for(cached, "CLONE ssh {i}/a {0}/disk.0 7 1")
    before = kept(cached)
    with small(cached.lab, str(HOME), "2m"):
        answer = cached.run("CLONE ssh {i}/a {0}/disk.1 7 1")
        assert "disk.1 does not fit: it needs" in answer
        assert cached.lab.run("host01", "ls", "-A", str(HOME)) == ""
    assert (kept(cached), len(before)) == (before, 1)


def test_an_image_that_vanished_is_named_though_the_cache_has_it(cached: Transfer) -> None:
    image = cached.image("a", MIB)
    sent_for(cached, "CLONE ssh {i}/a {0}/disk.0 7 1")
    image.unlink()
    assert f"there is no image {image}" in cached.run("CLONE ssh {i}/a {0}/disk.1 7 1")
    assert cached.left("host01") == ["7/disk.0"]


def test_shell_characters_in_the_name_of_an_image_are_just_characters(cached: Transfer) -> None:
    image = cached.image("a;touch${IFS}x`id`$(id)'\"&|*?[b]\\-é!", MIB)
    for disk in (0, 1):
        script = cached.root / "transfer.0.prolog"
        script.write_text(f"CLONE ssh {os.uname().nodename}:{image} host01:{HOME}/disk.{disk} 7 1\n")
        cached.driver.send(f"TRANSFER {VM} {script}")
        assert cached.driver.answer(60) == DONE
        assert cached.at("host01", f"disk.{disk}").read_bytes() == image.read_bytes()
    assert len(kept(cached)) == 1


# -- many at once ------------------------------------------------------------------------------------------------------


def test_copies_beyond_three_at_a_time_wait_for_their_turn(transfer: Transfer) -> None:
    transfer.image("a", 20 * MIB)
    for vm in range(20, 32):
        script = transfer.root / f"transfer.{vm}"
        front, disk = f"{os.uname().nodename}:{transfer.images}/a", f"host01:/var/lib/one/datastores/0/{vm}/disk.0"
        script.write_text(f"CLONE ssh {front} {disk} {vm} 1\n")
        transfer.driver.send(f"TRANSFER {vm} {script}")
    answers = {transfer.driver.answer(120) for _ in range(20, 32)}
    assert answers == {f"TRANSFER SUCCESS {vm} -" for vm in range(20, 32)}
