"""What pyone does with this engine, by its oldest version in tests/clients/libraries."""

from collections.abc import Iterator

import pytest

from tests.clients.library import Library, library, scenarios
from tests.daemon.process import Daemon


@pytest.fixture(scope="module")
def pyone() -> Iterator[Library]:
    with library("pyone-oldest", "with_pyone") as found:
        yield found


@pytest.mark.parametrize("scenario", scenarios("with_pyone"))
def test_pyone(cloud: Daemon, pyone: Library, scenario: str) -> None:
    pyone.run(scenario, cloud.endpoint)
