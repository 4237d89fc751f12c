"""How a VM is made, for every method that makes one: one.vm.allocate and one.template.instantiate.

Each part that the VM needs is found first and taken then (share/doc/design/002-objects.md): whatever refuses it,
refuses before anything is changed.
"""

from oned import clock
from oned.api import disks, machine
from oned.api.call import Call
from oned.api.files import fill_files
from oned.api.placement import check_size
from oned.api.variables import fill_variables
from oned.api.vnet_leases import find_leases, take_leases
from oned.errors import NotAuthorized
from oned.names import check_name, numbered
from oned.pool.charges import holders
from oned.quota.usage import of_vm
from oned.template.template import Template
from oned.vm import allocate as rules
from oned.vm import requirements
from oned.vm.context import check_context, check_safe
from oned.vm.row import IMPORTED
from oned.vm.states import CLONING, HOLD, PENDING
from oned.vm.targets import Prefixes
from oned.vm.vm import VM

DEFAULT_PREFIX = "one"


def make_vm(call: Call, template: Template, *, hold: bool = False, prefix: str = DEFAULT_PREFIX) -> VM:
    """A new VM of the caller, made of a template whose attributes he may use; it waits for the scheduler.

    hold    it waits for release instead
    prefix  a VM without a NAME is called PREFIX-ID
    Errors: INTERNAL (the template).
    """
    return admit_vm(call, found_vm(call, template, hold=hold, prefix=prefix))


def admit_vm(call: Call, vm: VM) -> VM:
    """Give the VM from `found_vm` its id and what was found for it."""
    vm.id = call.pools.vms.next_id(call.unit)
    take_leases(call, vm, vm.template.vectors("NIC"))
    vm.stime = clock.stamp()
    call.pools.vms.add(call.unit, vm)
    call.pools.uses.refresh(vm)
    call.created(vm, str(vm.state))
    return vm


def found_vm(
    call: Call, template: Template, *, hold: bool = False, prefix: str = DEFAULT_PREFIX,
    copies: disks.Chosen = disks.NO_IMAGES,
) -> VM:  # fmt: skip
    """The VM that would be made, with the id of the next one, in no pool. Raises what refuses it; changes nothing.

    copies  images that are going to be copied for its disks: it is CLONING until they are there
    """
    user, setting = call.user, call.services.setting
    given = template.copy()
    rules.check_forms(given)
    rules.check_capacity(given)
    rules.check_disks(template)
    machine.check(template)
    check_context(template)
    name = check_name(template.get("NAME")) if template.get("NAME") else ""
    number = call.pools.vms.last_id + 1
    vm = VM(number, name or numbered(prefix, number), (user.id, user.gid), call.octal)
    images = disks.find(call, given, copies)
    disks.fill(call, given, images)
    fill_files(call, given)
    prefixes = Prefixes(setting("DEFAULT_DEVICE_PREFIX"), setting("DEFAULT_CDROM_DEVICE_PREFIX"))
    rules.fill(vm, given, prefixes, disks.systems(images))
    sources = find_leases(call, vm.template, vm.template.vectors("NIC"), later=True)
    requirements.set_automatic(vm.template, [*sources, *disks.places(call, images)])
    check_size(call, vm)
    vm.state = HOLD if hold or template.get("SUBMIT_ON_HOLD").upper() == "YES" else PENDING
    if copies:
        vm.template.set("SUBMIT_ON_HOLD", "YES" if vm.state is HOLD else "NO")
        vm.state = CLONING
    call.charge(holders(vm.uid, vm.gid), of_vm(vm))
    machine.fill(vm.template)
    fill_variables(call.pools, vm)
    return vm


def check_restricted(call: Call, given: Template, before: Template = rules.NOTHING) -> None:
    """NotAuthorized if the template sets, changes or drops what only oneadmin's group may set.

    before  the template so far: what stays as it is may stay
    """
    if not call.user.is_admin:
        if given.get(IMPORTED):
            reason = f"{IMPORTED} takes over a domain that runs already, which is oneadmin's group's to do"
            raise NotAuthorized(uid=call.user.id, reason=reason)
        if given.vectors("PCI") != before.vectors("PCI"):
            reason = "PCI gives the VM a device of its host, which is oneadmin's group's to do"
            raise NotAuthorized(uid=call.user.id, reason=reason)
        rules.check_restricted(given, call.services.setting("VM_RESTRICTED_ATTR"), call.user.id, before)
        check_safe(given, call.services.setting("CONTEXT_SAFE_DIRS").split(), call.user.id, before)
