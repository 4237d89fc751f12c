"""one.vm.updateconf: how the machine is built and what its guest is told, of VMs that are there already."""

import copy

from oned.api import machine
from oned.api.call import Call
from oned.api.files import fill_files
from oned.api.new_vm import check_restricted
from oned.api.owned import REPLACE
from oned.api.registry import method, operation
from oned.api.variables import fill_context
from oned.errors import ActionError
from oned.template.configuration import configured, sections
from oned.template.template import Template
from oned.vm import allocate as rules
from oned.vm.context import as_written, check_context
from oned.vm.states import CLONING, FAILED, HOLD, PENDING, POWEROFF, RUNNING, UNDEPLOYED
from oned.vm.targets import Prefixes, assign
from oned.vm.vm import VM

CONFIGURABLE = PENDING | HOLD | CLONING | POWEROFF | UNDEPLOYED | RUNNING | FAILED
"""States in which it is taken: no memory of the guest is saved anywhere, and no driver is at work on it."""


@method("one.vm.updateconf", vm=operation("updateconf"))
def updateconf(call: Call, vm: VM, template: str, append: int = REPLACE) -> VM:
    """Change OS, FEATURES, INPUT, GRAPHICS, VIDEO, RAW, CPU_MODEL and CONTEXT of a VM.

    A VM that runs has them when it is switched off and on again: its domain is built anew, and its context disk too.
    CONTEXT stays if it is not given, and goes if it is empty; values that stay as they are, are not read again for
    variables. Other attributes are left alone.

    append  0 replaces the sections and drops those that are not given, 1 merges keys into them
    Errors: NO_EXISTS, AUTHORIZATION (also: restricted attributes), ACTION (the state; the template does not parse),
    INTERNAL (a section or its variables), XML_RPC_API (append).
    Since: 5.0; append 6.0.
    """
    if vm.state not in CONFIGURABLE:
        detail = f"Could not update configuration of VM {vm.id}, wrong state {vm.state}. Wait until it runs"
        raise ActionError(detail=f"{detail}, or power it off: onevm resume, onevm poweroff")
    given = sections(call.updated(Template(), template, append))
    before = as_written(vm.template)
    wanted = as_written(configured(before, given, append=bool(append)))
    check_restricted(call, wanted, before)
    rules.check_words(wanted)
    _fill(call, vm, wanted)
    vm.new_context = _renews(vm, wanted)
    vm.template = wanted
    call.unit.touch(vm)
    return vm


def _fill(call: Call, vm: VM, wanted: Template) -> None:
    """Put files, variables and the place of the context disk into a template that is no VM's yet."""
    machine.fill(wanted)
    context, old = wanted.vector("CONTEXT"), vm.template.vector("CONTEXT")
    new = {name: text for name, text in context.items() if old.get(name) != text}
    check_context(Template([("CONTEXT", dict(new))]))
    fill_files(call, wanted, vm.template)
    if not context:
        return
    _place(call, wanted, context)
    draft = copy.copy(vm)
    draft.template = wanted
    fill_context(call.pools, draft, new)


def _place(call: Call, wanted: Template, context: dict[str, str]) -> None:
    """Give the context disk a number and a device, if it has none. InternalError for a device of another disk."""
    disks = wanted.vectors("DISK")
    context.setdefault("DISK_ID", str(1 + max((int(disk["DISK_ID"]) for disk in disks), default=-1)))
    setting = call.services.setting
    assign(disks, context, Prefixes(setting("DEFAULT_DEVICE_PREFIX"), setting("DEFAULT_CDROM_DEVICE_PREFIX")), set())


def _renews(vm: VM, wanted: Template) -> bool:
    """Whether a context disk that is there already, or that was never made, is not what the template says."""
    context = wanted.vector("CONTEXT")
    changed = vm.new_context or context != vm.template.vector("CONTEXT")
    return bool(context and vm.history and changed)
