"""How many instances of a type a host may have: looked at before another is started, one start after the other."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from oned.drivers.lib.ec2 import LIVING, Cloud, Instance, state, tags
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
    def kept(self, cloud: Cloud, wanted: Order, task: Task) -> Iterator[Instance | None]:
        """Within the block there is room for the instance; the VM's own, if one lives already, which needs no other.

        Errors: ActionFailed, if there is no room; Cancelled
        """
        most = capacity(cloud)
        if wanted.type not in most:
            raise ActionFailed(
                f"host {cloud.host} has no instances of type {wanted.type}, but of {', '.join(most)}: take one of "
                "those as INSTANCETYPE, or let the administrator add it to EC2_CAPACITY"
            )
        with self._turn(cloud.host, task):
            own, others = self._counted(cloud, wanted)
            if own is None and len(others) >= most[wanted.type]:
                raise ActionFailed(
                    f"host {cloud.host} has {len(others)} instances of type {wanted.type}, and may have "
                    f"{most[wanted.type]}. Try later, or let the administrator raise EC2_CAPACITY"
                )
            self._coming[wanted.identity] = (cloud.host, wanted.type)
        try:
            yield own
        finally:
            self._coming.pop(wanted.identity, None)

    def _counted(self, cloud: Cloud, wanted: Order) -> tuple[Instance | None, set[str]]:
        """The VM's own instance, of any type, and the other VMs that have one of the type, or are about to.

        Who is coming is read first: a start that ends while EC2's list is on its way may not be in that yet.
        """
        coming = {vm for vm, what in list(self._coming.items()) if what == (cloud.host, wanted.type)}
        seen = cloud.instances(tag__ONE_HOST=cloud.host, tag__ONE_SITE=cloud.site, instance_state_name=LIVING)
        living = [(tags(one).get("ONE_VM", ""), one) for one in seen if state(one) in LIVING]
        own = next((one for vm, one in living if vm == wanted.identity), None)
        there = {vm for vm, one in living if one["InstanceType"] == wanted.type}
        return own, (there | coming) - {wanted.identity}

    @contextmanager
    def _turn(self, host: str, task: Task) -> Iterator[None]:
        lock = self._locks[host]
        while not lock.acquire(timeout=BREATH):
            task.check()
        try:
            yield
        finally:
            lock.release()
