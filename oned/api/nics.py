"""one.vm.attachnic and one.vm.detachnic: NICs of VMs that are there already, whether they run or are powered off."""

from oned.api.call import Call
from oned.api.new_vm import check_restricted
from oned.api.registry import method, operation
from oned.api.variables import add_nic
from oned.api.vnet_leases import find_leases, take_leases
from oned.errors import ActionError, InternalError
from oned.mad.plugs import take_nic
from oned.pool.charges import holders
from oned.quota.blocks import Amounts
from oned.vm.fire import find
from oned.vm.states import RUNNING
from oned.vm.vm import VM

RIGHT = operation("nic-attach")


@method("one.vm.attachnic", vm=RIGHT)
def attach(call: Call, vm: VM, template: str) -> VM:
    """Give a VM that runs or is powered off one more NIC, NIC = [ NETWORK or NETWORK_ID … ], and an address for it.

    The NIC is in the VM's template at once, while it runs with ATTACH=YES until its driver is done. With
    CONTEXT/NETWORK=YES the guest is told of it at its next boot.
    Errors: NO_EXISTS, AUTHORIZATION (also: quota), ACTION (the state; the network is not where the VM is), INTERNAL
    (the template, no free address).
    Since: 4.0.
    """
    _demand(vm, "nic-attach", f"Could not add a new NIC to VM {vm.id}")
    given = call.template(template)
    check_restricted(call, given)
    if len(given.vectors("NIC")) != 1:
        raise InternalError(detail="Wrong template: it has not one NIC. Give NIC = [ NETWORK_ID = … ]")
    nic = given.vector("NIC")
    nic.pop("ATTACH", None)
    number = 1 + max((int(other["NIC_ID"]) for other in vm.template.vectors("NIC")), default=-1)
    nic["NIC_ID"] = str(number)
    nic.setdefault("NAME", f"NIC{number}")
    for name, clusters in find_leases(call, vm.template, [nic]):
        if clusters and vm.record.cid not in clusters:
            raise ActionError(detail=f"VM {vm.id} is in cluster {vm.record.cid}, and {name} is not. Choose another")
        lease: Amounts = {(("NETWORK", int(nic["NETWORK_ID"])), "LEASES"): 1}
        call.charge(holders(vm.uid, vm.gid), lease)
    take_leases(call, vm, [nic])
    _mark(vm, nic)
    vm.template.add("NIC", nic)
    add_nic(call.pools, vm, nic)
    call.fire(vm, "nic-attach")
    return vm


@method("one.vm.detachnic", vm=RIGHT)
def detach(call: Call, vm: VM, number: int) -> VM:
    """Take a NIC from a VM that runs or is powered off; its address is free when the NIC has gone.

    Errors: NO_EXISTS, AUTHORIZATION, ACTION (no such NIC; the state).
    Since: 4.0.
    """
    _demand(vm, "nic-detach", f"Could not detach NIC from VM {vm.id}")
    nic = next((one for one in vm.template.vectors("NIC") if one["NIC_ID"] == str(number)), None)
    if nic is None:
        numbers = ", ".join(one["NIC_ID"] for one in vm.template.vectors("NIC")) or "none"
        raise ActionError(detail=f"Could not detach NIC with NIC_ID {number}, it does not exist. There is: {numbers}")
    _mark(vm, nic)
    if vm.state is not RUNNING:
        take_nic(call.pools, call.unit, vm, nic)
    call.fire(vm, "nic-detach")
    return vm


def _mark(vm: VM, nic: dict[str, str]) -> None:
    """Say for the driver of a VM that runs which NIC is meant."""
    if vm.state is RUNNING:
        nic["ATTACH"] = "YES"


def _demand(vm: VM, event: str, what: str) -> None:
    """ActionError unless the VM runs or is powered off."""
    if find(vm, event) is None:
        raise ActionError(detail=f"{what}, wrong state {vm.state}. It must be RUNNING or POWEROFF")
