"""Live moves of VMs whose disks are logical volumes: the commands on both hosts, before, after, and after a failure."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oned.drivers.lib import places
from oned.drivers.lib.line import Voice
from oned.drivers.lib.reach.host import Host
from oned.drivers.lib.script import parse
from oned.drivers.lib.task import ActionFailed, Task
from oned.drivers.tm import tm_lvm_moves
from tests.unit.test_tm_lvm import CREATE, HOME, MIB, RecordingHost

DOCUMENT = "PFZNPjwvVk0+"
"""The last word of the line: the VM's document."""
Hosts = dict[str, RecordingHost]


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> Hosts:
    """h1, where VM 7 has two volumes, and h2."""
    made = {"h1": RecordingHost(), "h2": RecordingHost()}
    for number in (0, 1):
        made["h1"].volumes[f"vg-one-0/lv-one-7-{number}"] = (8 + number) * MIB
        made["h1"].links[f"{HOME}/disk.{number}"] = f"/dev/vg-one-0/lv-one-7-{number}"
    monkeypatch.setattr(places, "host_at", lambda name, settings: Host(name, False, made[name].open))
    return made


@pytest.fixture
def run(hosts: Hosts, tmp_path: Path) -> Iterator[Callable[[str], dict[str, list[str]]]]:
    """Carries out a verb as the hypervisor driver writes it; the commands that change something, by host."""
    said = os.open(tmp_path / "said", os.O_WRONLY | os.O_CREAT)

    def carry_out(verb: str) -> dict[str, list[str]]:
        line = parse(f"{verb} lvm h2 h1 {HOME} 7 0 {DOCUMENT}")
        for host in hosts.values():
            host.commands.clear()
        tm_lvm_moves.COMMANDS[verb](line, 7, Task("TRANSFER", 7, Voice(said)))
        return {name: [said for said in host.commands if said[:3] != "ls "] for name, host in hosts.items()}

    yield carry_out
    os.close(said)


def test_the_destination_gets_empty_volumes_of_the_same_size(
    hosts: Hosts, run: Callable[[str], dict[str, list[str]]]
) -> None:
    made = [
        [
            f"ln /dev/vg-one-0/lv-one-7-{number} {HOME}/disk.{number}",
            f"{CREATE} -L {(8 + number) * MIB}b -n lv-one-7-{number}.part vg-one-0",
            f"lvrename vg-one-0 lv-one-7-{number}.part lv-one-7-{number}",
        ]
        for number in (0, 1)
    ]
    assert run("PREMIGRATE") == {"h1": [], "h2": [*made[0], *made[1]]}
    assert run("PREMIGRATE")["h2"] == [], "which may be repeated"
    hosts["h1"].volumes["vg-one-0/lv-one-7-1"] = 20 * MIB
    assert [said.split()[0] for said in run("PREMIGRATE")["h2"]] == ["lvremove", "ln", "lvcreate", "lvrename"]


@pytest.mark.parametrize(("verb", "cleaned", "kept"), [("POSTMIGRATE", "h1", "h2"), ("FAILMIGRATE", "h2", "h1")])
def test_one_host_has_none_of_it_afterwards(
    hosts: Hosts, run: Callable[[str], dict[str, list[str]]], verb: str, cleaned: str, kept: str
) -> None:
    run("PREMIGRATE")
    said = run(verb)
    assert said[kept] == []
    assert said[cleaned][:2] == ["lvremove -f vg-one-0/lv-one-7-0", "lvremove -f vg-one-0/lv-one-7-1"]
    assert "rm -rf" in said[cleaned][2], "the directory"
    assert (hosts[cleaned].volumes, len(hosts[kept].volumes)) == ({}, 2)


def test_volumes_of_a_group_of_all_hosts_are_activated_and_deactivated(
    hosts: Hosts, run: Callable[[str], dict[str, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHARED_VG", "YES")
    hosts["h2"].volumes = hosts["h1"].volumes
    assert run("PREMIGRATE") == {
        "h1": [],
        "h2": [
            "lvchange -ay vg-one-0/lv-one-7-0", f"ln /dev/vg-one-0/lv-one-7-0 {HOME}/disk.0",
            "lvchange -ay vg-one-0/lv-one-7-1", f"ln /dev/vg-one-0/lv-one-7-1 {HOME}/disk.1",
        ],
    }  # fmt: skip
    said = run("POSTMIGRATE")
    assert said["h1"][:2] == ["lvchange -an vg-one-0/lv-one-7-0", "lvchange -an vg-one-0/lv-one-7-1"]
    assert said["h2"] == []
    assert len(hosts["h2"].volumes) == 2


def test_a_directory_that_is_none_of_the_vm_is_left_alone(hosts: Hosts, tmp_path: Path) -> None:
    with pytest.raises(ActionFailed, match="not the directory of VM 7"):
        tm_lvm_moves.postmigrate(parse("POSTMIGRATE lvm h2 h1 /ds/0/8 7 0 PFZNPjwvVk0+"), 7, _quiet(tmp_path))
    assert hosts["h1"].commands == []


def _quiet(tmp_path: Path) -> Task:
    return Task("TRANSFER", 7, Voice(os.open(tmp_path / "said", os.O_WRONLY | os.O_CREAT)))
