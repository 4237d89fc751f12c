"""A live move that ends in the middle: the job is aborted, and the host that has not got the domain is cleaned."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from oned.drivers.lib.hypervisor import ACTIVE, PAUSED, PAUSED_BY_USER
from oned.drivers.lib.line import Voice
from oned.drivers.lib.request import VMRequest
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Cancelled, Task
from oned.drivers.vmm import moves

INCOMING = (PAUSED, 11)
"""Paused, as a domain that is being started up."""
REQUEST = VMRequest(7, host="h1", destination="h2", deploy_id="one-7", tm_command="MIGRATE ssh h2 h1 /ds/0/7 7 0")


class LibvirtError(Exception):
    """What libvirt complains of."""


class FakeDomain:
    """The domain of one host. A migration goes on until it is aborted; `ends` is what that does to the hosts."""

    def __init__(self, world: "FakeHosts", host: str) -> None:
        self.world, self.host = world, host

    def snapshotListNames(self, _: int) -> list[str]:
        return self.world.snapshots

    def jobInfo(self) -> list[int]:
        return [0]

    def migrate3(self, *_: object) -> None:
        self.world.states["h2"] = INCOMING
        self.world.begun.set()
        assert self.world.aborted.wait(10)
        if self.world.moves_all_the_same:
            del self.world.states["h1"]
            self.world.states["h2"] = (ACTIVE, 1)
            return
        raise LibvirtError("operation aborted")

    def XMLDesc(self, _: int) -> str:
        return "<domain/>"

    def destroy(self) -> None:
        del self.world.states[self.host]

    def jobStats(self, _: int) -> dict[str, object]:
        return {}


class FakeHosts:
    """The libvirts of h1, where the domain runs, and h2."""

    def __init__(self) -> None:
        self.states: dict[str, tuple[int, int]] = {"h1": (ACTIVE, 1)}
        self.begun, self.aborted = threading.Event(), threading.Event()
        self.moves_all_the_same = False
        self.cut: set[str] = set()
        self.snapshots: list[str] = []
        self.transfers: list[str] = []
        self.line = ""

    @contextmanager
    def hypervisor(self, host: str, _: Settings) -> Iterator[SimpleNamespace]:
        found = FakeDomain(self, host)
        try:
            yield SimpleNamespace(
                connection=SimpleNamespace(isAlive=lambda: host not in self.cut),
                find=lambda name: found if host in self.states else None,
                state=lambda name: self.states.get(host),
                wait_for_job=lambda domain, task: None,
            )
        except LibvirtError as error:
            raise ActionFailed(str(error)) from error

    @contextmanager
    def abortable(self, host: str, name: str, settings: Settings, task: Task) -> Iterator[Callable[[], None]]:
        with task.at_cancel(self.aborted.set):
            yield self.aborted.set

    def perform(self, line: str, request: VMRequest, settings: Settings, task: Task) -> None:
        task.check()
        self.transfers.append(line.partition(" ")[0])
        self.line = line


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> FakeHosts:
    made = FakeHosts()
    monkeypatch.setattr(moves, "hypervisor", made.hypervisor)
    monkeypatch.setattr(moves, "abortable", made.abortable)
    monkeypatch.setattr(moves, "library", lambda: SimpleNamespace(libvirtError=LibvirtError))
    monkeypatch.setattr(moves, "failures", lambda: made.hypervisor("h2", Settings("vmm_kvm")))
    monkeypatch.setattr(moves.transfers, "perform", made.perform)
    monkeypatch.setattr(moves, "SETTLING", moves.LOOK)
    monkeypatch.setattr(moves, "WATCH", 0.01)
    return made


@pytest.fixture
def task(tmp_path: Path) -> Iterator[Task]:
    said = os.open(tmp_path / "said", os.O_WRONLY | os.O_CREAT)
    yield Task("MIGRATE", 7, Voice(said))
    os.close(said)


def cancelled(hosts: FakeHosts, task: Task) -> str:
    """Why a move failed that was cancelled in the middle; nothing if it did not."""
    threading.Thread(target=lambda: hosts.begun.wait(10) and task.cancel(), daemon=True).start()
    try:
        moves.Moves(Settings("vmm_kvm")).migrate(REQUEST, task)
    except (ActionFailed, Cancelled) as failure:
        return str(failure)
    return ""


def test_a_cancelled_move_is_aborted_and_the_other_host_has_nothing_of_it(hosts: FakeHosts, task: Task) -> None:
    assert cancelled(hosts, task) == "it was cancelled; the VM stays on h1"
    assert hosts.states == {"h1": (ACTIVE, 1)}
    assert hosts.transfers == ["PREMIGRATE", "FAILMIGRATE"]
    assert hosts.line == "FAILMIGRATE ssh h2 h1 /ds/0/7 7 0", "type, destination, source, directory, VM, datastore"


def test_a_domain_with_system_snapshots_is_refused_before_anything_is_copied(hosts: FakeHosts, task: Task) -> None:
    hosts.snapshots = ["snap-0"]
    assert cancelled(hosts, task) == (
        "its system snapshots cannot move with it as it runs (snap-0). Delete them: onevm snapshot-delete 7 ID. "
        "A move with --poff drops them; the VM stays on h1"
    )
    assert (hosts.states, hosts.transfers) == ({"h1": (ACTIVE, 1)}, ["FAILMIGRATE"])


def test_a_move_that_is_done_before_it_can_be_cancelled_leaves_nothing_behind(hosts: FakeHosts, task: Task) -> None:
    hosts.moves_all_the_same = True
    assert cancelled(hosts, task) == ""
    assert hosts.states == {"h2": (ACTIVE, 1)}
    assert hosts.transfers == ["PREMIGRATE", "POSTMIGRATE"]


def test_a_move_that_fails_leaves_what_a_person_has_paused_alone(hosts: FakeHosts, task: Task) -> None:
    hosts.aborted.set()
    hosts.states["h1"] = (PAUSED, PAUSED_BY_USER)
    with pytest.raises(ActionFailed, match="operation aborted; the VM stays on h1"):
        moves.Moves(Settings("vmm_kvm")).migrate(REQUEST, task)
    assert hosts.states == {"h1": (PAUSED, PAUSED_BY_USER)}
    assert hosts.transfers == ["PREMIGRATE", "FAILMIGRATE"]


def test_a_move_whose_destination_is_not_reached_any_more_is_aborted(hosts: FakeHosts, task: Task) -> None:
    threading.Thread(target=lambda: hosts.begun.wait(10) and hosts.cut.add("h2"), daemon=True).start()
    with pytest.raises(ActionFailed, match="operation aborted; the VM stays on h1"):
        moves.Moves(Settings("vmm_kvm")).migrate(REQUEST, task)
    assert hosts.states == {"h1": (ACTIVE, 1)}
