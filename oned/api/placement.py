"""Where a VM may go: the checks of deploy and migrate."""

from dataclasses import replace

from oned.api.call import Call
from oned.command import Mad
from oned.datastore.datastore import SYSTEM, Datastore
from oned.document.permissions import USE
from oned.errors import ActionError, InternalError, NoExists, NoRoom, NoSpace, StillEnding
from oned.host.host import Host
from oned.host.states import HostState
from oned.ids import Kind
from oned.mad.dialect import guesses_paths
from oned.pool.rooms import largest
from oned.template.disk import on_system
from oned.vm.fire import find
from oned.vm.ports import free, port_of
from oned.vm.row import IMPORTED, Placement, is_wild
from oned.vm.states import PROLOG
from oned.vm.vm import VM

UNITS = {"CPU": "hundredths of a core", "memory": "KiB"}


def check_ended(call: Call, vm: VM, host: Host) -> None:
    """StillEnding if what the VM has left on the host, where it is to go, is being ended: the new one could be hit."""
    if call.services.operations.is_ending(vm, host.name):
        raise StillEnding(id=vm.id, host=host.id)


def check_room(call: Call, vm: VM, host: Host, *, enforce: bool) -> None:
    """ActionError if the host is off, or has too little room and that counts.

    Schedulers choose by what they read before: with `enforce` nothing comes to a host that was disabled since.
    """
    if host.state is HostState.OFFLINE:
        raise ActionError(detail="Host is offline, cannot use it to deploy VM. Enable it first: onehost enable")
    if enforce and host.state is HostState.DISABLED:
        detail = f"Host [{host.id}] is disabled: it takes no VMs but those that a person sends there without enforce"
        raise ActionError(detail=f"{detail}. Enable it first: onehost enable {host.id}")
    if not enforce and not call.services.setting("ALWAYS_ENFORCE"):
        return
    lack = host.lacks(vm.capacity)
    if lack is not None:
        what, wanted, free = lack
        raise NoRoom(id=vm.id, host=host.id, what=what, wanted=wanted, free=free)


def give_port(call: Call, vm: VM, host: Host) -> None:
    """Write a port into the VM's GRAPHICS if another VM of the host has its own; one that was named counts at first."""
    graphics = vm.template.vector("GRAPHICS")
    if (port := other_port(call, vm, host)) and (vm.history or not graphics.get("PORT")):
        graphics["PORT"] = str(port)


def other_port(call: Call, vm: VM, host: Host) -> int:
    """The port that the VM's console is to have on a host, where another VM has its own; 0 if none has."""
    base = call.services.setting("VNC_BASE_PORT")
    others = filter(None, (call.pools.vms.peek(number) for number in host.vms if number != vm.id))
    taken = {port for other in others for port in _ports(other, host, base)}
    own = port_of(vm.id, vm.template.vector("GRAPHICS"), base)
    return 0 if own is None or own not in taken else free(vm.id, base, taken)


def _ports(vm: VM, host: Host, base: int) -> list[int | None]:
    """The ports that a VM has on a host, or is to have there at the end of its move."""
    coming = [record.port for record in vm.history[-2:] if record.port and record.hid == host.id]
    return [port_of(vm.id, vm.template.vector("GRAPHICS"), base), *coming]


def _moved_port(call: Call, vm: VM, host: Host) -> int:
    """The port of the console on the host that the VM moves to, if it must be another one; 0 if not.

    The stay that ends remembers what it was: the VM may come back.
    """
    port = other_port(call, vm, host)
    if port:
        base = call.services.setting("VNC_BASE_PORT")
        vm.record.port = port_of(vm.id, vm.template.vector("GRAPHICS"), base) or 0
    return port


def check_datastore(call: Call, datastore: int) -> None:
    """NotAuthorized for a datastore that is named and that the caller may not use; -1 names none."""
    if datastore >= 0:
        call.demand(USE, call.pools.datastores.get(datastore))


def place_new(call: Call, vm: VM, host: Host, datastore: int, *, enforce: bool) -> Placement:
    """The place of a VM that is to be deployed. NoSpace if its disks do not fit, and that counts.

    datastore  -1 takes the first system datastore of the host's cluster that has room
    A VM that brings its disks from elsewhere has them already: how large they are does not matter.
    """
    wanted = on_system(vm.template) if _counts_room(call, enforce=enforce) and makes_disks(vm) else 0
    chosen = _datastore(call, host, datastore, wanted)
    _check_space(call, vm, host, chosen, wanted)
    return _at(call, host, chosen)


def place_again(call: Call, vm: VM, host: Host, datastore: int, *, enforce: bool) -> Placement:
    """The place of a VM that is to move. NoSpace if its disks go along and do not fit there, and that counts.

    datastore  -1 keeps the one where its disks are
    """
    chosen = _datastore(call, host, datastore if datastore >= 0 else vm.record.ds_id)
    go_along = chosen.id != vm.record.ds_id or not chosen.is_shared
    wanted = on_system(vm.template) if go_along and _counts_room(call, enforce=enforce) else 0
    _check_space(call, vm, host, chosen, wanted)
    return replace(_at(call, host, chosen), port=_moved_port(call, vm, host))


def _counts_room(call: Call, *, enforce: bool) -> bool:
    setting = call.services.setting
    return bool((enforce or setting("ALWAYS_ENFORCE")) and setting("DATASTORE_CAPACITY_CHECK"))


def _check_space(call: Call, vm: VM, host: Host, store: Datastore, wanted: int) -> None:
    """NoSpace if so many MiB do not fit into the system datastore; one that was never measured has room."""
    left = call.pools.rooms.left(store, host) if wanted else None
    if left is not None and wanted > left:
        raise NoSpace(id=vm.id, store=store.id, wanted=wanted, free=left)


def check_disk_room(call: Call, vm: VM, wanted: int) -> None:
    """NoSpace if the VM's system datastore has no room for so many MiB more of its disks, as far as that is known."""
    store, host = call.pools.datastores.peek(vm.record.ds_id), call.pools.hosts.peek(vm.record.hid)
    if store is not None and host is not None and _counts_room(call, enforce=True):
        _check_space(call, vm, host, store, wanted)


def makes_disks(vm: VM) -> bool:
    """Whether a deploy of the VM now has its disks made; one that was stopped or undeployed has them."""
    row = find(vm, "deploy")
    return row is not None and row.to is PROLOG


def _at(call: Call, host: Host, chosen: Datastore) -> Placement:
    driver = call.services.operations.drivers.find(Mad.VMM, host.vm_mad)
    return Placement(
        hid=host.id,
        hostname=host.name,
        cid=host.cluster,
        vm_mad=host.vm_mad,
        tm_mad=host.transfers_by(chosen.tm_mad),
        vn_mad=host.vn_mad or "dummy",
        ds_id=chosen.id,
        sysds_path=chosen.base_path,
        images=driver is not None and guesses_paths(driver.section),
    )


def _datastore(call: Call, host: Host, number: int, wanted: int = 0) -> Datastore:
    """The system datastore of that number; of -1 the first of the host's cluster that has so many MiB, or may have.

    Where none has, it is the first of all.
    """
    if number >= 0:
        chosen = call.pools.datastores.get(number)
        if chosen.type != SYSTEM:
            raise ActionError(detail=f"Datastore [{number}] is no system datastore. onedatastore list shows the types")
        if chosen.state != 0:
            raise ActionError(detail=f"Datastore [{number}] is disabled. Enable it first: onedatastore enable {number}")
        return chosen
    found = [store for store in systems(call) if host.cluster in store.clusters]
    if not found:
        raise NoExists(kind=Kind.DATASTORE.value, id=number)
    lefts = ((store, call.pools.rooms.left(store, host) if wanted else None) for store in found)
    return next((store for store, left in lefts if left is None or wanted <= left), found[0])


def systems(call: Call) -> list[Datastore]:
    """The system datastores that are enabled."""
    return [store for store in call.pools.datastores if store.type == SYSTEM and store.state == 0]


def check_size(call: Call, vm: VM) -> None:
    """InternalError for disks that no system datastore could ever have, as far as all of them are known."""
    most, wanted = largest(systems(call)), on_system(vm.template)
    if call.services.setting("DATASTORE_CAPACITY_CHECK") and most is not None and wanted > most:
        detail = f"The disks need {wanted} MB in a system datastore, the largest could have {most} MB"
        raise InternalError(detail=f"{detail}. Make them smaller: SIZE of DISK")


def check_wild(vm: VM, host: Host) -> None:
    """ActionError for a VM that is to take over a domain which does not run there."""
    if is_wild(vm) and not host.has_wild(vm.user_template.get(IMPORTED)):
        name = vm.user_template.get(IMPORTED)
        detail = f"There is no wild VM {name} on host [{host.id}]. onehost show {host.id} lists those that are"
        raise ActionError(detail=detail)
