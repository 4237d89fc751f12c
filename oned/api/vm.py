"""one.vm.*: one virtual machine."""

from oned.api.auto_nics import find_networks
from oned.api.call import Call, Document, Pieces
from oned.api.new_vm import check_restricted, found_vm, make_vm
from oned.api.owned import REPLACE, Space, add_locks, add_owners, add_rename
from oned.api.placement import check_datastore, check_ended, check_room, check_wild, give_port, place_again, place_new
from oned.api.registry import MANAGE, USE, Operation, alias, method, operation
from oned.api.samples import samples
from oned.api.template_images import retry_copies
from oned.errors import ActionError, BadArgument
from oned.host.host import Host
from oned.ids import Kind
from oned.pool.reasons import SCHED_MESSAGE
from oned.store import tables
from oned.template.template import Template
from oned.vm import allocate as rules
from oned.vm.document import full_document
from oned.vm.fire import find, wrong_state
from oned.vm.states import CLONING_FAILURE, RUNNING
from oned.vm.vm import SIZES, VM

ACTIONS: dict[str, str] = {
    name: name
    for name in [
        "terminate",
        "terminate-hard",
        "poweroff",
        "poweroff-hard",
        "undeploy",
        "undeploy-hard",
        "hold",
        "release",
        "stop",
        "suspend",
        "resume",
        "reboot",
        "reboot-hard",
        "resched",
        "unresched",
        "boot",
        "delete",
        "recreate",
    ]
} | {
    "shutdown": "terminate",
    "shutdown-hard": "terminate-hard",
    "cancel": "terminate-hard",
    "finalize": "delete",
    "delete-recreate": "recreate",
    "resubmit": "recreate",
    "restart": "boot",
    "reset": "reboot-hard",
}
"""Names of one.vm.action, modern and classic → events of the life cycle."""

RIGHT_OF_ACTION = {"delete": "delete", "recreate": "delete", "resched": "resched", "unresched": "resched"}
RECOVERIES = ("failure", "success", "retry", "delete", "recreate", "delete-db")
MIGRATIONS = ("migrate", "migrate poweroff", "migrate poweroff-hard")
SPACE = Space("one.vm", VM)


@method("one.vm.allocate")
def allocate(call: Call, template: str, hold: bool = False) -> VM:
    """Make a VM of a template (text or XML); it waits for the scheduler.

    hold  it waits for release instead
    Errors: AUTHORIZATION, INTERNAL (the template, with line and column).
    Since: 1.0; XML 3.0; hold 4.0.
    """
    return make_vm(call, _given(call, template), hold=hold)


@method("oned.vm.preview", reads=True)
def preview(call: Call, template: str, hold: bool = False) -> Document:
    """The VM that one.vm.allocate would make, as the document that it would have now; nothing is changed.

    template, hold  as there
    Errors: those of one.vm.allocate.
    """
    return Document(found_vm(call, _given(call, template), hold=hold).document(call.pools.view))


def _given(call: Call, template: str) -> Template:
    """The template of a VM that the caller may make; raises what he may not."""
    call.demand_create(Kind.VM)
    given = call.template(template)
    check_restricted(call, given)
    return given


@method("one.vm.info", reads=True, vm=USE)
def info(call: Call, vm: VM, decrypt: bool = False) -> Document | Pieces:
    """The document of a VM with all its history records.

    decrypt  accepted; nothing is encrypted here
    Errors: NO_EXISTS, AUTHORIZATION.
    Since: 1.4; decrypt 5.12.
    """
    if len(vm.history) < 2:
        return Pieces([vm.body(call.pools.view)])
    return Document(full_document(vm, call.pools.view))


@method("one.vm.deploy", vm=operation("deploy"), host=MANAGE)
def deploy(call: Call, vm: VM, host: Host, enforce: bool = False, datastore: int = -1, nics: str = "") -> VM:
    """Place a VM on a host and start it; the VM is in PROLOG when the call returns.

    enforce    refuse when the host is disabled or has too little free CPU or memory, or the datastore too little room
               for new disks
    datastore  system datastore id, which needs USE on it; -1 lets oned choose
    nics       networks for the NICs with NETWORK_MODE = auto: NIC = [ NIC_ID, NETWORK_ID ] for each of them
    Errors: NO_EXISTS, AUTHORIZATION (also quotas), ACTION (wrong state, disabled host, no room, networks,
    or what it left there is being ended), INTERNAL (no free address).
    Since: 1.0; enforce 4.0; datastore 4.4; nics 5.8.
    """
    if find(vm, "deploy") is None:
        raise wrong_state(vm, "deploy")
    check_wild(vm, host)
    check_datastore(call, datastore)
    check_ended(call, vm, host)
    check_room(call, vm, host, enforce=enforce)
    place, networks = place_new(call, vm, host, datastore, enforce=enforce), find_networks(call, vm, host, nics)
    give_port(call, vm, host)
    networks.take(call, vm)
    call.fire(vm, "deploy", place)
    vm.user_template.remove(SCHED_MESSAGE)
    call.decided(vm, f"deployed on host {host.name} by {call.user.name}")
    return vm


@method("one.vm.migrate", vm=operation("migrate"), host=MANAGE)
def migrate(
    call: Call, vm: VM, host: Host, live: bool, enforce: bool = False, datastore: int = -1, kind: int = 0
) -> VM:
    """Move a VM to another host.

    live       without stopping it, where it runs
    enforce    refuse when the host is disabled or has too little free CPU or memory, or the datastore too little room
               for disks that go along: to another datastore, or one that hosts do not share
    datastore  system datastore id, which needs USE on it; -1 keeps it
    kind       of a cold migration: 0 saved, 1 powered off, 2 powered off hard
    Errors: NO_EXISTS, AUTHORIZATION, ACTION (wrong state, same host, disabled host, no room, another hypervisor,
    or what an earlier move has left there is being ended).
    Since: 1.0; enforce 4.0; datastore 4.14; kind 5.8.
    """
    if kind not in range(len(MIGRATIONS)):
        raise BadArgument(detail=f"Unknown kind of migration {kind}. It is 0 (save), 1 (poweroff), 2 (poweroff-hard)")
    event = "migrate live" if live else MIGRATIONS[kind]
    if find(vm, event) is None:
        raise wrong_state(vm, event)
    if vm.record.hid == host.id:
        raise ActionError(detail=f"VM is already running on host [{host.id}]")
    if vm.record.vm_mad != host.vm_mad:
        detail = f"VM runs under {vm.record.vm_mad}, host [{host.id}] has {host.vm_mad}. Choose a host of the same kind"
        raise ActionError(detail=detail)
    check_datastore(call, datastore)
    check_ended(call, vm, host)
    check_room(call, vm, host, enforce=enforce)
    call.fire(vm, event, place_again(call, vm, host, datastore, enforce=enforce))
    call.decided(vm, f"{event} to host {host.name} by {call.user.name}")
    return vm


def _right_of_action(_call: Call, action: str, vm: VM) -> Operation:
    event = ACTIONS.get(action, "")
    return operation(RIGHT_OF_ACTION.get(event, event.removesuffix("-hard")))


@method("one.vm.action", vm=_right_of_action)
def action(call: Call, action: str, vm: VM) -> VM:
    """Change the state of a VM, by the modern or the classic name of the action.

    Names: terminate, poweroff, undeploy, reboot (each also -hard), hold, release, stop, suspend, resume, resched,
    unresched; classic: shutdown, shutdown-hard, cancel, finalize, delete, delete-recreate, resubmit, restart, boot,
    reset.
    Errors: NO_EXISTS, AUTHORIZATION, ACTION (unknown name, wrong state).
    Since: 1.0.
    """
    event = ACTIONS.get(action)
    if event is None:
        known = ", ".join(sorted(ACTIONS))
        raise ActionError(detail=f'Action "{action}" is not supported. There are: {known}')
    call.fire(vm, event)
    return vm


@method("one.vm.recover", forms=("vm operation", "vm success"), vm=operation("recover"))
def recover(call: Call, vm: VM, operation: int = -1, success: bool = False) -> VM:
    """Help a VM that waits for a driver, or whose step has failed.

    operation  0 failure, 1 success, 2 retry, 3 delete, 4 delete and recreate, 5 delete from the pool without a driver
    success    4.2 to 4.12: true is operation 1
    A retry of a VM whose images could not be copied begins the copies that failed again.
    Errors: NO_EXISTS, AUTHORIZATION, ACTION (wrong state, unknown operation, an image to copy is gone).
    Since: 4.2; operation 4.14.
    """
    number = operation if "operation" in call.form else int(success)
    if number not in range(len(RECOVERIES)):
        raise ActionError(detail=f"Wrong recovery operation code. It is 0 to {len(RECOVERIES) - 1}")
    if RECOVERIES[number] == "retry" and vm.state is CLONING_FAILURE:
        retry_copies(call, vm)
    else:
        call.recover(vm, RECOVERIES[number])
    return vm


@method("one.vm.update", vm=operation("update"))
def update(call: Call, vm: VM, template: str, append: int = REPLACE) -> VM:
    """Change the USER_TEMPLATE of a VM.

    append  0 replaces it, 1 merges the given attributes into it
    Attributes of VM_RESTRICTED_ATTR stay as they are, unless the caller is of oneadmin's group.
    Errors: NO_EXISTS, AUTHORIZATION, ACTION (the template does not parse), XML_RPC_API (append).
    Since: 4.0; append 4.2.
    """
    updated = call.updated(vm.user_template, template, append)
    check_restricted(call, updated, vm.user_template)
    vm.user_template = updated
    call.unit.touch(vm)
    return vm


@method("one.vm.resize", vm=operation("resize"))
def resize(call: Call, vm: VM, template: str, enforce: bool = True) -> VM:
    """Change CPU, VCPU and MEMORY of a VM.

    A VM that runs gets them by its hypervisor, up to VCPU_MAX and MEMORY_MAX of its template; it has what it had again
    if that fails.
    enforce  refuse when its host has too little left; only oneadmin's group may say no
    Errors: NO_EXISTS, AUTHORIZATION, ACTION (wrong state, no room), INTERNAL (values).
    Since: 4.0; running 6.0.
    """
    if find(vm, "resize") is None:
        raise ActionError(detail=f"Cannot resize a VM in state {vm.state}. Power it off first")
    wanted = vm.template.copy()
    given = call.template(template)
    for name in SIZES:
        if name in given:
            wanted.set(name, given.get(name))
    check_restricted(call, wanted, vm.template)
    rules.check_capacity(wanted)
    if vm.state is RUNNING:
        rules.check_maximum(wanted)
    call.resize(vm, wanted, enforce=enforce or not call.user.is_admin)
    return vm


@method("one.vm.monitoring", reads=True, vm=USE)
async def monitoring(call: Call, vm: VM) -> Pieces:
    """The stored samples of a VM, oldest first: MONITORING_DATA. Errors: NO_EXISTS, AUTHORIZATION. Since: 3.6."""
    return await samples(call, tables.vm_monitoring, {vm.id})


add_owners(SPACE)
add_rename(SPACE, operation("rename"))
add_locks(SPACE)
for old, new in (
    ("one.vmallocate", "one.vm.allocate"),
    ("one.vmdeploy", "one.vm.deploy"),
    ("one.vmaction", "one.vm.action"),
    ("one.vmmigrate", "one.vm.migrate"),
    ("one.vmget_info", "one.vm.info"),
):
    alias(old, new)
