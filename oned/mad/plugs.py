"""What becomes of the disks, NICs and snapshots that were being changed, once the VM's driver has answered.

The change is marked in the VM's template (vm.plug) in the unit that orders it; the mark goes, or what it is on, in the
unit of the answer. A VM that is removed meanwhile keeps the mark until its domain is gone.
"""

from oned.mad.images import ImageWork
from oned.mad.operations import Operations
from oned.mad.snaps import forget
from oned.pool.pools import Pools
from oned.store import tables
from oned.store.unit import Unit, history_row
from oned.template.template import Template
from oned.vm.context import forget_network
from oned.vm.disk import is_changing
from oned.vm.fire import Cause
from oned.vm.nic import BEFORE, find
from oned.vm.row import Row
from oned.vm.states import CHANGING, CLEANUP, HOTPLUG_PROLOG_POWEROFF, State
from oned.vm.vm import RESIZED, SIZES, VM

STAYS = frozenset({"attachdisk done", "detachdisk failed", "attachnic done", "detachnic failed"})
"""Answers after which what was being changed is there."""


class Plugs:
    """Hears of each transition; `images` are told of disks that become one when they are detached."""

    def __init__(self, operations: Operations, pools: Pools, images: ImageWork) -> None:
        self._pools, self._images = pools, images
        operations.followers.append(self.followed)

    def followed(self, unit: Unit, vm: VM, row: Row, _cause: Cause) -> None:
        """Settle what was being changed, if the VM is not changed any more."""
        if vm.state in CHANGING | CLEANUP or vm.previous not in CHANGING | CLEANUP:
            return
        stays, well = _stays(vm.previous, row.event), row.outcome == "done" and vm.previous not in CLEANUP
        if RESIZED in vm.template:
            self._resized(unit, vm, well=row.event == "resize done")
        if BEFORE in vm.template:
            self._updated(unit, vm, well=row.event == "updatenic done")
        for name in ("DISK", "NIC"):
            for vector in vm.template.vectors(name):
                if is_changing(vector):
                    del vector["ATTACH"]
                    if not stays:
                        self._gone(unit, vm, vector, well=well)
                    unit.touch(vm)

    def _resized(self, unit: Unit, vm: VM, *, well: bool) -> None:
        """The VM has its new capacity, or what it had again; the stay that began with the change says so."""
        before = vm.template.vector(RESIZED)
        vm.template.remove(RESIZED)
        for name in () if well else SIZES:
            vm.template.remove(name)
            if name in before:
                vm.template.set(name, before[name])
        vm.settle_capacity()
        self._pools.followed(vm)
        if vm.history:
            vm.record.cpu, vm.record.memory = vm.capacity
            unit.put(tables.history, history_row(vm.id, vm.record))
        unit.touch(vm)

    def _updated(self, unit: Unit, vm: VM, *, well: bool) -> None:
        """The NIC is what it is to be, or what it was again."""
        before = vm.template.vector(BEFORE)
        vm.template.remove(BEFORE)
        nic = find(vm.template, before["NIC_ID"])
        if nic is not None:
            wanted = dict(nic) if well else before
            nic.clear()
            nic.update({name: value for name, value in wanted.items() if name != "ATTACH"})
        unit.touch(vm)

    def _gone(self, unit: Unit, vm: VM, vector: dict[str, str], *, well: bool) -> None:
        """The disk or NIC is the VM's no more: its image is free, or becomes another; its address is free.

        well  its guest has given it up, and its files are where they belong
        """
        if "NIC_ID" in vector:
            take_nic(self._pools, unit, vm, vector)
            return
        vm.template = Template(item for item in vm.template if item[1] is not vector)
        vm.settle_images()
        forget(vm, [int(vector["DISK_ID"])])
        self._pools.followed(vm)
        if "SAVE_AS" in vector:
            self._images.became(unit, vm, vector["SAVE_AS"], vector if well else None)


def take_nic(pools: Pools, unit: Unit, vm: VM, nic: dict[str, str]) -> None:
    """Take a NIC from a VM: its address is free, and the guest hears no more of it from the next boot on."""
    network = pools.networks.peek(int(nic["NETWORK_ID"])) if nic.get("AR_ID") else None
    place = network.place_of(nic) if network is not None else None
    if network is not None and place is not None:
        pools.leases.give_back(unit, network, place)
    vm.template = Template(item for item in vm.template if item[1] is not nic)
    context = vm.template.vector("CONTEXT")
    before = dict(context)
    forget_network(context, nic)
    vm.new_context = vm.new_context or context != before


def _stays(before: State, event: str) -> bool:
    """Whether what was being attached has come, or what was being detached has stayed."""
    if event in ("transfer done", "transfer failed"):
        return (before is HOTPLUG_PROLOG_POWEROFF) is (event == "transfer done") and before not in CLEANUP
    return event in STAYS
