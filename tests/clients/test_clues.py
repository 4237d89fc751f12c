"""What CLUES does with this engine, by its own library."""

from collections.abc import Iterator

import pytest

from tests.clients.library import Library, library, scenarios
from tests.daemon.process import Daemon


@pytest.fixture(scope="module")
def clues() -> Iterator[Library]:
    with library("cpyutils", "with_cpyutils") as found:
        yield found


@pytest.mark.parametrize("scenario", scenarios("with_cpyutils"))
def test_clues(cloud: Daemon, clues: Library, scenario: str) -> None:
    clues.run(scenario, cloud.endpoint)
