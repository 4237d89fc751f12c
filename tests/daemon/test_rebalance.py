"""mm_sched against a real oned: REBALANCE, LIVE_RESCHEDS, and hosts that are in maintenance."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from oned.client.documents import parse
from tests.daemon.process import SIMULATED, Daemon, refusal, until


@contextmanager
def scheduler(daemon: Daemon, conf: str) -> Iterator[Path]:
    """mm_sched with these settings; its log."""
    (daemon.etc / "sched.conf").write_text(f"SCHED_INTERVAL = 1\n{conf}\n")
    environment = {**daemon.environment, "ONE_XMLRPC": daemon.endpoint}
    with (daemon.root / "sched.log").open("ab") as output:
        command = [sys.executable, "-m", "oned.sched", "-s"]
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        yield daemon.root / "sched.log"
    finally:
        process.terminate()
        assert process.wait(30) in (0, -signal.SIGTERM), "it ended by itself"  # a short test may end it while it starts


@pytest.fixture
def pool(root: Path) -> Iterator[Daemon]:
    """Hosts alpha and beta, four VMs on alpha."""
    with Daemon(root, SIMULATED) as daemon:
        alpha, _ = daemon.monitored("alpha"), daemon.monitored("beta")
        for _ in range(4):
            daemon.one.vm.deploy(daemon.allocate(), alpha)
        for vm in range(4):
            daemon.reaches(vm, "RUNNING")
        yield daemon


def places(daemon: Daemon) -> list[str]:
    """Where each VM is."""
    records = [daemon.vm(vm).last("HISTORY_RECORDS/HISTORY") for vm in range(4)]
    return [record.text("HOSTNAME") for record in records if record]


def stays(daemon: Daemon) -> list[int]:
    """On how many hosts each VM has been."""
    return [len(daemon.vm(vm).all("HISTORY_RECORDS/HISTORY")) for vm in range(4)]


def test_load_is_evened_out_by_live_moves_and_then_nothing_moves_any_more(pool: Daemon) -> None:
    with scheduler(pool, "REBALANCE = [ THRESHOLD = 13, BATCH = 1, COOLDOWN = 1 ]"):
        until(lambda: sorted(places(pool)) == ["alpha", "alpha", "beta", "beta"], "an even load")
        for vm in range(4):
            pool.reaches(vm, "RUNNING")
        before = stays(pool)
        time.sleep(4)
        assert stays(pool) == before
    moved = next(vm for vm, place in enumerate(places(pool)) if place == "beta")
    assert "MIGRATE" in pool.vm_log(moved)
    assert "SAVE_MIGRATE" not in pool.vm_log(moved)
    summary = parse(pool.admin.text("oned.vm.explain", moved)).text("SUMMARY")
    assert "rebalancing, to beta" in summary
    assert pool.check() == []


def test_a_dry_run_says_what_it_would_do_and_does_nothing(pool: Daemon) -> None:
    with scheduler(pool, 'REBALANCE = [ THRESHOLD = 13, COOLDOWN = 0, DRYRUN = "YES" ]') as log:
        until(lambda: log.read_text().count("DRYRUN, it stays: rebalancing, to beta") > 1, "two cycles")
    assert set(places(pool)) == {"alpha"}
    reasons = parse(pool.admin.text("oned.vm.explain", 0)).all("REASON")
    told = [reason.text("TEXT") for reason in reasons if "DRYRUN" in reason.text("TEXT")]
    assert told
    assert len(told) == len(set(told)), "the same is told once"


def test_who_wants_to_stay_stays(pool: Daemon) -> None:
    for vm in range(4):
        pool.one.vm.update(vm, 'SCHED_REBALANCE = "no"', 1)
    with scheduler(pool, "REBALANCE = [ THRESHOLD = 1, COOLDOWN = 0 ]\nLOG = [ DEBUG_LEVEL = 3 ]"):
        pending = pool.allocate()
        pool.reaches(pending, "RUNNING")
        time.sleep(3)
    assert set(places(pool)) == {"alpha"}


def test_a_marked_vm_is_moved_live_when_the_setting_says_so_and_cold_when_not(pool: Daemon) -> None:
    with scheduler(pool, "LIVE_RESCHEDS = 1"):
        pool.one.vm.action("resched", 0)
        until(lambda: places(pool)[0] == "beta" and pool.state(0) == "RUNNING", "the move")
    assert pool.vm(0).int("RESCHED") == 0
    assert "SAVE_MIGRATE" not in pool.vm_log(0)
    with scheduler(pool, "LIVE_RESCHEDS = 0"):
        pool.one.vm.action("resched", 1)
        until(lambda: places(pool)[1] == "beta" and pool.state(1) == "RUNNING", "the move")
    assert "SAVE_MIGRATE" in pool.vm_log(1)


@pytest.mark.parametrize("status", [1, 2])
def test_nothing_is_placed_on_a_host_in_maintenance(pool: Daemon, status: int) -> None:
    beta = pool.host("beta")
    pool.one.host.status(beta, status)
    with scheduler(pool, "REBALANCE = [ THRESHOLD = 1, COOLDOWN = 0 ]"):
        new = pool.allocate()
        bound = pool.allocate(f'SCHED_REQUIREMENTS = "ID = {beta}"')
        pool.reaches(new, "RUNNING")
        pool.one.vm.action("resched", 0)
        until(lambda: "not enabled and monitored" in pool.vm(bound).text("USER_TEMPLATE/SCHED_MESSAGE"), "the reason")
        assert set(places(pool)) == {"alpha"}
        assert pool.state(bound) == "PENDING"
        if status == 2:
            text, _ = refusal(pool.one.vm.deploy, bound, beta)
            assert "offline" in text.lower()
        pool.one.host.status(beta, 0)
        pool.reaches(bound, "RUNNING")
    assert pool.check() == []
