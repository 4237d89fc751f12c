"""Daemons that are killed: each test has its own, with the drivers of simulated hosts, slowed by orders."""

import json
import logging
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from tests.daemon.process import SIMULATED, Daemon

HOSTS = ("alpha", "beta")


class Simulation(Daemon):
    """A daemon with simulated hosts. `orders` is what disturbs their drivers."""

    def __init__(self, root: Path, conf: str = "") -> None:
        super().__init__(root, "HOST_MONITORING_INTERVAL = 1\nVM_POLLING_INTERVAL = 1\n" + conf + SIMULATED)

    def orders(self, *lines: str) -> None:
        """From now on the drivers do as ordered; no line is no order."""
        directory = self.var / "simulation"
        directory.mkdir(parents=True, exist_ok=True)
        ready = directory / "orders.new"
        ready.write_text("".join(f"{line}\n" for line in lines))
        ready.replace(directory / "orders")

    def ready(self) -> Self:
        """The daemon with its hosts monitored."""
        for name in HOSTS:
            self.monitored(name)
        return self

    def domains(self) -> dict[int, list[str]]:
        """What runs where, as the hypervisors have it: VM → hosts."""
        truth: dict[tuple[int, str], bool] = {}
        journal = self.var / "simulation/domains"
        for change in map(_change, journal.read_text().splitlines() if journal.exists() else []):
            truth[change[:2]] = change[2]
        found: dict[int, list[str]] = {}
        for (vm, host), there in truth.items():
            if there:
                found.setdefault(vm, []).append(host)
        return found


def _change(line: str) -> tuple[int, str, bool]:
    told = json.loads(line)
    return told["vm"], told["host"], not told.get("gone") and told.get("state") != "saved"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Simulation]:
    with Simulation(tmp_path) as daemon:
        yield daemon.ready()


@pytest.fixture
def dice() -> random.Random:
    """Chance that can be replayed: SEED=number in the environment; the number is in the log of a test that fails."""
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(2**32))
    logging.getLogger(__name__).warning("SEED=%d", seed)
    return random.Random(seed)
