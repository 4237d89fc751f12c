"""`make demo-sge` in a short form: nodes come for jobs and go, and nothing is left, however it ends."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.needs import need, need_programs

TREE = Path(__file__).parents[2]
DEMO = TREE / "share/elastic/demo/demo-sge"

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


@pytest.fixture(autouse=True)
def programs() -> None:
    need(os.geteuid() == 0, "machines made of namespaces need root")
    need_programs("sge_qmaster", "sge_execd", "dnsmasq", "openvpn", "busybox", "curl", "sshd")
    need(Path("/dev/net/tun").exists(), "there is no /dev/net/tun")


def run(directory: Path, *options: str) -> str:
    environment = {**os.environ, "DEMO_SGE_DIR": str(directory), "NO_SYSTEM": "1"}
    done = subprocess.run([DEMO, *options], env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_nodes_come_for_jobs_and_go(tmp_path: Path) -> None:
    told = run(tmp_path / "demo", "--jobs", "4", "--local", "1", "--cloud", "0")
    states = [line.split()[1] for line in told.splitlines() if line.startswith("  wn01 ")]
    assert states == ["PLANNED", "REGISTERED", "STARTING", "JOINING", "READY", "DRAINING", "UNREGISTERED", "GONE"]
    assert not (tmp_path / "demo").exists()
