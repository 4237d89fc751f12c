"""How many instances of a type a host may have: looked at before another is started, one start after the other."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from oned.drivers.lib.ec2 import LIVING, Cloud, state, tags
from oned.drivers.lib.ec2_types import capacity
from oned.drivers.lib.task import ActionFailed, Task
from oned.drivers.vmm.ec2_order import Order

BREATH = 0.2
"""Seconds between two looks at whether the action is cancelled, while others count."""


class Room:
    """The starts that are under way in this driver, and which nobody sees in EC2 yet."""

    def __init__(self) -> None:
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._coming: dict[str, tuple[str, str]] = {}

    @contextmanager
    def kept(self, cloud: Cloud, wanted: Order, task: Task) -> Iterator[None]:
        """Within the block there is room for the instance. Errors: ActionFailed, if there is none; Cancelled."""
        most = capacity(cloud)
        if wanted.type not in most:
            raise ActionFailed(
                f"host {cloud.host} has no instances of type {wanted.type}, but of {', '.join(most)}: take one of "
                "those as INSTANCETYPE, or let the administrator add it to EC2_CAPACITY"
            )
        with self._turn(cloud.host, task):
            others = self._others(cloud, wanted)
            if len(others) >= most[wanted.type]:
                raise ActionFailed(
                    f"host {cloud.host} has {len(others)} instances of type {wanted.type}, and may have "
                    f"{most[wanted.type]}. Try later, or let the administrator raise EC2_CAPACITY"
                )
            self._coming[wanted.identity] = (cloud.host, wanted.type)
        try:
            yield
        finally:
            self._coming.pop(wanted.identity, None)

    def _others(self, cloud: Cloud, wanted: Order) -> set[str]:
        """The VMs that have such an instance, or are about to.

        Who is coming is read first: a start that ends while EC2's list is on its way may not be in that yet.
        """
        coming = {vm for vm, what in list(self._coming.items()) if what == (cloud.host, wanted.type)}
        seen = cloud.instances(
            tag__ONE_HOST=cloud.host, tag__ONE_SITE=cloud.site, instance_type=wanted.type, instance_state_name=LIVING
        )
        there = {tags(instance).get("ONE_VM", "") for instance in seen if state(instance) in LIVING}
        return (there | coming) - {wanted.identity}

    @contextmanager
    def _turn(self, host: str, task: Task) -> Iterator[None]:
        lock = self._locks[host]
        while not lock.acquire(timeout=BREATH):
            task.check()
        try:
            yield
        finally:
            lock.release()
