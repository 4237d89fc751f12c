"""What oca, the Python library of the 4.x time, does with this engine."""

from collections.abc import Iterator

import pytest

from tests.clients.library import Library, library, scenarios
from tests.daemon.process import Daemon


@pytest.fixture(scope="module")
def oca() -> Iterator[Library]:
    with library("oca", "with_oca") as found:
        yield found


@pytest.mark.parametrize("scenario", scenarios("with_oca"))
def test_oca(cloud: Daemon, oca: Library, scenario: str) -> None:
    oca.run(scenario, cloud.endpoint)
