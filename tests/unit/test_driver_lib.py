"""The library for drivers, seen through real programs over real pipes."""

import base64
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oned.drivers.lib import actions
from oned.drivers.lib.line import one_line
from oned.drivers.lib.request import VMRequest, host_request, vm_request
from oned.drivers.lib.task import ActionFailed
from oned.drivers.lib.testing import DriverProcess

PROGRAM = """
import sys, time
from pathlib import Path
from oned.drivers.lib.driver import CannotStart, Driver
from oned.drivers.lib.request import VMM
from oned.drivers.lib.task import ActionFailed

driver = Driver("test", VMM, threads=2)
driver.options.add_argument("--broken", action="store_true")
order = []

@driver.prepare
def prepare(arguments):
    if arguments.broken:
        raise CannotStart("no hypervisor\\nhere")

@driver.action("DEPLOY", repeatable=True)
def deploy(request, task):
    order.append(f"begin-{request.host}")
    task.sleep(float(request.remote_file or 0))
    order.append(f"end-{request.host}")
    return ",".join(order)

@driver.action("POLL", repeatable=True, alongside=True)
def poll(request, task):
    text = request.document.findtext("X") if request.document is not None else ""
    return f"STATE=a HOST={request.host} SIZE={len(text or '')}"

@driver.action("SAVE")
def save(request, task):
    return task.run([sys.executable, "-c", request.checkpoint.replace("_", " ")], 5.0)

@driver.action("RESTORE")
def restore(request, task):
    return task.run(["sleep", "600"], 0.5)

@driver.action("RESET")
def reset(request, task):
    print("a stray line")
    task.info("two\\nlines")
    raise ActionFailed("first line\\nsecond line")

@driver.action("REBOOT")
def reboot(request, task):
    raise RuntimeError("a bug")

@driver.action("CANCEL")
def cancel(request, task):
    Path(request.deploy_id).write_text("started")
    return task.run(["sh", "-c", f"echo $$ > {request.deploy_id}; sleep 600 & wait"], 600)

driver.run()
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., DriverProcess]]:
    """Starts the program above; all that were started end with the test."""
    file = tmp_path / "driver_program.py"
    file.write_text(PROGRAM)
    started: list[DriverProcess] = []

    def start_one(arguments: str = "") -> DriverProcess:
        environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
        started.append(DriverProcess([sys.executable, str(file), *([arguments] if arguments else [])], environment))
        return started[-1]

    yield start_one
    for driver in started:
        driver.__exit__(None, None, None)


@pytest.fixture
def driver(start: Callable[..., DriverProcess]) -> DriverProcess:
    return start()


def document(inner: str) -> str:
    return base64.b64encode(f"<VMM_DRIVER_ACTION_DATA>{inner}</VMM_DRIVER_ACTION_DATA>".encode()).decode()


def test_the_handshake_declares_dialect_and_repeatable_verbs(driver: DriverProcess) -> None:
    assert driver.handshake() == "INIT SUCCESS PROTOCOL=xml REPEATS=DEPLOY,POLL"


def test_a_driver_that_cannot_start_says_why_in_one_line(start: Callable[..., DriverProcess]) -> None:
    assert start("-t 15 --broken").handshake() == "INIT FAILURE no hypervisor here"


def test_arguments_for_the_original_drivers_do_no_harm(start: Callable[..., DriverProcess]) -> None:
    driver = start("-t 15 -r 0 -l deploy,poll=poll_local kvm")
    assert driver.handshake() == "INIT SUCCESS PROTOCOL=xml REPEATS=DEPLOY,POLL"


def test_finalize_ends_the_driver_with_status_0(driver: DriverProcess) -> None:
    driver.handshake()
    assert driver.finalize() == 0
    assert driver.line() is None


def test_end_of_input_ends_the_driver_and_its_children(driver: DriverProcess, tmp_path: Path) -> None:
    driver.handshake()
    child = _child_of(driver, tmp_path / "pid")
    assert driver.close() == 0
    assert not _runs(child)


def test_a_driver_that_has_crashed_is_told_at_once_with_its_signal(driver: DriverProcess) -> None:
    driver.handshake()
    driver.process.send_signal(signal.SIGSEGV)
    for _ in range(2):
        with pytest.raises(AssertionError, match="the driver has ended by SIGSEGV"):
            driver.ask("POLL 1 host one-1 -", 600)


def test_sigterm_ends_the_driver_and_its_children(driver: DriverProcess, tmp_path: Path) -> None:
    driver.handshake()
    child = _child_of(driver, tmp_path / "pid")
    driver.process.send_signal(signal.SIGTERM)
    assert driver.process.wait(10) == 0
    assert not _runs(child)


def test_a_driver_with_all_signals_blocked_still_ends_its_children(tmp_path: Path) -> None:
    file = tmp_path / "driver_program.py"
    file.write_text(PROGRAM)
    blocked = (
        "import os, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals());"
        f"os.execv(sys.executable, [sys.executable, {str(file)!r}])"
    )
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    with DriverProcess([sys.executable, "-c", blocked], environment) as driver:
        driver.handshake()
        child = _child_of(driver, tmp_path / "pid")
        driver.process.send_signal(signal.SIGTERM)
        assert driver.process.wait(10) == 0
        assert not _runs(child)


def _child_of(driver: DriverProcess, note: Path) -> int:
    """The pid of a shell that an action started, which waits for a child of its own."""
    driver.send(f"CANCEL 5 h1 {note} -")
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if note.exists() and note.read_text().strip().isdigit():
            return int(note.read_text())
        time.sleep(0.02)
    raise AssertionError("the action started no child")


def _runs(group: int) -> bool:
    """Whether any process of the group is left; one that was killed may take a moment to go."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("line", ["hello", "DEPLOY", "DEPLOY x h1 - -", "\x00\x01\xff 7", "DEPLOY 7x h1 - -"])
def test_garbage_is_logged_and_the_driver_lives_on(driver: DriverProcess, line: str) -> None:
    driver.handshake()
    assert (driver.ask(line + "\nPOLL 7 h1 one-7 -") or "").startswith("POLL SUCCESS 7 STATE=a")
    assert driver.logs[0].startswith("LOG E - Line without verb and id ignored: ")


def test_binary_garbage_does_no_harm(driver: DriverProcess) -> None:
    driver.handshake()
    driver.send(bytes(range(10)) + bytes(range(11, 256)))
    assert (driver.ask("POLL 7 h1 one-7 -") or "").startswith("POLL SUCCESS 7 STATE=a")


def test_an_unknown_verb_with_an_id_is_refused(driver: DriverProcess) -> None:
    driver.handshake()
    assert driver.ask("LEVITATE 7 h1 one-7 -") == "LEVITATE FAILURE 7 not supported by this driver"


def test_two_blanks_before_the_id_and_a_carriage_return_are_taken(driver: DriverProcess) -> None:
    driver.handshake()
    assert driver.ask("POLL  7 h1 one-7 -\r") == "POLL SUCCESS 7 STATE=a HOST=h1 SIZE=0"


def test_a_request_of_50_megabytes_is_read(driver: DriverProcess) -> None:
    driver.handshake()
    size = 36_000_000
    line = "POLL 7 " + document("<HOST>h1</HOST><VM><X>" + "x" * size + "</X></VM>")
    assert len(line) > 48_000_000
    assert driver.ask(line, 60) == f"POLL SUCCESS 7 STATE=a HOST=h1 SIZE={size}"


@pytest.mark.parametrize(
    ("inner", "reason"),
    [
        ("<HOST>h1</VM>", "the action document is not well-formed XML"),
        ("<HOST>&undefined;</HOST>", "the action document is not well-formed XML"),
    ],
)
def test_a_broken_document_is_a_failure_of_the_action(driver: DriverProcess, inner: str, reason: str) -> None:
    driver.handshake()
    assert (driver.ask("POLL 7 " + document(inner)) or "").startswith(f"POLL FAILURE 7 {reason}")


def test_a_document_type_is_refused(driver: DriverProcess) -> None:
    driver.handshake()
    text = '<!DOCTYPE x [<!ENTITY a "b">]><VMM_DRIVER_ACTION_DATA><HOST>&a;</HOST></VMM_DRIVER_ACTION_DATA>'
    answer = driver.ask("POLL 7 " + base64.b64encode(text.encode()).decode())
    assert answer == "POLL FAILURE 7 the action document does not begin with VMM_DRIVER_ACTION_DATA"


def test_a_failure_is_one_line_after_its_log_lines(driver: DriverProcess) -> None:
    driver.handshake()
    assert driver.ask("RESET 7 h1 one-7 -") == "RESET FAILURE 7 first line second line"
    assert driver.logs == ["LOG I 7 two", "LOG I 7 lines"]


def test_a_bug_in_an_action_is_answered_and_the_next_action_works(driver: DriverProcess) -> None:
    driver.handshake()
    for _ in range(5):  # more often than there are threads
        assert driver.ask("REBOOT 7 h1 one-7 -") == "REBOOT FAILURE 7 RuntimeError: a bug"
    assert (driver.ask("POLL 7 h1 one-7 -") or "").startswith("POLL SUCCESS 7")


def test_actions_of_one_vm_run_one_after_another(driver: DriverProcess) -> None:
    driver.handshake()
    driver.send("DEPLOY 7 h1 0.2 -\nDEPLOY 7 h2 0 -")
    assert driver.answer() == "DEPLOY SUCCESS 7 begin-h1,end-h1"
    assert driver.answer() == "DEPLOY SUCCESS 7 begin-h1,end-h1,begin-h2,end-h2"


def test_actions_of_two_vms_and_a_poll_run_side_by_side(driver: DriverProcess) -> None:
    driver.handshake()
    driver.send("DEPLOY 7 h1 600 -\nPOLL 7 h1 one-7 -\nDEPLOY 8 h2 0 -")
    answers = {driver.answer(), driver.answer()}
    assert "POLL SUCCESS 7 STATE=a HOST=h1 SIZE=0" in answers
    assert any((answer or "").startswith("DEPLOY SUCCESS 8 ") for answer in answers)


def test_more_actions_than_threads_are_all_done(driver: DriverProcess) -> None:
    driver.handshake()
    driver.send("\n".join(f"DEPLOY {vm} h1 0.01 -" for vm in range(20)))
    answers = [(driver.answer() or "").split()[:3] for _ in range(20)]
    assert sorted(answers) == sorted(["DEPLOY", "SUCCESS", str(vm)] for vm in range(20))


def test_a_cancelled_action_has_no_answer_and_its_children_end(driver: DriverProcess, tmp_path: Path) -> None:
    driver.handshake()
    child = _child_of(driver, tmp_path / "pid")
    driver.send("DRIVER_CANCEL 5")
    assert driver.line() == "LOG I 5 Driver command for 5 cancelled"
    assert not _runs(child)
    assert driver.ask("POLL 5 h1 one-5 -") == "POLL SUCCESS 5 STATE=a HOST=h1 SIZE=0"


def test_a_queued_action_is_cancelled_with_the_running_one(driver: DriverProcess) -> None:
    driver.handshake()
    driver.send("DEPLOY 7 h1 600 -\nDEPLOY 7 h2 0 -\nDRIVER_CANCEL 7")
    assert driver.line() == "LOG I 7 Driver command for 7 cancelled"
    assert (driver.ask("DEPLOY 7 h3 0 -") or "").endswith("begin-h3,end-h3")


def test_cancelling_nothing_is_confirmed_at_once(driver: DriverProcess) -> None:
    driver.handshake()
    driver.send("DRIVER_CANCEL 99")
    assert driver.line() == "LOG I 99 Driver command for 99 cancelled"


def test_cancelling_one_vm_leaves_the_others_alone(driver: DriverProcess) -> None:
    driver.handshake()
    driver.send("DEPLOY 7 h1 600 -\nDEPLOY 8 h2 0.3 -\nDRIVER_CANCEL 7")
    assert driver.line() == "LOG I 7 Driver command for 7 cancelled"
    assert (driver.line() or "").startswith("DEPLOY SUCCESS 8 ")


def test_a_command_that_floods_both_outputs_ends(driver: DriverProcess) -> None:
    driver.handshake()
    code = "import_sys;sys.stderr.write('e'*3000000);sys.stdout.write('o'*3000000);sys.exit(3)"
    answer = driver.ask(f"SAVE 7 h1 one-7 {code}") or ""
    assert answer.startswith(f"SAVE FAILURE 7 {sys.executable} ended with status 3: eee")
    assert len(answer) < 5000


def test_a_command_past_its_deadline_is_killed(driver: DriverProcess) -> None:
    driver.handshake()
    assert driver.ask("RESTORE 7 h1 one-7 /c") == "RESTORE FAILURE 7 sleep did not end within 0.5 seconds"


def test_a_command_that_is_missing_is_a_sentence() -> None:
    with actions.Child(["/no/such/program"]) as child:
        assert child.finish(1.0).problem == "/no/such/program cannot be run: No such file or directory"


def test_a_command_gets_no_shell() -> None:
    with actions.Child(["echo", "$HOME; `id`"]) as child:
        assert child.finish(5.0).output == "$HOME; `id`\n"


def test_a_reader_that_is_gone_ends_the_driver_quietly(start: Callable[..., DriverProcess]) -> None:
    driver = start()
    driver.handshake()
    assert driver.process.stdout is not None
    driver.send("DEPLOY 7 h1 0.2 -")
    assert driver.finalize() == 0


PLAIN = [
    ("DEPLOY", "h1 /r/7/images/deployment.0 -", VMRequest(7, "h1", remote_file="/r/7/images/deployment.0")),
    ("SHUTDOWN", "h1 one-7 -", VMRequest(7, "h1", "one-7")),
    ("SAVE", "h1 one-7 /r/c", VMRequest(7, "h1", "one-7", checkpoint="/r/c")),
    ("RESTORE", "h1 one-7 /r/c", VMRequest(7, "h1", "one-7", checkpoint="/r/c")),
    ("RESTORE", "h1 /r/c -", VMRequest(7, "h1", checkpoint="/r/c")),
    ("MIGRATE", "h1 one-7 h2", VMRequest(7, "h1", "one-7", destination="h2")),
    ("POLL", "h1 one-7", VMRequest(7, "h1", "one-7")),
]


@pytest.mark.parametrize(("verb", "words", "request_"), PLAIN)
def test_plain_words_are_read_as_in_their_era(verb: str, words: str, request_: VMRequest) -> None:
    assert vm_request(verb, 7, words.split()) == request_


def test_the_document_of_the_xml_dialect_is_read() -> None:
    inner = (
        "<HOST>h1</HOST><NET_DRV>fw</NET_DRV><MIGR_HOST>h2</MIGR_HOST><DEPLOY_ID>one-7</DEPLOY_ID>"
        "<LOCAL_DEPLOYMENT_FILE>/l</LOCAL_DEPLOYMENT_FILE><REMOTE_DEPLOYMENT_FILE>/r</REMOTE_DEPLOYMENT_FILE>"
        "<CHECKPOINT_FILE>/c</CHECKPOINT_FILE><TM_COMMAND><![CDATA[x]]></TM_COMMAND><DISK_TARGET_PATH/><VM><ID>7</ID></VM>"
    )
    request = vm_request("MIGRATE", 7, [document(inner)])
    assert request.document is not None
    assert request.document.findtext("ID") == "7"
    assert request == VMRequest(7, "h1", "one-7", "/r", "/l", "/c", "h2", "", "x", "", request.document, "fw")


def test_one_word_that_is_no_document_is_refused() -> None:
    with pytest.raises(ActionFailed, match="neither an action document nor a host"):
        vm_request("POLL", 7, ["h1"])


def test_the_local_deployment_file_of_a_plain_request_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONE_LOCATION", str(tmp_path))
    local = tmp_path / "var" / "vms" / "7" / "deployment.3"
    local.parent.mkdir(parents=True)
    local.write_text("x")
    words = ["h1", "/srv/ds/0/7/deployment.3", "-"]
    assert vm_request("DEPLOY", 7, words).local_file == str(local)


@pytest.mark.parametrize(
    ("words", "update", "encoded"),
    [("h1", False, False), ("h1 0", False, False), ("h1 1", True, False), ("h1 /d 1", True, True)],
)
def test_monitor_is_read_with_two_three_or_four_words(words: str, update: bool, encoded: bool) -> None:
    request = host_request("MONITOR", 3, words.split())
    assert (request.host, request.update, request.encoded) == ("h1", update, encoded)


def test_one_line_has_no_line_ends() -> None:
    assert one_line(" a\r\nb\tc\x00d ") == "a b c d"


def test_a_line_without_its_end_is_not_acted_on(tmp_path: Path) -> None:
    file = tmp_path / "driver_program.py"
    file.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, str(file)],
        input=b"INIT\nPOLL 7 h1 one",
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        check=True,
        timeout=20,
    )
    assert done.stdout == b"INIT SUCCESS PROTOCOL=xml REPEATS=DEPLOY,POLL\n"
