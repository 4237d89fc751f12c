"""Hooks: what is executed for which event, with which words, in which order, and what is kept of it."""

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.client.documents import Document, parse
from tests.daemon.conftest import QUIET
from tests.daemon.process import SIMULATED, Daemon, refusal, until

RECORD = """\
#!/usr/bin/python3
import json, os, sys
text = sys.stdin.read()
line = json.dumps({"words": sys.argv[1:], "stdin": text, "env": dict(os.environ)})
with open(os.environ["ONE_LOCATION"] + "/heard", "ab", buffering=0) as file:
    file.write(line.encode() + b"\\n")
print("heard", sys.argv[1])
"""
SLOW = """\
#!/bin/sh
echo "begin $1 $2" >> "$ONE_LOCATION/turns"
sleep 0.2
tries=0
while [ "$(grep -c begin "$ONE_LOCATION/turns")" -lt 2 ] && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
echo "end $1 $2" >> "$ONE_LOCATION/turns"
"""
HANGS = """\
#!/bin/sh
echo "before it hangs"
sleep 300 &
echo $! > "$ONE_LOCATION/child"
wait
"""
FAILS = """\
#!/bin/sh
echo "$1" >> "$ONE_LOCATION/tries"
echo "no such queue" >&2
exit 3
"""
ASKS = """\
#!/bin/sh
onevm show -x "$1" > "$ONE_LOCATION/asked"
"""
HOOKS = """\
VM_HOOK = [ NAME = "made", ON = "create", COMMAND = "record", ARGUMENTS = "CREATE $VMID $NAME" ]
VM_HOOK = [ NAME = "runs", ON = "RUNNING", COMMAND = "record fixed",
  ARGUMENTS = "$ID '$NAME and more' $PREV_STATE/$PREV_LCM_STATE $DISK[NOTE, TARGET='hdb'] $NO_SUCH $COLOUR" ]
VM_HOOK = [ NAME = "turn", ON = "PROLOG", COMMAND = "slow", ARGUMENTS = "$ID prolog" ]
VM_HOOK = [ NAME = "turn", ON = "RUNNING", COMMAND = "slow", ARGUMENTS = "$ID running" ]
VM_HOOK = [ NAME = "gone", ON = "DONE", COMMAND = "record", ARGUMENTS = "DONE $ID", ARGUMENTS_STDIN = "YES" ]
VM_HOOK = [ NAME = "boots", ON = "CUSTOM", STATE = "ACTIVE", LCM_STATE = "BOOT", COMMAND = "record",
  ARGUMENTS = "BOOT $ID $TEMPLATE" ]
VM_HOOK = [ NAME = "hangs", ON = "STOP", COMMAND = "hangs", TIMEOUT = "1" ]
VM_HOOK = [ NAME = "fails", ON = "SHUTDOWN", COMMAND = "fails", ARGUMENTS = "$ID", RETRY = "1" ]
VM_HOOK = [ NAME = "asks", ON = "CUSTOM", STATE = "SUSPENDED", COMMAND = "asks", ARGUMENTS = "$ID" ]
VM_HOOK = [ NAME = "missing", ON = "CUSTOM", STATE = "POWEROFF", COMMAND = "nowhere" ]
HOST_HOOK = [ NAME = "off", ON = "DISABLE", COMMAND = "record", ARGUMENTS = "DISABLE $HID $NAME $PREV_STATE" ]
HOST_HOOK = [ NAME = "back", STATE = "INIT", COMMAND = "record", ARGUMENTS = "INIT $ID" ]
VM_HOOK = [ NAME = "long", ON = "CREATE", COMMAND = "record", ARGUMENTS = "LONG $ID <$TEMPLATE> '$LINES'" ]
USER_HOOK = [ NAME = "leaves", ON = "REMOVE", COMMAND = "record", ARGUMENTS = "REMOVE $ID $NAME" ]
HOST_HOOK = [ NAME = "far", ON = "DISABLE", COMMAND = "record", REMOTE = "YES" ]
VM_HOOK = [ NAME = "bad", ON = "NEVER", COMMAND = "record" ]
VM_HOOK = [ NAME = "empty", COMMAND = "record" ]
VM_HOOK = [ NAME = "open", ON = "DONE", COMMAND = "record", ARGUMENTS = "'never closed" ]
HOOK_LOG_CONF = [ LOG_RETENTION = 4 ]
"""
NAME = "two words  (äö) *?~![c]`"
SHELL = """a $(touch /tmp/never) `id`; rm -rf *|&  'b"c<>\\ äö #"""


def install(root: Path, **scripts: str) -> None:
    """Put scripts where COMMANDs are looked for."""
    directory = root / "var/remotes/hooks"
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in scripts.items():
        (directory / name).write_text(text)
        (directory / name).chmod(0o755)


class Hooked(Daemon):
    """A daemon with hooks, and what they did."""

    def heard(self, *words: str) -> list[dict[str, object]]:
        """What the recording hooks whose first words are these were given."""
        path = self.root / "heard"
        whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
        lines = [json.loads(line) for line in whole.splitlines()]
        return [line for line in lines if line["words"][: len(words)] == list(words)]

    def hears(self, *words: str) -> dict[str, object]:
        """Waits for such a hook; what it was given."""
        until(lambda: self.heard(*words), f"the hook {' '.join(words)}")
        return self.heard(*words)[0]

    def hook(self, name: str) -> Document:
        pool = parse(self.admin.text("one.hookpool.info"))
        return next(hook for hook in pool.all("HOOK") if hook.text("NAME") == name)

    def runs(self, name: str) -> list[Document]:
        """The executions of a hook, newest first."""
        return self.hook(name).all("HOOKLOG/HOOK_EXECUTION_RECORD")

    def ended(self, name: str, vm: int) -> Document:
        """Waits until the hook's newest execution for the VM has ended; its record."""

        def found() -> list[Document]:
            return [run for run in self.runs(name)
                    if run.int("RESOURCE_ID") == vm and run.text("STATE") in ("done", "failed", "lost")]  # fmt: skip

        until(found, f"the end of hook {name}")
        return found()[0]

    def deployed(self, template: str = "") -> int:
        vm = self.allocate(template)
        self.one.vm.deploy(vm, self.host("alpha"))
        self.reaches(vm, "RUNNING")
        return vm


def output(record: Document, name: str = "STDOUT") -> str:
    return base64.b64decode(record.text(f"EXECUTION_RESULT/{name}")).decode()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hooked]:
    root = tmp_path_factory.mktemp("hooks")
    install(root, record=RECORD, slow=SLOW, hangs=HANGS, fails=FAILS, asks=ASKS)
    with Hooked(root, QUIET + SIMULATED + HOOKS) as daemon:
        daemon.monitored("alpha")
        yield daemon


def test_hooks_that_cannot_be_registered_are_told_and_the_others_are(engine: Hooked) -> None:
    names = [hook.text("NAME") for hook in parse(engine.admin.text("one.hookpool.info")).all("HOOK")]
    assert names == ["made", "runs", "turn", "turn.2", "gone", "boots", "hangs", "fails", "asks", "missing", "long",
                     "off", "back", "far", "leaves"]  # fmt: skip
    for text in (
        "Unknown VM_HOOK NEVER. Hook not registered!",
        "Empty ON or COMMAND attribute in VM_HOOK. Hook not registered!",
        "ARGUMENTS = 'never closed cannot be cut into words",
        "Hook long: $TEMPLATE in ARGUMENTS comes on standard input, and - in its place",
    ):
        assert text in engine.log()


def test_a_new_vm_is_an_event_and_nothing_is_made_up_at_the_first_start(engine: Hooked) -> None:
    vm = engine.allocate("NAME = first")
    assert engine.hears("CREATE", str(vm))["words"] == ["CREATE", str(vm), "first"]
    assert engine.heard("REMOVE") == []
    assert len(engine.heard("CREATE", str(vm))) == 1


def test_every_value_stays_one_word_whatever_it_holds(engine: Hooked) -> None:
    quoted = SHELL.replace('"', '\\"')
    disks = 'DISK = [ SOURCE = "/a", TARGET = "hda" ]\nDISK = [ SOURCE = "/b", TARGET = "hdb", NOTE = "b c;d" ]\n'
    vm = engine.deployed(f'NAME = "{NAME}"\nCOLOUR = "{quoted}"\n{disks}')
    assert engine.vm(vm).text("NAME") == NAME
    words = engine.hears("fixed", str(vm))["words"]
    assert words == ["fixed", str(vm), f"{NAME} and more", "ACTIVE/BOOT", "b c;d", "", SHELL]
    assert not Path("/tmp/never").exists()
    assert engine.check() == []


def test_hooks_of_one_vm_run_one_after_the_other_and_those_of_two_side_by_side(engine: Hooked) -> None:
    (engine.root / "turns").unlink(missing_ok=True)
    vms = [engine.allocate(), engine.allocate()]
    for vm in vms:
        engine.one.vm.deploy(vm, engine.host("alpha"))
    for vm in vms:
        engine.ended("turn.2", vm)
    lines = [line.split() for line in (engine.root / "turns").read_text().splitlines()]
    for vm in map(str, vms):
        mine = [(what, when) for what, number, when in lines if number == vm]
        assert mine == [("begin", "prolog"), ("end", "prolog"), ("begin", "running"), ("end", "running")]
    assert [line[0] for line in lines[:2]] == ["begin", "begin"]


def test_the_document_of_a_vm_that_is_done_comes_on_standard_input(engine: Hooked) -> None:
    vm = engine.allocate('NAME = "last words"')
    engine.one.vm.action("terminate", vm)
    engine.reaches(vm, "DONE")
    document = parse(str(engine.hears("DONE", str(vm))["stdin"]))
    assert (document.name, document.int("ID"), document.text("NAME")) == ("VM", vm, "last words")
    assert document.int("STATE") == 6


def test_the_document_is_one_word_in_base64_for_a_custom_state(engine: Hooked) -> None:
    vm = engine.deployed()
    template = engine.hears("BOOT", str(vm))["words"][2]
    document = parse(base64.b64decode(template).decode())
    assert (document.int("ID"), document.int("STATE"), document.int("LCM_STATE")) == (vm, 3, 2)


def test_a_hook_that_hangs_is_killed_with_its_children_and_what_it_wrote_is_kept(engine: Hooked) -> None:
    vm = engine.deployed()
    engine.one.vm.action("stop", vm)
    record = engine.ended("hangs", vm)
    assert (record.text("STATE"), record.int("EXECUTION_RESULT/CODE")) == ("failed", 255)
    assert output(record) == "before it hangs\n"
    assert "did not end within 1 seconds" in output(record, "STDERR")
    child = int((engine.root / "child").read_text())
    until(lambda: not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2])
    until(lambda: "Error executing Hook: hangs." in engine.vm_log(vm), "the line in the log")
    assert engine.state(vm) == "STOPPED"


def test_a_hook_that_fails_is_tried_as_often_as_it_says_and_changes_no_state(engine: Hooked) -> None:
    vm = engine.deployed()
    engine.one.vm.action("terminate", vm)
    record = engine.ended("fails", vm)
    assert (record.text("STATE"), record.int("EXECUTION_RESULT/CODE"), record.int("ATTEMPT")) == ("failed", 3, 2)
    assert output(record, "STDERR") == "no such queue\n"
    assert (engine.root / "tries").read_text().split().count(str(vm)) == 2
    engine.reaches(vm, "DONE")
    until(lambda: "Error executing Hook: fails. " in engine.vm_log(vm), "the line in the log")
    assert "fails ended with status 3: no such queue\n" in engine.vm_log(vm)
    assert engine.check() == []


def test_a_hook_may_ask_the_engine_that_it_came_from(engine: Hooked) -> None:
    vm = engine.deployed()
    engine.one.vm.action("suspend", vm)
    assert engine.ended("asks", vm).text("STATE") == "done"
    assert parse((engine.root / "asked").read_text()).int("ID") == vm
    until(lambda: "Success executing Hook: asks: " in engine.vm_log(vm), "the line in the log")


def test_a_command_that_is_not_there_is_a_failure_with_the_reason(engine: Hooked) -> None:
    vm = engine.deployed()
    engine.one.vm.action("poweroff", vm)
    record = engine.ended("missing", vm)
    assert record.text("STATE") == "failed"
    assert "var/remotes/hooks/nowhere cannot be run: No such file or directory" in output(record, "STDERR")
    assert record.text("ARGUMENTS") == "-"


def test_a_host_that_is_disabled_and_enabled_again_is_two_events_told_in_the_daemons_log(engine: Hooked) -> None:
    host = engine.host("beta")
    until(lambda: engine.host_info(host).int("STATE") == 2, "MONITORED")
    engine.one.host.status(host, 1)
    assert engine.hears("DISABLE", str(host))["words"] == ["DISABLE", str(host), "beta", "MONITORED"]
    engine.one.host.status(host, 0)
    engine.hears("INIT", str(host))
    assert len(engine.heard("INIT", str(host))) == 1, "the first state of a host is no change"
    until(lambda: f"HOST {host}: Success executing Hook: off: heard DISABLE" in engine.log(), "the line in the log")
    until(lambda: "Error executing Hook: far. beta is not reached: " in engine.log(), "the host that is not there")


def test_a_user_that_is_deleted_is_an_event_with_his_name(engine: Hooked) -> None:
    user = engine.admin.number("one.user.allocate", "joe", "secret", "core")
    engine.one.user.delete(user)
    assert engine.hears("REMOVE", str(user))["words"] == ["REMOVE", str(user), "joe"]


def test_the_environment_of_a_hook_leads_back_to_the_engine(engine: Hooked) -> None:
    vm = engine.allocate()
    found = engine.hears("CREATE", str(vm))["env"]
    assert isinstance(found, dict)
    assert found["ONE_LOCATION"] == str(engine.root)
    assert found["ONE_AUTH"] == str(engine.root / ".one/one_auth")
    assert found["ONE_XMLRPC"] == f"http://127.0.0.1:{engine.port}/RPC2"
    assert found["HOME"] == str(engine.root)


def test_the_last_executions_are_kept_and_the_log_tells_good_from_bad(engine: Hooked) -> None:
    for _ in range(6):
        vm = engine.allocate()
        engine.ended("made", vm)
    until(lambda: len(engine.runs("made")) == 4, "the end of the oldest executions")
    newest = engine.runs("made")[0]
    assert newest.int("RESOURCE_ID") == vm
    made = engine.hook("made").int("ID")
    well = parse(engine.admin.text("one.hooklog.info", -1, -1, made, 1)).all("HOOK_EXECUTION_RECORD")
    assert [run.int("RESOURCE_ID") for run in well][-1] == vm
    assert parse(engine.admin.text("one.hooklog.info", -1, -1, made, -1)).all("HOOK_EXECUTION_RECORD") == []
    late = newest.int("TIMESTAMP") + 1000
    assert parse(engine.admin.text("one.hooklog.info", late, -1, -1, 0)).all("HOOK_EXECUTION_RECORD") == []
    text, code = refusal(engine.admin.text, "one.hooklog.info", -1, -1, -1, 7)
    assert "return code filter" in text
    assert code == 0x1000


def test_an_execution_can_be_repeated_with_the_same_arguments(engine: Hooked) -> None:
    vm = engine.allocate("NAME = twice")
    record = engine.ended("made", vm)
    number = engine.one.hook.retry(engine.hook("made").int("ID"), record.int("EXECUTION_ID"))
    until(lambda: len(engine.heard("CREATE", str(vm), "twice")) == 2, "the second execution")
    until(
        lambda: (engine.runs("made")[0].int("EXECUTION_ID"), engine.runs("made")[0].text("STATE")) == (number, "done")
    )
    assert refusal(engine.one.hook.retry, 0, 99999)[1] == 0x0400


def test_hooks_are_not_made_or_changed_by_calls_but_in_oned_conf(engine: Hooked) -> None:
    before = engine.admin.text("one.hookpool.info")
    for verb, arguments in (
        ("allocate", ("NAME = x",)), ("update", (0, "A = 1", 1)), ("rename", (0, "y")), ("delete", (0,)),
        ("lock", (0, 1)), ("unlock", (0,)),
    ):  # fmt: skip
        text, code = refusal(engine.admin.call, f"one.hook.{verb}", *arguments)
        assert ("Hooks are declared in oned.conf" in text, code) == (True, 0x0800)
        if verb != "allocate":
            assert refusal(engine.admin.call, f"one.hook.{verb}", 999, *arguments[1:])[1] == 0x0400
    assert engine.admin.text("one.hookpool.info") == before
    assert refusal(engine.one.hook.info, 99)[0] == "[one.hook.info] Error getting hook [99]. See onehook list"


def test_hooks_are_for_the_group_of_oneadmin_only(engine: Hooked) -> None:
    engine.admin.number("one.user.allocate", "ann", "secret", "core")
    ann = engine.client("ann:secret")
    for call in ("one.hookpool.info", "one.hooklog.info"):
        assert refusal(ann.text, call)[1] == 0x0200
    assert refusal(ann.one.hook.retry, 0, 0)[1] == 0x0200


def test_waiting_hooks_are_executed_after_a_restart_and_none_twice(tmp_path: Path) -> None:
    install(tmp_path, record=RECORD)
    with Hooked(tmp_path, QUIET + SIMULATED + HOOKS) as engine:
        vm = engine.allocate("NAME = before")
        engine.ended("made", vm)
        engine.stop()
        engine.restart()
        other = engine.allocate("NAME = after")
        engine.one.vm.action("hold", other)
        engine.ended("made", other)
        assert [words["words"] for words in engine.heard("CREATE")] == [
            ["CREATE", str(vm), "before"], ["CREATE", str(other), "after"]]  # fmt: skip
        engine.one.vm.action("terminate", vm)
        engine.hears("DONE", str(vm))
        assert [run.int("EXECUTION_ID") for run in engine.runs("made")] == [2, 0]
        assert engine.check() == []


def test_without_hooks_no_hook_driver_is_started(root: Path) -> None:
    with Daemon(root, QUIET + SIMULATED) as engine:
        engine.monitored("alpha")
        assert "one_hm" not in engine.drivers()
        assert os.listdir(root / "var/remotes") == [] if (root / "var/remotes").exists() else True


def test_what_hooks_are_told_is_shown_to_oneadmins_group_only(engine: Hooked) -> None:
    engine.one.user.allocate("curious", "secret", "core")
    whole = engine.admin.text("one.system.config")
    told = engine.client("curious:secret").text("one.system.config")
    for secret in ("fixed", "CREATE $VMID $NAME", "<COMMAND>", "<ARGUMENTS>"):
        assert secret in whole
        assert secret not in told
    assert parse(told).text("PORT") == "0"
    assert [hook.text("NAME") for hook in parse(told).all("VM_HOOK")][:2] == ["made", "runs"]


def test_a_word_that_is_too_long_for_a_program_comes_on_standard_input(engine: Hooked) -> None:
    vm = engine.allocate(f'LINES = "a\nb"\nBALLAST = "{"y" * 300000}"')
    heard = engine.hears("LONG", str(vm))
    assert heard["words"] == ["LONG", str(vm), "-", "a\nb"]
    text = str(heard["stdin"])
    assert (text[0], text[-1]) == ("<", ">")
    assert parse(base64.b64decode(text[1:-1]).decode()).int("ID") == vm
    assert engine.ended("long", vm).text("STATE") == "done"
    short = engine.allocate()
    heard = engine.hears("LONG", str(short))
    assert (heard["stdin"], len(str(heard["words"])) > 200) == ("", True)


def test_a_run_that_never_began_took_no_time(engine: Hooked) -> None:
    """Its hook has left oned.conf while it waited behind another one of its object."""
    vm = engine.allocate()
    engine.one.vm.deploy(vm, engine.host("alpha"))
    until(lambda: [run for run in engine.runs("turn.2") if run.int("RESOURCE_ID") == vm], "the event")
    engine.kill()
    left = HOOKS.replace('ON = "RUNNING", COMMAND = "slow"', 'ON = "NEVER", COMMAND = "slow"')
    engine.configure(QUIET + SIMULATED + left)
    engine.restart()
    log = parse(engine.admin.text("one.hooklog.info")).all("HOOK_EXECUTION_RECORD")
    [lost] = [run for run in log if run.int("RESOURCE_ID") == vm and run.text("ARGUMENTS") == f"{vm} running"]
    assert (lost.text("STATE"), float(lost.text("SECONDS")) < 60) == ("lost", True)
    assert "its hook is no longer in oned.conf" in output(lost, "STDERR")
    assert engine.check() == []
