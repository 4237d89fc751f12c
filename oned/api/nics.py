"""one.vm.attachnic, detachnic and updatenic: NICs of VMs that are there already, run they or not."""

from oned.api.call import Call
from oned.api.new_vm import check_restricted
from oned.api.owned import REPLACE
from oned.api.registry import method, operation
from oned.api.variables import add_nic
from oned.api.vnet_leases import find_leases, take_leases
from oned.errors import ActionError, InternalError
from oned.mad.plugs import take_nic
from oned.pool.charges import holders
from oned.quota.blocks import Amounts
from oned.template.template import Template
from oned.vm import fire
from oned.vm.nic import BEFORE, changed_identity, find, free, updated
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
    nic = _found(vm, number, "detach")
    _mark(vm, nic)
    if vm.state is not RUNNING:
        take_nic(call.pools, call.unit, vm, nic)
    call.fire(vm, "nic-detach")
    return vm


@method("one.vm.updatenic", vm=RIGHT)
def update(call: Call, vm: VM, number: int, template: str, append: int = REPLACE) -> VM:
    """Change a NIC of a VM that runs or is powered off: limits of bandwidth, filter, firewall rules, own attributes.

    The template is NIC = [ … ], or its attributes alone. What the NIC is stays: network, addresses, bridge. A VM that
    runs has limits, filter and rules at once, and all else at its next boot.

    append  0 replaces what may be changed and drops what is not given, 1 merges
    Errors: NO_EXISTS, AUTHORIZATION (also: restricted attributes), ACTION (no such NIC; the state; the template does
    not parse), INTERNAL (the template), XML_RPC_API (append).
    Since: 6.6.
    """
    _demand(vm, "nic-update", f"Could not update NIC of VM {vm.id}")
    nic = _found(vm, number, "update")
    given = _given(call, template, append)
    if names := changed_identity(nic, given):
        detail = f"{', '.join(names)} of NIC {number} cannot be changed. Detach it, and attach another"
        raise InternalError(detail=detail)
    wanted = updated(nic, given, append=bool(append))
    check_restricted(call, _singly(free(wanted)), _singly(free(nic)))
    if vm.state is RUNNING:
        vm.template.add(BEFORE, dict(nic))
    nic.clear()
    nic.update(wanted)
    _mark(vm, nic)
    call.fire(vm, "nic-update")
    return vm


def _given(call: Call, template: str, append: int) -> dict[str, str]:
    """The attributes in a template, of its one NIC or alone. Errors: INTERNAL."""
    given = call.updated(Template(), template, append)
    vectors = [value for name, value in given if isinstance(value, dict) and name == "NIC"]
    alone = {name: value for name, value in given if isinstance(value, str)}
    if len(vectors) > 1 or (vectors and alone) or len(given) != len(vectors) + len(alone):
        raise InternalError(detail="Wrong template: give one NIC = [ … ], or the attributes of one alone")
    return dict(vectors[0]) if vectors else alone


def _singly(attributes: dict[str, str]) -> Template:
    """Each attribute as a NIC of its own: what is restricted is compared by itself."""
    return Template([("NIC", {name: value}) for name, value in sorted(attributes.items())])


def _mark(vm: VM, nic: dict[str, str]) -> None:
    """Say for the driver of a VM that runs which NIC is meant."""
    if vm.state is RUNNING:
        nic["ATTACH"] = "YES"


def _found(vm: VM, number: int, word: str) -> dict[str, str]:
    nic = find(vm.template, str(number))
    if nic is None:
        numbers = ", ".join(one["NIC_ID"] for one in vm.template.vectors("NIC")) or "none"
        raise ActionError(detail=f"Could not {word} NIC with NIC_ID {number}, it does not exist. There is: {numbers}")
    return nic


def _demand(vm: VM, event: str, what: str) -> None:
    """ActionError unless the VM runs or is powered off."""
    if fire.find(vm, event) is None:
        raise ActionError(detail=f"{what}, wrong state {vm.state}. It must be RUNNING or POWEROFF")
