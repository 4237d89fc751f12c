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
    assert f"NAME is already taken by TEMPLATE {hers}." in told.stderr
    assert [row.split()[0] for row in told.stdout.splitlines() if "owner heir, group users" in row] == [str(other)]
    assert scripted.admin.text("one.templatepool.info", -2, -1, -1) == before
    for oid in (same, other):
        previewed = run(scripted, "onetemplate", "chown", str(oid), "heir", "--dry-run")
        assert previewed.returncode == run(scripted, "onetemplate", "chown", str(oid), "heir").returncode
    assert run(scripted, "onetemplate", "chgrp", str(other), "oneadmin", "--dry-run").returncode == 0


def refused_alike(daemon: Daemon, session: str, program: str, *words: str) -> str:
    """Why both the dry run and the command itself are refused to somebody: the text behind the method's name."""
    user, _, password = session.partition(":")
    line = [*words, "--user", user, "--password", password]
    previewed, done = run(daemon, program, *line, "--dry-run"), run(daemon, program, *line)
    assert (previewed.returncode, done.returncode) == (REFUSED, REFUSED), (previewed, done)
    assert previewed.stderr.partition("] ")[2] == done.stderr.partition("] ")[2]
    return done.stderr


def test_dry_run_of_giving_away_says_which_right_or_quota_is_missing(scripted: Scripted) -> None:
    ann, carol = (scripted.admin.number("one.user.allocate", name, "secret") for name in ("ann9", "carol9"))
    vm = scripted.client("ann9:secret").number("one.vm.allocate", "CPU = 1\nMEMORY = 64")
    scripted.one.user.quota(carol, "VM = [ VMS = 0 ]")
    before = scripted.admin.text("one.vm.info", vm)
    told = refused_alike(scripted, "ann9:secret", "onevm", "chown", str(vm), str(carol))
    assert f"Not authorized to perform MANAGE USER [{carol}]" in told
    told = refused_alike(scripted, "oneadmin:opennebula", "onevm", "chown", str(vm), "carol9")
    assert f"user [{carol}] limit of 0 reached for VMS quota" in told
    scripted.one.vm.lock(vm, 2)
    assert "VM is locked" in refused_alike(scripted, "oneadmin:opennebula", "onevm", "chgrp", str(vm), "oneadmin")
    scripted.one.vm.unlock(vm)
    assert scripted.admin.text("one.vm.info", vm) == before
    assert run(scripted, "onevm", "chgrp", str(vm), "oneadmin", "--dry-run").returncode == 0
    assert scripted.vm(vm).int("UID") == ann


def test_dry_run_of_quotas_is_refused_to_whom_the_quota_is(scripted: Scripted, tmp_path: Path) -> None:
    group = scripted.admin.number("one.group.allocate", "governed9")
    boss = scripted.admin.number("one.user.allocate", "boss9", "secret", "core", [group])
    scripted.one.group.addadmin(group, boss)
    before = scripted.admin.text("one.group.info", group)
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text("VM = [ VMS = 3 ]")
    bad.write_text("CAKE = [ PIECES = 3 ]")
    for verb in ("quota", "batchquota"):
        told = refused_alike(scripted, "boss9:secret", "onegroup", verb, str(group), str(good))
        assert f"ADMIN GROUP [{group}]" in told
        told = refused_alike(scripted, "oneadmin:opennebula", "onegroup", verb, str(group), str(bad))
        assert "CAKE is no quota" in told
    shown = run(scripted, "onegroup", "quota", str(group), str(good), "--dry-run")
    assert (shown.returncode, "default -> 3" in shown.stdout) == (0, True), shown
    assert scripted.admin.text("one.group.info", group) == before
