"""Where Grid Engine is: its settings, the command lines made of them, and commands that cannot be run at all."""

import fcntl
import shlex
import subprocess
from pathlib import Path

import pytest

from oned.elastic.batch import BatchDown
from oned.elastic.settings import ElasticConfig
from oned.elastic.sge.commands import Commands
from oned.elastic.sge.master import GridEngine
from oned.elastic.sge.place import Place, read_place
from oned.setting import ConfigError


def load(directory: Path, text: str) -> Place:
    path = directory / "onesge.conf"
    path.write_text(text)
    return read_place(ElasticConfig.load(path))


def test_without_settings_it_is_where_debian_has_it(tmp_path: Path) -> None:
    assert load(tmp_path, "") == Place()


def test_settings_are_read(tmp_path: Path) -> None:
    text = (
        'SGE_ROOT = "/opt/sge"\nSGE_CELL = "prod"\nSGE_PREFIX = "ssh -o \'A B\' root@m"\nSGE_BIN = "/opt/sge/bin/x/"\n'
    )
    place = load(
        tmp_path, text + 'SGE_TIMEOUT = 3\nSGE_QUEUE = "short.q"\nSGE_HOST_GROUP = "@vm"\nSGE_MEMORY = "h_vmem"\n'
    )
    assert (place.common, place.prefix, place.bin) == (
        "/opt/sge/prod/common",
        ("ssh", "-o", "A B", "root@m"),
        "/opt/sge/bin/x",
    )
    assert (place.seconds, place.queue, place.group, place.memory) == (3, "short.q", "@vm", "h_vmem")


@pytest.mark.parametrize("line", ['SGE_HOST_GROUP = "allhosts"', 'SGE_PREFIX = "ssh \'root"', "SGE_QMASTER_PORT = 0"])
def test_what_cannot_be_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigError, match=r"onesge\.conf.*1"):
        load(tmp_path, line)


def test_a_command_has_its_environment_and_its_time_limit() -> None:
    argv = Place(bin="/b", seconds=7).argv("qconf", "-sq", "*")
    assert argv[0] == "env"
    assert {"SGE_ROOT=/var/lib/gridengine", "LC_ALL=C", "TZ=UTC", "SGE_SINGLE_LINE=1"} < set(argv)
    assert argv[-7:] == ["timeout", "-k", "1", "7", "/b/qconf", "-sq", "*"]
    assert Place(bin="/b").argv("getent", "hosts")[-2:] == ["getent", "hosts"]


def test_words_arrive_whole_behind_ssh_whose_other_end_has_a_shell() -> None:
    words = ["[wn01=4],[wn02=2]", "*@wn01", "a b", "$(touch x)", "it's"]
    line = Place(prefix=("/usr/bin/ssh", "root@m")).argv("printf", "%s\\n", *words)
    assert line[:2] == ["/usr/bin/ssh", "root@m"]
    # The other end joins the words with blanks and gives them to a shell.
    done = subprocess.run(["sh", "-c", " ".join(line[2:])], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.splitlines() == words


def test_a_lock_that_cannot_be_had_is_told_with_what_to_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BatchDown, match=r"no/lock, the lock .*Run this as oned's user"):
        GridEngine(Place(), tmp_path / "no" / "lock").drain(["wn01"])
    monkeypatch.setattr("oned.elastic.sge.master.LOCK_TIME", 0.1)
    with open(tmp_path / "lock", "a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(BatchDown, match="another process has held"):
            GridEngine(Place(), tmp_path / "lock").drain(["wn01"])


def test_a_prefix_and_a_command_that_are_not_there_are_told_with_the_setting() -> None:
    with pytest.raises(BatchDown, match=r"/no/such/ssh cannot be run: .* SGE_PREFIX"):
        Commands(Place(prefix=("/no/such/ssh",))).read("qhost")
    with pytest.raises(BatchDown, match=r"qhost is not there: .*SGE_BIN"):
        Commands(Place(bin="/no/such/bin")).read("qhost")


def answering(directory: Path, output: str, status: int) -> Commands:
    script = directory / "answer"
    script.write_text(f"#!/bin/sh\nprintf '%s' {shlex.quote(output)} >&2\nexit {status}\n")
    script.chmod(0o755)
    return Commands(Place(prefix=(str(script),)))


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ('denied: host "x" is neither submit nor admin host', "qconf -ah NAME"),
        ("error: commlib error: got select error (Connection refused)", "sge_qmaster does not run there"),
        ('denied: "ana" must be manager for this operation', "qconf -am USER"),
        ("critical error: Please set the environment variable SGE_ROOT", "Try onesge doctor"),
        ('error: commlib error: access denied (client IP resolved to host name "a")', "both ways"),
        ("", "nothing, with exit status 1. Try onesge doctor"),
    ],
)
def test_what_a_command_says_of_a_master_that_is_not_reached_comes_with_what_to_try(
    tmp_path: Path, said: str, hint: str
) -> None:
    with pytest.raises(BatchDown) as down:
        answering(tmp_path, said, 1).read("qhost")
    assert said in str(down.value)
    assert hint in str(down.value)


def test_there_being_none_of_what_was_asked_for_is_no_error(tmp_path: Path) -> None:
    assert answering(tmp_path, "no parallel environment defined\n", 1).read("qconf", "-spl") == b""


def test_a_command_that_acts_raises_only_when_the_master_was_not_reached(tmp_path: Path) -> None:
    assert answering(tmp_path, "adminhost already exists", 1).act("qconf", "-ah", "a") == "adminhost already exists"
    with pytest.raises(BatchDown):  # such commands may end with 0 all the same
        answering(tmp_path, "failed receiving gdi request response for mid=1", 0).act("qconf", "-ah", "a")
