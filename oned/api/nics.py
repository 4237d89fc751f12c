"""one.vm.attachnic and one.vm.detachnic: NICs of VMs that are there already."""

from oned.api.call import Call
from oned.api.new_vm import check_restricted
from oned.api.registry import method, operation
from oned.api.vnet_leases import find_leases, take_leases
from oned.errors import ActionError, InternalError
from oned.pool.charges import holders
from oned.quota.blocks import Amounts
from oned.template.template import Template
from oned.vm.fire import find
from oned.vm.states import RUNNING
from oned.vm.vm import VM


@method("one.vm.attachnic", vm=operation("nic-attach"))
def attach(call: Call, vm: VM, template: str) -> VM:
    """Give a VM that is powered off one more NIC, NIC = [ NETWORK or NETWORK_ID … ], and an address for it.

    Errors: NO_EXISTS, AUTHORIZATION (also: quota), ACTION (the VM is not powered off; the network is not where the
    VM is), INTERNAL (the template, no free address).
    Since: 4.0.
    """
    _demand_rest(vm, "nic-attach", f"Could not add a new NIC to VM {vm.id}")
    given = call.template(template)
    check_restricted(call, given)
    if len(given.vectors("NIC")) != 1:
        raise InternalError(detail="Wrong template: it has not one NIC. Give NIC = [ NETWORK_ID = … ]")
    nic = given.vector("NIC")
    number = 1 + max((int(other["NIC_ID"]) for other in vm.template.vectors("NIC")), default=-1)
    nic["NIC_ID"] = str(number)
    nic.setdefault("NAME", f"NIC{number}")
    for name, clusters in find_leases(call, vm.template, [nic]):
        if clusters and vm.record.cid not in clusters:
            raise ActionError(detail=f"VM {vm.id} is in cluster {vm.record.cid}, and {name} is not. Choose another")
        lease: Amounts = {(("NETWORK", int(nic["NETWORK_ID"])), "LEASES"): 1}
        call.charge(holders(vm.uid, vm.gid), lease)
    take_leases(call, vm, [nic])
    vm.template.add("NIC", nic)
    call.fire(vm, "nic-attach")
    return vm


@method("one.vm.detachnic", vm=operation("nic-attach"))
def detach(call: Call, vm: VM, number: int) -> VM:
    """Take a NIC from a VM that is powered off; its address is free then.

    Errors: NO_EXISTS, AUTHORIZATION, ACTION (no such NIC; the VM is not powered off).
    Since: 4.0.
    """
    _demand_rest(vm, "nic-detach", f"Could not detach NIC from VM {vm.id}")
    nic = next((one for one in vm.template.vectors("NIC") if one["NIC_ID"] == str(number)), None)
    if nic is None:
        numbers = ", ".join(one["NIC_ID"] for one in vm.template.vectors("NIC")) or "none"
        raise ActionError(detail=f"Could not detach NIC with NIC_ID {number}, it does not exist. There is: {numbers}")
    network = call.pools.networks.peek(int(nic["NETWORK_ID"])) if nic.get("AR_ID") else None
    place = network.place_of(nic) if network is not None else None
    if network is not None and place is not None:
        call.pools.leases.give_back(call.unit, network, place)
    vm.template = Template(item for item in vm.template if item[1] is not nic)
    call.fire(vm, "nic-detach")
    return vm


def _demand_rest(vm: VM, event: str, what: str) -> None:
    """ActionError unless the VM is powered off: no driver here changes the NICs of a VM that runs."""
    if vm.state is RUNNING or find(vm, event) is None:
        raise ActionError(detail=f"{what}, wrong state {vm.state}. Power it off first: onevm poweroff {vm.id}")
