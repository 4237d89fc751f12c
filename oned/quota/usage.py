"""What an object counts against the quotas of its owner and group: a function of the object alone."""

from collections import defaultdict
from collections.abc import Mapping

from oned.image.image import Image
from oned.numbers import whole
from oned.quota.blocks import Amounts, Where
from oned.template.template import Template
from oned.vm.disk import is_link, size, snapshots_size
from oned.vm.states import DONE, POWEROFF, STOPPED, SUSPENDED, UNDEPLOYED
from oned.vm.vm import KIB_PER_MIB, VM, Capacity
from oned.vnet.network import Network

VMS: Where = ("VM", -1)
AT_REST = SUSPENDED | POWEROFF | STOPPED | UNDEPLOYED
"""States in which a VM counts in the VM block, but not in its RUNNING_ keys."""
NOTHING: Amounts = {}
_COUNT, _CPU, _MEMORY, _DISK = ((VMS, key) for key in ("VMS", "CPU", "MEMORY", "SYSTEM_DISK_SIZE"))
_RUNNING = {place: (VMS, f"RUNNING_{place[1]}") for place in (_COUNT, _CPU, _MEMORY)}
"""What is always counted → the same of VMs that do not rest. One object of each: every VM that lives has them."""


def of_vm(vm: VM) -> Amounts:
    """What a VM counts: capacity, disks, one lease per NIC in a network, one use of each image."""
    if vm.state is DONE:
        return NOTHING
    counted: dict[tuple[Where, str], int] = defaultdict(int)
    counted |= {_COUNT: 1, **of_capacity(vm.capacity)}
    counted[_DISK] = sum(map(_disk_size, vm.template.vectors("DISK")))
    if vm.state not in AT_REST:
        counted |= running(vm)
    for network in _ids(vm.template, "NIC", "NETWORK_ID"):
        counted[("NETWORK", network), "LEASES"] += 1
    for image in set(_ids(vm.template, "DISK", "IMAGE_ID")):
        counted[("IMAGE", image), "RVMS"] += 1
    return dict(counted)


def of_network(network: Network) -> Amounts:
    """What a network counts: the addresses that it has reserved from another one."""
    return reserved(network.parent, network.size) if network.parent >= 0 else NOTHING


def of_image(image: Image) -> Amounts:
    """What an image counts against its datastore: one image, and its MiB."""
    where: Where = ("DATASTORE", image.datastore)
    return {(where, "IMAGES"): 1, (where, "SIZE"): image.room}


def of_image_growth(image: Image, more: int) -> Amounts:
    """What an image with so many MiB more would count beside what it counts now."""
    return {(("DATASTORE", image.datastore), "SIZE"): more}


def reserved(parent: int, size: int) -> Amounts:
    """What so many addresses of a network count, for whoever reserves them."""
    return {(("NETWORK", parent), "LEASES"): size}


def of_capacity(capacity: Capacity) -> Amounts:
    """What a capacity counts, whatever the VM does."""
    return {_CPU: capacity.cpu, _MEMORY: capacity.memory // KIB_PER_MIB}


def of_growth(vm: VM, more: Capacity) -> Amounts:
    """What a VM would count beside what it counts now, with so much more capacity."""
    always = of_capacity(more)
    return always if vm.state in AT_REST else {**always, **_running(always)}


def of_disk_growth(disk: Mapping[str, str], more: int) -> Amounts:
    """The same for a disk with so many MiB more."""
    return NOTHING if is_link(disk) else {_DISK: more}


def of_disk_snapshot(size: int) -> Amounts:
    """The same for one more snapshot of a disk of so many MiB."""
    return {_DISK: size}


def of_new_disk(vm: VM, disk: Mapping[str, str]) -> Amounts:
    """What a VM would count beside what it counts now, with one more disk."""
    counted: dict[tuple[Where, str], int] = {_DISK: _disk_size(disk)}
    image = disk.get("IMAGE_ID", "")
    if whole(image) >= 0 and whole(image) not in vm.images:
        counted[("IMAGE", whole(image)), "RVMS"] = 1
    return counted


def running(vm: VM) -> Amounts:
    """What a VM counts while it does not rest, beside what it always counts."""
    return _running({_COUNT: 1, **of_capacity(vm.capacity)})


def _running(always: Amounts) -> Amounts:
    return {_RUNNING[place]: amount for place, amount in always.items()}


def _disk_size(disk: Mapping[str, str]) -> int:
    """MiB that the disk takes of the system datastore: a link to an image or another file takes none."""
    return snapshots_size(disk) + (0 if is_link(disk) else size(disk))


def _ids(template: Template, name: str, key: str) -> list[int]:
    values = (whole(vector.get(key, "")) for vector in template.vectors(name))
    return [value for value in values if value >= 0]
