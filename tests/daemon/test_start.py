"""How oned starts, and what it refuses to start with."""

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from oned.cli.one import main
from tests.daemon.process import until

OTHERS = stat.S_IROTH | stat.S_IWOTH | stat.S_IXOTH


def oned(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ONE_LOCATION": str(root), "HOME": str(root / "nobody")}
    for name in ("ONE_AUTH", "ONE_XMLRPC"):
        environment.pop(name, None)
    command = [sys.executable, "-m", "oned", "-f", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=30)


@pytest.fixture
def location(tmp_path: Path) -> Path:
    root = tmp_path / "cloud"
    assert main(["init", str(root), "--port", "0"]) == 0
    return root


def test_a_configuration_that_is_not_there_is_refused(location: Path) -> None:
    refused = oned(location, "-c", "/nonexistent/oned.conf")
    assert refused.returncode == 255
    assert "there is no /nonexistent/oned.conf" in refused.stderr


def test_without_credentials_no_data_base_is_made(location: Path) -> None:
    (location / ".one/one_auth").unlink()
    refused = oned(location)
    assert refused.returncode == 255
    assert "ONE_AUTH file not present" in refused.stderr
    assert not (location / "var/one.db").exists()


def test_a_data_base_that_is_none_is_refused_in_a_sentence(location: Path) -> None:
    (location / "var").mkdir(exist_ok=True)
    (location / "var/one.db").write_bytes(b"this is no data base" * 500)
    refused = oned(location)
    assert refused.returncode == 255
    assert "onedb restore" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_port_that_is_taken_is_refused_before_a_driver_starts(location: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = oned(location, "-o", f"PORT={port}")
    assert refused.returncode == 255
    assert f"It cannot listen on 127.0.0.1 port {port} (LISTEN_ADDRESS, PORT): Address already in use" in refused.stderr
    assert "Starting the drivers" not in (location / "var/oned.log").read_text()


def test_a_path_that_driver_lines_cannot_carry_is_refused(location: Path) -> None:
    root = location.rename(location.with_name("my cloud"))
    refused = oned(root)
    assert (refused.returncode, "has a blank" in refused.stderr) == (255, True)


def test_a_wrong_command_line_is_refused_with_the_classic_exit_code(location: Path) -> None:
    refused = oned(location, "extra")
    assert (refused.returncode, "unrecognized arguments: extra" in refused.stderr) == (255, True)


def test_a_terminal_that_goes_does_not_end_the_engine(location: Path) -> None:
    started = subprocess.Popen([sys.executable, "-m", "oned", "-f"], env={**os.environ, "ONE_LOCATION": str(location)})
    until((location / "var/oned.port").exists, "the start")
    started.send_signal(signal.SIGHUP)
    started.terminate()
    assert started.wait(30) == 0


def test_what_oned_makes_is_not_for_others(location: Path) -> None:
    started = subprocess.Popen([sys.executable, "-m", "oned", "-f"], env={**os.environ, "ONE_LOCATION": str(location)})
    until((location / "var/oned.port").exists, "the start")
    started.terminate()
    assert started.wait(30) == 0
    made = [path for path in (location / "var").rglob("*") if path.is_file()]
    assert {"one.db", "config", "oned.log"} <= {path.name for path in made}
    assert [path.name for path in made if path.stat().st_mode & OTHERS] == []
