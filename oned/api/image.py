"""one.image.* and one.imagepool.info: images."""

from oned import clock
from oned.api.call import Call
from oned.api.owned import REPLACE, Space, add_info, add_locks, add_owners, add_pool, add_publish, add_rename
from oned.api.registry import MANAGE, USE, method
from oned.datastore.datastore import IMAGE, Datastore
from oned.document.object import Owned
from oned.errors import ActionError, AllocateFailed, InternalError, NameTaken
from oned.ids import DEFAULT_DATASTORE, Kind
from oned.image import allocate as rules
from oned.image import room
from oned.image.image import Image
from oned.image.states import ImageState, ImageType, type_named
from oned.names import check_name
from oned.pool.charges import holders
from oned.quota.usage import of_image
from oned.template.template import Template
from oned.vm.allocate import NOTHING, check_restricted

SPACE = Space("one.image", Image)
CLONEABLE = (ImageState.READY, ImageState.USED, ImageState.CLONE)
"""States of images that others can be copied from."""


@method("one.image.allocate", forms=("template", "template datastore", "template datastore skip_capacity_check"))
async def allocate(
    call: Call, template: str, datastore: int = DEFAULT_DATASTORE, skip_capacity_check: bool = False
) -> Image:
    """Register an image; it is LOCKED until its datastore driver has copied or made it.

    template             PATH (a file, http URL or s3://bucket/key) is copied; SOURCE is used where it is; SIZE alone
                         makes an empty one
    datastore            an image datastore; for KERNEL, RAMDISK and CONTEXT a file datastore
    skip_capacity_check  only for oneadmin's group
    Errors: AUTHORIZATION, NO_EXISTS (datastore), INTERNAL (template, name), ALLOCATE (type, name taken, path, room).
    Since: 2.0; datastore 3.4; skip_capacity_check 5.6.
    """
    call.demand_create(Kind.IMAGE)
    image = described(call, template, place_of(call, datastore))
    if image.path and call.services.uploads.owns(image.path):
        raise rules.refused("PATH is where oned keeps what clients send. Use oneimage create --upload")
    return await register(call, image, skip=skip_capacity_check)


def described(call: Call, template: str, place: Datastore) -> Image:
    """The image of a template, in no pool yet. Raises what refuses it."""
    given = call.template(template)
    _check_restricted(call, given)
    image = new_image(call, check_name(given.get("NAME")))
    rules.describe(image, given, place, _defaults(call))
    image.persistent = image.persistent or int(_keeps_all(call, place))
    claim(call, image)
    return image


async def register(call: Call, image: Image, *, skip: bool = False) -> Image:
    """A described image with its id, once its datastore driver has told the size of its PATH. Raises what refuses it.

    skip  do not look whether it fits
    """
    place = place_of(call, image.datastore)
    if image.path:
        size, problem = await call.services.images.size(image, place)
        if problem:
            raise rules.refused(f"{problem}. Nothing was registered")
        image.size = size or image.size
        place = place_of(call, image.datastore)
        claim(call, image)
    check_room(call, place, 0 if image.source else image.size, skip=skip)
    return admit(call, image)


def new_image(call: Call, name: str) -> Image:
    """An image of the caller, which is in no pool yet."""
    image = Image(-1, name, (call.user.id, call.user.gid), call.octal)
    image.regtime = clock.stamp()
    return image


def admit(call: Call, image: Image) -> Image:
    """Give a described image its id, and its driver the work."""
    call.charge(holders(image.uid, image.gid), of_image(image))
    image.id = call.pools.images.next_id(call.unit)
    image.stored = ImageState.READY if image.source else ImageState.LOCKED
    call.pools.images.add(call.unit, image)
    call.pools.uses.added(image)
    call.created(image, ImageState(image.stored).name)
    if not image.source and image.saving < 0:
        call.services.images.make(call.unit, image)
    return image


def place_of(call: Call, datastore: int) -> Datastore:
    """The datastore of a number, if the caller may use it."""
    place = call.pools.datastores.get(datastore)
    call.demand(USE, place)
    return place


def claim(call: Call, image: Image) -> None:
    """AllocateFailed if its owner has an image of that name."""
    try:
        call.pools.images.claim(image.name, image.uid)
    except NameTaken as error:
        raise rules.refused(str(error)) from error


def _defaults(call: Call) -> rules.Defaults:
    setting = call.services.setting
    return rules.Defaults(
        setting("DEFAULT_IMAGE_TYPE").upper(), setting("DEFAULT_DEVICE_PREFIX"), setting("DEFAULT_CDROM_DEVICE_PREFIX")
    )


def _check_restricted(call: Call, given: Template, before: Template = NOTHING) -> None:
    if not call.user.is_admin:
        restricted = call.services.setting("IMAGE_RESTRICTED_ATTR")
        check_restricted(given, restricted, call.user.id, before, what="Image Template")


def _keeps_all(call: Call, place: Datastore) -> bool:
    """Whether all disks in the datastore are persistent, as DS_MAD_CONF says of its driver."""
    if place.type != IMAGE:
        return False
    confs = call.services.vectors("DS_MAD_CONF")
    return any(conf["NAME"] == place.ds_mad and conf.get("PERSISTENT_ONLY", "").upper() == "YES" for conf in confs)


def check_room(call: Call, place: Datastore, size: int, *, skip: bool = False) -> None:
    """AllocateFailed if so many MiB do not fit into the datastore, beside what its images may come to take."""
    reason = "" if skip and call.user.is_admin else lacks_room(call, place, size)
    if reason:
        raise rules.refused(reason)


def lacks_room(call: Call, place: Datastore, size: int) -> str:
    """Why so many MiB do not fit into the datastore; "" if they do, or if nobody asks."""
    if not size or not call.services.setting("DATASTORE_CAPACITY_CHECK"):
        return ""
    left = room.left(place, filter(None, map(call.pools.images.peek, place.images)))
    if left is None or size <= left:
        return ""
    return f"Not enough space in datastore. {place.name} [{place.id}] has {left} MiB left, the image needs {size}"


@method("one.image.delete", forms=("image", "image force"), image=MANAGE)
def delete(call: Call, image: Image, force: bool = False) -> int:
    """Delete an image that no VM uses; it is gone when its datastore driver has removed it.

    force  forget it whatever becomes of its files
    Errors: NO_EXISTS, AUTHORIZATION, ACTION (in use).
    Since: 2.0; force 6.0.
    """
    check_delete(image, force=force)
    if force:
        call.services.images.drop(call.unit, image)
    else:
        call.services.images.remove(call.unit, image)
    return image.id


def check_delete(image: Image, *, force: bool = False) -> None:
    """ActionError while a VM, a copy or the datastore driver needs the image."""
    _check_unused(image, "Cannot delete image.")
    if image.stored == ImageState.DELETE and not force:
        raise ActionError(detail="Cannot delete image. It is being deleted. Wait, or oneimage delete --force")
    if image.clones:
        made = ", ".join(map(str, sorted(image.clones)))
        raise ActionError(detail=f"Cannot delete image. It is being copied to image {made}. Wait for that")
    if image.saving >= 0:
        raise ActionError(detail=f"Cannot delete image. A disk of VM {image.saving} is being saved to it")


def _check_unused(image: Image, what: str) -> None:
    if image.vms:
        which = ", ".join(map(str, sorted(image.vms)[:5]))
        raise ActionError(detail=f"{what} There are {len(image.vms)} VMs using it. End them first: onevm show {which}")


@method(
    "one.image.update", forms=("image attribute value", "image template", "image template append"), image=MANAGE
)  # fmt: skip
def update(
    call: Call, image: Image, template: str = "", append: int = REPLACE, attribute: str = "", value: str = ""
) -> Image:
    """Change the TEMPLATE of an image: append 0 replaces it, 1 merges; or set one attribute, as 2.x did.

    DRIVER of an image without FORMAT decides how a guest's disk is read: only oneadmin's group changes it.
    Errors: NO_EXISTS, AUTHORIZATION, ACTION (the template, a value), XML_RPC_API (append).
    Since: 2.0 (attribute, value); template 3.0; append 4.2.
    """
    if "attribute" in call.form:
        updated = image.template.copy()
        updated.set(_attribute_name(attribute), value)
    else:
        updated = call.updated(image.template, template, append)
    return _changed(call, image, updated)


def _changed(call: Call, image: Image, updated: Template) -> Image:
    """The image with another TEMPLATE. ActionError for what allocate would refuse; NotAuthorized as there.

    So is DRIVER of an image without FORMAT: it decides how the disk of a guest is read.
    """
    _check_restricted(call, updated, image.template)
    if not image.format and not call.user.is_admin:
        check_restricted(updated, ("DRIVER",), call.user.id, image.template, what="Image Template")
    try:
        rules.check_template(updated)
    except AllocateFailed as error:
        raise ActionError(detail=error.facts["detail"]) from error
    image.template = updated
    call.unit.touch(image)
    return image


def _attribute_name(name: str) -> str:
    name = name.strip().upper()
    if not name.isidentifier() or not name.isascii():
        raise InternalError(detail=f"{name!r} is no name of an attribute: letters, digits and _")
    return name


@method("one.image.rmattr", image=MANAGE)
def rmattr(call: Call, image: Image, attribute: str) -> Image:
    """Remove an attribute of the TEMPLATE. Errors: NO_EXISTS, AUTHORIZATION. Since: 2.0 to 2.2."""
    updated = image.template.copy()
    updated.remove(_attribute_name(attribute))
    return _changed(call, image, updated)


@method("one.image.enable", image=MANAGE)
def enable(call: Call, image: Image, enabled: bool) -> Image:
    """Enable an image, after an ERROR too, or disable it: no VM can use it then.

    Errors: NO_EXISTS, AUTHORIZATION, ACTION (used, locked, being deleted).
    Since: 2.0.
    """
    word = "enable" if enabled else "disable"
    if image.stored in (ImageState.LOCKED, ImageState.DELETE):
        raise ActionError(detail=f"Could not {word} image: it is {image.state.name}. Wait for its datastore driver")
    if enabled and call.unit.desk.open_for(Kind.IMAGE, image.id):
        raise ActionError(detail="Could not enable image: its files are being removed. Delete it and register it anew")
    if enabled and not image.source:
        raise ActionError(detail="Could not enable image: it was never copied. Delete it and register it anew")
    if not enabled:
        _check_unused(image, "Could not disable image.")
    call.services.images.move(call.unit, image, ImageState.READY if enabled else ImageState.DISABLED)
    return image


@method("one.image.persistent", image=MANAGE)
def persistent(call: Call, image: Image, persistent: bool) -> Image:
    """Let a VM change the image itself (one VM at a time), or give each VM a copy.

    Errors: NO_EXISTS, AUTHORIZATION, ACTION (used, being cloned, a plain file, published).
    Since: 2.0.
    """
    what = "Could not make image persistent." if persistent else "Could not make image non-persistent."
    _check_unused(image, what)
    if image.clones:
        raise ActionError(detail=f"{what} It is being cloned. Wait for that")
    if not persistent and _keeps_all(call, call.pools.datastores.get(image.datastore)):
        raise ActionError(detail=f"{what} Its datastore driver has persistent images only (DS_MAD_CONF)")
    if persistent and not image.is_disk:
        raise ActionError(detail=f"{what} KERNEL, RAMDISK and CONTEXT images are only read")
    image.persistent = int(persistent)
    call.unit.touch(image)
    return image


@method("one.image.chtype", image=MANAGE)
def chtype(call: Call, image: Image, type: str) -> Image:
    """Change what an image is for: OS, CDROM or DATABLOCK; in a file datastore KERNEL, RAMDISK or CONTEXT.

    Errors: NO_EXISTS, AUTHORIZATION, ACTION (used, other kind of datastore), INTERNAL (unknown type).
    Since: 3.2.
    """
    wanted = type_named(type)
    if wanted is None:
        raise InternalError(detail=f"Unknown type {type}. There are {', '.join(ImageType.__members__)}")
    _check_unused(image, "Could not change the type of image.")
    before = image.is_disk
    image.type, old = wanted, image.type
    if image.is_disk != before:
        image.type = old
        raise ActionError(
            detail="Disks (OS, CDROM, DATABLOCK) and files (KERNEL, RAMDISK, CONTEXT) do not change sides"
        )
    image.disk_type = rules.disk_type(image, call.pools.datastores.get(image.datastore))
    call.unit.touch(image)
    return image


@method("one.image.clone", forms=("image name", "image name datastore"), image=USE)
def clone(call: Call, image: Image, name: str, datastore: int = -1) -> Image:
    """Copy an image to a new one of the caller, which is LOCKED until the copy is done.

    datastore  -1 is that of the image
    Errors: NO_EXISTS, AUTHORIZATION, INTERNAL (name), ALLOCATE (state, name taken, datastore, room).
    Since: 3.6; datastore 4.4.
    """
    return admit(call, found_clone(call, image, name, datastore))


def found_clone(call: Call, image: Image, name: str, datastore: int = -1) -> Image:
    """The copy of an image that would be made, without an id. Raises what refuses it; changes nothing."""
    call.demand_create(Kind.IMAGE)
    place = place_of(call, image.datastore if datastore < 0 else datastore)
    copy = new_image(call, check_name(name))
    _check_cloneable(call, image, place)
    copy.type, copy.datastore, copy.size = image.type, place.id, image.size
    copy.format, copy.fs, copy.path = image.format, image.fs, image.source
    copy.cloning = image.id
    rules.check_place(copy, place)
    copy.disk_type = rules.disk_type(copy, place)
    copy.template = image.template.copy()
    copy.template.remove("ERROR")
    claim(call, copy)
    check_room(call, place, copy.size)
    return copy


def _check_cloneable(call: Call, image: Image, place: Datastore) -> None:
    if not image.is_disk:
        raise rules.refused("KERNEL, RAMDISK and CONTEXT images cannot be cloned. Register the file anew")
    if image.state not in CLONEABLE:
        raise rules.refused(
            f"Cannot clone image in state {image.state.name}. It must be READY, or USED and not persistent. "
            f"oneimage show {image.id} tells which VMs use it"
        )
    origin = call.pools.datastores.get(image.datastore)
    if origin.ds_mad != place.ds_mad:
        raise rules.refused(
            f"Datastore {place.id} is of {place.ds_mad}, the image's of {origin.ds_mad}. Choose another"
        )


@method("one.image.snapshotdelete", image=MANAGE)
def snapshotdelete(call: Call, image: Image, snapshot: int) -> Image:
    """Refused: images here have no snapshots. Errors: ACTION. Since: 4.14."""
    raise _no_snapshot(image, snapshot, "delete")


@method("one.image.snapshotrevert", image=MANAGE)
def snapshotrevert(call: Call, image: Image, snapshot: int) -> Image:
    """Refused: images here have no snapshots. Errors: ACTION. Since: 4.14."""
    raise _no_snapshot(image, snapshot, "revert to")


@method("one.image.snapshotflatten", image=MANAGE)
def snapshotflatten(call: Call, image: Image, snapshot: int) -> Image:
    """Refused: images here have no snapshots. Errors: ACTION. Since: 4.14."""
    raise _no_snapshot(image, snapshot, "flatten")


@method("one.image.restore", image=USE)
def restore(call: Call, image: Image, datastore: int = -1, options: str = "") -> Image:
    """Refused: nothing here makes backups. Errors: NO_EXISTS, AUTHORIZATION, ACTION. Since: 6.6."""
    detail = f"Could not restore image {image.id}: it is no backup, and nothing here makes backups"
    raise ActionError(detail=f"{detail}. Copy the image instead: oneimage clone {image.id} NAME")


def _no_snapshot(image: Image, snapshot: int, word: str) -> ActionError:
    detail = f"Could not {word} snapshot {snapshot} for image {image.id}, it does not exist"
    return ActionError(detail=f"{detail}: its driver makes none. Copy the image instead: oneimage clone {image.id}")


def _check_publish(item: Owned, public: bool) -> None:
    assert isinstance(item, Image), "it is declared for images"
    if public and item.persistent:
        raise ActionError(detail="A persistent image cannot be published. Make it non-persistent first, or use chmod")


add_info(SPACE)
add_pool(SPACE, classic=True)
add_owners(SPACE)
add_rename(SPACE)
add_publish(SPACE, _check_publish)
add_locks(SPACE)
