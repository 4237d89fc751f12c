"""Many clients at once: no host is ever overcommitted, no id given twice, no sum wrong."""

import random
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from oned.client.client import Client
from oned.client.documents import Document, parse
from oned.client.failures import ServerRefused
from tests.daemon.process import ADMIN, SIMULATED, Daemon

HOSTS, CLIENTS, SCHEDULERS = 4, 100, 2
CORES = 800


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("busy"), SIMULATED) as daemon:
        for number in range(HOSTS):
            daemon.monitored(f"node{number}")
        yield daemon


def at_once(works: list[Callable[[], None]]) -> None:
    """Runs all in threads of their own, begun together; the first error is raised."""
    start, errors = threading.Barrier(len(works)), list[BaseException]()

    def run(work: Callable[[], None]) -> None:
        try:
            start.wait()
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def hosts(client: Client) -> list[Document]:
    return parse(client.text("one.hostpool.info")).all("HOST")


def pending(client: Client) -> list[int]:
    return [vm.int("ID") for vm in parse(client.text("one.vmpool.info", -2, -1, -1, 1)).all("VM")]


def within(client: Client) -> None:
    """AssertionError when a host counts more than it has."""
    for host in hosts(client):
        share = {name: host.int(f"HOST_SHARE/{name}") for name in ("CPU_USAGE", "MAX_CPU", "MEM_USAGE", "MAX_MEM")}
        assert share["CPU_USAGE"] <= share["MAX_CPU"], share
        assert share["MEM_USAGE"] <= share["MAX_MEM"], share


def enforced(call: Callable[..., object], *arguments: object) -> bool:
    """Whether the call was done; a refusal must be one of state or of room."""
    refused = None
    try:
        call(*arguments)
    except ServerRefused as refusal:
        refused = refusal
    assert refused is None or refused.code == 0x0800, refused
    return refused is None


class Crowd:
    """Clients who make, deploy, move and end VMs, and schedulers who deploy what waits until the clients are done."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon, self.made = daemon, list[int]()
        self._left, self._lock = CLIENTS, threading.Lock()

    def client(self, number: int) -> None:
        one, dice = self.daemon.client(ADMIN), random.Random(number)
        for _ in range(4):
            vm = one.number("one.vm.allocate", f"CPU = {dice.choice([0.5, 1, 2])}\nMEMORY = 64")
            self.made.append(vm)
            enforced(one.one.vm.deploy, vm, dice.randrange(HOSTS), True)
            enforced(one.one.vm.migrate, vm, dice.randrange(HOSTS), dice.random() < 0.5, True)
            if dice.random() < 0.3:
                enforced(one.one.vm.action, "terminate-hard", vm)
        with self._lock:
            self._left -= 1

    def scheduler(self) -> None:
        """Deploys wherever it seems to fit, by numbers that are old already."""
        one = self.daemon.client(ADMIN)
        while self._left:
            for vm in pending(one):
                free = max(hosts(one), key=lambda host: CORES - host.int("HOST_SHARE/CPU_USAGE"))
                enforced(one.one.vm.deploy, vm, free.int("ID"), True)

    def watcher(self) -> None:
        one = self.daemon.client(ADMIN)
        while self._left:
            within(one)


def test_two_schedulers_and_a_hundred_clients_overcommit_no_host(busy: Daemon) -> None:
    crowd = Crowd(busy)
    clients = [partial(crowd.client, number) for number in range(CLIENTS)]
    at_once([*clients, *[crowd.scheduler] * SCHEDULERS, crowd.watcher])
    assert len(set(crowd.made)) == len(crowd.made) == 4 * CLIENTS
    within(busy.admin)
    assert busy.overcommitted() == []
    assert busy.check() == []
    taken = sum(host.int("HOST_SHARE/CPU_USAGE") for host in hosts(busy.admin))
    assert taken > HOSTS * CORES / 2, "the hosts are well used: capacity was what was fought for"


def test_of_many_deploys_of_one_vm_one_is_done(busy: Daemon) -> None:
    host = busy.monitored("alone")
    vm = busy.allocate("CPU = 0.1\nMEMORY = 1")
    won = list[bool]()

    def deploy() -> None:
        won.append(enforced(busy.client(ADMIN).one.vm.deploy, vm, host, True))

    at_once([deploy] * 20)
    assert won.count(True) == 1
    busy.reaches(vm, "RUNNING")
    assert len(busy.vm(vm).all("HISTORY_RECORDS/HISTORY")) == 1


def test_the_last_place_of_a_host_is_given_once(busy: Daemon) -> None:
    host = busy.monitored("last")
    vms = [busy.allocate("CPU = 5\nMEMORY = 1") for _ in range(20)]
    won = list[int]()

    def deploy(vm: int) -> None:
        if enforced(busy.client(ADMIN).one.vm.deploy, vm, host, True):
            won.append(vm)

    at_once([partial(deploy, vm) for vm in vms])
    assert len(won) == 1
    assert busy.host_info(host).int("HOST_SHARE/CPU_USAGE") == 500


def test_one_name_is_given_once_to_those_who_ask_at_once(busy: Daemon) -> None:
    told = list[str]()

    def allocate() -> None:
        try:
            told.append(f"made {busy.client(ADMIN).call('one.user.allocate', 'twin', 'secret')}")
        except ServerRefused as refused:
            told.append(refused.text)

    at_once([allocate] * 8)
    assert sum("NAME is already taken by USER" in text for text in told) == 7
    assert sum(text.startswith("made ") for text in told) == 1
