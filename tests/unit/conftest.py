"""What test files share: the life cycle, the commands, drivers."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes_rpc import FakeCloud

from tests.fakes import FakeDriver
from tests.image_stores import Store, serving
from tests.lifecycle_engine import Engine


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    loop = asyncio.new_event_loop()
    made = Engine(tmp_path_factory.mktemp("table") / "one.db", loop)
    yield made
    made.database.close()
    loop.close()


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeCloud]:
    """Hosts 0 alpha, 1 beta; and an environment that leads there."""
    (tmp_path / "auth").write_text("ada:secret\n")
    with FakeCloud() as cloud:
        monkeypatch.setenv("ONE_XMLRPC", cloud.endpoint)
        monkeypatch.setenv("ONE_AUTH", str(tmp_path / "auth"))
        monkeypatch.setenv("ONE_XMLRPC_TIMEOUT", "20")
        cloud.hosts = {0: "alpha", 1: "beta"}
        yield cloud


@pytest.fixture
def cloud(hosts: FakeCloud) -> FakeCloud:
    """VMs 3 web, 4 db, 5 and 6 twin on these hosts."""
    hosts.vm(3, "web", "RUNNING", host="alpha", hid=0)
    hosts.vm(4, "db", "PENDING")
    hosts.vm(5, "twin", "HOLD")
    hosts.vm(6, "twin", "HOLD")
    return hosts


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeDriver]:
    with FakeDriver(tmp_path / "control") as fake:
        yield fake


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path)
    yield made
    made.driver.__exit__(None, None, None)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """An http server on this machine for what is in the directory `web`; its URL."""
    with serving(tmp_path / "web") as url:
        yield url
