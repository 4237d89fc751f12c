"""`make demo` with simulated hosts: what a second run makes of a VM that is about to go."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

TREE = Path(__file__).parents[2]
PARTS = TREE / "share" / "demo"

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """What leads a demo to a directory of its own, and to simulated hosts; the demo is removed at the end."""
    directory = tmp_path / "demo"
    environment = {**os.environ, "DEMO_DIR": str(directory), "DEMO_HYPERVISOR": "none", "ONE_LOCATION": str(directory)}
    environment.pop("ONE_XMLRPC", None)
    environment.pop("ONE_AUTH", None)
    yield environment
    subprocess.run([PARTS / "demo-stop"], env=environment, check=True, stdout=subprocess.DEVNULL)
    assert not directory.exists()


def run(program: Path, *words: str, environment: dict[str, str]) -> str:
    return subprocess.run([program, *words], env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.mark.soak
def test_a_second_run_waits_for_a_vm_that_goes_and_makes_a_new_one(environment: dict[str, str], tmp_path: Path) -> None:
    run(PARTS / "demo", environment=environment)
    onevm = TREE / ".venv/bin/onevm"
    (tmp_path / "demo/var/simulation/orders").write_text("vmm SHUTDOWN vm=0 delay=5\n")
    run(onevm, "terminate", "hello-1", environment=environment)
    told = run(PARTS / "demo", environment=environment)
    assert "hello-1 is going: waiting for its end" in told
    assert "hello-2 is there already" in told
    assert re.search(r"^ +2 oneadmin oneadmin hello-1 +runn", told, re.MULTILINE), told
