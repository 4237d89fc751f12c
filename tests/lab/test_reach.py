"""A host as drivers reach it: the same commands on this machine and, through a real sshd, on another one."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.drivers.hook import hm
from oned.drivers.lib import actions
from oned.drivers.lib.actions import Finished
from oned.drivers.lib.line import Voice
from oned.drivers.lib.reach import host_at, ssh
from oned.drivers.lib.reach.host import Host
from oned.drivers.lib.request import HookRequest
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Cancelled, Task
from tests.lab.world import World, until, world

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]

NASTY = (
    "",
    " ",
    "a b",
    "$HOME",
    "`id`",
    "$(id)",
    "'",
    '"',
    "\\",
    "*",
    "~",
    ";exit 3",
    "&",
    "|cat",
    "\n",
    "é",
    "-n",
    "!x",
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("lab") / "a", 2) as made:
        yield made


@pytest.fixture(autouse=True)
def settings(lab: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Settings]:
    """The settings of a driver that reaches the lab; each test begins without connections."""
    for name, value in {**lab.environment, "ONE_LOCATION": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "etc/hosts").mkdir(parents=True)
    for host in ("host01", "host02"):
        (tmp_path / "etc/hosts" / host).write_text(f"SSH_ADDRESS={lab.address(host)}\n")
    yield Settings("any")
    for route in ssh._routes.values():
        if route._transport is not None:
            route._transport.close()
    ssh._routes.clear()


@pytest.fixture
def task() -> Task:
    return Task("ANY", 0, Voice(os.open(os.devnull, os.O_WRONLY)))


@pytest.fixture(params=["localhost", "host01"])
def host(request: pytest.FixtureRequest, settings: Settings) -> Host:
    return host_at(request.param, settings)


@pytest.fixture
def host01(settings: Settings) -> Host:
    return host_at("host01", settings)


# -- on both ways ------------------------------------------------------------------------------------------------------


def test_a_command_tells_its_outputs_and_its_status(host: Host, task: Task) -> None:
    finished = host.run(["sh", "-c", "cat; echo wrong >&2; exit 7"], task, stdin=b"given\n")
    where = "" if host.local else "host01: "
    assert finished == Finished("given\n", "wrong\n", f"{where}sh ended with status 7: wrong", 7)


@pytest.mark.parametrize("word", NASTY)
def test_shell_characters_in_a_word_are_just_characters(host: Host, task: Task, word: str) -> None:
    assert host.demand(["printf", "%s|", word, "end"], task) == f"{word}|end|"


def test_ten_megabytes_of_errors_hold_nothing_up_and_are_cut(host: Host, task: Task) -> None:
    finished = host.run(["sh", "-c", "head -c 10000000 /dev/zero | tr '\\0' x >&2; echo done"], task, 20)
    assert (finished.output, finished.status) == ("done\n", 0)
    assert len(finished.errors) == 1 << 20


def test_a_command_that_ignores_term_ends_with_all_it_started_at_its_deadline(
    host: Host, task: Task, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    script = f"trap '' TERM; echo $$ >>{pids}; (trap '' TERM; sh -c 'echo $$ >>{pids}; sleep 60' & wait) & wait"
    began = time.monotonic()
    finished = host.run(["sh", "-c", script], task, 1.0)
    assert finished.status is None
    assert "sh did not end within 1 seconds" in finished.problem
    assert time.monotonic() - began < 8
    namespace = os.readlink("/proc/self/ns/pid") if host.local else ""
    until(lambda: not sleepers(namespace), 5, "what it started has ended")


def test_what_a_command_leaves_behind_holds_nothing_up_and_ends(
    host: Host, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "LINGER", 0.5)
    finished = host.run(["sh", "-c", "(trap '' TERM HUP; sleep 60 & wait) & sleep 0.1; echo done; exit 3"], task, 30)
    assert (finished.output, finished.status) == ("done\n", 3)
    until(lambda: not sleepers(os.readlink("/proc/self/ns/pid") if host.local else ""), 5, "it has ended")


@pytest.mark.parametrize(("script", "output", "problem"), [
    ("head -c 10000000 /dev/zero | tr '\\0' x >&2; echo done", "done\n", ""),
    ("trap '' TERM; (trap '' TERM; sleep 60 & wait) & wait", "", "host01: sh did not end within 3 seconds"),
    ("(trap '' TERM HUP; sleep 60 & wait) & sleep 0.1; echo done", "done\n", ""),
])  # fmt: skip
def test_hooks_that_run_on_a_host_hold_nothing_up(
    settings: Settings, task: Task, script: str, output: str, problem: str
) -> None:
    finished = hm.run_there(HookRequest(0, "any", ("sh", "-c", script), where="host01", timeout=3.0), task)
    assert (finished.output, finished.problem) == (output, problem)
    until(lambda: not sleepers(""), 5, "what it started has ended")


def sleepers(namespace: str) -> list[str]:
    """The processes `sleep 60` of a pid namespace; of any but this one, if that is empty."""
    found = []
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{process}/cmdline").read_bytes()
            own = os.readlink(f"/proc/{process}/ns/pid")
        except OSError:
            continue
        if words == b"sleep\x0060\x00" and (
            own == namespace or (not namespace and own != os.readlink("/proc/self/ns/pid"))
        ):
            found.append(process)
    return found


def test_a_cancelled_action_ends_its_command(host: Host, task: Task) -> None:
    threading.Timer(0.5, task.cancel).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        host.run(["sleep", "60"], task, 60)
    assert time.monotonic() - began < 5
    until(lambda: not sleepers(os.readlink("/proc/self/ns/pid") if host.local else ""), 5, "the command has ended")


def test_a_missing_program_is_a_sentence(host: Host, task: Task) -> None:
    with pytest.raises(ActionFailed, match="no-such-program"):
        host.demand(["no-such-program"], task)


def test_a_file_is_written_whole_with_its_mode_and_read_back(host: Host, task: Task, tmp_path: Path) -> None:
    path, data = str(tmp_path / "new dir" / "it's"), os.urandom(300_000)
    host.write(path, data, task, 0o750)
    assert host.read(path, task) == data
    assert host.demand(["stat", "-c", "%a", path], task) == "750\n"
    with pytest.raises(ActionFailed, match="larger than 1000 bytes"):
        host.read(path, task, 1000)
    assert os.listdir(tmp_path / "new dir") == ["it's"]


def test_a_file_that_cannot_be_written_is_an_error_and_leaves_nothing(host: Host, task: Task, tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    (tmp_path / "place/file").mkdir()
    (tmp_path / "place/file/x").touch()
    with pytest.raises(ActionFailed, match=r"cannot create|Permission denied"):
        host.write("/proc/version", b"x", task)


def test_a_tree_arrives_with_modes_and_links(host: Host, task: Task, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "below").mkdir(parents=True)
    (tree / "below/program").write_text("#!/bin/sh\necho ran\n")
    (tree / "below/program").chmod(0o755)
    (tree / "link").symlink_to("below")
    host.put_tree(tree, str(tmp_path / "there"), task)
    assert host.demand([str(tmp_path / "there/link/program")], task) == "ran\n"


def test_streams_carry_more_than_fits_into_memory_limits(host: Host, task: Task, tmp_path: Path) -> None:
    pieces = [bytes([number]) * (1 << 20) for number in range(40)]
    finished = host.stream_in(["sh", "-c", 'cat >"$1"; wc -c <"$1"', "sh", str(tmp_path / "big")], pieces, task)
    assert (finished.output.strip(), finished.problem) == (str(40 << 20), "")
    with host.stream_out(["cat", str(tmp_path / "big")], task) as arriving:
        assert b"".join(arriving) == b"".join(pieces)


def test_a_stream_that_fails_says_so_behind_its_last_piece(host: Host, task: Task) -> None:
    with host.stream_out(["sh", "-c", "echo some; echo broken >&2; exit 4"], task) as arriving:
        assert next(arriving) == b"some\n"
        with pytest.raises(ActionFailed, match="sh ended with status 4: broken"):
            list(arriving)


def test_a_stream_that_stalls_is_ended(host: Host, task: Task) -> None:
    began = time.monotonic()
    finished = host.stream_in(["sleep", "60"], [b"x" * (8 << 20)], task, 1.0)
    assert finished.status is None
    assert time.monotonic() - began < 8


# -- by ssh only -------------------------------------------------------------------------------------------------------


def test_all_commands_share_one_connection_and_at_most_eight_run_at_a_time(
    lab: World, host01: Host, task: Task, tmp_path: Path
) -> None:
    before = lab.connections("host01")
    script = f"echo + >>{tmp_path}/log; sleep 0.3; echo - >>{tmp_path}/log"
    runs = [threading.Thread(target=host01.run, args=(["sh", "-c", script], task)) for _ in range(20)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    running = most = 0
    for sign in (tmp_path / "log").read_text().split():
        running += 1 if sign == "+" else -1
        most = max(most, running)
    assert (running, most) == (0, 8)
    assert lab.connections("host01") == before + 1


def test_commands_that_end_before_their_input_is_sent_leave_the_connection_to_the_others(
    lab: World, host01: Host, task: Task
) -> None:
    host01.demand(["true"], task)
    before = lab.connections("host01")
    failed: list[str] = []

    def fed() -> None:
        for _ in range(60):
            pieces = (b"x" * 100 for _ in range(20))
            if problem := host01.stream_in(["head", "-c", "1"], pieces, task, 20).problem:
                failed.append(problem)

    runs = [threading.Thread(target=fed) for _ in range(8)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert failed == []
    assert lab.connections("host01") == before


def test_sshd_may_restart_between_two_commands(lab: World, host01: Host, task: Task) -> None:
    assert host01.demand(["hostname"], task) == "host01\n"
    lab.restart_sshd("host01")
    assert host01.demand(["hostname"], task) == "host01\n"


def test_a_connection_that_breaks_in_the_middle_of_a_command_is_told_and_the_command_is_not_run_again(
    lab: World, host01: Host, task: Task, tmp_path: Path
) -> None:
    restart = threading.Timer(0.5, lab.restart_sshd, ["host01"])
    restart.start()
    with pytest.raises(ActionFailed, match="host01 broke: whether the command ended there is not known"):
        host01.run(["sh", "-c", 'echo begun >>"$1"; sleep 5', "sh", str(tmp_path / "runs")], task, 10)
    assert (tmp_path / "runs").read_text() == "begun\n"
    restart.join()
    assert host01.demand(["hostname"], task) == "host01\n"


def test_a_host_that_crashes_in_the_middle_of_a_command_is_told_at_its_deadline_and_then_at_once(
    lab: World, settings: Settings, task: Task
) -> None:
    host02 = host_at("host02", settings)
    host02.demand(["true"], task)
    threading.Timer(0.5, lab.crash, ["host02"]).start()
    began = time.monotonic()
    assert host02.run(["sleep", "60"], task, 3.0).status is None
    assert time.monotonic() - began < 15
    began = time.monotonic()
    with pytest.raises(ssh.Unreachable, match="the next attempt is in"):
        host02.run(["true"], task)
    assert time.monotonic() - began < 0.5
    lab.up(2)
    until(lambda: answer(host02, task), 30, "the host is reached again")


def answer(host: Host, task: Task) -> str:
    try:
        return host.demand(["hostname"], task)
    except ssh.Unreachable:
        return ""


def test_a_cut_cable_costs_no_more_than_the_deadline_and_joined_again_it_works(
    lab: World, settings: Settings, task: Task
) -> None:
    host02 = host_at("host02", settings)
    host02.demand(["true"], task)
    lab.cut("host02")
    began = time.monotonic()
    try:
        with pytest.raises(ssh.Unreachable):
            host02.run(["true"], task, 2.0)
        assert time.monotonic() - began < 5
    finally:
        lab.join("host02")
    until(lambda: answer(host02, task), 30, "the host is reached again")


def test_a_host_that_hangs_holds_up_only_itself(lab: World, settings: Settings, task: Task) -> None:
    host01, host02 = host_at("host01", settings), host_at("host02", settings)
    host02.demand(["true"], task)
    lab.sshd("host02", signal.SIGSTOP)
    try:
        stuck = [threading.Thread(target=tried, args=(host02, task)) for _ in range(15)]
        for thread in stuck:
            thread.start()
        began = time.monotonic()
        for _ in range(20):
            assert host01.demand(["hostname"], task) == "host01\n"
        assert time.monotonic() - began < 3
        for thread in stuck:
            thread.join(15)
        assert not any(thread.is_alive() for thread in stuck)
    finally:
        lab.sshd("host02", signal.SIGCONT)
    until(lambda: answer(host02, task), 30, "the host is reached again")


def tried(host: Host, task: Task) -> None:
    with pytest.raises(ActionFailed):
        host.run(["true"], task, 3.0)


def test_a_changed_host_key_is_refused_with_file_line_and_advice(
    lab: World, host01: Host, task: Task, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = lab.known_hosts.read_text().splitlines()[1].split()[2]
    known = tmp_path / "known"
    known.write_text(f"# ours\nelsewhere ssh-ed25519 {other}\nhost01 ssh-ed25519 {other}\n")
    monkeypatch.setenv("SSH_KNOWN_HOSTS", str(known))
    wrong = host_at("host01", Settings("any"))
    with pytest.raises(
        ssh.Unreachable, match=rf"host01 has changed: {known} line 3 .*ssh-keygen -f {known} -R 'host01'"
    ):
        wrong.run(["true"], task)
    assert known.read_text().count("\n") == 3


def test_an_unknown_host_key_is_refused_and_never_added(
    host01: Host, task: Task, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known = tmp_path / "known"
    known.touch()
    monkeypatch.setenv("SSH_KNOWN_HOSTS", str(known))
    with pytest.raises(ssh.Unreachable, match=f"is not in {known}.*ssh-keyscan"):
        host_at("host01", Settings("any")).run(["true"], task)
    assert known.read_text() == ""


def test_a_key_that_is_not_taken_says_what_to_do(
    lab: World, task: Task, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from subprocess import run

    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
    monkeypatch.setenv("SSH_KEY", str(tmp_path / "other"))
    before = lab.connections("host01")
    for _ in range(5):
        with pytest.raises(ssh.Unreachable, match=r"none of our keys is taken for root .*authorized_keys"):
            host_at("host01", Settings("any")).run(["true"], task)
    assert lab.connections("host01") == before


def test_a_dead_address_is_tried_once_in_ten_seconds_by_all_together(
    settings: Settings, task: Task, tmp_path: Path
) -> None:
    (tmp_path / "etc/hosts/dead").write_text("SSH_ADDRESS=10.77.0.200\nREACH=ssh\n")
    dead = host_at("dead", settings)
    began = time.monotonic()
    tries = [threading.Thread(target=tried, args=(dead, task)) for _ in range(15)]
    for thread in tries:
        thread.start()
    for thread in tries:
        thread.join()
    assert time.monotonic() - began < 12
    with pytest.raises(ssh.Unreachable, match=r"dead is not reached: root@10.77.0.200 port 22: .*next attempt is in"):
        dead.run(["true"], task)
