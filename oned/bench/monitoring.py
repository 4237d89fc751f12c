"""What it costs to watch many hosts and their VMs: CPU of oned and of its drivers, never the wall clock alone."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing

from oned.bench.engine import Engine
from oned.bench.rows import Sizes
from oned.sched import pools

_CLIENTS = 8
_BATCH = 500
_COUNT = "SELECT (SELECT count(*) FROM host_monitoring) + (SELECT count(*) FROM vm_monitoring)"
_NEVER = 86400
"""Seconds between two questions that are not to be asked."""


def watching(engine: Engine, sizes: Sizes) -> Iterator[tuple[str, float]]:
    """Hosts alone, asked all the time; then hosts with their VMs, each asked once in a period."""
    engine.add_hosts(sizes.watched)
    _restart(engine, hosts=1, vms=_NEVER)
    yield "hosts", _hosts_for_a_second(engine, sizes)
    _restart(engine, hosts=sizes.period, vms=sizes.period)
    _populate(engine, sizes)
    yield "watching", _share(engine, sizes)


def _restart(engine: Engine, hosts: int, vms: int) -> None:
    engine.stop("oned")
    engine.start(f"HOST_MONITORING_INTERVAL={hosts}", f"VM_POLLING_INTERVAL={vms}")


def _hosts_for_a_second(engine: Engine, sizes: Sizes) -> float:
    """Hosts that are asked and whose answers are kept, for a second of CPU."""
    _answers(engine, sizes.watched)
    before = engine.cpu(drivers=True)
    count = _answers(engine, 5 * sizes.watched)
    return count / max(engine.cpu(drivers=True) - before, 1e-2)


def _share(engine: Engine, sizes: Sizes) -> float:
    """Per cent of one core over a period in which each host and each VM is asked and answers."""
    wanted = sizes.watched * (1 + sizes.guests)
    before = engine.cpu(drivers=True)
    count = _answers(engine, wanted, sizes.period)
    return 100 * (engine.cpu(drivers=True) - before) / count * wanted / sizes.period


def _answers(engine: Engine, wanted: int, seconds: float = 0.0) -> int:
    """How many answers of monitoring were kept in so many seconds, or in more until there are as many as wanted."""
    before = _kept(engine)
    time.sleep(seconds)
    engine.wait_until(lambda: _kept(engine) - before >= wanted)
    return _kept(engine) - before


def _kept(engine: Engine) -> int:
    with closing(sqlite3.connect(f"file:{engine.root}/var/one.db?mode=ro", uri=True)) as base:
        return int(base.execute(_COUNT).fetchone()[0])


def _populate(engine: Engine, sizes: Sizes) -> None:
    """As many running VMs on each host as are wanted."""
    hosts = [host.id for host in pools.hosts(engine.client.text("one.hostpool.info"), {})]
    places = [host for host in hosts for _ in range(sizes.guests)]
    for start in range(0, len(places), _BATCH):
        _run(engine, places[start : start + _BATCH])


def _run(engine: Engine, places: Sequence[int]) -> None:
    """A VM for each place, and all of them running."""
    make = engine.sender.call("one.vm.allocate", "NAME=vm CPU=0.1 MEMORY=32")
    engine.sender.halves([make] * len(places), _CLIENTS)
    waiting = [vm.id for vm in pools.candidates(engine.client.text("one.vmpool.info", -2, -1, -1, 1))]
    after = engine.last_event()
    deploys = [
        engine.sender.call("one.vm.deploy", vm, host, False, -1, "") for vm, host in zip(waiting, places, strict=True)
    ]
    engine.sender.halves(deploys, _CLIENTS)
    engine.wait_running(len(places), after)
