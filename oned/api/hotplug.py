"""one.vm.attach and one.vm.detach: disks of VMs that are there already, whether they run or are powered off."""

from oned.api import disks
from oned.api.call import Call
from oned.api.new_vm import check_restricted
from oned.api.placement import check_disk_room
from oned.api.registry import method, operation
from oned.errors import ActionError, InternalError
from oned.pool.charges import holders
from oned.quota.usage import of_new_disk
from oned.template.template import Template
from oned.vm import allocate as rules
from oned.vm.disk import next_number, on_system
from oned.vm.fire import find
from oned.vm.targets import Prefixes, assign
from oned.vm.vm import VM

RIGHT = operation("disk-attach")


@method("one.vm.attach", vm=RIGHT)
def attach(call: Call, vm: VM, template: str) -> VM:
    """Give a VM that runs or is powered off one more disk, DISK = [ IMAGE or IMAGE_ID … ] or [ TYPE = fs | swap … ].

    The disk is in the VM's template at once, with ATTACH=YES until the drivers are done; it goes again if they fail.
    Errors: NO_EXISTS, AUTHORIZATION (also: quota), ACTION (state, room, cluster), INTERNAL (the template, the image).
    Since: 3.6; powered off 4.4.
    """
    _demand(vm, "disk-attach", f"Could not add a new disk to VM {vm.id}")
    given = call.template(template)
    check_restricted(call, given)
    if len(given.vectors("DISK")) != 1:
        raise InternalError(detail="Wrong template: it has not one DISK. Give DISK = [ IMAGE_ID = … ]")
    disk = _found(call, vm, given)
    call.charge(holders(vm.uid, vm.gid), of_new_disk(vm, disk))
    disk["ATTACH"] = "YES"
    vm.template.add("DISK", disk)
    vm.settle_images()
    call.fire(vm, "disk-attach")
    return vm


def _found(call: Call, vm: VM, given: Template) -> dict[str, str]:
    """The disk with all that its image, its datastore and the VM's other disks say of it; raises what refuses it."""
    wanted = Template([("DISK", given.vector("DISK"))])
    rules.check_disks(wanted)
    images = disks.find(call, wanted)
    disks.fill(call, wanted, images)
    disk = wanted.vector("DISK")
    for name, clusters in disks.places(call, images):
        if clusters and vm.record.cid not in clusters:
            raise ActionError(detail=f"VM {vm.id} is in cluster {vm.record.cid}, and {name} is not. Choose another")
    check_disk_room(call, vm, on_system(Template([("DISK", disk)])))
    setting = call.services.setting
    prefixes = Prefixes(setting("DEFAULT_DEVICE_PREFIX"), setting("DEFAULT_CDROM_DEVICE_PREFIX"))
    disk["DISK_ID"] = str(next_number(vm.template))
    assign([*vm.template.vectors("DISK"), disk], vm.template.vector("CONTEXT"), prefixes, set())
    return disk


@method("one.vm.detach", forms=("vm disk", "vm number"), vm=RIGHT)
def detach(call: Call, vm: VM, disk: int = -1, number: str = "") -> VM:
    """Take a disk from a VM that runs or is powered off. What is persistent or to be saved is kept where it belongs.

    number  the disk as a client of 3.8.0 sends it
    Errors: NO_EXISTS, AUTHORIZATION, ACTION (state, no such disk, the disk is being saved).
    Since: 3.6; powered off 4.4.
    """
    _demand(vm, "disk-detach", f"Could not detach a disk from VM {vm.id}")
    wanted = str(disk) if "disk" in call.form else number.strip()
    vector = next((one for one in vm.template.vectors("DISK") if one.get("DISK_ID") == wanted), None)
    if vector is None:
        numbers = ", ".join(one.get("DISK_ID", "") for one in vm.template.vectors("DISK")) or "none"
        raise ActionError(detail=f"Could not detach disk with DISK_ID {wanted}, it does not exist. There is: {numbers}")
    vector["ATTACH"] = "YES"
    call.fire(vm, "disk-detach")
    return vm


def _demand(vm: VM, event: str, what: str) -> None:
    """ActionError unless the VM runs or is powered off."""
    if not vm.history:
        raise ActionError(detail=f"{what}, wrong state {vm.state}. VM is not running in any host. Deploy it first")
    if find(vm, event) is None:
        raise ActionError(detail=f"{what}, wrong state {vm.state}. It must be RUNNING or POWEROFF")
