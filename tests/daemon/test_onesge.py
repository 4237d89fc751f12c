"""onesge as it is called, against a real oned with simulated hosts and a Grid Engine that is played."""

import io
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from oned import clock
from oned.cli.onesge.program import main
from oned.client.documents import Document, parse
from oned.elastic.changes import Why
from oned.elastic.hooked import Wanted, wanted
from oned.elastic.leader import Lead
from oned.elastic.policy import Brake
from oned.elastic.pulse import pulse
from oned.elastic.records import Lease, Records
from oned.hook.hook import read as read_hook
from oned.template.parse import parse as parse_template
from oned.vm.states import STABLE, STATES
from tests.daemon.played_sge import RECORDED, PlayedSge
from tests.daemon.process import SIMULATED, Daemon, until

CONF = """\
NODE_CLASS = [ NAME = local, TEMPLATE = worker, SLOTS = 4, MAX = 3, PRICE = 0.10 ]
TIME_ZONE = UTC
COST_CAP = [ HOUR = 5 ]
"""
TAKEN = 'LEASES = [ IP = "10.9.0.{}" ]'
NETWORK = "NAME = nodes\nBRIDGE = br0\nVN_MAD = dummy\nSGE = YES\nAR = [ TYPE = IP4, IP = 10.9.0.1, SIZE = 9 ]\n"
TEMPLATE = "NAME = worker\nCPU = 0.1\nMEMORY = 64\nNIC = [ NETWORK = nodes ]\n"


@pytest.fixture(scope="module")
def engine(simulated: Daemon) -> Iterator[Daemon]:
    simulated.admin.number("one.vn.allocate", NETWORK, -1)
    simulated.one.template.allocate(TEMPLATE)
    yield simulated
    assert simulated.check() == []


@pytest.fixture
def sge(engine: Daemon, tmp_path: Path) -> PlayedSge:
    made = PlayedSge(tmp_path / "sge")
    (engine.etc / "onesge.conf").write_text(CONF + made.settings)
    return made


def onesge(daemon: Daemon, *words: str, status: int = 0, given: str = "") -> str:
    """What a command line says; it is run within this process, which is quicker."""
    output, source = io.StringIO(), io.TextIOWrapper(io.BytesIO(given.encode()))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(output):
        for name, value in {**daemon.environment, "ONE_XMLRPC": daemon.endpoint}.items():
            patch.setenv(name, value)
        patch.setattr(sys, "stdin", source)
        assert main(words) == status, output.getvalue()
    return output.getvalue()


@contextmanager
def addresses_held(daemon: Daemon, count: int) -> Iterator[int]:
    """The first addresses of the network of nodes are somebody else's; the number of the network."""
    pool = parse(daemon.one.vnpool.info(-2, -1, -1))
    network = next(one.int("ID") for one in pool if one.text("NAME") == "nodes")
    for number in range(1, count + 1):
        daemon.one.vn.hold(network, TAKEN.format(number))
    yield network
    for number in range(1, count + 1):
        daemon.one.vn.release(network, TAKEN.format(number))


def test_a_plan_is_made_of_what_grid_engine_and_oned_say_and_changes_nothing(engine: Daemon, sge: PlayedSge) -> None:
    text = onesge(engine, "plan")
    assert "1 task of 64 slots, on one node: job 21" in text
    assert "can never run: no class of nodes holds it: local has 4 slots, 64 are wanted on one node" in text
    assert "up a node of class local" in text
    assert not (engine.var / "onesge.db").exists()
    assert "up a node of class local, rule demand" in onesge(engine, "run", "--dry-run", "--once")
    assert engine.one.vmpool.info(-2, -1, -1, -1).count("<VM>") == 0
    assert {line.split()[0] for line in sge.asked} <= {"qhost", "qstat", "qconf", "qping"}


def test_a_plan_as_json_is_applied_only_while_it_is_what_would_be_planned(engine: Daemon, sge: PlayedSge) -> None:
    kept = onesge(engine, "plan", "--json")
    assert json.loads(kept)["steps"][0]["verb"] == "up"
    sge.changes("qstat -u * -r -f -xml", "<state>hqw<", "<state>qw<")
    refused = onesge(engine, "apply", "-", given=kept, status=255)
    assert "things have changed since the plan was made" in refused
    assert "tasks of" in refused
    assert "this is no plan" in onesge(engine, "apply", "-", given="{}", status=255)


def test_jobs_are_explained_and_the_screen_says_where_things_stand(engine: Daemon, sge: PlayedSge) -> None:
    assert "Job 21 wants 64 slots, on one node. It can never run" in onesge(engine, "explain", "21")
    assert "Job 17 runs on wn02 (1 slot)" in onesge(engine, "explain", "17")
    assert onesge(engine, "explain", "wn02").startswith("On it: job")
    assert onesge(engine, "explain", "wn02.lab") == onesge(engine, "explain", "wn02")
    assert "Job 29 asks for no node: it is held" in onesge(engine, "explain", "29")
    assert "There is no job 4711, and no node of that name" in onesge(engine, "explain", "4711", status=255)
    screen = onesge(engine, "status")
    assert "loop                : none runs. Start it with: onesge run" in screen
    assert "waiting             : 2 tasks, 24 slots" in screen
    assert "local               : 0 of 3" in screen
    assert "an hour             : 0.00  of 5, 5.00 left" in screen
    assert "up a node of class local" in screen
    assert len(screen.splitlines()) < 40


def test_what_does_not_answer_is_told_and_then_nothing_is_planned(
    engine: Daemon, sge: PlayedSge, caplog: pytest.LogCaptureFixture
) -> None:
    sge.is_down()
    said = onesge(engine, "plan")
    assert "There is no reading of jobs yet: nothing is started and nothing is stopped." in said
    assert "sge_qmaster does not run there" in caplog.text
    assert "nothing is to be done" in said
    explained = onesge(engine, "explain", "17", status=255)
    assert "Whether there is such a job is not known: the batch system is not read" in explained


def test_a_job_that_has_ended_is_told_by_the_accounting_file(engine: Daemon, sge: PlayedSge) -> None:
    accounting = RECORDED / "accounting"
    (sge.directory / "default/common/accounting").write_bytes(accounting.read_bytes()[10:])
    assert re.search(r"Job 3 ended at .*, on wn02, after 2 s\.", onesge(engine, "explain", "3"))
    assert "of its tasks have ended" in onesge(engine, "explain", "6") or "Job 6." in onesge(engine, "explain", "6")
    assert "Job 7 ended at" in (failed := onesge(engine, "explain", "7"))
    assert ", with exit status 1." in failed
    assert "There is no job 9999" in onesge(engine, "explain", "9999", status=255)


def test_a_second_service_says_on_the_terminal_that_it_waits(
    engine: Daemon, sge: PlayedSge, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    monkeypatch.setattr("oned.elastic.daemon.main", lambda *_words, **_options: started.append(1))
    records = Records(engine.var / "onesge.db")
    lead = Lead(records)
    assert "runs the loop" not in onesge(engine, "run")
    lead.take()
    assert "runs the loop. This one waits" in onesge(engine, "run")
    lead.resign()
    records.close()
    assert len(started) == 2


def test_a_hook_leaves_word_of_nodes_only_and_takes_numbers_only(engine: Daemon, sge: PlayedSge) -> None:
    records = Records(engine.var / "onesge.db")
    ours = engine.allocate('ONESGE = [ CLUSTER = "onesge", TOKEN = "t1" ]')
    other = engine.allocate('ONESGE = [ CLUSTER = "another", TOKEN = "t2" ]')
    for _ in range(2):
        assert f"The loop was told of VM {ours}, which is PENDING" in onesge(engine, "node-up", str(ours))
    assert "is no node of the cluster onesge: nothing to do" in onesge(engine, "node-down", str(other))
    assert [(hint.vm, hint.state) for hint in records.hints()] == [(ours, "PENDING"), (ours, "PENDING")]
    assert "is not the number of a VM" in onesge(engine, "node-up", "7;reboot", status=255)
    assert "Error getting virtual machine [4711]" in onesge(engine, "node-up", "4711", status=255)
    assert f"VM {ours} is a node of the cluster onesge, which onesge run looks after" in onesge(
        engine, "node-up", str(ours), "--plain"
    )
    records.close()
    for vm in (ours, other):
        engine.one.vm.action("terminate-hard", vm)


def test_hooks_are_declared_as_oned_reads_them(engine: Daemon) -> None:
    lines = parse_template(onesge(engine, "hook", "--plain")).vectors("VM_HOOK")
    hooks = [read_hook("VM_HOOK", line, number, str) for number, line in enumerate(lines)]
    assert len({hook.name for hook in hooks}) == len(hooks)
    assert {line["ARGUMENTS"] for line in lines if line["ON"] == "RUNNING"} == {"node-up $ID --plain"}
    assert {line["ARGUMENTS"] for line in lines if line["ON"] != "RUNNING"} == {"node-down $ID --plain"}
    heard = {state.name for state in STATES if any(hook.fires("state", "BOOT", state.name) for hook in hooks)}
    rests = {state.name for state in STABLE if wanted(state.name) in (Wanted.DOWN, Wanted.QUIET)}
    assert rests - heard == {"PENDING", "HOLD"}, "a running VM comes there by CLEANUP_RESUBMIT only"
    assert {state.name for state in STATES if wanted(state.name) is Wanted.QUIET} <= heard
    assert {"RUNNING", "CLEANUP_RESUBMIT"} <= heard


WAYS = (
    ("poweroff", ["shutdown_poweroff", "poweroff"]),
    ("suspend", ["save_suspend", "suspended"]),
    ("stop", ["save_stop", "STOP"]),
    ("undeploy", ["shutdown_undeploy", "undeployed"]),
    ("terminate", ["shutdown", "SHUTDOWN", "DONE"]),
)
"""What is done to a VM that runs, and the hooks that are called until it rests."""


def test_hooks_of_the_plain_way_are_called_whichever_way_a_vm_goes_and_when_it_comes_back(tmp_path: Path) -> None:
    output = io.StringIO()
    with redirect_stdout(output):
        main(["hook", "--plain"])
    with Daemon(tmp_path, SIMULATED + output.getvalue().replace('COMMAND = "onesge"', 'COMMAND = "/bin/true"')) as oned:
        names = [hook.text("NAME") for hook in parse(oned.admin.text("one.hookpool.info")).all("HOOK")]
        host, vm = oned.monitored("alpha"), oned.allocate()
        called: list[str] = []

        def calls(*expected: str) -> None:
            called.extend(f"onesge-{word.lower()}" if word.isupper() else f"onesge-state-{word}" for word in expected)
            until(lambda: len(_runs(oned)) >= len(called), f"the hooks at {expected}")
            assert [names[run.int("HOOK_ID")] for run in _runs(oned)] == called

        oned.one.vm.deploy(vm, host)
        for action, expected in WAYS:
            calls("RUNNING")
            oned.one.vm.action(action, vm)
            calls(*expected)
            if action in ("stop", "undeploy"):
                oned.one.vm.deploy(vm, host)
            elif action != "terminate":
                oned.one.vm.action("resume", vm)
        again = oned.allocate()
        oned.one.vm.deploy(again, host)
        calls("RUNNING")
        oned.one.vm.recover(again, 4)
        calls("cleanup_resubmit")


def _runs(oned: Daemon) -> list[Document]:
    return parse(oned.admin.text("one.hooklog.info")).all("HOOK_EXECUTION_RECORD")


def test_a_hook_of_the_plain_way_says_either_that_jobs_may_start_or_why_not(engine: Daemon, sge: PlayedSge) -> None:
    vm = engine.allocate("NIC = [ NETWORK = nodes ]")
    engine.one.vm.deploy(vm, engine.host("alpha"))
    engine.reaches(vm, "RUNNING")
    said = onesge(engine, "node-up", str(vm), "--plain", status=255)
    assert re.search(rf"wn\d+: VM {vm} is RUNNING, but its name does not resolve", said)
    assert "jobs may start on it" not in said
    engine.one.vm.action("terminate-hard", vm)
    engine.reaches(vm, "DONE")


def test_hooks_that_are_declared_are_run_by_oned_and_wake_the_loop(tmp_path: Path) -> None:
    lines = subprocess.run(
        [Path(sys.executable).with_name("onesge"), "hook"], capture_output=True, text=True, check=True
    ).stdout
    with Daemon(tmp_path, SIMULATED + lines) as oned:
        assert "there is no command" not in oned.log()
        records = Records(oned.var / "onesge.db")
        vm = oned.allocate('ONESGE = [ CLUSTER = "onesge", TOKEN = "t1" ]')
        oned.one.vm.deploy(vm, oned.monitored("alpha"))
        until(lambda: (vm, "RUNNING") in [(hint.vm, hint.state) for hint in records.hints()], "the word of RUNNING")
        oned.one.vm.action("terminate-hard", vm)
        until(lambda: (vm, "DONE") in [(hint.vm, hint.state) for hint in records.hints()], "the word of DONE")
        records.close()


def test_vms_with_our_mark_that_no_node_has_are_removed_at_once(engine: Daemon, sge: PlayedSge) -> None:
    records = Records(engine.var / "onesge.db")
    lost, other = (engine.allocate(f'ONESGE = [ CLUSTER = "{name}", TOKEN = "t9" ]') for name in ("onesge", "another"))
    assert "never had a node, and 1 VMs have the mark onesge" in onesge(engine, "node", "reap", status=255)
    lead = Lead(records)
    lead.take()
    with lead.writing() as changes:
        changes.plan("t1", "local", Lease(0, "wn001", "02:00:0a:09:00:01", "10.9.0.1"), "", Why("demand"))
    lead.resign()
    ours = engine.allocate('ONESGE = [ CLUSTER = "onesge", NODE = "wn001", TOKEN = "t1" ]')
    assert f"VM {lost}, PENDING, made " in onesge(engine, "node", "reap", "--dry-run")
    assert engine.state(lost) == "PENDING"
    assert [entry.event for entry in records.events()] == ["plan"]
    assert f"VM {lost}, PENDING, made " in onesge(engine, "node", "reap")
    (told,) = [entry for entry in records.events() if entry.event == "reap"]
    assert (told.token, told.rule, told.result) == (f"vm {lost}", "by hand", "done")
    assert "root wants it (reap)" in told.sentence
    assert (engine.state(lost), engine.state(ours), engine.state(other)) == ("DONE", "PENDING", "PENDING")
    assert onesge(engine, "node", "reap") == "Every VM of the cluster onesge has its node\n"
    records.close()
    (engine.var / "onesge.db").unlink()
    for vm in (ours, other):
        engine.one.vm.action("terminate-hard", vm)


def test_a_hook_wakes_the_loop_and_the_screen_says_how_old_its_readings_are(
    engine: Daemon, sge: PlayedSge, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "last cycle" not in onesge(engine, "status")
    with (engine.etc / "onesge.conf").open("a") as file:
        file.write("INTERVAL = 3600\nMAX = 0\nNODE_CLASS = [ NAME = far, TEMPLATE = worker, PLACE = cloud ]\n")
    vm = engine.allocate('ONESGE = [ CLUSTER = "onesge", TOKEN = "t1" ]')
    command = [Path(sys.executable).with_name("onesge"), "run", "--stderr"]
    environment = {**engine.environment, "ONE_XMLRPC": engine.endpoint}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as loop:
        try:
            until(lambda: "loop                : none" not in onesge(engine, "status"), "the loop")
            records = Records(engine.var / "onesge.db")
            onesge(engine, "node-down", str(vm))
            until(lambda: not records.hints(), "the cycle after the hook")
            until(lambda: "last cycle" in onesge(engine, "status"), "word of a cycle")
            screen = onesge(engine, "status")
            assert f":{loop.pid} leads, heard of within the last " in screen
            assert re.search(r"it has read +: jobs [0-9]+ s ago, hosts [0-9]+ s ago, VMs [0-9]+ s ago\n", screen)
            since = pulse(records).settings
            loop.send_signal(signal.SIGHUP)
            until(lambda: pulse(records).settings > since, "a cycle by settings that were read anew")
            assert "settings            : in force for " in onesge(engine, "status")
            records.close()
        finally:
            loop.terminate()
            said = loop.communicate(timeout=20)[1].decode()
    assert "Traceback" not in said
    assert "onesge.conf are read anew" in said
    assert "[W]: no EC2_ACCOUNT: instances without a node are not looked for" in said
    assert "no EC2_ACCOUNT: instances without a node are not looked for" in screen
    assert loop.returncode == 0
    for seconds, said in ((200.0, "FROZEN, nothing is stopped"), (700.0, "nothing is started and nothing is stopped")):
        monkeypatch.setattr(clock, "now", lambda ahead=seconds: time.time() + ahead)
        (line,) = [line for line in onesge(engine, "status").splitlines() if line.startswith("it has read")]
        assert line.endswith(said)
    engine.one.vm.action("terminate-hard", vm)


def test_a_class_whose_template_or_image_is_missing_is_told_everywhere_and_starts_nothing(
    engine: Daemon, sge: PlayedSge
) -> None:
    conf = (engine.etc / "onesge.conf").read_text().replace("TEMPLATE = worker", "TEMPLATE = nowhere")
    (engine.etc / "onesge.conf").write_text(conf)
    why = "there is no template nowhere"
    assert f"No node of class local can be started: {why}" in onesge(engine, "check")
    assert f"ERROR: No node of class local can be started: {why}" in onesge(engine, "doctor", status=2)
    plan = onesge(engine, "plan")
    assert f"No node of class local can be started: {why}" in plan
    assert "up a node" not in plan
    for words in (("status",), ("explain", "17")):
        assert f"No node of class local can be started: {why}" in onesge(engine, *words)
    records = Records(engine.var / "onesge.db")
    records.order("add", "local", 2, "root")
    onesge(engine, "run", "--once", "--stderr")
    assert records.orders(waiting=False)[-1].result.startswith(f"0 of 2: class local: {why}")
    assert records.nodes() == []
    records.close()
    copy = engine.admin.number("one.template.allocate", TEMPLATE.replace("worker", "nowhere"))
    engine.one.template.update(copy, 'DISK = [ IMAGE = "not-there" ]', 1)
    assert "template nowhere: there is no image not-there. oneimage list shows them" in onesge(engine, "check")
    engine.one.template.update(copy, TEMPLATE.replace("worker", "nowhere"), 0)
    assert "No node of class" not in onesge(engine, "check")
    engine.one.template.delete(copy)


def test_apply_refuses_a_plan_for_whose_nodes_there_are_no_more_addresses(engine: Daemon, sge: PlayedSge) -> None:
    conf = (engine.etc / "onesge.conf").read_text().replace("MAX = 3", "MAX = 3, MIN = 3")
    (engine.etc / "onesge.conf").write_text(f'{conf}DATABASE = "{sge.directory}/own.db"\n')
    kept = onesge(engine, "plan", "--json")
    with addresses_held(engine, 7):
        said = onesge(engine, "apply", "-", given=kept, status=255)
        assert "no longer planned: up a node of class local (min)" in said
        assert onesge(engine, "plan").count("up a node of class local") == 2


def test_apply_tells_which_of_its_steps_were_not_begun(engine: Daemon, sge: PlayedSge) -> None:
    """The address of a node that is gone is held for a while: then fewer are free than the network has for nodes."""
    path = sge.directory / "own.db"
    conf = (engine.etc / "onesge.conf").read_text().replace("MAX = 3", "MAX = 3, MIN = 3")
    (engine.etc / "onesge.conf").write_text(f'{conf}DATABASE = "{path}"\n')
    lead, why = Lead(Records(path)), Why("demand", "a job waited", "")
    assert lead.take()
    with addresses_held(engine, 6) as network:
        with lead.writing() as changes:
            changes.plan("t1", "local", Lease(network, "wn009", "02:00:0a:09:00:09", "10.9.0.9"), "", why)
            for event in ("failed", "remove", "vm gone"):
                changes.fire("t1", event, why)
        lead.resign()
        said = onesge(engine, "apply", "-", given=onesge(engine, "plan", "--json"), status=255)
    assert re.search("2 steps of plan .* begun", said)
    assert "not begun, 1 of class local: its network has no address left" in said


def test_a_class_that_rests_is_shown_and_can_be_told_to_rest_no_more(engine: Daemon, sge: PlayedSge) -> None:
    records = Records(engine.var / "onesge.db")
    lead = Lead(records)
    assert lead.take()
    for _ in range(4):
        with lead.writing() as changes:
            changes.failed("local", clock.now() - 60, Brake())
    lead.resign()
    until_when = time.strftime("%H:%M", time.localtime(records.failures()["local"].last + 600))
    assert f"local,{until_when}" in onesge(engine, "class", "--csv", "-l", "NAME,RESTS")
    assert "onesge class resume local" in onesge(engine, "class", "show", "local")
    assert "Class local rests until" in onesge(engine, "status")
    assert "There is no class gpu" in onesge(engine, "class", "resume", "gpu", status=255)
    assert "resume local, in the next cycle" in onesge(engine, "class", "resume", "local")
    onesge(engine, "run", "--once", "--stderr")
    assert records.failures() == {}
    assert [order.result for order in records.orders(waiting=False)][-1] == "done"
    assert [entry.sentence for entry in records.events() if entry.event == "resume"] == [
        "root ends the rest of class local"
    ]
    records.close()
