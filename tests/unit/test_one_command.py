"""`one`: a location is made, its daemons start, tell how they are, and end."""

import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.cli.one import main
from oned.client.client import Client
from oned.config import Config
from oned.config_sched import SchedConfig


@pytest.fixture
def location(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory that is to become a location, in an environment without any other."""
    root = tmp_path / "cloud"
    for name in ("ONE_AUTH", "ONE_XMLRPC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ONE_LOCATION", str(root))
    yield root
    if (root / "etc/oned.conf").exists():
        main(["stop"])


def test_init_makes_a_location_with_a_secret_of_its_own(location: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(location), "--port", "4711"]) == 0
    assert f"ONE_LOCATION={location} one start" in capsys.readouterr().out
    auth = location / ".one/one_auth"
    name, _, secret = auth.read_text().strip().partition(":")
    assert (name, len(secret) >= 20) == ("oneadmin", True)
    assert stat.S_IMODE(auth.stat().st_mode) == 0o600
    assert (location / ".one/one_endpoint").read_text() == "http://127.0.0.1:4711/RPC2\n"


def test_what_init_makes_is_a_sound_configuration(location: Path) -> None:
    assert main(["init", str(location), "--port", "4711"]) == 0
    config = Config.load(location / "etc/oned.conf")
    assert (config["PORT"], config.warnings) == (4711, [])
    assert SchedConfig.load(location / "etc/sched.conf").warnings == []
    for vector in config.vectors("VM_MAD"):
        if "DEFAULT" in vector:
            assert (location / "etc" / vector["DEFAULT"]).is_file()


def test_a_password_may_be_given(location: Path) -> None:
    assert main(["init", str(location), "--secret", "known"]) == 0
    assert (location / ".one/one_auth").read_text() == "oneadmin:known\n"


def test_init_refuses_a_path_with_a_blank(location: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", f"{location} two"]) == 255
    assert "has a blank" in capsys.readouterr().err


def test_output_that_cannot_be_written_is_told_in_a_sentence() -> None:
    program = "import sys; from oned.cli.one import main; sys.exit(main(['--help']))"
    with open("/dev/full", "wb") as full:
        told = subprocess.run(
            [sys.executable, "-c", program], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (told.returncode, told.stderr) == (255, "one: [Errno 28] No space left on device\n")


@pytest.mark.parametrize("count", ["-1", "many"])
def test_init_refuses_a_number_of_hosts_that_is_none(
    location: Path, capsys: pytest.CaptureFixture[str], count: str
) -> None:
    assert main(["init", str(location), "--simulated-hosts", count]) == 255
    assert f"'{count}' is not a number of hosts" in capsys.readouterr().err
    assert not location.exists()


@pytest.mark.parametrize("port", ["65536", "99999", "-1", "http"])
def test_init_refuses_a_port_that_there_is_not(location: Path, capsys: pytest.CaptureFixture[str], port: str) -> None:
    assert main(["init", str(location), "--port", port]) == 255
    assert f"--port: '{port}' is not a port, 0 to 65535" in capsys.readouterr().err
    assert not location.exists()


def test_init_takes_the_highest_port(location: Path) -> None:
    assert main(["init", str(location), "--port", "65535"]) == 0


def test_init_never_touches_a_location_that_exists(location: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(location)]) == 0
    before = (location / ".one/one_auth").read_text()
    assert main(["init", str(location)]) == 255
    assert "is a location already" in "".join(capsys.readouterr())
    assert (location / ".one/one_auth").read_text() == before


def test_env_prints_what_a_shell_needs(location: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["init", str(location)])
    capsys.readouterr()
    assert main(["env", str(location)]) == 0
    assert f'export ONE_LOCATION="{location}"' in capsys.readouterr().out


@pytest.mark.parametrize("command", ["start", "stop", "status"])
def test_without_a_location_it_says_how_to_make_one(
    location: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert main([command]) == 255
    assert "one init" in "".join(capsys.readouterr())


def test_status_and_stop_of_what_does_not_run_tell_so(location: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["init", str(location)])
    assert main(["status"]) == 3
    assert main(["stop"]) == 0
    assert capsys.readouterr().out.count("does not run") == 4


def test_there_is_no_other_daemon(location: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["init", str(location)])
    assert main(["start", "httpd"]) == 255
    assert "It is oned or sched" in "".join(capsys.readouterr())


def one(*words: str) -> tuple[int, str]:
    """Exit code and output of the installed command, which outlives no daemon that it starts."""
    program = Path(sys.executable).with_name("one")
    done = subprocess.run([program, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def test_daemons_start_with_simulated_hosts_answer_and_end(location: Path) -> None:
    assert one("init", str(location), "--port", "0", "--simulated-hosts", "2")[0] == 0
    code, started = one("start")
    assert (code, "oned runs (pid " in started) == (0, True), started
    assert "2 simulated hosts are registered" in started

    code, told = one("status")
    assert code == 0
    with Client(told.split("endpoint ")[1].split(",")[0]) as client:
        pool = client.text("one.hostpool.info")
    assert ("<NAME>sim01</NAME>" in pool, "<NAME>sim02</NAME>" in pool) == (True, True)

    code, again = one("start")
    assert (code, again.count("runs already"), "registered" in again) == (0, 2, False)

    assert one("stop") == (0, "sched ended\noned ended\n")
    assert one("status")[0] == 3


def test_a_daemon_that_cannot_start_is_told_with_its_last_words(
    location: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["init", str(location)])
    with (location / "etc/oned.conf").open("a") as file:
        file.write("NONSENSE = 1\n")
    assert main(["start"]) == 255
    said = "".join(capsys.readouterr())
    assert "oned ended." in said
    assert "there is no setting NONSENSE" in said


def test_oned_goes_into_the_background_and_says_whether_it_came_up(location: Path) -> None:
    assert main(["init", str(location), "--port", "0"]) == 0
    oned = [sys.executable, "-m", "oned"]
    refused = subprocess.run([*oned, "-o", "LISTEN_ADDRESS=192.0.2.1"], capture_output=True, text=True, check=False)
    assert refused.returncode == 255
    assert "address" in refused.stderr.lower()
    assert subprocess.run(oned, check=False).returncode == 0
    again = subprocess.run(oned, capture_output=True, text=True, check=False)
    assert again.returncode == 255
    assert "Another oned is running here" in again.stderr
    assert main(["stop"]) == 0


def test_commands_find_an_engine_whose_port_the_system_chose(location: Path) -> None:
    assert one("init", str(location), "--port", "0")[0] == 0
    assert one("start", "oned")[0] == 0
    with Client() as client:
        assert client.call("one.system.version") == "6.10.0"
