"""The program one_tm with the tm.conf of a site: its commands are run, and nothing else."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oned.drivers.lib.line import Voice
from oned.drivers.lib.task import Task
from oned.drivers.lib.testing import DriverProcess, program
from oned.drivers.tm import site as site_programs
from oned.drivers.tm import tm_conf

CONF = "# commands\n\nCLONE = site/clone.sh\nmine   = /{root}/mine.sh  # by its whole path\nSLOW = site/slow.sh\n"
CLONE = """\
#!/bin/sh
for word; do echo "<$word>"; done
[ "$1" = bad ] || exit 0
echo noise >&2
printf 'ERROR MESSAGE --8<------\\nthere is\\nno %s\\nERROR MESSAGE ------>8--\\n' "$1" >&2
exit 3
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """An ONE_LOCATION with a tm.conf and its scripts."""
    scripts = tmp_path / "lib/tm_commands/site"
    scripts.mkdir(parents=True)
    (tmp_path / "etc/tm_site").mkdir(parents=True)
    (tmp_path / "etc/tm_site/tm_site.conf").write_text(CONF.format(root=str(tmp_path).lstrip("/")))
    texts = {
        scripts / "clone.sh": CLONE, tmp_path / "mine.sh": "#!/bin/sh\necho mine; exit 5\n",
        scripts / "slow.sh": "#!/bin/sh\nsleep 60 & wait\n",
    }  # fmt: skip
    for path, text in texts.items():
        path.write_text(text)
        path.chmod(0o755)
    return tmp_path


@pytest.fixture
def driver(site: Path) -> Iterator[DriverProcess]:
    argv = program("tm.tm_shared", "tm_site/tm_site.conf")
    with DriverProcess(argv, {"ONE_LOCATION": str(site)}) as running:
        assert (running.handshake() or "").startswith("INIT SUCCESS")
        yield running


@pytest.fixture
def run(driver: DriverProcess, site: Path) -> Callable[..., str | None]:
    def transfer(*lines: str) -> str | None:
        (site / "script").write_text("".join(f"{line}\n" for line in lines))
        return driver.ask(f"TRANSFER 7 {site / 'script'}")

    return transfer


def test_each_word_is_an_argument_and_no_shell_reads_it(run: Callable[..., str], driver: DriverProcess) -> None:
    assert run("# prolog", "", "clone fe:/a;id h1:/$(id)/`id`|x 10") == "TRANSFER SUCCESS 7 -"
    assert driver.logs == ["LOG I 7 <fe:/a;id>", "LOG I 7 <h1:/$(id)/`id`|x>", "LOG I 7 <10>"]


def test_a_failure_is_what_the_script_says_between_the_marks(
    run: Callable[..., str], driver: DriverProcess, site: Path
) -> None:
    assert run("CLONE bad word", "CLONE never") == "TRANSFER FAILURE 7 there is no bad"
    path = site / "lib/tm_commands/site/clone.sh"
    assert driver.logs == [
        "LOG I 7 <bad>", "LOG I 7 <word>", f"LOG E 7 Command execution fail: {path} bad word", "LOG E 7 noise",
        "LOG E 7 ERROR MESSAGE --8<------", "LOG E 7 there is", "LOG E 7 no bad", "LOG E 7 ERROR MESSAGE ------>8--",
        "LOG E 7 ExitCode: 3",
    ]  # fmt: skip


def test_a_failure_without_marks_names_the_command(run: Callable[..., str], site: Path) -> None:
    told = f"Error message not available: {site}/mine.sh ended with status 5"
    assert run("MINE x") == f"TRANSFER FAILURE 7 {told}"


def test_a_command_that_the_file_does_not_have_fails_with_its_line(run: Callable[..., str]) -> None:
    assert run("CLONE a b", "LN fe:/a h1:/b") == "TRANSFER FAILURE 7 COMMAND not found: LN fe:/a h1:/b."


def test_a_script_file_that_is_not_there_is_named(driver: DriverProcess) -> None:
    assert driver.ask("TRANSFER 7 /nowhere") == "TRANSFER FAILURE 7 Transfer file not found: /nowhere"


def test_a_cancelled_command_ends_with_its_children(run: Callable[..., str], driver: DriverProcess, site: Path) -> None:
    (site / "script").write_text("SLOW\n")
    driver.send(f"TRANSFER 7 {site / 'script'}")
    driver.send("DRIVER_CANCEL 7")
    assert driver.line() == "LOG I 7 Driver command for 7 cancelled"
    assert run("CLONE a") == "TRANSFER SUCCESS 7 -"


@pytest.mark.parametrize(("text", "told"), [
    (None, "cannot be read"), ("CLONE site/clone.sh\n", "line 1 is not COMMAND = path: CLONE site/clone.sh"),
])  # fmt: skip
def test_a_tm_conf_that_cannot_be_used_is_a_driver_that_cannot_start(
    tmp_path: Path, text: str | None, told: str
) -> None:
    (tmp_path / "etc").mkdir()
    if text is not None:
        (tmp_path / "etc/tm.conf").write_text(text)
    with DriverProcess(program("tm.tm_shared", "tm.conf"), {"ONE_LOCATION": str(tmp_path)}) as running:
        answer = running.handshake() or ""
    assert answer.startswith("INIT FAILURE")
    assert told in answer


def test_a_long_command_says_now_and_then_that_it_is_at_work(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_programs, "TELL", 0.05)
    monkeypatch.setenv("ONE_LOCATION", str(site))
    slow = site / "lib/tm_commands/site/slow.sh"
    slow.write_text("#!/bin/sh\nsleep 0.5\n")
    (site / "script").write_text("SLOW\n")
    read, write = os.pipe()
    tm_conf.SiteCommands.read("tm_site/tm_site.conf").carry_out(site / "script", Task("TRANSFER", 7, Voice(write)))
    os.close(write)
    with os.fdopen(read) as lines:
        told = lines.read().splitlines()
    assert len(told) > 2
    assert set(told) == {f"LOG I 7 {slow} is still at work"}


def test_what_a_command_says_is_in_the_log_while_it_is_at_work(driver: DriverProcess, site: Path) -> None:
    talks = site / "lib/tm_commands/site/slow.sh"
    talks.write_text(f'#!/bin/sh\necho half; printf "a line "; read answer <"{site}/answer"; echo "$answer"\n')
    os.mkfifo(site / "answer")
    (site / "script").write_text("SLOW\n")
    driver.send(f"TRANSFER 7 {site / 'script'}")
    assert driver.line() == "LOG I 7 half"
    (site / "answer").write_text("whole\n")
    assert [driver.line(), driver.line()] == ["LOG I 7 a line whole", "TRANSFER SUCCESS 7 -"]
