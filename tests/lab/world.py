"""Hosts for tests, where the machine can have them (share/lab/world.py)."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from share.lab.world import HOSTS, World, until
from tests.needs import need, need_programs

__all__ = ["HOSTS", "World", "until", "world"]


@contextlib.contextmanager
def world(directory: Path, count: int, *options: str) -> Iterator[World]:
    """So many hosts, with this thread in their front-end's network, until the block is left."""
    need(os.geteuid() == 0, "hosts made of namespaces need root")
    need_programs("sshd", "ssh-keygen", "ip", "unshare", "nsenter", *(["libvirtd"] if "--libvirt" in options else []))
    made = World(directory)
    try:
        made.up(count, *options)
        with made.entered():
            yield made
    finally:
        made.down()
