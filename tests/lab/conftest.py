"""Two hosts of a lab, and the transfer driver that reaches them. Test files with other needs have their own `lab`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.transfers import Transfer
from tests.lab.world import World, world


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("lab") / "a", 2) as made:
        yield made


@pytest.fixture
def transfer(lab: World, tmp_path: Path) -> Iterator[Transfer]:
    made = Transfer(lab, tmp_path)
    yield made
    made.driver.__exit__(None, None, None)
    for host in ("host01", "host02"):
        lab.run(host, "rm", "-rf", "/var/lib/one/datastores")
