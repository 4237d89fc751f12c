"""Where a VM may go: the checks of deploy and migrate."""

from oned.api.call import Call
from oned.command import Mad
from oned.datastore.datastore import SYSTEM, Datastore
from oned.document.permissions import USE
from oned.errors import ActionError, NoExists, NoRoom
from oned.host.host import Host
from oned.host.states import HostState
from oned.ids import Kind
from oned.mad.dialect import guesses_paths
from oned.vm.row import Placement
from oned.vm.vm import VM

UNITS = {"CPU": "hundredths of a core", "memory": "KiB"}


def check_room(call: Call, vm: VM, host: Host, *, enforce: bool) -> None:
    """ActionError if the host is off, or has too little room and that counts."""
    if host.state is HostState.OFFLINE:
        raise ActionError(detail="Host is offline, cannot use it to deploy VM. Enable it first: onehost enable")
    if not enforce and not call.services.setting("ALWAYS_ENFORCE"):
        return
    lack = host.lacks(vm.capacity)
    if lack is not None:
        what, wanted, free = lack
        raise NoRoom(id=vm.id, host=host.id, what=what, wanted=wanted, free=free)


def check_datastore(call: Call, datastore: int) -> None:
    """NotAuthorized for a datastore that is named and that the caller may not use; -1 names none."""
    if datastore >= 0:
        call.demand(USE, call.pools.datastores.get(datastore))


def placement(call: Call, host: Host, datastore: int) -> Placement:
    """The place on a host; datastore -1 takes the first system datastore of the host's cluster."""
    chosen = _datastore(call, host, datastore)
    driver = call.services.operations.drivers.find(Mad.VMM, host.vm_mad)
    return Placement(
        hid=host.id,
        hostname=host.name,
        cid=host.cluster,
        vm_mad=host.vm_mad,
        tm_mad=host.transfers_by(chosen.tm_mad),
        ds_id=chosen.id,
        sysds_path=chosen.base_path,
        images=driver is not None and guesses_paths(driver.section),
    )


def _datastore(call: Call, host: Host, number: int) -> Datastore:
    if number >= 0:
        chosen = call.pools.datastores.get(number)
        if chosen.type != SYSTEM:
            raise ActionError(detail=f"Datastore [{number}] is no system datastore. onedatastore list shows the types")
        if chosen.state != 0:
            raise ActionError(detail=f"Datastore [{number}] is disabled. Enable it first: onedatastore enable {number}")
        return chosen
    for candidate in call.pools.datastores:
        if candidate.type == SYSTEM and candidate.state == 0 and host.cluster in candidate.clusters:
            return candidate
    raise NoExists(kind=Kind.DATASTORE.value, id=number)
