"""The hook driver: what it runs, in both dialects, and how it ends what does not end."""

import base64
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.drivers.lib.testing import DriverProcess, program
from oned.mad import hm
from tests.unit.hooks import order

TELL = "import json, sys; print(json.dumps(sys.argv[1:]), sys.stdin.read())"


@pytest.fixture
def driver() -> Iterator[DriverProcess]:
    with DriverProcess(program("hook.hm", "-t 15")) as process:
        assert process.handshake() == "INIT SUCCESS PROTOCOL=argv REPEATS="
        yield process


def run(driver: DriverProcess, *argv: str, stdin: str = "", timeout: float = 20.0) -> hm.Result:
    """How a command ends that the daemon asks for."""
    answer = driver.ask(hm.DIALECTS["argv"](*order(list(argv), stdin, timeout)))
    assert answer is not None
    start = "EXECUTE SUCCESS 5 "
    assert answer.startswith(start)
    return hm.result("argv", "mail", True, answer.removeprefix(start))


def gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def vanishes(process: int) -> bool:
    end = time.monotonic() + 10
    while not gone(process) and time.monotonic() < end:
        time.sleep(0.02)
    return gone(process)


def test_words_and_input_reach_the_command_as_they_are(driver: DriverProcess) -> None:
    words, text = ["", "a b", "'\"$(id)`;|>", "two\nlines", "ä"], "<VM>\n" + "x" * 300_000 + "</VM>"
    result = run(driver, sys.executable, "-c", TELL, *words, stdin=text)
    assert (result.rc, result.problem) == (0, "")
    assert result.output.endswith("x</VM>\n")
    assert len(result.output) == 4096
    short = run(driver, sys.executable, "-c", TELL, *words, stdin="in")
    assert short.output == f"{json.dumps(words)} in\n"


def test_a_command_that_fails_tells_its_status_and_its_errors(driver: DriverProcess) -> None:
    result = run(driver, "/bin/sh", "-c", "echo out; echo first >&2; echo last >&2; exit 7")
    assert (result.rc, result.output, result.errors) == (7, "out\n", "first\nlast\n")
    assert result.problem == "/bin/sh ended with status 7: last"


def test_a_command_that_is_not_there_has_no_status(driver: DriverProcess) -> None:
    assert run(driver, "/nowhere/x") == hm.Result(-1, "", "", "/nowhere/x cannot be run: No such file or directory")


def test_an_argument_that_is_too_long_is_a_failure_with_the_reason(driver: DriverProcess) -> None:
    assert run(driver, "/bin/echo", "x" * 200_000).problem == "/bin/echo cannot be run: Argument list too long"


def test_a_command_that_does_not_end_is_killed_with_its_children(driver: DriverProcess, tmp_path: Path) -> None:
    child = tmp_path / "child"
    result = run(driver, "/bin/sh", "-c", f"sleep 300 & echo $! > {child}; echo begun; wait", timeout=0.5)
    assert (result.rc, result.output) == (-1, "begun\n")
    assert result.problem == "/bin/sh did not end within 0.5 seconds"
    assert vanishes(int(child.read_text()))


@pytest.mark.parametrize("end", ["FINALIZE", "the end of its input", "DRIVER_CANCEL 5"])
def test_a_running_command_ends_with_the_driver_or_when_it_is_cancelled(
    driver: DriverProcess, tmp_path: Path, end: str
) -> None:
    child = tmp_path / "child"
    driver.send(hm.DIALECTS["argv"](*order(["/bin/sh", "-c", f"sleep 300 & echo $! > {child}.new; "
                                            f"mv {child}.new {child}; wait"])))  # fmt: skip
    while not child.exists():
        time.sleep(0.01)
    if end == "the end of its input":
        assert driver.process.stdin is not None
        driver.process.stdin.close()
    else:
        driver.send(end)
    assert vanishes(int(child.read_text()))
    if end == "DRIVER_CANCEL 5":
        assert driver.line() == "LOG I 5 Driver command for 5 cancelled"


def test_commands_of_one_number_run_side_by_side(driver: DriverProcess) -> None:
    began = time.monotonic()
    for _ in range(4):
        driver.send(hm.DIALECTS["argv"](*order(["/bin/sleep", "1"])))
    for _ in range(4):
        driver.answer()
    assert time.monotonic() - began < 3.5


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("EXECUTE 5 myhook LOCAL /bin/echo a b", "EXECUTE SUCCESS 5 myhook: a b"),
        ("EXECUTE 5 myhook LOCAL /bin/echo 'a;  b'", "EXECUTE SUCCESS 5 myhook: a; b"),
        ("EXECUTE 5 myhook LOCAL /bin/false -", "EXECUTE FAILURE 5 myhook: /bin/false ended with status 1"),
        ("EXECUTE 5 myhook localhost /bin/echo 'a;  b'", "EXECUTE SUCCESS 5 myhook: a; b"),
        ("EXECUTE 5 myhook localhost /bin/false -", "EXECUTE FAILURE 5 myhook: /bin/false ended with status 1"),
        ("EXECUTE 5 myhook LOCAL 'x", "EXECUTE FAILURE 5 myhook: the command line cannot be cut into words: No closing "
                                      "quotation"),
        ("EXECUTE 5 x y", "EXECUTE FAILURE 5 EXECUTE has no command"),
    ],
)  # fmt: skip
def test_the_line_of_older_engines_is_understood(driver: DriverProcess, line: str, answer: str) -> None:
    assert driver.ask(line) == answer


def test_an_order_that_cannot_be_read_is_a_failure(driver: DriverProcess) -> None:
    for word in ("x", base64.b64encode(b"[1]").decode(), base64.b64encode(b'{"argv": 3}').decode()):
        answer = driver.ask(f"EXECUTE 5 {word}")
        assert answer is not None
        assert answer.startswith("EXECUTE FAILURE 5 EXECUTE: the order cannot be read")


def test_the_environment_has_a_home_and_the_programs_of_the_installation(driver: DriverProcess) -> None:
    output = run(driver, "/usr/bin/env").output
    assert f"HOME={os.environ['HOME']}\n" in output
    assert f":{Path(sys.executable).parent}\n" in output


@pytest.mark.parametrize(
    ("dialect", "success", "info", "result"),
    [
        ("classic", True, "mail: it went", hm.Result(0, "it went", "")),
        ("classic", True, "mail", hm.Result(0, "", "")),
        ("classic", False, "mail: -", hm.Result(-1, "", "", "the driver gave no reason")),
        ("classic", False, "mail: no such file", hm.Result(-1, "", "no such file", "no such file")),
        ("argv", False, "EXECUTE on host front-end did not answer within 305 s",
         hm.Result(-1, "", "EXECUTE on host front-end did not answer within 305 s",
                   "EXECUTE on host front-end did not answer within 305 s")),
        ("argv", True, "rubbish", hm.Result(-1, "", "", "the driver's answer cannot be read: rubbish")),
    ],
)  # fmt: skip
def test_answers_of_both_dialects_are_read(dialect: str, success: bool, info: str, result: hm.Result) -> None:
    assert hm.result(dialect, "mail", success, info) == result
