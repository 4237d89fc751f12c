"""Another machine as drivers reach it, through a real sshd: its connection, and what goes wrong with it."""

import signal
import threading
import time
from pathlib import Path

import pytest

from oned.drivers.lib.reach import host_at, ssh
from oned.drivers.lib.reach.host import Host
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Task
from tests.lab.reaching import host01, lab, settings, task
from tests.lab.world import World, until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]


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


def test_keys_are_exchanged_anew_while_commands_begin_and_end(
    lab: World, host01: Host, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It happens each half a gigabyte: nothing may be sent then but what belongs to it."""
    host01.demand(["true"], task)
    before = lab.connections("host01")
    monkeypatch.setattr("paramiko.packet.Packetizer.REKEY_BYTES", 2 << 20)
    failed: list[str] = []

    def short() -> None:
        for _ in range(60):
            if problem := host01.run(["true"], task, 20).problem:
                failed.append(problem)

    def large() -> None:
        with host01.stream_out(["head", "-c", str(60 << 20), "/dev/zero"], task) as pieces:
            if (size := sum(map(len, pieces))) != 60 << 20:
                failed.append(f"{size} bytes came")

    runs = [threading.Thread(target=target) for target in (short, short, large)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert failed == []
    assert lab.connections("host01") == before


def test_a_login_that_hangs_is_no_refused_key(
    lab: World, settings: Settings, task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where sshd asks a directory service that does not answer."""
    monkeypatch.setattr(ssh, "CONNECT_SECONDS", 1.0)
    address, known = lab.address("host01"), tmp_path / "known_hosts"
    kind, key = next(line.split()[1:3] for line in lab.known_hosts.read_text().splitlines() if address in line)
    known.write_text(f"[{address}]:2222 {kind} {key}\n")
    (tmp_path / "etc/hosts/host01").write_text(f"SSH_ADDRESS={address}\nSSH_PORT=2222\nSSH_KNOWN_HOSTS={known}\n")
    slow = ("Port=2222", "PidFile=/run/slow.pid", "AuthorizedKeysFile=none", "AuthorizedKeysCommandUser=root")
    options = [word for option in (*slow, "AuthorizedKeysCommand=/usr/bin/sleep 60") for word in ("-o", option)]
    lab.start_sshd("host01", *options, port=2222)
    try:
        with pytest.raises(ActionFailed, match="port 2222: it does not answer"):
            host_at("host01", settings).demand(["true"], task, 2)
    finally:
        lab.run("host01", "sh", "-c", "kill $(cat /run/slow.pid)")


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
