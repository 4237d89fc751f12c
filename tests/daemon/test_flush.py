"""onehost flush: a host is emptied by moves to where the scheduler would put its VMs, and what stays has its reason."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from oned.client.client import Client, Value
from oned.sched.cycle import Cycles
from oned.sched.dispatch import Dispatcher, Moves
from oned.sched.place import Rules
from tests.daemon.process import ADMIN, LIMIT, Daemon, Scripted, until
from tests.daemon.test_cli_dry_run import run
from tests.daemon.test_move_faults import CONF, Field, leaves_a_domain


def running(daemon: Daemon, host: int, template: str = "") -> int:
    vm = daemon.allocate(template)
    daemon.one.vm.deploy(vm, host)
    daemon.reaches(vm, "RUNNING")
    return vm


def place(daemon: Daemon, vm: int) -> str:
    record = daemon.vm(vm).last("HISTORY_RECORDS/HISTORY")
    assert record
    return record.text("HOSTNAME")


@pytest.fixture
def pool(simulated: Daemon) -> Daemon:
    """Hosts alpha, which is to be emptied, beta and gamma; all without VMs."""
    for name in ("alpha", "beta", "gamma"):
        simulated.one.host.status(simulated.host(name), 0)
        simulated.monitored(name)
    for vm in list(simulated.host_info(simulated.host("alpha")).all("VMS/ID")):
        simulated.one.vm.recover(int(vm.content), 3)
    until(lambda: not simulated.host_info(simulated.host("alpha")).all("VMS/ID"), "an empty host")
    return simulated


def planned(daemon: Daemon, vms: list[int]) -> list[str]:
    """The hosts that the VMs of alpha would go to."""
    lines = run(daemon, "onehost", "flush", "alpha", "--dry-run").stdout.splitlines()
    return [line.split()[3] for line in lines if line.split()[0] in map(str, vms)]


def test_hosts_are_chosen_by_the_policy_of_sched_conf(pool: Daemon) -> None:
    alpha = pool.host("alpha")
    vms = [running(pool, alpha) for _ in range(3)]
    for name, priority in (("beta", 1), ("gamma", 9)):
        pool.one.host.update(pool.host(name), f"PRIORITY = {priority}", 1)
    conf = pool.etc / "sched.conf"
    try:
        conf.write_text("DEFAULT_SCHED = [ POLICY = 4 ]\nMAX_HOST = 1\nMAX_DISPATCH = 1\n")
        assert planned(pool, vms) == ["gamma"] * 3
        conf.write_text('DEFAULT_SCHED = [ POLICY = 3, RANK = "- PRIORITY" ]\n')
        assert planned(pool, vms) == ["beta"] * 3
        conf.write_text("DEFAULT_SCHED = [ POLICY = 7 ]\n")
        done = run(pool, "onehost", "flush", "alpha")
        assert (done.returncode, "the scheduler's policy is not known" in done.stderr) == (255, True)
        assert pool.host_info(alpha).int("STATE") == 2, "nothing was begun"
    finally:
        conf.unlink()


def test_running_vms_go_live_and_the_host_is_disabled_first(pool: Daemon) -> None:
    alpha = pool.host("alpha")
    vms = [running(pool, alpha) for _ in range(4)]
    done = run(pool, "onehost", "flush", "alpha")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"Host {alpha} is disabled. 4 moved, 0 left.\n")
    assert pool.host_info(alpha).int("STATE") == 4
    assert {place(pool, vm) for vm in vms} == {"beta", "gamma"}
    assert all("MIGRATE" in pool.vm_log(vm) and "SAVE_MIGRATE" not in pool.vm_log(vm) for vm in vms)
    assert pool.check() == []


class Overtaken(Client):
    """A scheduler's connection: alpha is emptied between its look at the hosts and what it decides by that."""

    flushed: Callable[[], str]

    def text(self, method: str, *arguments: Value) -> str:
        answer = super().text(method, *arguments)
        if method == "one.hostpool.info":
            assert "is disabled. 0 moved, 0 left." in self.flushed()
        return answer


def test_no_vm_comes_to_a_host_after_it_was_said_to_be_empty(pool: Daemon) -> None:
    alpha = pool.host("alpha")
    vm = pool.allocate(f'SCHED_REQUIREMENTS = "ID = {alpha}"')
    connect = partial(Client, pool.endpoint, ADMIN, LIMIT)
    scheduler, dispatcher = Overtaken(pool.endpoint, ADMIN, LIMIT), Dispatcher(connect, Moves())
    scheduler.flushed = lambda: run(pool, "onehost", "flush", "alpha").stdout
    Cycles(scheduler, dispatcher, Rules(), 0, 0).run(moves=False)
    for one in (dispatcher, scheduler):
        one.close()
    assert pool.state(vm) == "PENDING"
    assert f"Host [{alpha}] is disabled" in pool.vm(vm).text("USER_TEMPLATE/SCHED_MESSAGE")
    pool.one.vm.recover(vm, 3)


def test_the_plan_says_where_each_would_go_and_why_not(pool: Daemon) -> None:
    alpha = pool.host("alpha")
    goes, bound = running(pool, alpha), running(pool, alpha, 'SCHED_REQUIREMENTS = "NAME = \\"alpha\\""')
    held = running(pool, alpha)
    pool.one.vm.action("poweroff", held)
    pool.reaches(held, "POWEROFF")
    done = run(pool, "onehost", "flush", "alpha", "--dry-run")
    rows = {int(line.split()[0]): line for line in done.stdout.splitlines()[1:-1]}
    assert done.returncode == 255
    assert "is the best of" in rows[goes]
    assert " - " in rows[bound]
    assert "do not meet SCHED_REQUIREMENTS" in rows[bound]
    assert " POWEROFF " in rows[held]
    assert done.stdout.endswith("Nothing was changed.\n")
    assert pool.host_info(alpha).int("STATE") == 2
    assert {place(pool, vm) for vm in (goes, bound, held)} == {"alpha"}


def test_what_cannot_go_is_left_with_its_reason_and_the_rest_goes(pool: Daemon) -> None:
    alpha = pool.host("alpha")
    goes, bound = running(pool, alpha), running(pool, alpha, 'SCHED_REQUIREMENTS = "NAME = \\"alpha\\""')
    off = running(pool, alpha)
    pool.one.vm.action("poweroff", off)
    pool.reaches(off, "POWEROFF")
    done = run(pool, "onehost", "evacuate", "alpha", "--cold")
    assert done.returncode == 255
    assert f"VM {bound} one-{bound} stays: " in done.stderr
    assert "do not meet SCHED_REQUIREMENTS" in done.stderr
    assert done.stdout.endswith("2 moved, 1 left.\n")
    assert "SAVE_MIGRATE" in pool.vm_log(goes)
    assert (pool.state(goes), pool.state(off), pool.state(bound)) == ("RUNNING", "POWEROFF", "RUNNING")
    assert place(pool, bound) == "alpha"
    assert place(pool, off) != "alpha"


def test_of_several_hosts_none_takes_what_leaves_another(pool: Daemon) -> None:
    vms = [running(pool, pool.host(name)) for name in ("alpha", "beta")]
    planned = run(pool, "onehost", "flush", "alpha,beta", "--dry-run").stdout
    assert [line.split()[3] for line in planned.splitlines() if line.split()[0] in map(str, vms)] == ["gamma"] * 2
    run(pool, "onehost", "flush", "alpha,beta")
    assert [place(pool, vm) for vm in vms] == ["gamma"] * 2
    assert pool.check() == []


@pytest.fixture
def played(root: Path) -> "Scripted":
    return Scripted(root, "HOST_MONITORING_INTERVAL = 3600\nVM_POLLING_INTERVAL = 0\n")


def test_no_more_move_at_a_time_than_was_said_and_a_failure_is_told(played: Scripted) -> None:
    with played as daemon:
        alpha, _ = daemon.monitored("alpha"), daemon.monitored("beta")
        vms = [daemon.running(alpha) for _ in range(3)]
        finished = []
        flush = threading.Thread(
            target=lambda: finished.append(run(daemon, "onehost", "flush", "alpha", "--jobs", "1"))
        )
        flush.start()
        assert daemon.vmm.line("MIGRATE", vms[0])
        assert [daemon.state(vm) for vm in vms] == ["MIGRATE", "RUNNING", "RUNNING"]
        daemon.vmm.fake.answers(f"MIGRATE FAILURE {vms[0]} no route to it")
        for vm in vms[1:]:
            daemon.vmm.succeeds("MIGRATE", vm)
        flush.join(60)
        (done,) = finished
        assert done.returncode == 255
        assert "ended in RUNNING." in done.stderr
        assert "no route to it" in done.stderr
        assert done.stdout.endswith("2 moved, 1 left.\n")
        assert daemon.check() == []


def test_a_vm_goes_when_what_it_has_left_on_the_other_host_was_ended(root: Path) -> None:
    with Scripted(root, CONF) as daemon:
        field = Field(daemon)
        vm, hosts = field.running(1)[0], field.hosts
        leaves_a_domain(field, vm)
        finished = []
        flush = threading.Thread(target=lambda: finished.append(run(daemon, "onehost", "flush", "alpha")))
        flush.start()
        hosts.serve_until(lambda: f"[{vm}] is being ended on host [{field.beta}]" in daemon.log(), "a refusal")
        hosts.go_on()
        hosts.serve_until(lambda: not flush.is_alive(), "the end of the flush")
        (done,) = finished
        assert (done.returncode, done.stdout.splitlines()[-1]) == (
            0,
            f"Host {field.alpha} is disabled. 1 moved, 0 left.",
        )
        assert (hosts.where(vm), daemon.check()) == (["beta"], [])
