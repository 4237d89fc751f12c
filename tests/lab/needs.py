"""What the tests of this directory need of the machine."""

import os

import pytest

PROGRAMS = ("libvirtd", "qemu-system-x86_64", "qemu-img", "genisoimage", "apt-get", "unshare")


def need(condition: object, reason: str) -> None:
    """Skip the test where the machine cannot do it; in continuous integration it must."""
    if condition:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
