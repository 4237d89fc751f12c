"""--dry-run against a real daemon: what it refuses is what the daemon refuses, and nothing changes."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon.process import Daemon, Scripted

REFUSED = 255
ACTIONS = (
    "hold", "release", "stop", "suspend", "resume", "poweroff", "poweroff --hard", "undeploy", "reboot", "terminate",
    "terminate --hard", "resched", "deploy {vm} beta", "migrate {vm} alpha", "migrate {vm} beta",
    "migrate {vm} beta --live", "recover --retry", "recover --failure", "delete",
)  # fmt: skip


def run(daemon: Daemon, program: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name(program), *words]
    environment = {**daemon.environment, "ONE_XMLRPC": daemon.admin.endpoint}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def line(action: str, vm: int) -> list[str]:
    """The words of an action for a VM."""
    verb, *rest = action.split()
    return [word.format(vm=vm) for word in ((verb, *rest) if "{vm}" in action else (verb, str(vm), *rest))]


def in_state(daemon: Scripted, state: str) -> int:
    """A new VM that is in the state."""
    if state in ("PENDING", "HOLD"):
        return daemon.allocate(hold=state == "HOLD")
    if state == "RUNNING":
        return daemon.running(daemon.monitored("alpha"))
    vm = daemon.allocate()
    daemon.one.vm.deploy(vm, daemon.monitored("alpha"))
    daemon.tm.line("TRANSFER", vm)
    return vm


@pytest.mark.parametrize("state", ["PENDING", "HOLD", "RUNNING", "PROLOG"])
def test_dry_run_leaves_as_the_action_itself(scripted: Scripted, state: str) -> None:
    scripted.monitored("beta")
    wrong, codes = [], set()
    for action in ACTIONS:
        vm = in_state(scripted, state)
        previewed = run(scripted, "onevm", *line(action, vm), "--dry-run")
        assert scripted.state(vm) == state, action
        done = run(scripted, "onevm", *line(action, vm))
        codes.add(done.returncode)
        if previewed.returncode != done.returncode or bool(previewed.stderr) != bool(done.stderr):
            wrong.append((action, previewed.returncode, previewed.stderr, done.returncode, done.stderr))
    assert wrong == []
    assert codes == {0, REFUSED}


def test_dry_run_of_deleting_a_host_leaves_as_the_deletion(scripted: Scripted) -> None:
    used, free = scripted.monitored("used"), scripted.monitored("free")
    scripted.running(used)
    for host, code in ((used, REFUSED), (free, 0)):
        assert run(scripted, "onehost", "delete", str(host), "--dry-run").returncode == code
        assert scripted.host_info(host).int("ID") == host
        assert run(scripted, "onehost", "delete", str(host)).returncode == code


def test_dry_run_of_giving_away_says_what_the_new_owner_has_already(scripted: Scripted) -> None:
    uid = scripted.admin.number("one.user.allocate", "heir", "secret")
    hers, same, other = (
        scripted.admin.number("one.template.allocate", f"NAME = {name}\nCPU = 1") for name in ("one", "two", "three")
    )
    scripted.one.template.chown(hers, uid, -1)
    scripted.one.template.rename(same, "one")
    before = scripted.admin.text("one.templatepool.info", -2, -1, -1)
    told = run(scripted, "onetemplate", "chown", f"{same},{other}", "heir", "users", "--dry-run")
    assert f"TEMPLATE {same} cannot be given to heir: NAME is already taken by TEMPLATE {hers}, one" in told.stderr
    assert [row.split()[0] for row in told.stdout.splitlines() if "owner heir, group users" in row] == [str(other)]
    assert scripted.admin.text("one.templatepool.info", -2, -1, -1) == before
    for oid in (same, other):
        previewed = run(scripted, "onetemplate", "chown", str(oid), "heir", "--dry-run")
        assert previewed.returncode == run(scripted, "onetemplate", "chown", str(oid), "heir").returncode
    assert run(scripted, "onetemplate", "chgrp", str(other), "oneadmin", "--dry-run").returncode == 0
