"""one.datastore.* and one.datastorepool.info: where images and the directories of VMs are."""

from oned.api.call import Call, Pieces
from oned.api.listing import whole
from oned.api.owned import REPLACE, Space, add_info, add_owners, add_rename
from oned.api.registry import ADMIN, MANAGE, method
from oned.datastore import allocate as rules
from oned.datastore.datastore import NO_DRIVER, SYSTEM, Datastore
from oned.errors import ActionError
from oned.ids import Kind
from oned.names import check_name
from oned.vm.states import DONE

SPACE = Space("one.datastore", Datastore)
READY, DISABLED = 0, 1


@method("one.datastore.allocate")
def allocate(call: Call, template: str, cluster: int = -1) -> Datastore:
    """Make a datastore: NAME, TM_MAD, for images and files DS_MAD.

    template  TYPE is IMAGE_DS, FILE_DS or SYSTEM_DS; BASE_PATH is below DATASTORE_LOCATION unless it says otherwise
    cluster   its cluster; -1 is the default one
    Errors: AUTHORIZATION, NO_EXISTS (cluster), INTERNAL (template, name taken).
    Since: 3.4.
    """
    home = call.demand_create(Kind.DATASTORE, cluster)
    given, user = call.template(template), call.user
    datastore = Datastore(-1, check_name(given.get("NAME")), "", "")
    rules.describe(datastore, given)
    _check_drivers(call, datastore.tm_mad, datastore.ds_mad)
    rules.complete(datastore, call.services.vectors("TM_MAD_CONF"), call.services.vectors("DS_MAD_CONF"))
    path = rules.base_path(given, "/")
    call.pools.datastores.claim(datastore.name)
    datastore.uid, datastore.gid = user.id, user.gid
    datastore.octal = call.octal
    datastore.clusters = [home.id]
    datastore.id = call.pools.datastores.next_id(call.unit)
    datastore.base_path = path if given.get("BASE_PATH") else f"{call.services.datastores}/{datastore.id}"
    call.pools.datastores.add(call.unit, datastore)
    call.pools.members_changed()
    call.created(datastore, "READY")
    call.unit.after(lambda: call.services.stores.ask(datastore))
    return datastore


def _check_drivers(call: Call, transfer: str, store: str) -> None:
    """InternalError if a driver (- is none) is not configured."""
    vectors = call.services.vectors
    for name, driver, program in (("TM_MAD", transfer, "TM_MAD"), ("DS_MAD", store, "DATASTORE_MAD")):
        if driver != NO_DRIVER:
            rules.check_driver(name, driver, rules.configured(vectors(f"{name}_CONF"), vectors(program)))


@method("one.datastore.delete", datastore=ADMIN)
def delete(call: Call, datastore: Datastore) -> int:
    """Forget a datastore that holds nothing; files in its directory stay.

    Errors: NO_EXISTS, AUTHORIZATION, ACTION (images in it, VMs on it).
    Since: 3.4.
    """
    if datastore.images:
        count = len(datastore.images)
        detail = f"Cannot delete datastore. Datastore {datastore.id} is not empty. Delete its {count} images first"
        raise ActionError(detail=detail)
    vms = _vms_on(call, datastore)
    if vms:
        detail = f"Cannot delete datastore. Datastore {datastore.id} is not empty. VMs are on it: {vms[:5]}"
        raise ActionError(detail=detail)
    call.pools.datastores.drop(call.unit, datastore)
    call.pools.members_changed()
    return datastore.id


def _vms_on(call: Call, datastore: Datastore) -> list[int]:
    """The VMs whose directories are in a system datastore."""
    if datastore.type != SYSTEM:
        return []
    living = (vm for vm in call.pools.vms if vm.history and vm.state is not DONE)
    return [vm.id for vm in living if vm.record.ds_id == datastore.id and not vm.record.left]


def _holds(call: Call, datastore: Datastore) -> dict[str, str]:
    """Attributes that stay for now, and what in the datastore is why."""
    images = [image for number in sorted(datastore.images) if (image := call.pools.images.peek(number)) is not None]
    vms = _vms_on(call, datastore) or sorted({vm for image in images for vm in image.vms})
    why = {"TM_MAD": f"VMs: {', '.join(map(str, vms[:5]))}"} if vms else {}
    return why | (dict.fromkeys(("DS_MAD", "DISK_TYPE"), f"{len(images)} images") if images else {})


@method("one.datastore.update", datastore=MANAGE)
def update(call: Call, datastore: Datastore, template: str, append: int = REPLACE) -> Datastore:
    """Change the attributes of a datastore: append 0 replaces them, 1 merges.

    NAME, TYPE and BASE_PATH stay; so does TM_MAD while VMs are on it or use its images, DS_MAD while it has images.
    Errors: NO_EXISTS, AUTHORIZATION, ACTION (the template, what stays), INTERNAL (drivers, the limit), XML_RPC_API.
    Since: 3.4; append 4.2.
    """
    updated = call.updated(datastore.template, template, append)
    rules.check_update(datastore, updated, _holds(call, datastore))
    updated.remove("NAME")
    for name in rules.FIXED:
        if datastore.template.get(name) and name not in updated:
            updated.set(name, datastore.template.get(name))
    wanted = rules.whole(updated, datastore)
    drivers = [(datastore.tm_mad, wanted.get("TM_MAD")), (datastore.ds_mad, wanted.get("DS_MAD"))]
    _check_drivers(call, *(NO_DRIVER if now in ("", before) else now for before, now in drivers))
    rules.describe(datastore, wanted)
    datastore.template = updated
    call.unit.touch(datastore)
    call.unit.after(lambda: call.services.stores.ask(datastore))
    return datastore


@method("one.datastore.enable", datastore=MANAGE)
def enable(call: Call, datastore: Datastore, enabled: bool) -> Datastore:
    """Let VMs be put on a system datastore, or not. Errors: NO_EXISTS, AUTHORIZATION, ACTION. Since: 4.12."""
    if datastore.type != SYSTEM:
        raise ActionError(detail="Only system datastores are enabled and disabled. Disable images: oneimage disable")
    before = datastore.state
    datastore.state = READY if enabled else DISABLED
    call.unit.touch(datastore)
    if before != datastore.state:
        call.changed(datastore, *(("DISABLED", "READY") if enabled else ("READY", "DISABLED")))
    return datastore


@method("one.datastorepool.info", reads=True)
async def pool_info(call: Call) -> Pieces:
    """The datastores that the caller may use. Since: 3.4."""
    return await whole(call, call.pools.datastores)


add_info(SPACE)
add_owners(SPACE)
add_rename(SPACE)
