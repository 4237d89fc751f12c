"""How many instances a host of EC2 may have: what is counted while other starts are under way."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import cast

import pytest

from oned.drivers.lib.ec2 import Cloud, Instance
from oned.drivers.lib.task import ActionFailed, Task
from oned.drivers.vmm.ec2_order import Order
from oned.drivers.vmm.ec2_room import Room


class OneInstance:
    """A host that may have one instance. What happens while EC2's list is on its way is not in that list."""

    host, site = "ec2", "oned"

    def __init__(self) -> None:
        self.running: list[Instance] = []
        self.on_the_way: Callable[[], None] = lambda: None

    def setting(self, name: str, default: str = "") -> str:
        return {"EC2_CAPACITY": "m5.large=1"}.get(name, default)

    def instances(self, **_filters: object) -> list[Instance]:
        listed = list(self.running)
        self.on_the_way()
        return listed

    def start(self, vm: str) -> None:
        mark = {"Key": "ONE_VM", "Value": vm}
        self.running.append({"State": {"Name": "running"}, "InstanceType": "m5.large", "Tags": [mark]})


class Uncancelled:
    """An action that nobody cancels."""

    def check(self) -> None:
        pass


def order(vm: str) -> Order:
    return Order(identity=vm, token=vm, type="m5.large")


def test_a_start_that_ends_while_the_list_for_the_next_is_on_its_way_keeps_its_room() -> None:
    room, here, task = Room(), OneInstance(), cast(Task, Uncancelled())
    cloud, first = cast(Cloud, here), ExitStack()
    first.enter_context(room.kept(cloud, order("first"), task))

    def end_of_first() -> None:
        here.start("first")
        first.close()

    here.on_the_way = end_of_first
    why = r"has 1 instances of type m5\.large, and may have 1"
    with pytest.raises(ActionFailed, match=why), room.kept(cloud, order("second"), task):
        pass


def test_a_start_that_failed_leaves_its_room_to_the_next() -> None:
    room, cloud, task = Room(), cast(Cloud, OneInstance()), cast(Task, Uncancelled())
    with pytest.raises(ActionFailed, match="no capacity"), room.kept(cloud, order("first"), task):
        raise ActionFailed("no capacity")
    with room.kept(cloud, order("second"), task), pytest.raises(ActionFailed, match="may have 1"):
        room.kept(cloud, order("third"), task).__enter__()


def test_a_vm_whose_instance_lives_needs_no_room() -> None:
    room, here, task = Room(), OneInstance(), cast(Task, Uncancelled())
    here.start("other")
    here.start("first")
    with room.kept(cast(Cloud, here), order("first"), task) as own:
        assert own is here.running[1]
