"""host_error: a host that fails is fenced before its VMs live on elsewhere, and there are never two of one.

The host is simulated: it "hangs" by orders to its drivers while its domains go on, which only the fence ends.
"""

import base64
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.client.documents import parse
from tests.crash.conftest import Simulation
from tests.daemon.process import until
from tests.daemon.test_rebalance import scheduler

SHIPPED = Path(__file__).parents[2] / "share/hooks/host_error"
HOOK = 'HOST_HOOK = [ NAME = "saver", ON = "ERROR", COMMAND = "host_error", ARGUMENTS = "$ID {}", REPEAT = "YES" ]\n'
HANGS = ("im MONITOR host=alpha fail=dead", "vmm * host=alpha fail=dead", "tm * host=alpha fail=dead")
FENCE = """\
import json, os, pathlib, sys, time
root, host, number = sys.argv[1:]
time.sleep(float((pathlib.Path(root) / "slow").read_text()) if (pathlib.Path(root) / "slow").exists() else 0)
with open(root + "/fenced", "a") as file:
    file.write(host + " " + number + "\\n")
journal = pathlib.Path(root) / "var/simulation/domains"
there = {}
for line in journal.read_text().splitlines():
    told = json.loads(line)
    there[told["vm"], told["host"]] = told
with open(journal, "a") as file:
    for told in there.values():
        if told["host"] == host and not told.get("gone"):
            file.write(json.dumps({**told, "gone": True}) + "\\n")
sys.exit(int((pathlib.Path(root) / "status").read_text()) if (pathlib.Path(root) / "status").exists() else 0)
"""


class Watched(Simulation):
    """A daemon whose domains are looked at all the time: no VM may ever run on two hosts."""

    def __init__(self, root: Path, options: str, conf: str = "") -> None:
        super().__init__(root, conf + (HOOK.format(options) if options else ""))
        self.twice: list[dict[int, list[str]]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(0.02):
            found = {vm: hosts for vm, hosts in self.domains().items() if len(hosts) > 1}
            if found:
                self.twice.append(found)

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        super().close()

    def fence(self) -> None:
        """A fence that ends what runs on a host, and notes that it did."""
        (self.root / "fence.py").write_text(FENCE)
        (self.etc / "fence").mkdir(exist_ok=True)
        words = f"{sys.executable} {self.root}/fence.py {self.root} $NAME $BMC # the site's command\n"
        (self.etc / "fence/default").write_text(words)

    def fenced(self) -> list[str]:
        path = self.root / "fenced"
        return path.read_text().splitlines() if path.exists() else []

    def vms(self, count: int = 3) -> list[int]:
        """VMs that run on alpha."""
        vms = [self.allocate() for _ in range(count)]
        for vm in vms:
            self.one.vm.deploy(vm, self.host("alpha"))
        for vm in vms:
            self.reaches(vm, "RUNNING")
        return vms

    def places(self, vms: list[int]) -> list[list[str]]:
        """The hosts where each runs in truth."""
        domains = self.domains()
        return [domains.get(vm, []) for vm in vms]

    def execution(self) -> str:
        """State of the last execution of the hook, with its output."""
        records = parse(self.admin.text("one.hookpool.info")).all("HOOK/HOOKLOG/HOOK_EXECUTION_RECORD")
        return records[-1].text("STATE") if records else ""

    def complaint(self) -> str:
        """What the last execution of the hook wrote on its standard error."""
        records = parse(self.admin.text("one.hookpool.info")).all("HOOK/HOOKLOG/HOOK_EXECUTION_RECORD")
        return base64.b64decode(records[-1].text("EXECUTION_RESULT/STDERR")).decode()

    def saver(self, *words: str) -> "subprocess.Popen[str]":
        """host_error, started by hand."""
        command = [str(Path(sys.executable).with_name("one_host_error")), str(self.host("alpha")), *words]
        environment = {**self.environment, "ONE_XMLRPC": self.endpoint, "PYTHONUNBUFFERED": "1"}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def daemon(root: Path, options: str, conf: str = "") -> Watched:
    engine = Watched(root, options, conf)
    (root / "share/hooks").mkdir(parents=True)
    shutil.copy2(SHIPPED, root / "share/hooks")
    engine.fence()
    engine.__enter__()
    engine.ready()
    engine.one.host.update(engine.host("alpha"), 'BMC = "7; touch /tmp/x"', 1)
    return engine


def clean(engine: Watched) -> None:
    assert engine.twice == []
    assert engine.check() == []


@pytest.fixture
def recreating(root: Path) -> Iterator[Watched]:
    engine = daemon(root, "-r")
    yield engine
    engine.close()


@pytest.fixture
def by_hand(root: Path) -> Iterator[Watched]:
    engine = daemon(root, "")
    yield engine
    engine.close()


def test_vms_of_a_failed_host_begin_anew_elsewhere_once_it_is_fenced(recreating: Watched) -> None:
    vms = recreating.vms()
    with scheduler(recreating, ""):
        recreating.orders(*HANGS)
        until(lambda: recreating.execution() == "done", "the end of the hook")
        for vm in vms:
            until(lambda vm=vm: recreating.places([vm]) == [["beta"]], "a new start")
            recreating.reaches(vm, "RUNNING")
    assert recreating.fenced() == ["alpha 7; touch /tmp/x"]
    assert recreating.host_info(recreating.host("alpha")).int("STATE") == 8
    clean(recreating)


def test_without_a_fence_nothing_is_touched(recreating: Watched) -> None:
    (recreating.etc / "fence/default").unlink()
    vms = recreating.vms()
    with scheduler(recreating, ""):
        recreating.orders(*HANGS)
        until(lambda: recreating.execution() == "failed", "the end of the hook")
    assert recreating.places(vms) == [["alpha"]] * 3
    assert {recreating.state(vm) for vm in vms} <= {"RUNNING", "UNKNOWN"}
    assert "cannot be fenced" in recreating.complaint()
    assert recreating.host_info(recreating.host("alpha")).int("STATE") == 3
    clean(recreating)


def test_a_fence_that_fails_leaves_everything_as_it_is(by_hand: Watched) -> None:
    (by_hand.root / "status").write_text("3")
    vms = by_hand.vms(1)
    by_hand.orders(*HANGS)
    until(lambda: by_hand.host_info(by_hand.host("alpha")).int("STATE") == 3, "the error")
    saver = by_hand.saver("-r")
    _, errors = saver.communicate(timeout=60)
    assert (saver.returncode, "failed with status 3, nothing was done" in errors) == (1, True)
    assert by_hand.state(vms[0]) in ("RUNNING", "UNKNOWN")
    clean(by_hand)


def test_killed_at_any_moment_it_is_finished_by_the_next_run(by_hand: Watched) -> None:
    vms = by_hand.vms(6)
    by_hand.orders(*HANGS)
    until(lambda: by_hand.host_info(by_hand.host("alpha")).int("STATE") == 3, "the error")
    with scheduler(by_hand, ""):
        for lines in (0, 1, 2, 2):
            saver = by_hand.saver("-r")
            assert saver.stdout
            for _ in range(lines):
                assert saver.stdout.readline()
            saver.send_signal(signal.SIGKILL)
            saver.communicate()
        saver = by_hand.saver("-r")
        _, errors = saver.communicate(timeout=60)
        assert (saver.returncode, errors) == (0, "")
        for vm in vms:
            by_hand.reaches(vm, "RUNNING")
    assert by_hand.places(vms) == [["beta"]] * 6
    clean(by_hand)


def test_a_host_that_comes_back_in_the_pause_keeps_its_vms(by_hand: Watched) -> None:
    vms = by_hand.vms(2)
    by_hand.orders(*HANGS)
    until(lambda: by_hand.host_info(by_hand.host("alpha")).int("STATE") == 3, "the error")
    saver = by_hand.saver("-r", "-p", "30")
    time.sleep(1)
    by_hand.orders()
    output, _ = saver.communicate(timeout=60)
    assert (saver.returncode, "is back. Nothing was done" in output) == (0, True)
    assert (by_hand.places(vms), by_hand.fenced()) == ([["alpha"]] * 2, [])
    clean(by_hand)


def test_a_host_that_comes_back_after_its_fence_is_not_used_until_it_is_enabled(by_hand: Watched) -> None:
    vms = by_hand.vms(2)
    by_hand.orders(*HANGS)
    until(lambda: by_hand.host_info(by_hand.host("alpha")).int("STATE") == 3, "the error")
    with scheduler(by_hand, ""):
        saver = by_hand.saver("-r")
        saver.communicate(timeout=60)
        assert saver.returncode == 0
        by_hand.orders()
        for vm in vms:
            by_hand.reaches(vm, "RUNNING")
        time.sleep(2)
    assert by_hand.host_info(by_hand.host("alpha")).int("STATE") == 8
    assert by_hand.places(vms) == [["beta"]] * 2
    clean(by_hand)


def test_vms_are_moved_with_their_disks_and_those_that_are_off_only_by_force(by_hand: Watched) -> None:
    runs, off = by_hand.vms(2)
    by_hand.one.vm.action("poweroff", off)
    by_hand.reaches(off, "POWEROFF")
    by_hand.orders("im MONITOR host=alpha fail=dead", "vmm * host=alpha fail=dead")
    until(lambda: by_hand.host_info(by_hand.host("alpha")).int("STATE") == 3, "the error")
    saver = by_hand.saver("-m")
    assert saver.communicate(timeout=60)[1] == ""
    by_hand.reaches(runs, "RUNNING")
    assert by_hand.places([runs, off]) == [["beta"], []]
    assert "PROLOG_MIGRATE_UNKNOWN" in by_hand.vm_log(runs)
    record = by_hand.vm(off).last("HISTORY_RECORDS/HISTORY")
    assert record
    assert record.text("HOSTNAME") == "alpha"
    by_hand.saver("-m", "-f").communicate(timeout=60)
    by_hand.reaches(off, "POWEROFF")
    record = by_hand.vm(off).last("HISTORY_RECORDS/HISTORY")
    assert record
    assert record.text("HOSTNAME") == "beta"
    clean(by_hand)


def test_vms_whose_disks_are_on_the_host_alone_are_left_and_why_is_told(by_hand: Watched) -> None:
    shared, alone = by_hand.vms(1)[0], by_hand.allocate()
    own = by_hand.one.datastore.allocate("NAME = own\nTYPE = SYSTEM_DS\nTM_MAD = dummy\nSHARED = NO")
    by_hand.one.vm.deploy(alone, by_hand.host("alpha"), False, own)
    by_hand.reaches(alone, "RUNNING")
    by_hand.orders("im MONITOR host=alpha fail=dead", "vmm * host=alpha fail=dead")
    until(lambda: by_hand.host_info(by_hand.host("alpha")).int("STATE") == 3, "the error")
    saver = by_hand.saver("-m")
    _, errors = saver.communicate(timeout=60)
    assert saver.returncode == 1
    assert f"VM {alone} one-{alone} is left in UNKNOWN: its disks are on the host alone (datastore own" in errors
    by_hand.reaches(shared, "RUNNING")
    assert (by_hand.places([shared, alone]), by_hand.state(alone)) == ([["beta"], []], "UNKNOWN")
    by_hand.one.vm.recover(alone, 3)
    clean(by_hand)


def test_a_host_that_is_well_is_left_alone(by_hand: Watched) -> None:
    vms = by_hand.vms(1)
    saver = by_hand.saver("-d", "--force-without-fencing")
    output, _ = saver.communicate(timeout=60)
    assert (saver.returncode, "Nothing to do" in output) == (0, True)
    assert by_hand.places(vms) == [["alpha"]]
    clean(by_hand)
