"""The scheduler against an endpoint that speaks the real protocol."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from oned.client.client import Client
from oned.client.failures import Unreachable
from oned.sched.__main__ import main as sched_main
from oned.sched.cycle import Cycles
from oned.sched.dispatch import Dispatcher, Moves
from oned.sched.place import Rules
from oned.sched.watch import Watch
from tests.fakes import FakeDaemon

CANNOT_LEAVE = """<VM_POOL><VM><ID>9</ID><UID>0</UID><GID>0</GID><STATE>3</STATE><LCM_STATE>3</LCM_STATE>
<RESCHED>1</RESCHED><TEMPLATE><CPU>9</CPU><MEMORY>1</MEMORY></TEMPLATE>
<HISTORY_RECORDS><HISTORY><HID>0</HID></HISTORY></HISTORY_RECORDS></VM></VM_POOL>"""


@pytest.fixture
def oned() -> Iterator[FakeDaemon]:
    with FakeDaemon({0: 400, 1: 400}) as oned:
        yield oned


@pytest.fixture
def cycles(oned: FakeDaemon) -> Iterator[Cycles]:
    with scheduler(oned) as cycles:
        yield cycles


@contextmanager
def scheduler(oned: FakeDaemon, max_vms: int = 0) -> Iterator[Cycles]:
    clients = list[Client]()

    def connect() -> Client:
        clients.append(Client(oned.endpoint, "oneadmin:secret", 10.0))
        return clients[-1]

    dispatcher = Dispatcher(connect, Moves())
    yield Cycles(connect(), dispatcher, Rules(), max_vms, patience=5)
    dispatcher.close()
    for client in clients:
        client.close()


def test_cycle_deploys_what_fits_and_reports_why_the_rest_waits(oned: FakeDaemon, cycles: Cycles) -> None:
    for vm, cpu in enumerate([300, 300, 200]):
        oned.allocate(vm, cpu)
    cycles.run(moves=False)
    assert sorted(oned.deployed) == [(0, 0), (1, 1)]
    assert "<ID>2</ID><SUMMARY>2 hosts: 2 not enough free CPU (200 wanted, best 100)</SUMMARY>" in oned.reports[0]
    assert "<ID>0</ID><SUMMARY>host h0 (0): rank 0 is the best of 2 candidates; policy striping" in oned.reports[0]
    assert cycles.waiting == 1


def test_unchanged_reasons_are_not_sent_again(oned: FakeDaemon, cycles: Cycles) -> None:
    oned.allocate(1, 900)
    cycles.run(moves=False)
    cycles.run(moves=False)
    assert len(oned.reports) == 1


def test_why_a_vm_cannot_leave_its_host_is_told_once_though_not_every_cycle_looks_at_it(
    oned: FakeDaemon, cycles: Cycles
) -> None:
    oned.says = {"one.vmpool.info": CANNOT_LEAVE}.get
    for moves in (True, False, True, False):
        cycles.run(moves)
    assert [text.count("<ID>9</ID><SUMMARY>2 hosts: 1 ") for text in oned.reports] == [1]


def test_other_numbers_alone_are_told_little_by_little(oned: FakeDaemon, cycles: Cycles) -> None:
    for vm in range(120):
        oned.allocate(vm, 900)
    cycles.run(moves=False)
    oned.free[0] = 410
    told = list[set[str]]()
    for _ in range(4):
        before = len(oned.reports)
        cycles.run(moves=False)
        told.append({vm for text in oned.reports[before:] for vm in re.findall(r"<ID>(\d+)</ID>", text)})
    assert [len(vms) for vms in told] == [50, 50, 20, 0]
    assert len(set().union(*told)) == 120
    assert "(900 wanted, best 410)" in oned.reports[-1]


def test_other_words_are_told_at_once(oned: FakeDaemon, cycles: Cycles) -> None:
    for vm in range(120):
        oned.allocate(vm, 900)
    cycles.run(moves=False)
    oned.free.clear()
    before = len(oned.reports)
    cycles.run(moves=False)
    assert "".join(oned.reports[before:]).count("there are no hosts") == 120


def test_a_large_report_is_sent_in_parts(oned: FakeDaemon, cycles: Cycles) -> None:
    for vm in range(450):
        oned.allocate(vm, 900)
    cycles.run(moves=False)
    assert [text.count("<VM>") for text in oned.reports] == [200, 200, 50]


def test_with_max_vm_those_that_fit_nowhere_do_not_keep_the_rest_waiting(oned: FakeDaemon) -> None:
    for vm, cpu in enumerate([900] * 5 + [100]):
        oned.allocate(vm, cpu)
    with scheduler(oned, max_vms=2) as cycles:
        for _ in range(3):
            cycles.run(moves=False)
        assert oned.deployed == [(5, 0)]
        reports = len(oned.reports)
        for _ in range(3):
            cycles.run(moves=False)
        assert len(oned.reports) == reports


def test_the_event_thread_outlives_an_answer_that_cannot_be_read(oned: FakeDaemon) -> None:
    answers, poked = ["<EVENTS><LAST>4", "<EVENTS><LAST>x</LAST></EVENTS>"], threading.Event()

    def poke(_moves: bool) -> None:
        watch.stop()
        poked.set()

    oned.says = lambda method: answers.pop(0) if method == "oned.events.wait" and answers else None
    with Client(oned.endpoint, "oneadmin:secret", 10.0) as client:
        watch = Watch(client, poke, lambda: True, pause=0.01)
        watch.start()
        assert poked.wait(30)
    assert answers == []


def test_cycle_without_pending_vms_reads_no_hosts(oned: FakeDaemon, cycles: Cycles) -> None:
    cycles.run(moves=False)
    assert "one.hostpool.info" not in oned.calls


def test_refused_deploy_tries_the_next_host_in_the_same_cycle_and_others_go_on(
    oned: FakeDaemon, cycles: Cycles
) -> None:
    oned.allocate(1, 100)
    oned.allocate(2, 100)
    oned.refuses[1] = "no such bridge"
    outcome = cycles.run(moves=False)
    assert oned.calls.count("one.vm.deploy") == 3
    assert [vm for vm, _ in oned.deployed] == [2]
    assert outcome.refused == {1: "no such bridge"}
    assert "2 hosts: 2 refused it: no such bridge" in oned.reports[0]


def test_vm_that_is_always_refused_is_left_alone_for_a_while(oned: FakeDaemon, cycles: Cycles) -> None:
    oned.allocate(1, 100)
    oned.refuses[1] = "no such bridge"
    for _ in range(3):
        cycles.run(moves=False)
    tried = oned.calls.count("one.vm.deploy")
    cycles.run(moves=False)
    assert oned.calls.count("one.vm.deploy") == tried
    assert "refused 3 times in a row" in oned.reports[-1]


def test_cycle_fails_when_the_daemon_is_gone() -> None:
    connect = partial(Client, "http://127.0.0.1:1/RPC2", "a:b", 1.0)
    with pytest.raises(Unreachable):
        Cycles(connect(), Dispatcher(connect, Moves()), Rules(), 0, 5).run(moves=False)


@contextmanager
def program(location: Path, conf: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """mm_sched in a location with this sched.conf, ended by SIGTERM; it must end well."""
    for name in ("etc", "var"):
        (location / name).mkdir()
    (location / "etc" / "sched.conf").write_text(conf)
    (location / "auth").write_text("oneadmin:secret\n")
    environment = {**os.environ, "ONE_LOCATION": str(location), "ONE_AUTH": str(location / "auth")}
    with subprocess.Popen([sys.executable, "-m", "oned.sched", *options], env=environment) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            status = process.wait(timeout=20)
    assert status == 0


def test_program_places_a_vm_as_soon_as_it_is_pending_and_ends_on_term(oned: FakeDaemon, tmp_path: Path) -> None:
    with program(tmp_path, f'SCHED_INTERVAL = 600\nONE_XMLRPC = "{oned.endpoint}"\n'):
        oned.until(lambda: oned.calls.count("oned.events.wait") > 1)
        oned.allocate(7, 100)
        oned.until(lambda: oned.deployed)
        assert oned.deployed == [(7, 0)]
    log = (tmp_path / "var" / "sched.log").read_text()
    dispatched = r"\w{3} \w{3} [ \d]\d [\d:]{8} \d{4} \[SCHED\]\[I\]: Dispatching virtual machine 7 to HID: 0"
    assert re.search(f"^{dispatched}$", log, re.MULTILINE)


def test_program_takes_options_of_old_releases_for_settings_of_the_file(oned: FakeDaemon, tmp_path: Path) -> None:
    """The file leads to an oned that is not there and leaves all to one cycle; the options to ours, one VM a second."""
    for vm in range(3):
        oned.allocate(vm, 100)
    port = oned.endpoint.rpartition(":")[2].removesuffix("/RPC2")
    conf = 'SCHED_INTERVAL = 600\nMAX_DISPATCH = 9\nONE_XMLRPC = "http://127.0.0.1:1/RPC2"\n'
    with program(tmp_path, conf, "-p", port, "-t", "1", "-m", "2", "-d", "1"):
        oned.until(lambda: len(oned.deployed) == 3)
    log = (tmp_path / "var" / "sched.log").read_text()
    assert re.findall(r" ([1-9]\d*) dispatched", log) == ["1", "1", "1"], "one VM a cycle, a cycle a second"


def test_program_refuses_an_option_that_is_no_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sched_main(["-c", str(tmp_path / "none"), "-p", "x"]) == 1
    assert '-o ONED_PORT: ONED_PORT = "x" is not a port' in capsys.readouterr().err
