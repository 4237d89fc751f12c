"""NICs whose networks are chosen when their VM is placed, by the scheduler (NETWORK_MODE = auto).

All is found first, with its leases, quotas and clusters; then it is taken, in the unit of the deploy.
"""

from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass

from oned.api import disks
from oned.api.call import Call
from oned.api.variables import add_nic
from oned.api.vnet_leases import find_leases, take_leases
from oned.errors import ActionError
from oned.host.host import Host
from oned.pool.charges import holders
from oned.quota.blocks import Where
from oned.template.nic import is_chosen_for
from oned.template.template import Template
from oned.vm import requirements
from oned.vm.vm import VM


@dataclass(frozen=True)
class ChosenNics:
    """The NICs as they will be, with their addresses, and the requirements of a VM that has them."""

    nics: list[dict[str, str]]
    automatic: Template

    def take(self, call: Call, vm: VM) -> None:
        """Give the VM these networks; its guest is told of them by the context disk that is made with its files."""
        by_id = {nic["NIC_ID"]: nic for nic in vm.template.vectors("NIC")}
        for found in self.nics:
            nic = by_id[found["NIC_ID"]]
            nic.clear()
            nic.update(found)
        take_leases(call, vm, [by_id[found["NIC_ID"]] for found in self.nics])
        before = vm.new_context
        for found in self.nics:
            add_nic(call.pools, vm, by_id[found["NIC_ID"]])
        vm.new_context = before
        for name, value in self.automatic:
            vm.template.set(name, value)


NOTHING_CHOSEN = ChosenNics([], Template())


def find_networks(call: Call, vm: VM, host: Host, selections: str) -> ChosenNics:
    """What `selections` choose for the NICs of the VM that leave the choice to the scheduler. Changes nothing.

    selections  NIC = [ NIC_ID, NETWORK_ID ], one for each such NIC
    Errors: ACTION (a NIC without a choice, a choice without such a NIC, a network that the host does not reach),
    INTERNAL (no such network, no free address), AUTHORIZATION (USE on the network; quotas of the VM's owner).
    """
    waiting = {nic["NIC_ID"]: nic for nic in vm.template.vectors("NIC") if is_chosen_for(nic)}
    given = call.template(selections).vectors("NIC") if selections.strip() else []
    chosen = {nic.get("NIC_ID", ""): nic.get("NETWORK_ID", "").strip() for nic in given}
    _check_all(vm, waiting.keys(), chosen)
    if not waiting:
        return NOTHING_CHOSEN
    nics = [nic | {"NETWORK_ID": chosen[number]} for number, nic in waiting.items()]
    sources = find_leases(call, vm.template, nics)
    for name, clusters in sources:
        if clusters and host.cluster not in clusters:
            detail = f"Host [{host.id}] is in cluster {host.cluster}, and {name} is not. Choose another network or host"
            raise ActionError(detail=detail)
    leases: Counter[tuple[Where, str]] = Counter((("NETWORK", int(nic["NETWORK_ID"])), "LEASES") for nic in nics)
    call.charge(holders(vm.uid, vm.gid), leases)
    automatic = Template()
    requirements.set_automatic(automatic, [*sources, *_there(call, vm)])
    return ChosenNics(nics, automatic)


def _check_all(vm: VM, waiting: Set[str], chosen: Mapping[str, str]) -> None:
    """ActionError unless there is a choice for each NIC that waits for one, and for no other."""
    for number in sorted(chosen.keys() - waiting):
        raise ActionError(detail=f"NIC {number or 'without NIC_ID'} of VM {vm.id} waits for no network to be chosen")
    for number in (number for number in waiting if not chosen.get(number)):
        detail = f"NIC {number} of VM {vm.id} has NETWORK_MODE = auto, and no network was chosen for it"
        given = f"NIC = [ NIC_ID = {number}, NETWORK_ID = … ]"
        hint = f"Leave the VM to the scheduler, or name it: {given} in a file for onevm deploy --file"
        raise ActionError(detail=f"{detail}. {hint}")


def _there(call: Call, vm: VM) -> list[requirements.Source]:
    """Where the networks and images are that the VM has already."""
    held = (int(nic["NETWORK_ID"]) for nic in vm.template.vectors("NIC") if nic.get("AR_ID"))
    networks = filter(None, map(call.pools.networks.peek, held))
    images = {
        place: image
        for place, disk in enumerate(vm.template.vectors("DISK"))
        if (image := call.pools.images.peek(int(disk.get("IMAGE_ID") or -1))) is not None
    }
    return [*((f"network {network.id}", network.clusters) for network in networks), *disks.places(call, images)]
