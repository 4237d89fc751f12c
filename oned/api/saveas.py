"""one.vm.savedisk, one.vm.disksaveas, one.vm.diskresize: disks that become images, or larger."""

import hashlib

from oned.api.call import Call
from oned.api.image import admit, check_room, claim, lacks_room, new_image
from oned.api.placement import check_disk_room
from oned.api.registry import MANAGE, USE, method, operation
from oned.api.saved_template import found_template
from oned.datastore.datastore import Datastore
from oned.errors import ActionError, InternalError
from oned.ids import Kind
from oned.image.image import Image
from oned.image.states import DISKS, DiskType, ImageState, ImageType, type_named
from oned.names import check_name
from oned.numbers import mib
from oned.pool.charges import holders
from oned.quota.usage import of_disk_growth, of_image_growth
from oned.template.template import Template
from oned.vm.disk import on_system
from oned.vm.disk import size as disk_size
from oned.vm.fire import find, wrong_state
from oned.vm.states import CLEANUP, DONE, EPILOG, EPILOG_FAILURE
from oned.vm.vm import VM

OVER = CLEANUP | DONE | EPILOG | EPILOG_FAILURE
"""States in which it is too late to have a disk saved at the end."""
RIGHT = operation("disk-saveas")


@method("one.vm.disksaveas", forms=("vm disk name type snapshot",), vm=RIGHT)
def disksaveas(call: Call, vm: VM, disk: int, name: str, type: str = "", snapshot: int = -1) -> Image:
    """Copy a disk to a new image now; the VM goes on when the copy is done. Answers the image, LOCKED until then.

    type      of the new image, OS, CDROM or DATABLOCK; "" is that of the disk's image
    snapshot  of the disk, that is copied instead of what it has now; -1 for none
    Errors: NO_EXISTS, AUTHORIZATION, ACTION (disk), INTERNAL (state, name), ALLOCATE (name taken, room).
    Since: 4.14.
    """
    call.demand_create(Kind.IMAGE)
    if find(vm, "disk-saveas") is None:
        raise InternalError(detail=str(wrong_state(vm, "disk-saveas")))
    tree = vm.tree(disk)
    if snapshot != -1 and (tree is None or tree.find(snapshot) is None):
        raise ActionError(detail=f"Disk {disk} of VM {vm.id} has no snapshot {snapshot}. Use -1, its state now")
    vector, place = _saveable(call, vm, disk)
    image = _target(call, vm, vector, place, name, type)
    vector |= {"HOTPLUG_SAVE_AS": str(image.id), "HOTPLUG_SAVE_AS_SOURCE": image.source}
    if snapshot != -1:
        vector["HOTPLUG_SAVE_AS_SNAPSHOT_ID"] = str(snapshot)
    vm.settle_images()
    call.fire(vm, "disk-saveas")
    return image


@method(
    "one.vm.savedisk",
    forms=(
        "vm disk image", "vm disk name", "vm disk name type", "vm disk name type hot",
        "vm disk name type hot clone_template",
    ),
    vm=RIGHT,
)  # fmt: skip
def savedisk(
    call: Call, vm: VM, disk: int, name: str = "", type: str = "", hot: bool = False, clone_template: bool = False,
    image: int = -1,
) -> Image:  # fmt: skip
    """Have a disk saved to an image when the VM ends (shutdown, terminate). Answers the image, LOCKED until then.

    image           2.x: an image that exists, is unused and the caller's to manage: the disk takes its place
    name, type      3.0, 3.2: of the new image
    hot             4.0: copy it now, as one.vm.disksaveas
    clone_template  4.6: the caller gets a copy of the VM's template too, under the name of the image and with it in
                    the place of the disk; it needs USE on the template and CREATE of templates
    Errors: NO_EXISTS, AUTHORIZATION, ACTION (disk, state, template), INTERNAL (name), ALLOCATE (name taken, room).
    Since: 2.0 to 4.12; later one.vm.disksaveas.
    """
    copy = found_template(call, vm, _saveable(call, vm, disk)[0], name) if clone_template else None
    saved = disksaveas(call, vm, disk, name, type) if hot else _save_later(call, vm, disk, name, type, image)
    if copy is not None:
        copy.add(call, saved)
    return saved


def _save_later(call: Call, vm: VM, disk: int, name: str, type: str, image: int) -> Image:
    """The image, new or there already, that the disk becomes when the VM ends."""
    if "image" not in call.form:
        call.demand_create(Kind.IMAGE)
    if vm.state in OVER:
        raise ActionError(detail=f"Could not save a disk of VM {vm.id}, wrong state {vm.state}. It has ended")
    vector, place = _saveable(call, vm, disk)
    if vector.get("PERSISTENT") == "YES":
        detail = f"Disk {disk} of VM {vm.id} is a persistent image: what the VM changes is kept there"
        raise ActionError(detail=f"{detail}. Clone the image when the VM has ended")
    taken = _existing(call, vm, vector, image) if "image" in call.form else _target(call, vm, vector, place, name, type)
    vector |= {"SAVE": "YES", "SAVE_AS": str(taken.id), "SAVE_AS_SOURCE": taken.source}
    vm.settle_images()
    call.unit.touch(vm)
    return taken


def _saveable(call: Call, vm: VM, disk: int) -> tuple[dict[str, str], Datastore]:
    """The disk and the datastore of its image. ActionError if it cannot be saved."""
    vector = _disk(vm, disk, "save")
    if "IMAGE_ID" not in vector:
        detail = f"Could not save disk with DISK_ID {disk}: it is not made of an image, so no datastore is its own"
        raise ActionError(detail=detail)
    if vector.get("SAVE_AS") or vector.get("HOTPLUG_SAVE_AS"):
        raise ActionError(detail=f"Could not save disk with DISK_ID {disk}: it is to be saved already")
    place = call.pools.datastores.get(int(vector["DATASTORE_ID"]))
    if place.disk_type != DiskType.FILE:
        raise ActionError(detail=f"Could not save disk with DISK_ID {disk}: datastore {place.id} does not hold files")
    return vector, place


def _disk(vm: VM, disk: int, word: str) -> dict[str, str]:
    for vector in vm.template.vectors("DISK"):
        if vector.get("DISK_ID") == str(disk):
            return vector
    raise ActionError(detail=f"Could not {word} disk with DISK_ID {disk}, it does not exist.")


def _target(call: Call, vm: VM, vector: dict[str, str], place: Datastore, name: str, type: str) -> Image:
    """A new image for the disk, with the path that it will have."""
    call.demand(USE, place)
    image = new_image(call, check_name(name))
    image.type, image.datastore, image.disk_type = _type(call, vector, type), place.id, place.disk_type
    image.size, image.format = disk_size(vector), vector.get("FORMAT", "raw")
    image.saving = vm.id
    origin = call.pools.images.peek(int(vector["IMAGE_ID"]))
    image.template.set("DEV_PREFIX", vector.get("DEV_PREFIX") or call.services.setting("DEFAULT_DEVICE_PREFIX"))
    for attribute, value in (("SAVED_VM_ID", vm.id), ("SAVED_DISK_ID", vector["DISK_ID"])):
        image.template.set(attribute, str(value))
    if origin is not None:
        image.template.set("SAVED_IMAGE_ID", str(origin.id))
    claim(call, image)
    check_room(call, place, image.size)
    admit(call, image)
    image.source = _path(place, image)
    return image


def _path(place: Datastore, image: Image) -> str:
    """Where the image will be: the name that datastores of files give."""
    name = hashlib.md5(f"{image.regtime}:{image.id}".encode(), usedforsecurity=False).hexdigest()
    return f"{place.base_path}/{name}"


def _type(call: Call, vector: dict[str, str], wanted: str) -> ImageType:
    if wanted:
        found = type_named(wanted)
        if found not in DISKS:
            raise InternalError(detail=f"Unknown type {wanted}. A disk is OS, CDROM or DATABLOCK")
        return found
    origin = call.pools.images.peek(int(vector["IMAGE_ID"]))
    return ImageType(origin.type) if origin is not None else ImageType.OS


def _existing(call: Call, vm: VM, vector: dict[str, str], number: int) -> Image:
    """The image of a 2.x client: it waits for the disk from now on, and counts as much as the disk if that is more."""
    image = call.pools.images.get(number)
    call.demand(MANAGE, image)
    free = image.stored in (ImageState.READY, ImageState.DISABLED) and not image.vms and not image.clones
    place = call.pools.datastores.get(int(vector["DATASTORE_ID"]))
    if not free or image.datastore != place.id:
        detail = f"Image {number} cannot take the disk: it is {image.state.name}, in datastore {image.datastore}"
        raise ActionError(detail=f"{detail}. It must be unused, in datastore {place.id}")
    check_room(call, place, disk_size(vector) - image.size)
    image.replaces = image.size
    _make_room(call, image, disk_size(vector))
    image.saving = vm.id
    call.services.images.move(call.unit, image, ImageState.LOCKED)
    return image


def _make_room(call: Call, image: Image, size: int) -> None:
    """Let an image count that many MiB if it counted less. NotAuthorized if its owner may not have so much."""
    if size > image.size:
        call.charge(holders(image.uid, image.gid), of_image_growth(image, size - image.size))
        image.size = size
        call.unit.touch(image)


@method("one.vm.diskresize", vm=operation("disk-resize"))
def diskresize(call: Call, vm: VM, disk: int, size: str) -> VM:
    """Make a disk of a VM larger that runs, is powered off or undeployed.

    A persistent image becomes as large as its disk; that needs MANAGE on the image, and room in its datastore. So does
    an image that the disk is to be saved as; any other disk needs room in the VM's system datastore.

    size  MiB
    Errors: NO_EXISTS, AUTHORIZATION (also quotas), ACTION (state, disk, smaller, room).
    Since: 5.4.
    """
    if find(vm, "disk-resize") is None:
        raise ActionError(detail=f"Could not resize a disk of VM {vm.id}, wrong state {vm.state}. Power it off first")
    vector = _disk(vm, disk, "resize")
    before, wanted = max(0, mib(vector.get("SIZE", ""))), mib(size.strip())
    if wanted <= before:
        detail = f"Disk {disk} has {before} MiB. It can only become larger, not {size!r}"
        raise ActionError(detail=f"{detail}. Give a whole number of MiB, which a disk can have")
    if vector.get("READONLY", "").upper() == "YES":
        raise ActionError(detail=f"Disk {disk} is only read: it keeps its size")
    call.charge(holders(vm.uid, vm.gid), of_disk_growth(vector, wanted - before))
    target = call.pools.images.peek(int(vector.get("SAVE_AS") or -1))
    if target is not None:
        call.charge(holders(target.uid, target.gid), of_image_growth(target, wanted - target.size))
        _check_growth(call, f"{disk}, which becomes", target, wanted)
    _check_system(call, vm, vector, wanted)
    if vector.get("PERSISTENT") == "YES":
        _grow(call, disk, call.pools.images.get(int(vector["IMAGE_ID"])), wanted)
    if target is not None:
        _make_room(call, target, wanted)
    vector["RESIZE"] = str(wanted)
    call.fire(vm, "disk-resize")
    return vm


def _check_system(call: Call, vm: VM, vector: dict[str, str], size: int) -> None:
    """NoSpace if the VM's system datastore, where the disk is in it, has no room for so many MiB of the disk."""
    before, after = (on_system(Template([("DISK", disk)])) for disk in (vector, {**vector, "RESIZE": str(size)}))
    check_disk_room(call, vm, after - before)


def _grow(call: Call, disk: int, image: Image, size: int) -> None:
    """Let a persistent image count so many MiB; its SIZE is changed when it has them (oned.mad.images)."""
    call.demand(MANAGE, image)
    _check_growth(call, f"{disk}, which is", image, size)
    call.charge(holders(image.uid, image.gid), of_image_growth(image, size - image.size))
    image.growing = size
    call.unit.touch(image)


def _check_growth(call: Call, what: str, image: Image, size: int) -> None:
    """ActionError if the datastore of an image that is or becomes the disk has no room for so many MiB in all."""
    reason = lacks_room(call, call.pools.datastores.get(image.datastore), max(0, size - image.size))
    if reason:
        raise ActionError(detail=f"Could not resize disk {what} image {image.id}. {reason} more")
