"""The images of a VM's disks: first they are found, and what forbids them is raised; then they are written down.

What uses an image follows from the disks of the VMs, so there is nothing to take but to write it into the disk.
"""

from collections.abc import Mapping

from oned.api.call import Call
from oned.datastore.datastore import FILE, Datastore
from oned.document.permissions import USE
from oned.errors import InternalError, NotAuthorized
from oned.image.image import Image
from oned.image.states import DiskType, ImageState, ImageType
from oned.numbers import mib, whole
from oned.template.template import Template
from oned.vm.allocate import check_disk
from oned.vm.disk import is_volatile, made_as

OWN = (
    "DISK_ID", "SAVE_AS", "SAVE_AS_SOURCE", "SAVE_AS_DATASTORE", "HOTPLUG_SAVE_AS", "HOTPLUG_SAVE_AS_SOURCE",
    "PERSISTENT", "ORIGINAL_SIZE", "IMAGE_STATE", "RESIZE", "ATTACH",
    "DISK_SNAPSHOT_TOTAL_SIZE", "DISK_SNAPSHOT_ACTIVE", "HOTPLUG_SAVE_AS_SNAPSHOT_ID",
)  # fmt: skip
"""Attributes of a disk that only the engine writes; what a user gives there is dropped."""
TYPES = {DiskType.CD_ROM: "CDROM", DiskType.RBD_CDROM: "RBD_CDROM", DiskType.GLUSTER_CDROM: "GLUSTER_CDROM"}
"""TYPE of a disk where it is not the name of the image's disk type."""
FROM_IMAGE = ("DEV_PREFIX", "TARGET", "BUS")
"""Attributes of the image's TEMPLATE that the disk gets where it has none of its own."""
FROM_DATASTORE = ("CLONE_TARGET", "LN_TARGET")
RAW = "raw"
"""DRIVER of a disk whose image says neither FORMAT nor DRIVER, as one that is registered by SOURCE may."""
WAITS = "Wait until its datastore driver is done: oneimage show"

Chosen = Mapping[int, Image]
"""Place of a DISK in the template → its image."""
NO_IMAGES: Chosen = {}


def find(call: Call, template: Template, copies: Chosen = NO_IMAGES) -> Chosen:
    """The images that the disks name. InternalError or NotAuthorized if one is not there or cannot be used now.

    copies  images that are going to be copied for this VM, which it waits for
    """
    chosen = dict(copies)
    for place, disk in enumerate(template.vectors("DISK")):
        if place not in copies and ("IMAGE" in disk or "IMAGE_ID" in disk):
            image = named(call, disk, f"DISK {place}")
            _check_use(image, f"DISK {place}")
            if image.persistent and image in chosen.values():
                raise InternalError(detail=f"DISK {place}: image {image.id} is persistent: one disk at a time uses it")
            chosen[place] = image
    return chosen


def named(call: Call, wanted: Mapping[str, str], where: str) -> Image:
    """The image of IMAGE_ID, or of IMAGE and its owner, which the caller may use. InternalError, NotAuthorized."""
    image = _by_id(call, wanted, where) if "IMAGE_ID" in wanted else _by_name(call, wanted, where)
    call.demand(USE, image)
    if image.lock is not None and image.lock["LOCKED"] <= USE:
        raise NotAuthorized(uid=call.user.id, reason=f"IMAGE is locked. [{image.id}]")
    return image


def _by_id(call: Call, wanted: Mapping[str, str], where: str) -> Image:
    text = wanted["IMAGE_ID"].strip()
    image = call.pools.images.peek(whole(text))
    if image is None:
        raise InternalError(detail=f"{where}: Image with ID: {text} does not exist. oneimage list shows what there is")
    return image


def _by_name(call: Call, wanted: Mapping[str, str], where: str) -> Image:
    uid, name = _owner(call, wanted, where), wanted["IMAGE"]
    image = call.pools.images.find(name, uid)
    if image is None:
        detail = f"{where}: User {uid} does not own an image with name: {name} ."
        raise InternalError(detail=f"{detail} Set IMAGE_UNAME or IMAGE_UID of owner in DISK.")
    return image


def _owner(call: Call, wanted: Mapping[str, str], where: str) -> int:
    """Whose image of that name is meant: the caller's, unless another is named."""
    number, name = whole(wanted.get("IMAGE_UID", "").strip()), wanted.get("IMAGE_UNAME", "")
    if number >= 0:
        return number
    if not name:
        return call.user.id
    user = call.pools.users.find(name)
    if user is None:
        raise InternalError(detail=f"{where}: there is no user {name}. oneuser list shows who there is")
    return user.id


def _check_use(image: Image, where: str) -> None:
    """InternalError unless a new VM may have a disk made of the image."""
    if not image.is_disk:
        kind = ImageType(image.type).name
        raise InternalError(
            detail=f"{where}: image {image.id} is a {kind} file, no disk. oneimage chtype, or choose one"
        )
    check_ready(image, where)
    if image.persistent and image.vms:
        vm = min(image.vms)
        detail = f"{where}: Cannot acquire image {image.id}, it is persistent and VM {vm} uses it already"
        raise InternalError(detail=f"{detail}. End that VM, or clone the image: oneimage clone {image.id} NAME")
    if image.persistent and image.clones:
        raise InternalError(detail=f"{where}: Cannot acquire image {image.id}, it is being cloned. {WAITS} {image.id}")


def check_ready(image: Image, where: str) -> None:
    """InternalError with what to do, unless the image is whole and enabled."""
    if image.stored == ImageState.READY:
        return
    advice = {
        ImageState.LOCKED: f"{WAITS} {image.id}",
        ImageState.DELETE: "It is being deleted. Choose another one",
        ImageState.DISABLED: f"Enable it: oneimage enable {image.id}",
        ImageState.ERROR: f"{image.template.get('ERROR')}. Register it anew, or oneimage enable {image.id}",
    }
    state = ImageState(image.stored)
    if state in advice:
        detail = f"{where}: Cannot acquire image {image.id}, it is in state {state.name}"
        raise InternalError(detail=f"{detail}. {advice[state]}")


def fill(call: Call, template: Template, chosen: Chosen) -> None:
    """Write into the disks what their images and datastores say. InternalError for words that are none."""
    inherited = (call.services.setting("INHERIT_IMAGE_ATTR"), call.services.setting("INHERIT_DATASTORE_ATTR"))
    for place, disk in enumerate(template.vectors("DISK")):
        for name in OWN:
            disk.pop(name, None)
        if "DRIVER" in disk and is_volatile(disk):
            disk["DRIVER"] = made_as(disk, "")
        if place in chosen:
            image = chosen[place]
            datastore = call.pools.datastores.get(image.datastore)
            _inherit(disk, image, datastore, *inherited)
            disk.update(_facts(disk, image, datastore))
            check_disk(f"DISK {place}, image {image.id}", disk)


def _inherit(
    disk: dict[str, str], image: Image, datastore: Datastore, of_image: list[str], of_datastore: list[str]
) -> None:
    for name in (*FROM_IMAGE, *of_image):
        if image.template.get(name):
            disk.setdefault(name, image.template.get(name))
    for name in (*FROM_DATASTORE, *of_datastore):
        if datastore.template.get(name):
            disk.setdefault(name, datastore.template.get(name))


def _facts(disk: Mapping[str, str], image: Image, datastore: Datastore) -> dict[str, str]:
    """What the image decides, whatever the disk says."""
    size = max(image.size, 0 if image.persistent else mib(disk.get("SIZE", "")))
    kind = DiskType(image.disk_type)
    facts = {
        "IMAGE": image.name, "IMAGE_ID": str(image.id), "IMAGE_STATE": str(int(image.state)),
        "DATASTORE": datastore.name, "DATASTORE_ID": str(datastore.id), "TM_MAD": datastore.tm_mad,
        "SOURCE": image.source, "TYPE": TYPES.get(kind, kind.name), "DISK_TYPE": kind.name,
        "SIZE": str(size), "ORIGINAL_SIZE": str(image.size),
        "CLONE": _yes(not image.persistent), "SAVE": _yes(bool(image.persistent)),
        "READONLY": _yes(image.type == ImageType.CDROM or _says_yes(disk, image)),
        "CLUSTER_ID": ",".join(map(str, sorted(datastore.clusters))),
    }  # fmt: skip
    if image.persistent:
        facts["PERSISTENT"] = "YES"
    if image.format:
        facts["FORMAT"] = image.format
    # never what the disk of a user says: his guest can write a header that leads to other files
    facts["DRIVER"] = image.format or image.template.get("DRIVER") or RAW
    return facts


def _yes(truth: bool) -> str:
    return "YES" if truth else "NO"


def _says_yes(disk: Mapping[str, str], image: Image) -> bool:
    return (disk.get("READONLY") or image.template.get("READONLY")).upper() == "YES"


def places(call: Call, chosen: Chosen) -> list[tuple[str, list[int]]]:
    """Each disk and its datastore in words, and the clusters where that is: what the host must be near to."""
    named_places = []
    for place, image in chosen.items():
        datastore = call.pools.datastores.get(image.datastore)
        named_places.append((f"DISK {place}, datastore {datastore.id}", datastore.clusters))
    return named_places


def systems(chosen: Chosen) -> set[int]:
    """The places of the disks that are made of OS images."""
    return {place for place, image in chosen.items() if image.type == ImageType.OS}


def file_path(call: Call, wanted: Mapping[str, str], where: str) -> str:
    """The path of a file in a file datastore, by IMAGE_ID, or IMAGE and its owner, as $FILE[…] names it.

    Errors: InternalError, NotAuthorized.
    """
    image = named(call, wanted, where)
    datastore = call.pools.datastores.get(image.datastore)
    if datastore.type != FILE:
        raise InternalError(detail=f"{where}: image {image.id} is not in a file datastore. Register it in one")
    check_ready(image, where)
    return image.source
