"""Two hosts and what a driver has to reach them by: fixtures, for modules to import."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.drivers.lib.line import Voice
from oned.drivers.lib.reach import host_at, ssh
from oned.drivers.lib.reach.host import Host
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import Task
from tests.lab.world import World, world


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("lab") / "a", 2) as made:
        yield made


@pytest.fixture(autouse=True)
def settings(lab: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Settings]:
    """The settings of a driver that reaches the lab; each test begins without connections."""
    for name, value in {**lab.environment, "ONE_LOCATION": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "etc/hosts").mkdir(parents=True)
    for host in ("host01", "host02"):
        (tmp_path / "etc/hosts" / host).write_text(f"SSH_ADDRESS={lab.address(host)}\n")
    yield Settings("any")
    for route in ssh._routes.values():
        if route._transport is not None:
            route._transport.close()
    ssh._routes.clear()


@pytest.fixture
def task() -> Task:
    return Task("ANY", 0, Voice(os.open(os.devnull, os.O_WRONLY)))


@pytest.fixture
def host01(settings: Settings) -> Host:
    return host_at("host01", settings)
