"""cpyutils.oneconnect, with which CLUES drives an engine."""

from typing import Any

from tests.clients.python2 import load

ADMIN = "oneadmin:opennebula"


def connect(endpoint: str) -> Any:
    """What scenarios get: a connection as CLUES makes it."""
    module: Any = load("cpyutils", "oneconnect")
    connection = module.ONEConnect(endpoint, ADMIN)
    connection.module = module
    return connection
