"""A real server in a thread, and clients that speak bytes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.wire.server import Client, Server


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    """Starts servers with the limits given by name; they end with the test."""
    with ExitStack() as ends:

        def start_one(**settings: Any) -> Server:
            return ends.enter_context(Server(**settings))

        yield start_one


@pytest.fixture
def server(start: Callable[..., Server]) -> Server:
    return start()


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with server.connect() as connected:
        yield connected
