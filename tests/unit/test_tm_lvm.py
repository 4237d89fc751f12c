"""Transfers of type lvm: the commands that each line has run on a host, and what they are given to read."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from oned.drivers.lib import places
from oned.drivers.lib.line import Voice
from oned.drivers.lib.reach import host_at
from oned.drivers.lib.reach.host import Host
from oned.drivers.lib.reach.session import Session
from oned.drivers.lib.script import parse
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Task
from oned.drivers.tm import tm_lvm

HOME = "/ds/0/7"
MIB = 1 << 20


class RecordedSession:
    """A command of a host that only notes it: what it reads is kept, what it says was said before."""

    lost = ""
    lingers = False

    def __init__(self, host: "RecordingHost", argv: Sequence[str]) -> None:
        self._host, self._argv, self._read = host, argv, b""
        self._output, self._status = host.answer(argv)
        self.ended = False

    def wait(self, seconds: float, *, writing: bool) -> None:
        return

    def receive(self) -> tuple[bytes, bytes]:
        output, self._output = self._output, b""
        self.ended = not output and (self._host.input_ended or not self._host.reads(self._argv))
        return output, (b"Failed to find logical volume" if self._status and not output else b"") if self.ended else b""

    def send(self, data: bytes) -> int:
        self._read += data
        return len(data)

    def end_input(self) -> None:
        self._host.input_ended = True
        if self._read:
            self._host.read.append(self._read)

    def status(self, seconds: float) -> int | None:
        return self._status

    def kill(self) -> None:
        return

    def close(self) -> None:
        self._host.input_ended = False


class RecordingHost:
    """A host h1 that has the volumes it is told, and keeps the list of commands that change something."""

    def __init__(self) -> None:
        self.volumes: dict[str, int] = {}
        self.links: dict[str, str] = {}
        self.commands: list[str] = []
        self.read: list[bytes] = []
        self.input_ended = False
        self.fails = ""

    def open(self, argv: Sequence[str], deadline: float) -> Session:
        return RecordedSession(self, argv)

    def reads(self, argv: Sequence[str]) -> bool:
        return "dd" in argv

    def answer(self, argv: Sequence[str]) -> tuple[bytes, int]:
        """What a command says, and how it ends."""
        words = list(argv[4:] if list(argv[:2]) == ["sh", "-c"] and argv[2] == places._ADMIN else argv)
        if words[0] == "lvs":
            size = self.volumes.get(words[-1])
            return (b"", 5) if size is None else (f"  {size}\n".encode(), 0)
        if words[:2] == ["sh", "-c"]:
            return self._script(words[2], words[4:])
        self.commands.append(" ".join(words))
        if self.fails and words[0] == self.fails:
            return b"", 5
        self._take_effect(words)
        return b"", 0

    def _script(self, script: str, words: Sequence[str]) -> tuple[bytes, int]:
        if script == tm_lvm._TARGET:
            return self.links.get(words[0], "").encode(), 0
        if script == tm_lvm._LINKS:
            listed = (f"{Path(at).name} {to}\n" for at, to in self.links.items() if str(Path(at).parent) == words[0])
            return "".join(listed).encode(), 0
        if script == tm_lvm.LINK:
            self.links[words[1]] = words[0]
            self.commands.append(f"ln {words[0]} {words[1]}")
            return b"", 0
        if script == places._STAT:
            return (b"10\n", 0) if any(at.startswith(words[0]) for at in self.links) else (b"", places.MISSING)
        if "sha256sum" in script:
            import hashlib

            return f"{hashlib.sha256(self.read[-1]).hexdigest()}  -\n".encode(), 0
        self.commands.append(script.splitlines()[0])
        return b"", 0

    def _take_effect(self, words: Sequence[str]) -> None:
        if words[0] == "lvcreate":
            self.volumes[f"{words[-1]}/{words[words.index('-n') + 1]}"] = int(words[words.index("-L") + 1][:-1])
        elif words[0] == "lvrename":
            self.volumes[f"{words[1]}/{words[3]}"] = self.volumes.pop(f"{words[1]}/{words[2]}")
        elif words[0] == "lvremove":
            del self.volumes[words[-1]]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> RecordingHost:
    made = RecordingHost()

    def at(name: str, settings: Settings) -> Host:
        return Host("h1", False, made.open) if name == "h1" else host_at(name, settings)

    monkeypatch.setattr(places, "host_at", at)
    return made


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Carries out a line, in which {h} is the VM's directory on the host and {i} that of the images."""
    said = os.open(tmp_path / "said", os.O_WRONLY | os.O_CREAT)
    task = Task("TRANSFER", 7, Voice(said))

    def carry_out(text: str) -> None:
        line = parse(text.format(h=f"h1:{HOME}", i=tmp_path))
        tm_lvm.COMMANDS[line.command](line, 7, task)

    yield carry_out
    os.close(said)


CREATE = "lvcreate --yes --wipesignatures n"


def test_a_clone_is_a_volume_that_gets_its_name_when_it_is_whole(
    host: RecordingHost, run: Callable[[str], None], tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(image := os.urandom(MIB))
    run("CLONE lvm fe:{i}/a {h}/disk.0 7 1".replace("fe:", "localhost:"))
    assert host.commands == [
        f"ln /dev/vg-one-0/lv-one-7-0 {HOME}/disk.0",
        f"{CREATE} -L {MIB}b -n lv-one-7-0.part vg-one-0",
        "dd of=/dev/vg-one-0/lv-one-7-0.part bs=1M iflag=fullblock conv=fsync status=none",
        "lvrename vg-one-0 lv-one-7-0.part lv-one-7-0",
        f"rm -f -- {HOME}/.disk.0.given",
    ]
    assert host.read == [image]
    run("CLONE lvm localhost:{i}/a {h}/disk.0 7 1")
    assert len([command for command in host.commands if command.startswith("lvcreate")]) == 1


def test_a_volume_that_cannot_be_filled_is_removed(
    host: RecordingHost, run: Callable[[str], None], tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(bytes(MIB))
    host.fails = "dd"
    with pytest.raises(ActionFailed, match=r"^h1: .* ended with status 5"):
        run("CLONE lvm localhost:{i}/a {h}/disk.0 7 1")
    assert host.commands[-1] == "lvremove -f vg-one-0/lv-one-7-0.part"
    assert host.volumes == {}


def test_an_image_that_is_a_volume_of_the_host_gets_a_snapshot(
    host: RecordingHost, run: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tm_lvm.Volume, "run", _with_size(tm_lvm.Volume.run))
    run("CLONE lvm h1:/dev/vg/image {h}/disk.0 7 1")
    assert host.commands == [
        "blockdev --getsize64 /dev/vg/image",
        f"ln /dev/vg-one-0/lv-one-7-0 {HOME}/disk.0",
        f"{CREATE} -s -L 4096b -n lv-one-7-0 /dev/vg/image",
    ]


def _with_size(run: Callable[..., str]) -> Callable[..., str]:
    """The same, with a size for an answer to blockdev."""

    def answering(volume: tm_lvm.Volume, task: Task, *argv: str) -> str:
        return "4096\n" if run(volume, task, *argv) == "" and argv[0] == "blockdev" else ""

    return answering


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("MKSWAP lvm 8 {h}/disk.1 7 0", "mkswap /dev/vg-one-0/lv-one-7-1.part"),
        ("MKIMAGE lvm 8 ext4 {h}/disk.1 7 0", "mkfs.ext4 -q -F /dev/vg-one-0/lv-one-7-1.part"),
    ],
)
def test_empty_volumes_are_formatted(host: RecordingHost, run: Callable[[str], None], line: str, made: str) -> None:
    run(line)
    assert host.commands[1:] == [
        f"{CREATE} -L {8 * MIB}b -n lv-one-7-1.part vg-one-0",
        made,
        "lvrename vg-one-0 lv-one-7-1.part lv-one-7-1",
    ]


def test_a_raw_volume_is_just_made(host: RecordingHost, run: Callable[[str], None]) -> None:
    run("MKIMAGE lvm 8 raw {h}/disk.1 7 0")
    assert [command.split()[0] for command in host.commands] == ["ln", "lvcreate", "lvrename"]
    with pytest.raises(ActionFailed, match="volumes are raw, not qcow2"):
        run("MKIMAGE lvm 8 qcow2 {h}/disk.2 7 0")


def test_a_volume_grows_and_never_shrinks(host: RecordingHost, run: Callable[[str], None]) -> None:
    run("MKIMAGE lvm 8 raw {h}/disk.1 7 0")
    host.commands.clear()
    run("RESIZE lvm {h}/disk.1 16 7 0")
    run("RESIZE lvm {h}/disk.1 4 7 0")
    assert host.commands == [f"lvextend -L {16 * MIB}b vg-one-0/lv-one-7-1"]


def test_the_end_of_a_vm_removes_its_volumes_then_its_directory(
    host: RecordingHost, run: Callable[[str], None]
) -> None:
    run("MKIMAGE lvm 8 raw {h}/disk.0 7 0")
    run("MKIMAGE lvm 8 raw {h}/disk.1 7 0")
    host.volumes["vg-one-0/lv-one-7-1.part"] = MIB
    host.links[f"{HOME}/disk.2"] = "/somewhere/else"
    host.commands.clear()
    run("DELETE lvm {h} 7 0")
    assert host.commands[:3] == [
        "lvremove -f vg-one-0/lv-one-7-0",
        "lvremove -f vg-one-0/lv-one-7-1.part",
        "lvremove -f vg-one-0/lv-one-7-1",
    ]
    assert host.commands[3].startswith('if [ -e "$1" ]'), "the directory goes by a script of places"
    assert len(host.commands) == 4
    assert host.volumes == {}


def test_another_group_and_sudo_are_settings_of_the_host(
    host: RecordingHost, run: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VG_NAME", "fast")
    monkeypatch.setenv("SUDO", "YES")
    host.fails = "sudo"
    with pytest.raises(ActionFailed):
        run("MKSWAP lvm 8 {h}/disk.1 7 0")
    assert host.commands[0] == "sudo -n lvs --noheadings --nosuffix --units b -o lv_size fast/lv-one-7-1"
    assert f"sudo -n {CREATE} -L {8 * MIB}b -n lv-one-7-1.part fast" in host.commands


def test_a_qcow2_image_is_refused(host: RecordingHost, run: Callable[[str], None], tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"QFI\xfb" + (2).to_bytes(4, "big") + bytes(96))
    with pytest.raises(ActionFailed, match="is a qcow2 image, and volumes are raw"):
        run("CLONE lvm localhost:{i}/a {h}/disk.0 7 1")
    assert host.commands == []
