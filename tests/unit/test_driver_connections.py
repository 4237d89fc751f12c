"""Connections to libvirt: never two actions in one of them. They go to libvirt's own test driver."""

import re
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from oned.drivers.lib import connections
from oned.drivers.lib.connections import SPARE, Way
from oned.drivers.lib.hypervisor import Connection
from oned.drivers.lib.task import ActionFailed

URI = "test:///default"


@pytest.fixture
def way() -> Way:
    pytest.importorskip("libvirt")
    return Way(URI)


def test_each_of_several_actions_has_a_connection_of_its_own(way: Way) -> None:
    with ExitStack() as actions:
        used = [actions.enter_context(way.borrowed()) for _ in range(4)]
        assert len({id(connection) for connection in used}) == 4


def test_actions_in_turn_share_one(way: Way) -> None:
    with way.borrowed() as first:
        pass
    with way.borrowed() as second:
        assert second is first


def test_only_spare_ones_stay_open(way: Way) -> None:
    with ExitStack() as actions:
        used = [actions.enter_context(way.borrowed()) for _ in range(SPARE + 2)]
    with ExitStack() as actions:
        again = [actions.enter_context(way.borrowed()) for _ in range(SPARE + 2)]
        assert sum(connection in used for connection in again) == SPARE


def test_one_that_has_died_is_never_given_out_again(way: Way) -> None:
    with way.borrowed() as dead:
        dead.close()
    with way.borrowed() as living:
        assert living is not dead
        assert living.isAlive()


def test_actions_that_come_at_once_do_not_take_each_others(way: Way) -> None:
    guard, inside, twice = threading.Lock(), set[int](), list[int]()

    def act() -> None:
        for _ in range(20):
            with way.borrowed() as connection:
                with guard:
                    twice.extend({id(connection)} & inside)
                    inside.add(id(connection))
                time.sleep(0.001)
                with guard:
                    inside.remove(id(connection))

    threads = [threading.Thread(target=act) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert twice == []


def test_an_attempt_that_hangs_fails_all_who_wait_and_its_connection_serves_later_ones(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, opened = threading.Event(), connections._opened

    def slow(uri: str) -> Connection:
        answers.wait()
        return opened(uri)

    monkeypatch.setattr(connections, "_opened", slow)
    monkeypatch.setattr(connections, "OPEN_SECONDS", 0.2)
    for _ in range(2):
        with pytest.raises(ActionFailed, match="libvirt there has not answered"), way.borrowed():
            pass
    answers.set()
    monkeypatch.setattr(connections, "OPEN_SECONDS", 20.0)
    with way.borrowed() as connection:
        assert connection.isAlive()


def test_a_libvirt_that_cannot_be_opened_is_told_of_with_what_to_try(tmp_path: Path) -> None:
    pytest.importorskip("libvirt")
    uri = f"qemu:///system?socket={tmp_path}/nothing"
    with (
        pytest.raises(ActionFailed, match=re.escape(f"Does libvirtd run there? virsh -c '{uri}' list tells more")),
        Way(uri).borrowed(),
    ):
        pass
