"""What tests of every kind share: EC2 and S3 on this machine."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.needs import need

if TYPE_CHECKING:
    from tests.ec2_stub import Ec2Stub


@pytest.fixture(scope="session")
def aws_server() -> Iterator[Ec2Stub]:
    """The server, one for all tests of a process: it takes a second to start."""
    need(importlib.util.find_spec("moto") and importlib.util.find_spec("flask_cors"), "moto is not installed")
    from tests.ec2_stub import Ec2Stub

    with Ec2Stub() as stub:
        yield stub


@pytest.fixture
def aws(aws_server: Ec2Stub) -> Ec2Stub:
    """EC2 and S3 with nothing in them and nothing ordered."""
    aws_server.reset()
    return aws_server
