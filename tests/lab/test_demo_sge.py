"""`make demo-sge` in a short form: nodes come for jobs and go, and nothing is left, however it ends."""

import contextlib
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.lab.world import until
from tests.needs import PROGRAMS, need, need_programs

TREE = Path(__file__).parents[2]
DEMO = TREE / "share/elastic/demo/demo-sge"

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


@pytest.fixture(autouse=True)
def programs() -> None:
    need(os.geteuid() == 0, "machines made of namespaces need root")
    need_programs("sge_qmaster", "sge_execd", "dnsmasq", "openvpn", "busybox", "curl", "sshd")
    need(Path("/dev/net/tun").exists(), "there is no /dev/net/tun")


LIFE = ["PLANNED", "REGISTERED", "STARTING", "JOINING", "READY", "DRAINING", "UNREGISTERED", "GONE"]
SHORT = ("--no-guest", "--jobs=8", "--local=1", "--cloud=1", "--shortest=3", "--longest=6", "--burst=6", "--idle=3")


def start(directory: Path, *options: str, **more: str) -> "subprocess.Popen[str]":
    cache = {"ONE_CACHE": str(TREE / ".cache")}
    environment = {**cache, **os.environ, **more, "DEMO_SGE_DIR": str(directory), "NO_SYSTEM": "1"}
    return subprocess.Popen(
        [DEMO, *options], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip


def run(directory: Path, *options: str, **more: str) -> str:
    with start(directory, *options, **more) as demo:
        told, _ = demo.communicate()
    assert demo.returncode == 0, told
    return told


def states(told: str, node: str) -> list[str]:
    """Of a node, in the order in which they were told."""
    return re.findall(rf"^\d+:\d\d  {node} +([A-Z]+) ", told, re.MULTILINE)


def table(told: str, row: str) -> list[str]:
    """Of the nodes of a class: started, node-minutes, in use, jobs, cost, boot, s, first job, s."""
    found = re.search(rf"^  {row} +(.*)$", told, re.MULTILINE)
    assert found, told
    return found[1].split()


def left_of(directory: Path) -> list[str]:
    """The command lines of what still runs and names the directory."""
    lines = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(place.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in lines if str(directory) in line]


def read_until(demo: "subprocess.Popen[str]", text: str) -> str:
    """What it says, up to a line with the text."""
    assert demo.stdout
    lines = []
    for line in demo.stdout:
        lines.append(line)
        if text in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


def test_nodes_come_for_jobs_from_our_own_host_and_then_from_the_cloud_and_go(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    told = run(directory, *SHORT)
    assert states(told, "wn01") == states(told, "ec2-01") == LIFE
    assert told.index("wn01     PLANNED") < told.index("ec2-01   PLANNED")
    assert "8 jobs have ended well" in told
    local, cloud = table(told, "local"), table(told, "cloud")
    assert (local[0], cloud[0]) == ("1", "1")
    assert int(local[3]) + int(cloud[3]) == 8
    assert int(cloud[3]) > 0, "jobs ran at the other end of the tunnel"
    assert float(cloud[4]) > float(local[4]) > 0
    assert min(float(row[place]) for row in (local, cloud) for place in (5, 7)) > 0, "boot and first job"
    assert (directory.exists(), left_of(directory)) == (False, [])


@pytest.mark.soak
def test_one_that_is_killed_leaves_no_process_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    directory = tmp_path / "demo"
    with start(directory, *SHORT) as demo:
        read_until(demo, "wn01     READY")
        assert left_of(directory)
        demo.kill()
    until(lambda: not left_of(directory), 10, "all of it has ended")
    assert directory.exists()
    assert "8 jobs have ended well" in run(directory, *SHORT)
    assert not directory.exists()


@pytest.mark.soak
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_that_is_told_to_end_ends_and_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    directory = tmp_path / "demo"
    with start(directory, *SHORT) as demo:
        read_until(demo, "wn01     READY")
        if number == signal.SIGINT:
            os.killpg(demo.pid, number)  # as a terminal does it, to all of them
        else:
            demo.send_signal(number)
        assert "nothing of it is left" in read_until(demo, "Ended")
        assert demo.wait(20) == 130
    assert (directory.exists(), left_of(directory)) == (False, [])


@pytest.mark.soak
def test_there_is_one_at_a_time(tmp_path: Path) -> None:
    with start(tmp_path / "demo", *SHORT) as first:
        read_until(first, "dnsmasq")
        with start(tmp_path / "demo", *SHORT) as second:
            told, _ = second.communicate()
        assert (second.returncode, "it runs already" in told) == (1, True)
        first.terminate()


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_the_whole_is_over_within_its_time_with_a_guest_among_its_nodes_and_no_job_is_lost(tmp_path: Path) -> None:
    need_programs(*PROGRAMS, "mmdebstrap", "syslinux", "mcopy")
    told = run(tmp_path / "demo")
    assert "40 jobs have ended well" in told
    assert states(told, "wn01") == LIFE
    guest, local, cloud = (table(told, klass) for klass in ("guest", "local", "cloud"))
    assert (guest[0], local[0], int(cloud[0]) > 0) == ("1", "2", True)
    assert int(guest[3]) > 0, "jobs ran in the guest"


@pytest.mark.soak
def test_where_no_image_can_be_built_the_reason_is_told_and_it_goes_on(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, where a directory should be made")
    told = run(tmp_path / "demo", *SHORT[1:], ONE_CACHE=str(tmp_path / "cache"))
    assert re.search(r"^demo-sge: no guest, all nodes are namespaces: .*(exists|Not a directory)$", told, re.MULTILINE)
    assert "8 jobs have ended well" in told
