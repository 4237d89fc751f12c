"""What tests need of the machine."""

import os
import shutil

import pytest

PROGRAMS = ("libvirtd", "qemu-system-x86_64", "qemu-img", "genisoimage", "apt-get", "unshare")


def need(condition: object, reason: str) -> None:
    """Skip the test where the machine cannot do it; in continuous integration it must."""
    if condition:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def need_programs(*names: str) -> None:
    """As need, for programs in the path."""
    missing = [name for name in names if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")]
    need(not missing, f"not installed: {', '.join(missing)}")
