"""A live move that ends in the middle: the job is aborted, and the host that has not got the domain is cleaned.

Or libvirt goes on with it (MIGRATE_URI) though its driver has died: it is waited for, and nothing is ended meanwhile.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from oned.drivers.lib import hypervisor as lib
from oned.drivers.lib import metrics
from oned.drivers.lib.hypervisor import ACTIVE, INVALID, NO_DOMAIN, PAUSED, PAUSED_BY_USER, Hypervisor
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

    def __init__(self, text: str, number: int = 1) -> None:
        super().__init__(text)
        self.get_error_code = lambda: number


class FakeDomain:
    """The domain of one host. A migration goes on until it is aborted; `ends` is what that does to the hosts."""

    def __init__(self, world: "FakeHosts", host: str) -> None:
        self.world, self.host = world, host

    def snapshotListNames(self, _: int) -> list[str]:
        return self.world.snapshots

    def state(self) -> tuple[int, int]:
        return self.world.look(self.host)

    def jobInfo(self) -> list[int]:
        return [2 if self.jobStats(0).get("operation") else 0]

    def jobStats(self, _: int) -> dict[str, object]:
        state = self.world.look(self.host)
        if state == INCOMING:
            raise LibvirtError("migration statistics are available only on the source host", INVALID)
        return {"type": 2, "operation": 5} if self.host == "h1" and self.world.goes_on() else {"type": 0}

    def abortJob(self) -> None:
        self.world.aborted.set()
        self.world.looks_left = 0
        self.world.states.pop("h2", None)

    def migrate3(self, *_: object) -> None:
        self.world.states["h2"] = INCOMING
        self.world.begun.set()
        assert self.world.aborted.wait(10)
        if self.world.moves_all_the_same:
            self.world.arrive()
            return
        raise LibvirtError("operation aborted")

    def XMLDesc(self, _: int) -> str:
        return "<domain/>"

    def destroy(self) -> None:
        self.world.ended.append(self.world.states.pop(self.host))

    def resume(self) -> None:
        if self.world.states[self.host] == (ACTIVE, 1):
            raise LibvirtError("domain is already running", INVALID)
        self.world.states[self.host] = (ACTIVE, 1)


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
        self.looks_left, self.arrives_at = 0, 0
        self.looks: list[str] = []
        self.ended: list[tuple[int, int]] = []

    def go_on(self, looks: int, *, arrives: bool) -> None:
        """Let a move of a driver that has died go on for so many looks at the source's job; then it arrives, or not."""
        self.states["h2"], self.looks_left, self.moves_all_the_same = INCOMING, looks, arrives

    def goes_on(self) -> bool:
        """Whether a move is under way still, as it is looked at."""
        if self.looks_left:
            self.looks_left -= 1
            if not self.looks_left and self.moves_all_the_same:
                self.arrive()
                raise LibvirtError("domain not found", NO_DOMAIN)
        return self.looks_left > 0

    def arrive(self) -> None:
        del self.states["h1"]
        self.states["h2"] = (ACTIVE, 1)

    def look(self, host: str) -> tuple[int, int]:
        """The state on a host; just before one of the looks the domain arrives, if nobody has ended it there."""
        self.looks.append(host)
        if len(self.looks) == self.arrives_at and "h2" in self.states and not self.begun.is_set():
            self.arrive()
        if host not in self.states:
            raise LibvirtError("domain not found", NO_DOMAIN)
        return self.states[host]

    @contextmanager
    def hypervisor(self, host: str, _: Settings) -> Iterator[Hypervisor]:
        def find(_: str) -> FakeDomain:
            self.look(host)
            return FakeDomain(self, host)

        try:
            yield Hypervisor(SimpleNamespace(isAlive=lambda: host not in self.cut, lookupByName=find))
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
    for module in (moves, lib):
        monkeypatch.setattr(module, "library", lambda: SimpleNamespace(libvirtError=LibvirtError))
    monkeypatch.setattr(moves, "failures", lambda: made.hypervisor("h2", Settings("vmm_kvm")))
    monkeypatch.setattr(moves.transfers, "perform", made.perform)
    monkeypatch.setattr(moves, "LOOK", 0.01)
    monkeypatch.setattr(moves, "SETTLING", 0.02)
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


def repeated(task: Task) -> str:
    """Why a move failed that is asked for again after the death of a driver; nothing if it did not."""
    try:
        moves.Moves(Settings("vmm_kvm")).migrate(REQUEST, task)
    except (ActionFailed, Cancelled) as failure:
        return str(failure)
    return ""


def test_a_move_that_goes_on_without_its_driver_is_waited_for(hosts: FakeHosts, task: Task) -> None:
    hosts.go_on(20, arrives=True)
    assert repeated(task) == ""
    assert (hosts.states, hosts.transfers) == ({"h2": (ACTIVE, 1)}, ["POSTMIGRATE"])
    assert not hosts.begun.is_set(), "it is not begun again"


def test_a_move_that_goes_on_without_its_driver_and_fails_is_made_again(hosts: FakeHosts, task: Task) -> None:
    hosts.go_on(20, arrives=False)
    hosts.aborted.set()
    assert repeated(task) == "operation aborted; the VM stays on h1"
    assert hosts.begun.is_set()
    assert hosts.states == {"h1": (ACTIVE, 1)}


def test_a_cancellation_ends_the_move_that_goes_on_without_its_driver(hosts: FakeHosts, task: Task) -> None:
    hosts.go_on(1_000_000, arrives=True)
    threading.Timer(0.1, task.cancel).start()
    assert repeated(task) == "it was cancelled; the VM stays on h1"
    assert (hosts.states, hosts.transfers) == ({"h1": (ACTIVE, 1)}, ["FAILMIGRATE"])


@pytest.mark.parametrize("look", range(1, 40))
def test_whenever_it_arrives_while_both_hosts_are_looked_at_it_is_not_ended(
    hosts: FakeHosts, task: Task, look: int
) -> None:
    """No job is seen here: what is ended is ended by the states alone."""
    hosts.states["h2"], hosts.arrives_at = INCOMING, look
    hosts.aborted.set()
    told = repeated(task)
    assert (ACTIVE, 1) not in hosts.ended
    assert hosts.states == ({"h1": (ACTIVE, 1)} if told else {"h2": (ACTIVE, 1)})


def test_a_domain_between_two_hosts_is_told_with_a_letter_that_says_nothing(hosts: FakeHosts, task: Task) -> None:
    def told(host: str) -> str:
        with hosts.hypervisor(host, Settings("vmm_kvm")) as kvm:
            state, reason = hosts.states[host]
            stats = {"state.state": state, "state.reason": reason, metrics.MEMORY: 1, "cpu.time": 1}
            kvm.connection.domainListGetStats = lambda domains, *_: [(domains[0], stats)]  # type: ignore[method-assign]
            return metrics.measure(kvm, "one-7", task)["STATE"]

    hosts.go_on(1_000_000, arrives=False)
    assert (told("h1"), told("h2")) == ("-", "-")
    hosts.arrive()
    hosts.looks_left = 0
    assert told("h2") == "a"
